"""GitHub's JSON about commits, read into our values: names, differences, tests. No I/O.

Shapes: https://docs.github.com/rest (commits, checks, statuses, workflow runs). Unknown
words never count as green.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from bot.domain.changes import Change, Changes
from bot.domain.limits import ANSWER, Unreadable, read_json
from bot.domain.quality import QualityState
from bot.ports.ci import Quality
from bot.providers.ci.verdicts import Outcome, Said, Weighed

VENDOR = "GitHub"
SHOWN = 250
"""How many commits are listed; all are counted."""
FILES = 300
"""GitHub names no more changed files than these (docs.github.com/rest/commits, "Compare two
commits"), so others may have changed too.
"""
NAMED = 3
"""How many checks a sentence names."""
_FULL = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SAID = {
    "success": Said.PASSED,
    "neutral": Said.SKIPPED,
    "skipped": Said.SKIPPED,
    "cancelled": Said.STOPPED,
    "stale": Said.STOPPED,
}


def full_commit(text: str) -> str:
    """Read a full commit, alone or in GitHub's JSON where a server does not know the shorter form.
    Raises ValueError for anything else.
    """
    found = str(_object(text).get("sha")) if text.startswith("{") else text.strip()
    if not _FULL.fullmatch(found):
        raise ValueError(found[:80])
    return found


def _object(text: str) -> dict[str, Any]:
    try:
        found = read_json(text.encode(errors="replace"), ANSWER)
    except Unreadable as error:
        raise ValueError(str(error)) from error
    return found if isinstance(found, dict) else {}


def changes(
    pages: Sequence[Mapping[str, Any]], own: Collection[str] | None = None, *, backwards: bool
) -> Changes:
    """Read the pages of a comparison, oldest first; with ``own`` only these commits. The files
    are those of all commits.
    """
    first = pages[0]
    commits = [
        _change(each)
        for page in pages
        for each in page.get("commits") or ()
        if own is None or each["sha"] in own
    ]
    return Changes(
        tuple(commits[:SHOWN]),
        int(first["total_commits"]) if own is None else len(commits),
        tuple(dict.fromkeys(each.author for each in commits)),
        files=files(first),
        url=str(first.get("html_url") or ""),
        backwards=backwards,
        known=len(first.get("files") or ()) < FILES,
    )


def files(thing: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the files that a commit or a comparison changes; of one that was moved both names."""
    listed = thing.get("files") or ()
    return tuple(
        dict.fromkeys(
            name
            for each in listed
            for name in (each.get("previous_filename"), each["filename"])
            if name
        )
    )


def _change(commit: Mapping[str, Any]) -> Change:
    inner = commit["commit"]
    author = (
        (inner.get("author") or {}).get("name")
        or (commit.get("author") or {}).get("login")
        or "unknown"
    )
    return Change(
        str(commit["sha"]),
        str(inner.get("message") or "").lstrip("\n").split("\n", 1)[0],
        str(author),
    )


# Tests ------------------------------------------------------------------------------------------


def workflow(run: Mapping[str, Any]) -> Outcome:
    """Read a workflow run: the same workflow on the same ref of the same repository, for the same
    event, is the same thing run again.

    Its own conclusion speaks for its jobs. One that waits for somebody's leave to run, as a fork's
    may, has tested nothing.
    """
    name = str(run.get("name") or run.get("path") or run["id"])
    where = str((run.get("head_repository") or {}).get("id"))
    of = (
        "workflow",
        str(run["workflow_id"]),
        str(run["event"]),
        str(run.get("head_branch")),
        where,
        str(run.get("path")),
    )
    said = Said.STOPPED if run.get("conclusion") == "action_required" else _said(run)
    began = run.get("run_started_at") or run.get("created_at")
    return Outcome(name, said, of, (_moment(began), int(run["id"])), since=_since(began))


def number(run: Outcome) -> int:
    """Give the id of a workflow run."""
    return int(run.at[1])


def jobs(run: Outcome, listed: Iterable[Mapping[str, Any]]) -> list[Outcome]:
    """Read the jobs of a workflow run's newest attempt; each is called like its check run, and
    namesakes are beside each other.
    """
    return [
        Outcome(
            str(job["name"]),
            _said(job),
            (*run.of, str(job["id"])),
            run.at,
            is_part=True,
            since=_since(job.get("started_at")),
        )
        for job in listed
    ]


def believed(run: Outcome, parts: Iterable[Outcome]) -> Outcome:
    """Take a run that was cancelled after one of its jobs had failed for what it is:
    it has tested something.
    """
    has_failed = run.said is Said.STOPPED and any(part.said is Said.FAILED for part in parts)
    return replace(run, said=Said.FAILED) if has_failed else run


def may_run_again(run: Mapping[str, Any], ours: str) -> bool:
    """Tell whether a run is one of tests, and of the repository itself."""
    home, head = (run.get(name) or {} for name in ("repository", "head_repository"))
    return not is_of(run, ours) and home.get("id") is not None and home.get("id") == head.get("id")


def checks(runs: Iterable[Mapping[str, Any]], suites: Collection[int]) -> list[Outcome]:
    """Read the check runs of other apps: those whose suite is no workflow's. GitHub gives the
    latest; namesakes are beside each other.
    """
    return [
        Outcome(
            str(run["name"]),
            _said(run),
            ("check", str(run["id"])),
            (int(run["id"]),),
            since=_since(run.get("started_at")),
        )
        for run in runs
        if (run.get("check_suite") or {}).get("id") not in suites
    ]


def is_of(run: Mapping[str, Any], workflow: str) -> bool:
    """Tell whether a run belongs to the workflow file ``workflow``. A run's path may end
    with the ref of the file.
    """
    return str(run.get("path") or "").partition("@")[0].rpartition("/")[2] == workflow


def _said(run: Mapping[str, Any]) -> Said:
    """Read what a run, a job or a check says; a word that is not known is never a success."""
    if run.get("status") != "completed":
        return Said.RUNNING
    return _SAID.get(str(run.get("conclusion")), Said.FAILED)


def _moment(text: Any) -> float:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return 0.0


def _since(text: Any) -> datetime | None:
    at = _moment(text)
    return datetime.fromtimestamp(at, UTC) if at else None


def statuses(given: Iterable[Mapping[str, Any]]) -> list[Outcome]:
    """Read the statuses of the combined status; its own summary says "pending" where there are
    none, which means nothing.
    """
    words = {"success": Said.PASSED, "pending": Said.RUNNING}
    return [
        Outcome(
            str(each["context"]), words.get(str(each["state"]), Said.FAILED),
            ("status", str(each["context"])),
            since=_since(each.get("created_at")),
        )
        for each in given
    ]  # fmt: skip


def quality(
    weighed: Weighed, outcomes: Iterable[Outcome] = (), *, note: str = "", url: str = ""
) -> Quality:
    """Put what was weighed into words."""
    beside = (
        f"; {listed(_names(weighed.beside))} failed, which does not count here"
        if weighed.beside
        else ""
    )
    has_run = any(each.said is Said.STOPPED for each in weighed.deciding)
    return Quality(
        weighed.state,
        _sentence(weighed, list(outcomes)) + beside + note,
        url,
        has_run=has_run,
        since=weighed.since,
    )


def _sentence(weighed: Weighed, outcomes: Sequence[Outcome]) -> str:
    if weighed.state is QualityState.RED:
        return f"{listed(_names(_told(weighed.deciding, outcomes, Said.FAILED)))} failed"
    if weighed.missing and weighed.state is not QualityState.GREEN:
        return _missing(weighed, outcomes)
    if weighed.state is QualityState.RUNNING:
        return f"{listed(_names(weighed.deciding))} still running"
    if weighed.state is QualityState.GREEN:
        return _counted(_told(weighed.deciding, outcomes, Said.PASSED))
    stopped = _names(each for each in weighed.deciding if each.said is Said.STOPPED)
    return (
        f"{listed(stopped)} cancelled, so nothing has been tested"
        if stopped
        else "no tests have run at this commit"
    )


def _missing(weighed: Weighed, outcomes: Sequence[Outcome]) -> str:
    passed = _counted(
        _told(
            [each for each in outcomes if each.said is Said.PASSED and not each.is_part],
            outcomes,
            Said.PASSED,
        )
    )
    if weighed.state is QualityState.RUNNING:
        return f"{passed}; required and not reported yet: {listed(list(weighed.missing))}"
    remedy = (
        "a check that is filtered by paths reports only where they change: name the service's "
        "paths, or take it out of checks"
    )
    return (
        f"{passed}; required and not reported: {listed(list(weighed.missing))}, and nothing "
        f"runs that could; {remedy}"
    )


def _told(outcomes: Iterable[Outcome], every: Sequence[Outcome], said: Said) -> list[Outcome]:
    """Name the jobs instead of the workflow run that they are parts of, where these are known."""
    told: dict[Outcome, None] = {}
    for outcome in outcomes:
        parts = [
            each
            for each in every
            if each.is_part and each.said is said and each.of[:-1] == outcome.of
        ]
        told |= dict.fromkeys(parts or [outcome])
    return list(told)


def _counted(passed: Sequence[Outcome]) -> str:
    return f"{len(passed)} {'check' if len(passed) == 1 else 'checks'} passed"


def _names(outcomes: Iterable[Outcome]) -> list[str]:
    return sorted({each.name for each in outcomes})


def listed(names: list[str]) -> str:
    """Name the first few, and count the rest."""
    shown = ", ".join(names[:NAMED])
    return f"{shown} and {len(names) - NAMED} more" if len(names) > NAMED else shown
