"""What GitLab's JSON means: pipelines, jobs and bridges as runs and stages; commits, tags and test
reports as facts. No I/O.

Sources of the field names and states: GitLab's own documentation, doc/api/pipelines.md,
doc/api/jobs.md, doc/api/repositories.md and doc/api/tags.md, and lib/api/ci/pipelines.rb.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bot.domain.rollout import RunState, Stage
from bot.ports.ci import CIRun, StartRequest

VENDOR = "GitLab"
NAME = "gonogo "
"""What the name of each of our pipelines begins with; the correlation id follows."""

STATES: Mapping[str, RunState] = {
    "created": RunState.QUEUED,
    "waiting_for_resource": RunState.QUEUED,
    "preparing": RunState.QUEUED,
    "pending": RunState.QUEUED,
    "waiting_for_callback": RunState.RUNNING,
    "running": RunState.RUNNING,
    "canceling": RunState.RUNNING,
    "manual": RunState.WAITING,
    "scheduled": RunState.WAITING,
    "success": RunState.SUCCEEDED,
    "failed": RunState.FAILED,
    "canceled": RunState.CANCELLED,
    "skipped": RunState.SKIPPED,
}
_BUSY = {
    "waiting_for_resource": "waits until another job gives its resource group free",
    "pending": "waits for a runner",
    "scheduled": "waits until its delay is over",
    "canceling": "is being cancelled",
}
_REASONS = {
    "script_failure": "its script failed",
    "job_execution_timeout": "it took longer than its timeout",
    "stuck_or_timeout_failure": "no runner took it, or it took too long",
    "runner_system_failure": "its runner failed",
    "protected_environment_failure": "the environment is protected from the user who started it",
    "forward_deployment_failure": "GitLab has already deployed something newer to this environment",
    "failed_outdated_deployment_job": (
        "GitLab has already deployed something newer to this environment"
    ),
    "insufficient_bridge_permissions": (
        "the user who started it may not start the downstream pipeline"
    ),
    "downstream_pipeline_creation_failed": "the downstream pipeline could not be created",
}
_WORK = re.compile(r"(?:roll out|smoke test)(?: \d+/\d+|: \[.*\])?", re.ASCII)
"""The jobs of templates/ci/gitlab that do what the bot asks for, also in parallel
(doc/ci/yaml/_index.md, parallel and parallel:matrix).
"""
_INPUT = re.compile(r"[^A-Z0-9_]")


def is_pipeline(run: str) -> bool:
    """Tell whether a run's id can be a pipeline's."""
    return re.fullmatch(r"[1-9]\d{0,18}", run, re.ASCII) is not None


def is_over(pipeline: Mapping[str, Any]) -> bool:
    """Tell whether a pipeline has ended."""
    return STATES.get(str(pipeline.get("status")), RunState.RUNNING).is_final


def moment(value: Any) -> datetime | None:
    """Read GitLab's time stamp as aware UTC; None when there is none."""
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return found.astimezone(UTC) if found.tzinfo else None


def variables(request: StartRequest, service: str) -> dict[str, str]:
    """Give the pipeline variables that carry a request: the same names as the embedded CI's."""
    inputs = {
        f"GONOGO_{_INPUT.sub('_', name.upper())}": value for name, value in request.inputs.items()
    }
    return {
        **inputs,
        "GONOGO_ACTION": request.action,
        "GONOGO_ENVIRONMENT": request.environment,
        "GONOGO_COMMIT": request.commit,
        "GONOGO_CORRELATION": request.correlation,
        "GONOGO_SERVICE": service,
    }


# Runs -------------------------------------------------------------------------------------------


def run(pipeline: Mapping[str, Any], jobs: Iterable[Mapping[str, Any]]) -> CIRun:
    """Read a pipeline with its jobs (retried ones too) and its bridges to other pipelines."""
    state = STATES.get(str(pipeline.get("status")), RunState.RUNNING)
    staged = _by_stage(jobs)
    found = tuple(_stage(name, of_stage, over=state.is_final) for name, of_stage in staged)
    left_out = (
        _left_out([job for _, of_stage in staged for job in of_stage])
        if state is RunState.SUCCEEDED
        else ""
    )
    state = RunState.FAILED if left_out else state
    return CIRun(
        str(pipeline.get("id")),
        state,
        url=text_of(pipeline.get("web_url")),
        stages=found,
        started_at=moment(pipeline.get("started_at")) or moment(pipeline.get("created_at")),
        finished_at=moment(pipeline.get("finished_at")) if state.is_final else None,
        sentence=left_out or _about(pipeline, state, found),
    )


