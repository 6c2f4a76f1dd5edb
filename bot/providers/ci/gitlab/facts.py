"""What GitLab's JSON says about commits: tests, differences, files. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bot.domain import plain
from bot.domain.changes import Change, Changes
from bot.domain.quality import QualityState
from bot.domain.rollout import RunState
from bot.ports.ci import Quality
from bot.providers.ci.gitlab.reading import STATES, id_of, moment, number_of, text_of
from bot.providers.ci.verdicts import Outcome, Said

SHOWN = 50
"""How many commits are listed; all are counted."""


_SAID: Mapping[RunState, Said] = {
    RunState.SUCCEEDED: Said.PASSED,
    RunState.FAILED: Said.FAILED,
    RunState.CANCELLED: Said.STOPPED,
    RunState.SKIPPED: Said.SKIPPED,
}


def outcome(pipeline: Mapping[str, Any]) -> Outcome:
    """Read what a pipeline says: one of the same source, on the same ref, of the same name, is
    the same thing run again.
    """
    of = tuple(text_of(pipeline.get(key)) for key in ("source", "ref", "name"))
    state = STATES.get(text_of(pipeline.get("status")), RunState.RUNNING)
    return Outcome(str(pipeline.get("id")), _SAID.get(state, Said.RUNNING), of, (id_of(pipeline),))


def quality(pipeline: Mapping[str, Any], summary: Mapping[str, Any] | None) -> Quality:
    """Tell what a pipeline says about its commit. What was skipped has tested nothing; what waits
    at a gate is not finished.
    """
    status, url = text_of(pipeline.get("status")), text_of(pipeline.get("web_url"))
    what, figures = f"pipeline {pipeline.get('id')}", _figures(summary)
    state = STATES.get(status, RunState.RUNNING)
    if state is RunState.SUCCEEDED and (unread := _unread(summary)):
        return Quality(
            QualityState.UNKNOWN,
            f"{what} passed, and GitLab could not read the test report of {unread}",
            url,
        )
    if state is RunState.SUCCEEDED:
        return Quality(
            QualityState.GREEN, f"{what} passed{figures or '; it reports no test results'}", url
        )
    if state is RunState.SKIPPED:
        return Quality(
            QualityState.NONE, f"{what} was skipped: nothing has been tested", url, has_run=True
        )
    if state is RunState.WAITING:
        return Quality(
            QualityState.RUNNING,
            f"{what} has not ended: it waits for a manual job at GitLab{figures}",
            url,
        )
    if not state.is_final:
        return Quality(
            QualityState.RUNNING,
            f"{what} is running",
            url,
            since=moment(pipeline.get("started_at")),
        )
    if state is RunState.CANCELLED:
        return Quality(
            QualityState.NONE,
            f"{what} was cancelled, so nothing has been tested",
            url,
            has_run=True,
        )
    return Quality(QualityState.RED, f"{what} failed{figures}", url)


def _unread(summary: Mapping[str, Any] | None) -> str:
    """Name the jobs whose test report GitLab could not read: it says so in ``suite_error``, and the
    job passes all the same.

    https://docs.gitlab.com/api/pipelines/#get-a-test-report-summary-for-a-pipeline
    """
    suites = (summary or {}).get("test_suites")
    bad = (
        [each for each in suites if isinstance(each, Mapping) and each.get("suite_error")]
        if isinstance(suites, list)
        else []
    )
    return ", ".join(plain.line(str(each.get("name")), plain.LONGEST_NAME) for each in bad[:3])


def _figures(summary: Mapping[str, Any] | None) -> str:
    total = (summary or {}).get("total")
    if not isinstance(total, dict) or not number_of(total, "count"):
        return ""
    bad = number_of(total, "failed") + number_of(total, "error")
    skipped = number_of(total, "skipped")
    return f": {number_of(total, 'count'):,} tests, {bad:,} failed" + (
        f", {skipped:,} skipped" if skipped else ""
    )


def commits(compare: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the commits of a comparison, oldest first, all of them."""
    return [each for each in compare.get("commits") or () if isinstance(each, dict)]


def changes(compare: Mapping[str, Any], commits: Sequence[Mapping[str, Any]]) -> Changes:
    """Read a comparison, of whose commits ``commits`` are the service's own;
    the files are those of all.
    """
    return Changes(
        tuple(
            Change(
                text_of(each.get("id")),
                text_of(each.get("title")),
                text_of(each.get("author_name")),
            )
            for each in commits[:SHOWN]
        ),
        len(commits),
        tuple(dict.fromkeys(filter(None, (text_of(each.get("author_name")) for each in commits)))),
        files=paths(compare.get("diffs") or ()),
        url=text_of(compare.get("web_url")),
    )


def is_cut(compare: Mapping[str, Any]) -> bool:
    """Tell whether GitLab has left files out (lib/api/entities/compare.rb: the diffs overflow;
    doc/administration/diff_limits.md).
    """
    return bool(compare.get("compare_timeout"))


def paths(diffs: Iterable[Any]) -> tuple[str, ...]:
    """List the files of diffs, each once; of a file that was moved both names."""
    found = [
        text_of(each.get(key))
        for each in diffs
        if isinstance(each, dict)
        for key in ("new_path", "old_path")
    ]
    return tuple(dict.fromkeys(filter(None, found)))


def commit_of(thing: Mapping[str, Any]) -> str:
    """Read the commit that a tag or branch points at; empty when it says none."""
    commit = thing.get("commit")
    return text_of(commit.get("id")) if isinstance(commit, dict) else ""
