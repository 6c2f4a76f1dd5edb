"""Change the product's rules, one small fault at a time, and see whether a test notices.

    make mutants
        300 mutants each of the rules, the use cases and the storage rules
    make mutants ARGS="services --count 50 --seed 7"
    make mutants ARGS="services --lived --cap 300"
        those that lived last time, with more of the tests that run them
    make mutants ARGS="services --again tests/services/test_locks.py"
        those that lived last time, with these tests alone

Which tests run a line is measured once (``var/mutants``) and anew when a file has changed. A
mutant is tried in a copy of the tree, with these tests alone, the fastest first, until one fails.
Survivors that docs/explanation/mutants.md explains are counted apart. Exits with 1 when a room
has fewer than 90 % killed.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import itertools
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mutations import Mutant, know, lot, mutants, source
from warm import COLD, LATE, SURVIVED, Asked, import_others, is_warm, tried

ROOT = Path(__file__).resolve().parent.parent
GIT = shutil.which("git") or "git"
KEPT = ROOT / "var" / "mutants"
EXPLAINED = ROOT / "docs" / "explanation" / "mutants.md"
SUITES = (
    "tests/domain",
    "tests/dispatch",
    "tests/services",
    "tests/runbooks",
    "tests/slack",
    "tests/storage",
    "tests/catalog",
)
ROOMS: Mapping[str, tuple[str, ...]] = {
    "domain": ("bot/domain/*.py",),
    "services": tuple(f"bot/{room}/*.py" for room in ("services", "queries", "verbs", "dispatch")),
    "storage": tuple(
        f"bot/storage/{name}.py"
        for name in (
            "store",
            "reader",
            "durations",
            "pages",
            "transaction",
            "setters",
            "saving",
            "live",
            "telling",
            "journal",
            "inbox",
        )
    ),
}
KILLED_SHARE = 0.9
TOO_LONG = "tests/services/test_machine.py"
"""The state machine takes too long to be tried with every mutant."""
PYTEST = (
    "-q",
    "-x",
    "-p",
    "no:randomly",
    "-p",
    "no:cacheprovider",
    "--assert=plain",
    "--hypothesis-seed=0",
)
WITHOUT = ("-p", "no:xdist", "-p", "no:cov", "-p", "no:playwright")
PROCESSOR, CLOCK = 90, 900
"""Seconds for one mutant: whatever works as long goes round in circles, whatever takes as long
waits for something that never comes.
"""
NOT_RUN = "no test runs it"


# Which tests run which line ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Runs:
    """For each file and line the tests that run it, and for each test how
    long it takes, in seconds.
    """

    lines: Mapping[str, Mapping[int, Sequence[str]]]
    seconds: Mapping[str, float]
    files: Mapping[str, str] = field(default_factory=dict)
    """What each file of tests has in it: what a table says may be read by tests that
    run no line of its file.
    """

    def of(self, mutant: Mutant, cap: int) -> list[str]:
        """Choose tests for a mutant, ``cap`` seconds of them.

        A quarter are the fastest that run the rarest line beside it: what follows a condition is
        run where it matters. A quarter are of files that import its module, a quarter the fastest
        of all, the others the fastest of each file in turn.
        """
        lines = self.lines.get(mutant.path, {})
        wanted = range(mutant.lines[0], mutant.lines[1] + 1) if mutant.scope else lines
        tests = {test for line in wanted for test in lines.get(line, ()) if test in self.seconds}
        near = self._of_files_that_import(mutant.path)
        tests |= set() if mutant.scope else near
        fastest = sorted(tests, key=lambda test: (self.seconds[test], test))
        nearest = [test for test in fastest if test in near]
        rarest = [test for test in fastest if test in self._of_the_rarest_line(lines, mutant)]
        first = [
            test for tests in (rarest, nearest, fastest) for test in self._within(cap / 4, tests)
        ]
        chosen = dict.fromkeys([*first, *self._within(cap, self._spread(fastest))])
        return sorted(self._within(cap, chosen), key=lambda test: self.seconds[test])

    def _of_the_rarest_line(self, lines: Mapping[int, Sequence[str]], mutant: Mutant) -> set[str]:
        beside = [
            set(lines[line])
            for line in range(mutant.lines[0], mutant.lines[1] + 3)
            if lines.get(line)
        ]
        return min(beside, key=len, default=set())

    def _of_files_that_import(self, path: str) -> set[str]:
        package, _, name = path.removesuffix(".py").replace("/", ".").rpartition(".")
        imports = re.compile(
            rf"from {package}\.{name} import|from {package} import (?:\([^)]*|.*)\b{name}\b"
        )
        near = {file for file, text in self.files.items() if imports.search(text)}
        return {test for test in self.seconds if test.partition("::")[0] in near}

    def _within(self, seconds: float, tests: Iterable[str]) -> list[str]:
        ends = itertools.accumulate(self.seconds[test] for test in tests)
        return [test for test, end in zip(tests, ends, strict=True) if end <= seconds]

    def together(self, tests: Iterable[str]) -> float:
        """Add up how long tests take, in seconds."""
        return sum(self.seconds.get(test, 30) for test in tests)

    def _spread(self, fastest: Sequence[str]) -> list[str]:
        seen: Counter[str] = Counter()
        turns = []
        for number, test in enumerate(fastest):
            seen[test.partition("::")[0]] += 1
            turns.append((seen[test.partition("::")[0]], number, test))
        return [test for _, _, test in sorted(turns)]


def measured(*, anew: bool) -> Runs:
    """Read which tests run which line; where ``anew``, measure it again when
    a file has changed since.
    """
    mark = hashlib.sha256(
        b"".join(
            (ROOT / path).read_bytes()
            for path in _files()
            if path.endswith(".py") and _is_tested(path)
        )
    ).hexdigest()
    kept = KEPT / "runs.json"
    known = json.loads(kept.read_text()) if kept.exists() else {}
    if not known or (anew and known["mark"] != mark):
        known = {"mark": mark, **_measure()}
        kept.write_text(json.dumps(known))
    lines = {
        path: {int(line): tests for line, tests in of.items()}
        for path, of in known["lines"].items()
    }
    tests = {
        path: (ROOT / path).read_text()
        for path in _files()
        if path.startswith("tests/") and path.endswith(".py")
    }
    return Runs(lines, known["seconds"], tests)


def _is_tested(path: str) -> bool:
    return path.startswith(("bot/", "handlers/", "tests/"))


def _measure() -> dict[str, object]:
    """Run the suites once, with a note of the test beside each line."""
    from coverage import CoverageData  # noqa: PLC0415 - only where it is needed: a mutant's process starts faster without

    say("Measuring which tests run which line; this takes some minutes.")
    KEPT.mkdir(parents=True, exist_ok=True)
    file = KEPT / "coverage"
    told = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            *PYTEST,
            "--maxfail=1000",
            "--cov",
            "--cov-context=test",
            "--cov-report=",
            "-n",
            "2",
            "-rp",
            "-vv",
            "--durations=0",
            "--durations-min=0",
            f"--ignore={TOO_LONG}",
            *SUITES,
        ],
        cwd=ROOT,
        env={**os.environ, "COVERAGE_FILE": str(file)},
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    passed = set(re.findall(r"^PASSED (.+)$", told, re.MULTILINE))
    if not passed:
        raise SystemExit(told[-3000:])
    seconds = dict.fromkeys(passed, 0.005)
    for took, test in re.findall(r"^([\d.]+)s (?:setup|call|teardown) +(.+)$", told, re.MULTILINE):
        if test in seconds:
            seconds[test] += float(took)
    say(f"{len(passed)} tests pass; those that fail as it is are left out.")
    noted = CoverageData(str(file))
    noted.read()
    return {"lines": dict(_contexts(noted.measured_files(), noted)), "seconds": seconds}


def _contexts(files: Iterable[str], noted: object) -> Iterator[tuple[str, dict[int, list[str]]]]:
    for file in sorted(files):
        path = Path(file).relative_to(ROOT).as_posix()
        lines = noted.contexts_by_lineno(file)  # type: ignore[attr-defined]
        yield (
            path,
            {
                line: sorted({each.rpartition("|")[0] for each in tests if each})
                for line, tests in lines.items()
            },
        )


# One mutant in one copy of the tree -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one mutant fared: the test that failed, or one of the words above."""

    mutant: Mutant
    outcome: str
    diff: str

    @property
    def is_killed(self) -> bool:
        """Tell whether a test noticed."""
        return self.outcome not in {SURVIVED, NOT_RUN}