def _left_out(jobs: Sequence[Mapping[str, Any]]) -> str:
    """Say why a pipeline that GitLab calls a success did nothing: its own work was never started,
    and only something beside it ran.

    The work is what our template names so; a pipeline of the bot has either the one or the other.
    Where a pipeline has neither, it counts as done unless none of its jobs was.
    """
    work = [job for job in jobs if _WORK.fullmatch(text_of(job.get("name")))] or jobs
    if not work or any(_job_state(job) is not RunState.SKIPPED for job in work):
        return ""
    said = "; ".join(filter(None, map(_job_sentence, work)))[:200] or "all of it was skipped"
    return (
        f"{said}, so nothing was done. A manual job holds the pipeline only "
        "with allow_failure: false"
    )


def _about(pipeline: Mapping[str, Any], state: RunState, stages: Sequence[Stage]) -> str:
    """Say why a pipeline failed, or what it waits for."""
    if state is RunState.SUCCEEDED:
        return ""
    if state is RunState.CANCELLED:
        return "cancelled at GitLab or on request"
    said = next(
        (
            f"{stage.name}: {stage.sentence}"
            for stage in stages
            if stage.state is state and stage.sentence
        ),
        "",
    )
    if said:
        return said
    status = str(pipeline.get("status"))
    if state is RunState.FAILED:
        return (
            text_of(pipeline.get("yaml_errors"))[:300] or "the pipeline failed without a failed job"
        )
    if state is RunState.WAITING and status == "manual":
        return "waits for a manual job at GitLab"
    known = _BUSY.get(status, "")
    return known if status in STATES else f'GitLab calls its state "{status[:40]}"'


