"""Buildbot's answers, read into our values. Nothing here reaches outside.

Field names and numbers: Buildbot's REST API, data model of 4.3 (rtype-build, rtype-buildrequest,
rtype-step, rtype-forcescheduler).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from bot.domain.quality import QualityState
from bot.domain.rollout import RunState, Stage
from bot.ports.ci import CIRun, Quality
from bot.providers.ci.verdicts import Outcome, Said

VENDOR = "Buildbot"
SKIPPED = 3
RETRY = 5
CANCELLED = 6
STATES = {
    0: RunState.SUCCEEDED,
    1: RunState.SUCCEEDED,  # with warnings
    2: RunState.FAILED,
    SKIPPED: RunState.SKIPPED,
    4: RunState.FAILED,  # an exception
    RETRY: RunState.LOST,  # its worker was lost
    CANCELLED: RunState.CANCELLED,
}
NEEDED = (
    "correlation_id",
    "action",
    "environment",
    "percent",
    "version",
    "strategy",
    "deployment",
    "commit",
)
"""What a force scheduler must take from us: Buildbot drops a field that it does
not know without a word.
"""
PLAN = "gonogo_stages"
"""A fixed field of the force scheduler: the names of the steps that make up each action."""
_OURS_NOT = frozenset({"worker_preparation", "locks_acquire"})
_LOCK = "locks_acquire"


@dataclass(frozen=True, slots=True)
class Scheduler:
    """A force scheduler: what it takes, and for whom. ``revision`` is the full name of
    the field for the commit.
    """

    fields: Mapping[str, Mapping[str, Any]]
    builders: tuple[str, ...]
    enabled: bool

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Scheduler:
        """Read one from ``/forceschedulers/NAME``."""
        fields = {
            str(field.get("fullName")): field for field in _leaves(found.get("all_fields") or ())
        }
        return cls(
            fields, tuple(found.get("builder_names") or ()), bool(found.get("enabled", True))
        )

    @property
    def revision(self) -> str:
        """Name the field that takes the commit; empty when there is none, or more than one."""
        names = [
            name
            for name, field in self.fields.items()
            if field.get("name") == "revision" and field.get("type") != "fixed"
        ]
        return names[0] if len(names) == 1 else ""

    def plan(self, action: str) -> tuple[str, ...] | None:
        """Name the steps of an action; None when the scheduler has no plan."""
        return plan_of(self.fields.get(PLAN, {}).get("default"), action)

    def wrong(self, builder: str) -> str:
        """Say what keeps the scheduler from starting our runs; empty when nothing does."""
        missing = [
            name
            for name in NEEDED
            if name not in self.fields or self.fields[name].get("type") == "fixed"
        ]
        if missing:
            return f"it does not take {', '.join(missing)}"
        if not self.revision:
            return "it has not exactly one field that takes the revision"
        if builder not in self.builders:
            return f"it does not start the builder {builder}"
        return "" if self.enabled else "it is switched off"

    def takes(self, name: str) -> bool:
        """Tell whether a field is there and may be filled."""
        return name in self.fields and self.fields[name].get("type") != "fixed"


def _leaves(fields: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for field in fields:
        if "fields" in field:
            yield from _leaves(field["fields"])
        else:
            yield field


def plan_of(value: Any, action: str) -> tuple[str, ...] | None:
    """Read the plan's steps for one action; None when there is no plan."""
    if not isinstance(value, dict):
        return None
    names = value.get(action)
    return tuple(str(name) for name in names) if isinstance(names, list) else ()


def told(properties: Any, name: str) -> Any:
    """Give a property's value; None when it is not set. Buildbot sends
    ``{name: [value, source]}``.
    """
    pair = properties.get(name) if isinstance(properties, dict) else None
    return pair[0] if isinstance(pair, list) and pair else None


def when(seconds: Any) -> datetime | None:
    """Read a moment: seconds since 1970, UTC."""
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int | float) else None


def run_of(
    id: str,
    request: Mapping[str, Any],
    build: Mapping[str, Any] | None,
    steps: Sequence[Mapping[str, Any]],
) -> CIRun:
    """Put a run together: its build request, the newest build of it, and that build's steps."""
    properties = request.get("properties")
    plan = plan_of(told(properties, PLAN), str(told(properties, "action") or ""))
    begun = build is not None and build.get("results") != RETRY
    if build is None or not begun:
        return _without_build(id, request, plan or (), lost=build is not None)
    if not build.get("complete"):
        return _under_way(
            CIRun(
                id,
                RunState.RUNNING,
                stages=_stages(steps, plan, RunState.RUNNING),
                started_at=when(build["started_at"]),
            ),
            steps,
        )
    state = STATES.get(build.get("results", -1), RunState.FAILED)
    ended = CIRun(
        id,
        state,
        stages=_stages(steps, plan, state),
        started_at=when(build["started_at"]),
        finished_at=when(build["complete_at"]),
    )
    return _explained(ended, build, str(told(properties, "commit") or ""))


