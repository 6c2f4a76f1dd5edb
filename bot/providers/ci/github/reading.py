"""GitHub's JSON about workflow runs, read into our values. No I/O.

Words: https://docs.github.com/rest/actions/workflow-runs and .../workflow-jobs. A word that is not
known is never a success.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from typing import Any

from bot.domain.errors import IntegrationError
from bot.domain.rollout import RunState, Stage
from bot.ports.ci import CIRun

_UNDER_WAY = {
    "queued": RunState.QUEUED,
    "requested": RunState.QUEUED,
    "pending": RunState.QUEUED,
    "waiting": RunState.WAITING,
    "in_progress": RunState.RUNNING,
}
_ENDED = {
    "success": RunState.SUCCEEDED,
    "cancelled": RunState.CANCELLED,
    "skipped": RunState.SKIPPED,
    "action_required": RunState.WAITING,
}
_JOBS = {"deploy": "deploy", "rollback": "deploy", "smoke": "smoke"}
"""By action: the job of templates/ci/github/deploy.yml that does it."""
_JOB_NAME = re.compile(r" / | \(")
"""What follows the name of a job: the jobs of a reusable workflow, or the values of a matrix."""
_BETWEEN = re.compile(r"[\s()\[\]{}<>\"',;|]+")


@contextmanager
def understood() -> Iterator[None]:
    """Say that an answer could not be read, where its shape is not GitHub's: a proxy may
    have answered in its place.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise IntegrationError(
            "GitHub gave an answer that cannot be read.", vendor="GitHub"
        ) from error


def may_be_ours(run: Mapping[str, Any], correlation: str) -> bool:
    """Tell whether a run may be the one that we asked for: dispatched, in this very repository,
    with the correlation in its title.

    The title of a pull request's run is the pull request's, which a stranger in a fork chooses.
    The correlation is a word of its own: ``a-1:canary-5`` is not ``a-1:canary-50``.
    """
    home, head = (run.get(name) or {} for name in ("repository", "head_repository"))
    is_here = home.get("id") is not None and home.get("id") == head.get("id")
    return is_here and run.get("event") == "workflow_dispatch" and correlation in words(run)


def words(run: Mapping[str, Any]) -> list[str]:
    """Split a run's title."""
    return _BETWEEN.split(str(run.get("display_title") or ""))


def run(
    data: Mapping[str, Any],
    jobs: Iterable[Mapping[str, Any]] = (),
    *,
    waits_for: str = "",
    passable: bool = False,
) -> CIRun:
    """Read a run and its jobs. ``waits_for`` says what a waiting run waits for, ``passable``
    whether it can be let go on from here.
    """
    jobs = list(jobs)
    state = _state(data)
    left_out = _left_out(data, jobs) if state is RunState.SUCCEEDED else ""
    if left_out:
        state = RunState.FAILED
    stages = tuple(_stage(job, state, passable=passable) for job in jobs)
    ended = _latest(stages) or _time(data.get("updated_at")) if state.is_final else None
    began = _time(data.get("run_started_at")) or _time(data.get("created_at"))
    sentence = left_out or _sentence(state, data, jobs, stages, waits_for)
    return CIRun(
        str(data["id"]), state, str(data.get("html_url") or ""), stages, began, ended, sentence
    )


def _state(data: Mapping[str, Any]) -> RunState:
    status = str(data.get("status") or "")
    if status != "completed":
        return _UNDER_WAY.get(status, RunState.RUNNING)
    return _ENDED.get(str(data.get("conclusion") or ""), RunState.FAILED)


def _left_out(data: Mapping[str, Any], jobs: list[Mapping[str, Any]]) -> str:
    """Say why a run that GitHub calls a success did nothing: its own work was skipped, and only
    something beside it ran.

    The work is the job that our template names for the action; the action follows the correlation
    in the template's run-name. Where the workflow has neither, the run counts as done unless every
    one of its jobs was skipped.
    """
    if jobs and all(job.get("conclusion") == "skipped" for job in jobs):
        return (
            "GitHub skipped every job of the run, so nothing was done; look at "
            "the conditions of its jobs"
        )
    work = _JOBS.get(_action(data), "")
    done = [
        job.get("conclusion")
        for job in jobs
        if _JOB_NAME.split(str(job["name"]), maxsplit=1)[0] == work
    ]
    if work and done and all(conclusion == "skipped" for conclusion in done):
        return f'the job "{work}" was skipped, so nothing was done; look at its condition'
    return ""


