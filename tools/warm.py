"""Try mutants of functions in forks of one process that has imported and collected everything.

A fork gives the functions of the product the code that the mutant's file compiles to, and runs its
tests: nothing is imported or collected again. What runs while a file is imported (tables, classes,
defaults) cannot be exchanged so; such a mutant is answered with ``COLD``.
"""

from __future__ import annotations

import ast
import contextlib
import gc
import importlib
import inspect
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import NoReturn

from mutations import FUNCTIONS, Mutant, source

PATIENCE = 60
"""Seconds for one test."""
COLD, SURVIVED, LATE = "cold", "survived", "never ended"


def is_warm(mutant: Mutant, text: bytes) -> bool:
    """Tell whether a mutant stands in the body of a function: not in a table, a class
    or an argument's default.
    """
    line = text.count(b"\n", 0, mutant.start) + 1
    bodies = (
        (each.body[0].lineno, each.end_lineno or 0)
        for each in ast.walk(ast.parse(text))
        if isinstance(each, FUNCTIONS)
    )
    return mutant.scope is not None and any(first <= line <= last for first, last in bodies)


def import_others(root: Path) -> None:
    """Import what is not ours: each trial is a fork of this process, and starts
    in a fraction of the time.
    """
    asked = "import sys, bot.app, pytest, hypothesis; print(*sys.modules)"
    listed = subprocess.run(
        [sys.executable, "-c", asked], cwd=root, capture_output=True, text=True, check=True
    ).stdout.split()
    for name in listed:
        if name.partition(".")[0] not in {"bot", "handlers", "templates", "tests", "__main__"}:
            try:
                importlib.import_module(name)
            except ImportError:
                continue


@dataclass(frozen=True, slots=True)
class Asked:
    """Mutants with the tests that each is tried with, and how."""

    mutants: Sequence[tuple[Mutant, list[str]]]
    suites: Sequence[str]
    """Where all these tests are."""
    seconds: Callable[[list[str]], float]
    """How long tests take."""
    number: int
    """How many mutants at a time."""
    root: Path
    options: Sequence[str]


def tried(asked: Asked) -> Iterator[tuple[Mutant, str]]:
    """Give each mutant with its outcome, as they end: the test that failed,
    or one of the words above.
    """
    reading, writing = os.pipe()
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        os.close(reading)
        _serve(asked, writing)
    os.close(writing)
    with os.fdopen(reading) as answers:
        for answer in answers:
            index, outcome = json.loads(answer)
            yield asked.mutants[index][0], outcome
    os.waitpid(process, 0)


def _serve(asked: Asked, told: int) -> NoReturn:
    import pytest  # noqa: PLC0415 - the fork is where it starts

    os.chdir(asked.root)
    sys.path[0] = str(asked.root)
    _be_silent()
    try:
        pytest.main(
            [*asked.options, "-s", f"--timeout={PATIENCE}", *asked.suites],
            plugins=[_Loop(asked, told)],
        )
    finally:
        os._exit(0)


def _be_silent() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


@dataclass
class _Trial:
    index: int
    process: int
    answers: int
    folder: str
    until: float


