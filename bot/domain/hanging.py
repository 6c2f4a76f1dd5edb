"""When a run hangs: the one rule for rollbacks and rollouts, for the alarm, the card, the status,
and whatever gives it up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import median

from bot.domain.deployment import DeploymentId
from bot.domain.rollout import Step, StepState

TIMES = 2
"""So many times its usual time a run may take."""
AT_LEAST = timedelta(minutes=5)
"""What usually takes seconds is given so long all the same."""
UNKNOWN = timedelta(minutes=10)
"""How long it may take where none has been seen to end."""


class Basis(StrEnum):
    """On what it rests how long a run may take."""

    USUAL = "usual"  # what the same took here before
    # the slowest run of the service, where the same has not been seen to end here
    SLOWEST = "slowest"
    NOTHING = "nothing"  # no run of the service has been seen to end


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a run may take, and on what that rests."""

    time: timedelta
    basis: Basis
    took: timedelta = timedelta(0)
    """How long runs took before, as far as any has been seen to end."""


@dataclass(frozen=True, slots=True)
class Hanging:
    """A rollback that takes longer than it should."""

    rollback: DeploymentId
    version: str
    """What it was to put back."""
    commit: str
    since: datetime
    """When its run was begun."""
    url: str = ""
    is_back: bool = False
    """Whether that is put back already, and serves: nothing but its smoke test is missing."""

    @property
    def put_back(self) -> str:
        """Name what serves again, as far as anything does."""
        return self.version if self.is_back else ""

    @property
    def mark(self) -> str:
        """Name what a button that gives it up is about."""
        return f"hangs:{self.rollback}"


@dataclass(frozen=True, slots=True)
class LateRun:
    """A run of a rollout, or its smoke test, that takes longer than it should."""

    step: str
    """The step's key."""
    percent: int
    is_smoke: bool
    since: datetime
    """When it was begun, or let go on at a gate of its pipeline."""
    allowed: Patience
    url: str = ""
    says: str = ""
    """What the CI provider says about it, where that is odd."""
    silent_since: datetime | None = None
    """Since when the CI provider has not answered, so that it may have ended."""


def patience(usual: Sequence[float], others: Sequence[float] = ()) -> Patience:
    """Say how long a run may take; ``usual`` are the seconds of earlier ones of the same,
    ``others`` those of the service's other runs.
    """
    if usual:
        return _twice(median(usual), Basis.USUAL)
    return _twice(max(others), Basis.SLOWEST) if others else Patience(UNKNOWN, Basis.NOTHING)


def _twice(seconds: float, basis: Basis) -> Patience:
    took = timedelta(seconds=seconds)
    return Patience(max(TIMES * took, AT_LEAST), basis, took)


def is_hanging(step: Step, usual: Sequence[float], now: datetime) -> bool:
    """Tell whether a rollback's run, with its smoke test, takes longer than it should."""
    return (
        step.is_under_way
        and step.started_at is not None
        and now - step.started_at > patience(usual).time
    )


def late(step: Step, allowed: Patience, now: datetime) -> LateRun | None:
    """Give a rollout's run if it takes longer than it should. At a gate it waits for people; what
    is refused is an alarm already.
    """
    began = step.goes_since
    is_going = step.is_on_its_way and not step.waiting_stage and not step.refusal
    if not is_going or began is None or now - began <= allowed.time:
        return None
    is_smoke = step.state is StepState.SMOKE
    return LateRun(
        step.key,
        step.percent,
        is_smoke,
        began,
        allowed,
        step.run_url,
        step.sentence,
        step.silent_since,
    )