def _action(data: Mapping[str, Any]) -> str:
    """Read the action from a title: the word behind the correlation."""
    title = words(data)
    return next((action for word, action in pairwise(title) if ":" in word), "")


def _stage(job: Mapping[str, Any], whole: RunState, *, passable: bool) -> Stage:
    state = _state(job)
    sentence = (
        "" if state in {RunState.SUCCEEDED, RunState.SKIPPED, RunState.QUEUED} else _step(job)
    )
    if whole.is_final and not state.is_final:
        # the run has ended, and the list of jobs is a moment behind
        state = RunState.CANCELLED if whole is RunState.CANCELLED else RunState.SKIPPED
    began = (
        _time(job.get("started_at")) if state not in {RunState.QUEUED, RunState.SKIPPED} else None
    )
    finished = _time(job.get("completed_at")) if state.is_final else None
    return Stage(
        str(job["name"]),
        state,
        began,
        finished,
        sentence,
        passable=passable and state is RunState.WAITING,
    )


def _step(job: Mapping[str, Any]) -> str:
    """Say at which step a job is, or where it broke."""
    steps: Sequence[Mapping[str, Any]] = job.get("steps") or ()
    for number, step in enumerate(steps, 1):
        if step.get("status") == "in_progress":
            return f"{step['name']} (step {number} of {len(steps)})"
        if step.get("conclusion") not in {None, "success", "skipped", "neutral"}:
            return f"{step['name']} (step {number} of {len(steps)}){_reason(step)}"
    return _reason(job).removeprefix(": ")


def _reason(ended: Mapping[str, Any]) -> str:
    """Say why it ended, where that is more than that it failed or was cancelled."""
    conclusion = str(ended.get("conclusion") or "")
    return "" if conclusion in {"", "failure", "cancelled"} else f": {conclusion.replace('_', ' ')}"


def _sentence(
    state: RunState,
    data: Mapping[str, Any],
    jobs: list[Any],
    stages: tuple[Stage, ...],
    waits_for: str,
) -> str:
    if state is RunState.WAITING:
        return waits_for or "waits at GitHub for approval; open the run there"
    if state is RunState.QUEUED:
        if data.get("status") == "pending":
            return "waits at GitHub for another run of its concurrency group"
        return "waits for a runner" if jobs else "waits at GitHub to begin"
    if state is RunState.RUNNING:
        return "; ".join(
            _at(stage) for stage in stages if stage.state in {RunState.RUNNING, RunState.WAITING}
        )
    if state is RunState.FAILED:
        broken = [_broken(stage) for stage in stages if stage.state is RunState.FAILED]
        return "; ".join(broken) or (
            f"GitHub ended the run: {str(data.get('conclusion') or 'no reason').replace('_', ' ')}"
        )
    if state is RunState.CANCELLED:
        began = any(stage.started_at for stage in stages)
        return (
            "cancelled at GitHub"
            if began
            else (
                "cancelled at GitHub before it began, perhaps by a newer run "
                "of its concurrency group"
            )
        )
    return (
        "GitHub skipped the whole run; look at the conditions of its jobs"
        if state is RunState.SKIPPED
        else ""
    )


def _at(stage: Stage) -> str:
    return f"{stage.name}: {stage.sentence}" if stage.sentence else stage.name


def _broken(stage: Stage) -> str:
    if not stage.sentence:
        return f"{stage.name} failed"
    return (
        f"{stage.name} failed at {stage.sentence}"
        if "(step" in stage.sentence
        else f"{stage.name} failed: {stage.sentence}"
    )


def gate(pending: Iterable[Mapping[str, Any]]) -> str:
    """Say what a waiting run waits for. Reviewers are GitHub's and answer there: our own approval
    does not count for them.
    """
    return "; ".join(_gate(each) for each in pending)


def _gate(pending: Mapping[str, Any]) -> str:
    environment = (pending.get("environment") or {}).get("name") or "an environment"
    reviewers = [each.get("reviewer") or {} for each in pending.get("reviewers") or ()]
    names = [str(each.get("login") or each.get("name") or "") for each in reviewers]
    if any(names):
        return f"{environment} waits at GitHub for a review by {' or '.join(filter(None, names))}"
    minutes = pending.get("wait_timer") or 0
    return (
        f"{environment} waits at GitHub for its timer of {minutes} min"
        if minutes
        else f"{environment} waits at GitHub for its protection rules"
    )


def _latest(stages: Iterable[Stage]) -> datetime | None:
    return max((stage.finished_at for stage in stages if stage.finished_at), default=None)


def _time(text: Any) -> datetime | None:
    if not isinstance(text, str) or not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None