class _Loop:
    """Pytest's loop over what it has collected, replaced by one over the mutants."""

    def __init__(self, asked: Asked, told: int) -> None:
        self.asked, self.told = asked, told
        self.failing: int | None = None

    def pytest_runtestloop(self, session: object) -> bool:
        """Try every mutant, as many at a time as are wanted."""
        items = _by_place(session.items)  # type: ignore[attr-defined]
        functions = _functions(self.asked.root)
        waiting, trials = list(reversed(list(enumerate(self.asked.mutants)))), list[_Trial]()
        while waiting or trials:
            while waiting and len(trials) < self.asked.number:
                index, (mutant, tests) = waiting.pop()
                trials.append(self._start(index, mutant, tests, items, functions))
            for trial in list(trials):
                if (outcome := _ended(trial)) is not None:
                    trials.remove(trial)
                    os.write(self.told, (json.dumps([trial.index, outcome]) + "\n").encode())
            time.sleep(0.01)
        return True

    def pytest_runtest_logreport(self, report: object) -> None:
        """End a fork at its first failure."""
        if report.failed and self.failing is not None:  # type: ignore[attr-defined]
            _leave(self.failing, report.nodeid)  # type: ignore[attr-defined]

    def _start(
        self,
        index: int,
        mutant: Mutant,
        tests: list[str],
        items: Mapping[str, list[object]],
        functions: Mapping[str, list[FunctionType]],
    ) -> _Trial:
        reading, writing = os.pipe()
        folder = tempfile.mkdtemp(prefix="mutant-")
        limit = int(30 + 3 * self.asked.seconds(tests))
        process = os.fork()
        if process == 0:
            os.close(reading)
            os.setsid()
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
            os.environ["PYTEST_DEBUG_TEMPROOT"] = tempfile.tempdir = folder
            self.failing = writing
            self._try(
                writing, mutant, [item for test in tests for item in items.get(test, ())], functions
            )
        os.close(writing)
        return _Trial(index, process, reading, folder, time.monotonic() + 10 * limit)

    def _try(
        self,
        told: int,
        mutant: Mutant,
        items: Sequence[object],
        functions: Mapping[str, list[FunctionType]],
    ) -> NoReturn:
        if not items or not _exchange(mutant, self.asked.root, functions):
            _leave(told, COLD)
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)  # type: ignore[attr-defined]
        _leave(told, SURVIVED)


def _by_place(items: Sequence[object]) -> dict[str, list[object]]:
    """Find what was collected by its id, and all of a file by the file."""
    found = defaultdict[str, list[object]](list)
    for item in items:
        found[item.nodeid].append(item)  # type: ignore[attr-defined]
        found[item.nodeid.partition("::")[0]].append(item)  # type: ignore[attr-defined]
    return found


def _functions(root: Path) -> dict[str, list[FunctionType]]:
    """Find every function of the product that there is, decorated or not, by
    the file that it stands in.
    """
    found = defaultdict[str, list[FunctionType]](list)
    for each in gc.get_objects():
        if isinstance(each, FunctionType) and each.__code__.co_filename.startswith(f"{root}/bot/"):
            found[each.__code__.co_filename].append(each)
    return found


def _exchange(mutant: Mutant, root: Path, functions: Mapping[str, list[FunctionType]]) -> bool:
    """Give the functions of a file the code that the mutant makes of it;
    answer whether any differs.
    """
    file = root / mutant.path
    original = source(file)
    before, after = (
        list(_codes(compile(text, str(file), "exec"))) for text in (original, mutant.of(original))
    )
    if len(before) != len(after):
        return False
    new = {_place(old): code for old, code in zip(before, after, strict=True) if old != code}
    changed = [each for each in functions[str(file)] if _place(each.__code__) in new]
    for each in changed:
        code = new[_place(each.__code__)]
        if len(code.co_freevars) != len(each.__code__.co_freevars):
            return False
        each.__code__ = code
    return bool(changed)


def _place(code: CodeType) -> tuple[str, int]:
    return code.co_qualname, code.co_firstlineno


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Give the code of each function, also of those within classes and functions."""
    for each in code.co_consts:
        if isinstance(each, CodeType):
            if each.co_flags & inspect.CO_OPTIMIZED:
                yield each
            yield from _codes(each)


def _ended(trial: _Trial) -> str | None:
    process, _ = os.waitpid(trial.process, os.WNOHANG)
    if process == 0 and time.monotonic() < trial.until:
        return None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(trial.process, signal.SIGKILL)
    if process == 0:
        os.waitpid(trial.process, 0)
    with os.fdopen(trial.answers) as answer:
        outcome = answer.read() or LATE
    shutil.rmtree(trial.folder, ignore_errors=True)
    return outcome


def _leave(told: int, outcome: str) -> NoReturn:
    os.write(told, outcome.encode())
    os._exit(0)
