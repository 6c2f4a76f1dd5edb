"""What share of the requests the version has that is recorded as live, and what serves
beside it or instead of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.domain.deployment import Deployment, DeploymentId, State
from bot.domain.hanging import Hanging
from bot.domain.health import Snapshot
from bot.domain.rollout import Step, StepState, serves, serving

EVERYTHING = 100
"""Percent of the requests."""


class Holds(StrEnum):
    """What is becoming of the requests of what is recorded as live."""

    PART = "part"  # it shares them with what rolls out over it
    NONE = "none"  # what rolls out over it has them all
    GIVES = "gives"  # the run under way gives them all to what rolls out over it
    RETURNS = "returns"  # a rollback under way puts it back
    LEAVES = "leaves"  # a rollback under way takes it away


@dataclass(frozen=True, slots=True)
class Share:
    """What what is recorded as live has of the requests, and what takes part in that."""

    holds: Holds
    percent: int
    """Of the requests, at the most."""
    by: DeploymentId
    """What rolls out over it, or the rollback."""
    version: str
    """What that brings, or puts back."""

    @property
    def has_them_all(self) -> str:
        """Say of what is recorded as live that it gets no requests."""
        return f"it gets no requests there now: {self.version} ({self.by}) has them all"

    @property
    def is_going_back(self) -> bool:
        """Tell whether that comes of a rollback, which says itself from what to what it goes."""
        return self.holds in {Holds.RETURNS, Holds.LEAVES}

    @property
    def has_requests(self) -> bool:
        """Tell whether it may get any."""
        return self.holds is Holds.LEAVES or self.percent > 0


@dataclass(frozen=True, slots=True)
class Brought:
    """What a deployment that is under way has brought to its place."""

    is_begun: bool
    """Whether anything of it has been started."""
    percent: int
    """Of the requests; 0 where none are known to have come to it yet."""
    coming: int
    """What a run that is under way gives it, 0 without one."""


def brought_by_now(deployment: Deployment, steps: Sequence[Step]) -> Brought:
    """Say what has come of a deployment until now."""
    if deployment.has_touched_nothing:
        return Brought(is_begun=False, percent=0, coming=0)
    percent = EVERYTHING if deployment.state is State.WATCHING else serving(steps)
    coming = max(
        (step.percent for step in steps if step.is_under_way and step.percent > percent), default=0
    )
    return Brought(is_begun=True, percent=percent, coming=coming)


def part_of(deployment: Deployment, steps: Sequence[Step]) -> Brought | None:
    """Say what part of the requests a rollout that is not whole yet has brought its version; None
    where it has them all.
    """
    if deployment.state is not State.ROLLING_OUT:
        return None
    brought = brought_by_now(deployment, steps)
    return brought if brought.percent < EVERYTHING else None


def share_of(
    commit: str, over: Deployment | None, steps: Sequence[Step], back: Deployment | None
) -> Share | None:
    """Say what the commit that is recorded as live has of the requests; None
    where nothing else gets any.

    ``over`` is what can be rolled back in its place, with its ``steps``; ``back`` is the rollback
    of that which is under way.
    """
    if over is None:
        return None
    taken = serving(steps)
    if over.state is State.ROLLING_BACK and back is not None:
        returns = back.commit == commit and over.commit != commit
        percent = EVERYTHING - taken if over.commit != commit else taken
        return Share(Holds.RETURNS if returns else Holds.LEAVES, percent, back.id, back.version)
    if over.state is not State.ROLLING_OUT or over.commit == commit:
        return None
    coming = max((step.percent for step in steps if step.state is StepState.RUNNING), default=taken)
    if taken < EVERYTHING <= coming:
        return Share(Holds.GIVES, EVERYTHING - taken, over.id, over.version)
    holds = Holds.NONE if taken >= EVERYTHING else Holds.PART
    return Share(holds, EVERYTHING - taken, over.id, over.version) if taken else None


class Part(StrEnum):
    """What becomes of a version that serves beside what is recorded as live, or instead of it."""

    COMES = "comes"  # it rolls out, or stands still
    GOES = "goes"  # a rollback under way takes it away
    BACK = "back"  # a rollback under way has put it back; nothing but its smoke test is missing
    LEFT = "left"  # nothing of it is under way any more: it was stopped, or it failed


@dataclass(frozen=True, slots=True)
class Beside:
    """A version that serves beside what is recorded as live, or instead of it: its share, as far as
    is known, and its numbers.
    """

    part: Part
    deployment: DeploymentId
    """What has brought it, or the rollback that has put it back."""
    version: str
    percent: int
    """Of the requests; 0 where something of it may be there all the same."""
    at: datetime
    """When that was known last; of what is under way it is so now."""
    cut: int = 0
    """Of how many percent a run was that did not end well, so that it may have
    more; 0 where there was none.
    """
    snapshot: Snapshot | None = None
    """Its newest numbers."""
    hangs: Hanging | None = None
    """That the rollback under way takes longer than it should."""


def beside(
    commit: str,
    over: Deployment,
    steps: Sequence[Step],
    back: Deployment | None,
    way_back: Sequence[Step],
) -> Beside | None:
    """Say what serves beside the commit that is recorded as live, or instead of it; None where
    nothing else does, as far as is known.

    ``over`` is what can be rolled back in its place, ``back`` its newest rollback; each with
    what its steps have done.
    """
    if over.state is State.ROLLING_BACK:
        return _put_back(Part.BACK, back, way_back) or Beside(
            Part.GOES, over.id, over.version, serving(steps), over.state_since
        )
    if over.state is State.FAILED:
        return _put_back(Part.LEFT, back, way_back) or _left(over, steps)
    taken = serving(steps) if over.state is State.ROLLING_OUT and over.commit != commit else 0
    return Beside(Part.COMES, over.id, over.version, taken, over.state_since) if taken else None


def _put_back(part: Part, back: Deployment | None, way_back: Sequence[Step]) -> Beside | None:
    """Say that a rollback has put the other version back, also where it has failed after that."""
    step = serves(way_back)
    if back is None or step is None:
        return None
    return Beside(part, back.id, back.version, step.percent, step.serves_since or back.state_since)


def _left(over: Deployment, steps: Sequence[Step]) -> Beside | None:
    """Say what is left of a deployment that was stopped or has failed; None where nothing of
    it has ever been started.
    """
    short = {StepState.FAILED, StepState.STOPPED}
    cut = [
        step.percent
        for step in steps
        if step.state in short and step.serves_since is None and not step.is_untouched
    ]
    last = serves(steps)
    if last is None and not cut:
        return None
    since = last.serves_since if last is not None else None
    return Beside(
        Part.LEFT,
        over.id,
        over.version,
        serving(steps),
        since or over.state_since,
        cut=max(cut, default=0),
    )
