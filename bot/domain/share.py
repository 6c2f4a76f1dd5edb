"""What share of the requests the version has that is recorded as live, while another rolls out over it or a rollback is under way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.domain.deployment import Deployment, DeploymentId, State
from bot.domain.rollout import Step, StepState, serving

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
    coming = max((step.percent for step in steps if step.is_under_way and step.percent > percent), default=0)
    return Brought(is_begun=True, percent=percent, coming=coming)


def share_of(commit: str, over: Deployment | None, steps: Sequence[Step], back: Deployment | None) -> Share | None:
    """Say what the commit that is recorded as live has of the requests; None where nothing else gets any.

    ``over`` is what can be rolled back in its place, with its ``steps``; ``back`` is the rollback of that which is under way.
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