def _by_stage(jobs: Iterable[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Group jobs by stage, of each name the newest; GitLab creates jobs in the order of the stages,
    so the oldest id orders them.
    """
    newest: dict[tuple[str, str], Mapping[str, Any]] = {}
    oldest: dict[str, int] = {}
    for job in sorted(jobs, key=id_of):
        stage = text_of(job.get("stage")) or "jobs"
        oldest.setdefault(stage, id_of(job))
        newest[stage, text_of(job.get("name"))] = job
    return [
        (stage, [job for (of, _), job in newest.items() if of == stage])
        for stage in sorted(oldest, key=lambda name: oldest[name])
    ]


def _stage(name: str, jobs: Sequence[Mapping[str, Any]], *, over: bool) -> Stage:
    states = [_job_state(job) for job in jobs]
    state = _together(states)
    if over and not state.is_final:  # read a moment before GitLab closed it
        state = RunState.SKIPPED if state is RunState.QUEUED else RunState.CANCELLED
    started = [at for job in jobs if (at := moment(job.get("started_at")))]
    finished = [at for job in jobs if (at := moment(job.get("finished_at")))]
    return Stage(
        name,
        state,
        started_at=min(started, default=None),
        finished_at=max(finished, default=None) if state.is_final else None,
        sentence="; ".join(filter(None, map(_job_sentence, jobs)))[:300],
        passable=state is RunState.WAITING and _gate(jobs) > 0,
    )


def gate(jobs: Iterable[Mapping[str, Any]]) -> int:
    """Give the id of the manual job that holds the first waiting stage; 0 when none does, or
    several do: then a person chooses.
    """
    stages = (of_stage for _, of_stage in _by_stage(jobs))
    return next(
        (
            _gate(of_stage)
            for of_stage in stages
            if _together([_job_state(job) for job in of_stage]) is RunState.WAITING
        ),
        0,
    )


def _gate(jobs: Sequence[Mapping[str, Any]]) -> int:
    waiting = [job for job in jobs if _job_state(job) is RunState.WAITING]
    manual = [id_of(job) for job in waiting if job.get("status") == "manual"]
    return manual[0] if len(manual) == len(waiting) == 1 else 0


def _together(states: Sequence[RunState]) -> RunState:
    """Give a stage's state: open as long as one of its jobs is, else as bad as its worst."""
    if RunState.RUNNING in states:
        return RunState.RUNNING
    if RunState.WAITING in states:
        return RunState.WAITING
    if RunState.QUEUED in states:
        return (
            RunState.RUNNING
            if any(state in {RunState.SUCCEEDED, RunState.FAILED} for state in states)
            else RunState.QUEUED
        )
    order = (RunState.FAILED, RunState.CANCELLED, RunState.SUCCEEDED)
    return next((state for state in order if state in states), RunState.SKIPPED)


def _job_state(job: Mapping[str, Any]) -> RunState:
    """Read a job's state. A failure that is allowed does not fail the stage; a manual job that is
    optional does not hold it.
    """
    status = text_of(job.get("status"))
    downstream = job.get("downstream_pipeline")
    if (
        isinstance(downstream, dict)
        and downstream.get("status") == "manual"
        and status == "running"
    ):
        return RunState.WAITING
    if job.get("allow_failure"):
        return {"failed": RunState.SUCCEEDED, "manual": RunState.SKIPPED}.get(status) or STATES.get(
            status, RunState.RUNNING
        )
    return STATES.get(status, RunState.RUNNING)


def _job_sentence(job: Mapping[str, Any]) -> str:
    """Say what a person should know of a job; nothing about one that is fine."""
    name, status = f'"{text_of(job.get("name"))}"', text_of(job.get("status"))
    state = _job_state(job)
    if status == "failed":
        reason = text_of(job.get("failure_reason"))
        why = _REASONS.get(reason, reason.replace("_", " "))
        allowed = ", which is allowed" if job.get("allow_failure") else ""
        return f"{name} failed{f' ({why})' if why else ''}{allowed}"
    if status == "manual" and state is RunState.WAITING:
        return f"{name} waits to be started or approved at GitLab"
    if status == "manual":
        return f"{name} is optional and was not started"
    if status in _BUSY:
        return f"{name} {_BUSY[status]}"
    return _child_sentence(name, job)


def _child_sentence(name: str, job: Mapping[str, Any]) -> str:
    child = job.get("downstream_pipeline")
    if not isinstance(child, dict):
        return ""
    status = text_of(child.get("status"))
    what = {"manual": "waits for a manual job", "success": "", "running": "is running"}.get(
        status, f"is {status}"
    )
    return f"{name}: its pipeline {child.get('id')} {what}" if what else ""


def correlation_of(found: Iterable[Mapping[str, Any]]) -> str:
    """Read our correlation id from a pipeline's variables; empty when it is not ours."""
    return variable(found, "GONOGO_CORRELATION")


def variable(found: Iterable[Mapping[str, Any]], name: str) -> str:
    """Read one of a pipeline's variables; empty when it has none of that name."""
    return next((text_of(each.get("value")) for each in found if each.get("key") == name), "")


def deployed_to(deployments: Iterable[Mapping[str, Any]], job: int) -> str:
    """Name the environment that a job deploys to; empty when none of these
    deployments is the job's.
    """
    found = next((each for each in deployments if id_of(_inside(each, "deployable")) == job), {})
    return text_of(_inside(found, "environment").get("name"))


def _inside(thing: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = thing.get(key)
    return value if isinstance(value, dict) else {}


def named(pipeline: Mapping[str, Any]) -> str:
    """Read the correlation id that a pipeline's name claims; empty when it claims none."""
    name = text_of(pipeline.get("name"))
    return name.removeprefix(NAME) if name.startswith(NAME) else ""


# Facts ------------------------------------------------------------------------------------------


def number_of(of: Mapping[str, Any], key: str) -> int:
    """Give a field that is a number; nought where it is none."""
    value = of.get(key)
    return int(value) if isinstance(value, int | float) else 0


def id_of(thing: Mapping[str, Any]) -> int:
    """Give the id of a thing; nought where it has none."""
    return number_of(thing, "id")


def text_of(value: Any) -> str:
    """Give a text; empty for what is none."""
    return value if isinstance(value, str) else ""