@dataclass
class Trial:
    """A mutant that is being tried, by a process of its own."""

    mutant: Mutant
    copy: Path
    process: int
    until: float


def start(mutant: Mutant, copy: Path, tests: Sequence[str]) -> Trial:
    """Try a mutant with the given tests, in a process that finds everything but the
    product imported already.
    """
    (copy / mutant.path).write_bytes(mutant.of(source(ROOT / mutant.path)))
    process = os.fork()
    if process == 0:
        _try(copy, tests)
    return Trial(mutant, copy, process, time.monotonic() + CLOCK)


def _try(copy: Path, tests: Sequence[str]) -> None:
    os.setsid()
    os.chdir(copy)
    with (copy / "var" / "told").open("wb") as told:
        os.dup2(told.fileno(), 1)
        os.dup2(told.fileno(), 2)
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR, PROCESSOR))
    sys.path[0] = str(copy)
    code = 70
    try:
        import pytest  # noqa: PLC0415 - the copy is where it starts

        code = int(pytest.main([*PYTEST, *WITHOUT, *tests]))
    finally:
        sys.stdout.flush()
        os._exit(code)


def ended(trial: Trial) -> str | None:
    """Look whether a trial has ended, and how; whatever it has started ends with it."""
    process, status = os.waitpid(trial.process, os.WNOHANG)
    if process == 0 and time.monotonic() < trial.until:
        return None
    _end(trial.process)
    if process == 0:
        os.waitpid(trial.process, 0)
    (trial.copy / trial.mutant.path).write_bytes(source(ROOT / trial.mutant.path))
    if process == 0 or os.WIFSIGNALED(status):
        return LATE
    return (
        SURVIVED
        if os.waitstatus_to_exitcode(status) == 0
        else _first_failure(trial.copy / "var" / "told")
    )


