"""GitHub's JSON about commits, read into our values: names, differences, tests. No I/O.

Shapes: https://docs.github.com/rest (commits, checks, statuses, workflow runs). Unknown words never count as green.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from bot.domain.card import Change, Changes
from bot.domain.errors import IntegrationError
from bot.ports import Quality, QualityState

VENDOR = "GitHub"
SHOWN = 250
"""How many commits are listed; all are counted."""
FILES = 300
"""GitHub names no more changed files than these (docs.github.com/rest/commits, "Compare two commits"), so others may have changed too."""
NAMED = 3
"""How many checks a sentence names."""
_SAFE_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./@+-]{0,199}")
_COMMIT = re.compile(r"[0-9a-f]{7,40}")
_FULL = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NEITHER = frozenset({"neutral", "skipped"})


def checked(ref: str) -> str:
    """Refuse a ref that could be read as something else in an address. Raises IntegrationError."""
    unsafe = not _SAFE_REF.fullmatch(ref) or ".." in ref or "@{" in ref or "//" in ref or ref.endswith((".lock", "/", "."))
    if unsafe:
        raise IntegrationError(f'"{ref[:80]}" cannot be the name of a version.', vendor=VENDOR, retry=False)
    return ref


def full_commit(text: str) -> str:
    """Read a full commit, alone or in GitHub's JSON where a server does not know the shorter form. Raises ValueError for anything else."""
    found = str(json.loads(text).get("sha")) if text.startswith("{") else text.strip()
    if not _FULL.fullmatch(found):
        raise ValueError(found[:80])
    return found


def candidates(ref: str) -> Iterable[str]:
    """Name the ways in which GitHub may know a ref: as a tag, as a branch, as a commit. A full commit is nothing else."""
    if not _FULL.fullmatch(ref):
        yield f"tags/{ref}"
        yield f"heads/{ref}"
    if is_commit(ref):
        yield ref


def is_commit(ref: str) -> bool:
    """Tell whether a ref may be a commit, or the beginning of one."""
    return bool(_COMMIT.fullmatch(ref) or _FULL.fullmatch(ref))


def changes(pages: Iterable[Mapping[str, Any]], *, backwards: bool) -> Changes:
    """Read the pages of a comparison, oldest first."""
    pages = list(pages)
    first = pages[0]
    commits = [_change(each) for page in pages for each in page.get("commits") or ()]
    files = first.get("files") or ()
    return Changes(
        tuple(commits[:SHOWN]),
        int(first["total_commits"]),
        tuple(dict.fromkeys(each.author for each in commits)),
        files=tuple(dict.fromkeys(name for each in files for name in (each.get("previous_filename"), each["filename"]) if name)),
        url=str(first.get("html_url") or ""),
        backwards=backwards,
        known=len(files) < FILES,
    )


def _change(commit: Mapping[str, Any]) -> Change:
    inner = commit["commit"]
    author = (inner.get("author") or {}).get("name") or (commit.get("author") or {}).get("login") or "unknown"
    return Change(str(commit["sha"]), str(inner.get("message") or "").lstrip("\n").split("\n", 1)[0], str(author))


# Tests ----------------------------------------------------------------------------------------------------------------------------------


class Check(NamedTuple):
    """What one check says."""

    name: str
    verdict: str
    """``green``, ``red``, ``running``, or ``nothing`` where it was skipped."""


def checks(runs: Iterable[Mapping[str, Any]], ours: Collection[int]) -> list[Check]:
    """Read check runs. The newest of one name in one suite decides; the suites of our own deployments do not count."""
    found: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for run in runs:
        suite = (run.get("check_suite") or {}).get("id")
        key = (suite, (run.get("app") or {}).get("id"), run["name"])
        if suite not in ours and int(run["id"]) >= int(found.get(key, run)["id"]):
            found[key] = run
    return [_check(str(run["name"]), run) for run in found.values()]


def newest(runs: Iterable[Mapping[str, Any]], ours: str) -> list[Mapping[str, Any]]:
    """Pick the workflow runs that count: the newest of each workflow and its event, without those of the workflow ``ours``."""
    found: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for run in runs:
        key = (run["workflow_id"], run["event"])
        if not is_of(run, ours) and int(run["id"]) >= int(found.get(key, run)["id"]):
            found[key] = run
    return list(found.values())


def workflows(runs: Iterable[Mapping[str, Any]]) -> list[Check]:
    """Read workflow runs. One runs until its last job has ended, also while that job waits for others and has no check run yet."""
    return [_check(str(run.get("name") or run.get("path") or run["id"]), run) for run in runs]


def jobs(listed: Iterable[Mapping[str, Any]]) -> list[Check]:
    """Read the jobs of a workflow run; each is called like its check run."""
    return [_check(str(job["name"]), job) for job in listed]


def is_of(run: Mapping[str, Any], workflow: str) -> bool:
    """Tell whether a run belongs to the workflow file ``workflow``. A run's path may end with the ref of the file."""
    return str(run.get("path") or "").partition("@")[0].rpartition("/")[2] == workflow


def _check(name: str, run: Mapping[str, Any]) -> Check:
    if run.get("status") != "completed":
        return Check(name, "running")
    conclusion = run.get("conclusion")
    if conclusion == "success":
        return Check(name, "green")
    return Check(name, "nothing" if conclusion in _NEITHER else "red")


def statuses(given: Iterable[Mapping[str, Any]]) -> list[Check]:
    """Read the statuses of the combined status; its own summary says "pending" where there are none, which means nothing."""
    words = {"success": "green", "pending": "running"}
    return [Check(str(each["context"]), words.get(str(each["state"]), "red")) for each in given]


def quality(found: Iterable[Check], *, required: Iterable[str] = (), note: str = "", url: str = "") -> Quality:
    """Weigh all checks of a commit. Red outweighs running, and a required one that is missing runs; without a success nothing is green."""
    found = list(found)
    for verdict, state, words in (("red", QualityState.RED, "failed"), ("running", QualityState.RUNNING, "still running")):
        names = sorted({name for name, each in found if each == verdict})
        if names:
            return Quality(state, f"{listed(names)} {words}{note}", url)
    green = sum(each == "green" for _, each in found)
    passed = f"{green} {'check' if green == 1 else 'checks'} passed"
    missing = sorted(set(required) - {name for name, _ in found})
    if missing:
        return Quality(QualityState.RUNNING, f"{passed}; required and not reported yet: {listed(missing)}{note}", url)
    if not green:
        return Quality(QualityState.NONE, f"no tests have run at this commit{note}", url)
    return Quality(QualityState.GREEN, f"{passed}{note}", url)


def listed(names: list[str]) -> str:
    """Name the first few, and count the rest."""
    shown = ", ".join(names[:NAMED])
    return f"{shown} and {len(names) - NAMED} more" if len(names) > NAMED else shown