def _without_build(
    id: str, request: Mapping[str, Any], plan: Sequence[str], *, lost: bool
) -> CIRun:
    submitted = when(request.get("submitted_at"))
    if not request.get("complete"):
        stages = tuple(Stage(name, RunState.QUEUED) for name in plan)
        why = "its worker was lost; Buildbot starts it again" if lost else ""
        return CIRun(id, RunState.QUEUED, stages=stages, started_at=submitted, sentence=why)
    stages = tuple(Stage(name, RunState.SKIPPED) for name in plan)
    ended = CIRun(
        id,
        RunState.CANCELLED,
        stages=stages,
        started_at=submitted,
        finished_at=when(request.get("complete_at")),
    )
    if request.get("results") == SKIPPED:
        why = (
            "Buildbot put it together with a newer request for the same commit and did not run it; "
            "set collapseRequests=False"
        )
        return replace(ended, sentence=why)
    if request.get("results") == CANCELLED:
        return replace(ended, sentence="stopped before it began")
    return replace(
        ended, state=RunState.LOST, sentence="Buildbot closed the request without a build"
    )


def _under_way(run: CIRun, steps: Sequence[Mapping[str, Any]]) -> CIRun:
    """Say that a build waits for its builder's lock, when it does. A step's own lock cannot be told
    from the first moment of the step.
    """
    held = any(
        step.get("name") == _LOCK
        and step.get("started_at") is not None
        and not step.get("complete")
        for step in steps
    )
    return (
        replace(run, sentence="waits for a lock in Buildbot that another build holds")
        if held
        else run
    )


def _explained(run: CIRun, build: Mapping[str, Any], commit: str) -> CIRun:
    deployed = told(build.get("properties"), "got_revision")
    if (
        run.state is RunState.SUCCEEDED
        and commit
        and isinstance(deployed, str)
        and deployed != commit
    ):
        return replace(
            run,
            state=RunState.FAILED,
            sentence=f"Buildbot worked on {deployed[:10]} and not on {commit[:10]}",
        )
    if run.state is RunState.SUCCEEDED:
        return run
    said = " ".join(str(build.get("state_string") or "").split())
    failed = next((stage for stage in run.stages if stage.state is RunState.FAILED), None)
    if run.state is RunState.FAILED and failed:
        return replace(run, sentence=f"{failed.name} failed: {failed.sentence}"[:300])
    return replace(
        run,
        sentence=f"Buildbot: {said}"[:300] if said else f"Buildbot says that it was {run.state}",
    )


def _stages(
    steps: Sequence[Mapping[str, Any]], plan: Sequence[str] | None, whole: RunState
) -> tuple[Stage, ...]:
    """Show the planned steps, those not reached too, and before them whatever else failed; without
    a plan, the steps that are there.
    """
    seen = {str(step.get("name")): step for step in steps}
    if plan is None:
        return tuple(_stage(step, whole) for step in steps if _is_shown(step))
    others = tuple(
        _stage(step, whole) for name, step in seen.items() if name not in plan and _went_wrong(step)
    )
    missing = RunState.SKIPPED if whole.is_final else RunState.QUEUED
    return others + tuple(
        _stage(seen[name], whole) if name in seen else Stage(name, missing) for name in plan
    )


def _is_shown(step: Mapping[str, Any]) -> bool:
    return _went_wrong(step) or not (step.get("hidden") or step.get("name") in _OURS_NOT)


def _went_wrong(step: Mapping[str, Any]) -> bool:
    return bool(step.get("complete")) and STATES.get(step.get("results", -1)) is RunState.FAILED


def _stage(step: Mapping[str, Any], whole: RunState) -> Stage:
    said = " ".join(str(step.get("state_string") or "").split())
    stage = Stage(
        str(step.get("name")),
        RunState.RUNNING,
        when(step.get("started_at")),
        when(step.get("complete_at")),
    )
    if step.get("complete"):
        return replace(
            stage, state=STATES.get(step.get("results", -1), RunState.FAILED), sentence=said
        )
    if whole.is_final:
        return replace(stage, state=whole if stage.started_at else RunState.SKIPPED)
    if stage.started_at is None:
        return replace(stage, state=RunState.QUEUED)
    return stage


def outcome(build: Mapping[str, Any]) -> Outcome:
    """Read what a build of the tests says: one of the same branch is the same thing run again."""
    said = {
        RunState.SUCCEEDED: Said.PASSED,
        RunState.SKIPPED: Said.SKIPPED,
        RunState.CANCELLED: Said.STOPPED,
        RunState.LOST: Said.RUNNING,
    }
    state = (
        STATES.get(build.get("results", -1), RunState.FAILED)
        if build.get("complete")
        else RunState.LOST
    )
    return Outcome(
        str(build["number"]),
        said.get(state, Said.FAILED),
        (str(told(build.get("properties"), "branch") or ""),),
        (build["number"],),
    )


def quality_of(builder: str, build: Mapping[str, Any], url: str) -> Quality:
    """Tell what a build of the tests says about its commit."""
    said = " ".join(str(build.get("state_string") or "").split())
    if not build.get("complete") or build.get("results") == RETRY:
        return Quality(
            QualityState.RUNNING,
            f"{builder} is testing it",
            url,
            since=when(build.get("started_at")),
        )
    state = STATES.get(build.get("results", -1), RunState.FAILED)
    if state is RunState.SUCCEEDED:
        return Quality(QualityState.GREEN, f"{builder}: {said}", url)
    if state is RunState.SKIPPED:
        return Quality(QualityState.NONE, f"{builder} skipped its tests", url, has_run=True)
    if state is RunState.CANCELLED:
        return Quality(
            QualityState.NONE,
            f"{builder} was cancelled, so nothing has been tested",
            url,
            has_run=True,
        )
    return Quality(QualityState.RED, f"{builder}: {said}"[:300], url)