def _end(process: int) -> None:
    try:
        os.killpg(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def _first_failure(told: Path) -> str:
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", told.read_text(errors="replace"), re.MULTILINE)
    return found[1] if found else "nothing starts"


# All of them ------------------------------------------------------------------------------------


def copies(folder: Path, number: int) -> list[Path]:
    """Copy the tree, compiled, once for each mutant that is tried at the same time."""
    made = []
    for index in range(number):
        copy = folder / f"{index}"
        for path in _files():
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, copy / path)
        (copy / "var").mkdir()
        subprocess.run(
            [sys.executable, "-m", "compileall", "-q", "bot", "handlers", "templates", "tests"],
            cwd=copy,
            check=True,
        )
        made.append(copy)
    return made


def _files() -> list[str]:
    listed = subprocess.run(
        [GIT, "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(path for path in listed.stdout.splitlines() if (ROOT / path).is_file())


@dataclass(frozen=True, slots=True)
class Means:
    """What a room's mutants are tried with."""

    tests_of: Callable[[Mutant], list[str]]
    seconds: Callable[[list[str]], float]
    suites: Sequence[str]
    free: list[Path]
    """The copies of the tree, one for each mutant that is tried at the same time."""


def run(chosen: Sequence[Mutant], means: Means) -> Iterator[Verdict]:
    """Try every mutant: those of functions in forks of one process, the others each in a process
    that imports the product anew.
    """
    asked = [(mutant, means.tests_of(mutant)) for mutant in chosen]
    warm = [
        (mutant, tests)
        for mutant, tests in asked
        if tests and is_warm(mutant, source(ROOT / mutant.path))
    ]
    done = set[Mutant]()
    for mutant, outcome in (
        tried(Asked(warm, means.suites, means.seconds, len(means.free), ROOT, [*PYTEST, *WITHOUT]))
        if warm
        else ()
    ):
        if outcome != COLD:
            done.add(mutant)
            yield verdict(mutant, outcome)
    yield from _run_cold(
        [(mutant, tests) for mutant, tests in asked if mutant not in done], list(means.free)
    )


def _run_cold(asked: Sequence[tuple[Mutant, list[str]]], free: list[Path]) -> Iterator[Verdict]:
    waiting, trials = list(reversed(asked)), list[Trial]()
    while waiting or trials:
        while waiting and free:
            mutant, tests = waiting.pop()
            if not tests:
                yield verdict(mutant, NOT_RUN)
                continue
            trials.append(start(mutant, free.pop(), tests))
        for trial in list(trials):
            if (outcome := ended(trial)) is not None:
                trials.remove(trial)
                free.append(trial.copy)
                yield verdict(trial.mutant, outcome)
        time.sleep(0.05)


def verdict(mutant: Mutant, outcome: str) -> Verdict:
    """Give the outcome with the lines that differ."""
    before = source(ROOT / mutant.path)
    pairs = difflib.unified_diff(
        before.decode().splitlines(), mutant.of(before).decode().splitlines(), n=0, lineterm=""
    )
    return Verdict(
        mutant,
        outcome,
        "\n".join(line for line in pairs if not line.startswith(("---", "+++", "@@"))),
    )


def explained(verdict: Verdict, told: str) -> bool:
    """Look whether the page of explained mutants names the file and the first line
    that the mutant makes of it.
    """
    made = [line[1:].strip() for line in verdict.diff.splitlines() if line.startswith("+")]
    rows = (row for row in told.splitlines() if f"`{verdict.mutant.path}`" in row)
    return bool(made) and any(f"`{made[0].replace('|', chr(92) + '|')}`" in row for row in rows)


def room(name: str, *, count: int, seed: int, only: str) -> list[Mutant]:
    """Choose the mutants of one room by lot: as long as a line stays as it is, so does whether its
    mutants are chosen among as many.
    """
    paths = [
        path.relative_to(ROOT).as_posix()
        for pattern in ROOMS[name]
        for path in sorted(ROOT.glob(pattern))
    ]
    known = know([path.read_bytes() for path in sorted((ROOT / "bot").rglob("*.py"))])
    made = [mutant for path in paths for mutant in mutants(path, source(ROOT / path), known, seed)]
    chosen = sorted(made, key=lambda each: lot(seed, _told(verdict(each, ""))))[:count]
    return [mutant for mutant in chosen if only in mutant.path]


def lived(name: str, chosen: Sequence[Mutant]) -> list[Mutant]:
    """Leave out what was killed or explained last time."""
    before = (KEPT / f"{name}.txt").read_text()
    return [each for each in chosen if f" survived: {_told(verdict(each, ''))}" in before]


def _told(of: Verdict) -> str:
    return f"{of.mutant.path}, {of.mutant.kind}\n{of.diff}\n"


def try_room(name: str, chosen: Sequence[Mutant], means: Means) -> bool:
    """Try a room's mutants, tell each that lives and the figures; answer
    whether enough were killed.
    """
    told = EXPLAINED.read_text() if EXPLAINED.exists() else ""
    counted: Counter[str] = Counter()
    with (KEPT / f"{name}.txt").open("w") as log:
        for number, each in enumerate(run(chosen, means), 1):
            outcome = (
                "killed" if each.is_killed else "explained" if explained(each, told) else "survived"
            )
            counted[outcome] += 1
            counted["late"] += each.outcome == LATE
            line = (
                f"{number}/{len(chosen)} {outcome}: {_told(each)}  line "
                f"{each.mutant.lines[0]}: {each.outcome}"
            )
            print(line, file=log, flush=True)
            if outcome == "survived":
                say(line)
    say(
        f"{name}: {len(chosen)} made, {counted['killed']} killed ({counted['late']} of "
        "them by the time limit), "
        f"{counted['survived']} survived, {counted['explained']} explained"
    )
    return counted["killed"] >= KILLED_SHARE * len(chosen)


def say(text: str) -> None:
    """Print at once."""
    print(text, flush=True)


def main() -> int:
    """Read the arguments, try the rooms."""
    reading = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    reading.add_argument("rooms", nargs="*", choices=[[], *ROOMS], default=list(ROOMS))
    reading.add_argument("--count", type=int, default=300, help="how many mutants of each room")
    reading.add_argument("--seed", type=int, default=8)
    reading.add_argument(
        "--only", default="", help="of these, the mutants whose file's path has this in it"
    )
    reading.add_argument(
        "--lived", action="store_true", help="only what lived last time; nothing is measured anew"
    )
    reading.add_argument(
        "--again",
        nargs="+",
        metavar="TESTS",
        help="only what lived last time, with these tests alone",
    )
    reading.add_argument(
        "--also",
        nargs="+",
        default=[],
        metavar="TESTS",
        help="run these for every mutant; nothing is measured anew",
    )
    reading.add_argument("-n", type=int, default=2, help="how many at a time")
    reading.add_argument(
        "--cap", type=int, default=30, help="how many seconds of tests for one mutant"
    )
    wanted = reading.parse_args()
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.dont_write_bytecode = True
    os.nice(5)
    runs = None if wanted.again else measured(anew=not (wanted.also or wanted.lived))
    import_others(ROOT)
    say(f"Seed {wanted.seed}.")
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        free = copies(Path(folder), wanted.n)
        means = _means(runs, wanted, free)
        enough = []
        for name in wanted.rooms:
            chosen = room(name, count=wanted.count, seed=wanted.seed, only=wanted.only)
            enough.append(
                try_room(
                    name, lived(name, chosen) if wanted.again or wanted.lived else chosen, means
                )
            )
    return 0 if all(enough) else 1


def _means(runs: Runs | None, wanted: argparse.Namespace, free: list[Path]) -> Means:
    if runs is None:
        return Means(lambda _: wanted.again, lambda _: CLOCK / 10, wanted.again, free)
    return Means(
        lambda mutant: [*runs.of(mutant, wanted.cap), *wanted.also],
        runs.together,
        [*SUITES, *wanted.also],
        free,
    )


if __name__ == "__main__":
    sys.exit(main())
