"""The rollout: a strategy's steps made concrete for one deployment, and where each one stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bot.domain.catalog import Strategy


class StepState(StrEnum):
    """Where a step stands."""

    PENDING = "pending"
    RUNNING = "running"  # the CI run is under way
    SMOKE = "smoke"  # the smoke run is under way
    HOLDING = "holding"  # deployed; under observation until the hold time is over and the verdict allows to go on
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"  # the rollout ended before this step


@dataclass(frozen=True, slots=True)
class Step:
    """One step of one deployment, as it is stored. ``key`` is ``canary-5``, ``rolling-50`` or ``rollback``."""

    index: int
    key: str
    percent: int
    hold: timedelta
    state: StepState = StepState.PENDING
    run: str = ""
    """The CI provider's id of the run."""
    run_url: str = ""
    started_at: datetime | None = None
    """When the intent to start was stored."""
    deployed_at: datetime | None = None
    """When the CI run (and the smoke run) had succeeded: the hold begins."""
    finished_at: datetime | None = None
    attempt: int = 1
    """A run that the provider has lost for certain is started again under the next attempt's correlation id."""
    sentence: str = ""
    """What the run said when it failed, or the stage it is in."""

    @property
    def hold_until(self) -> datetime | None:
        """When the hold is over, once it has begun."""
        return self.deployed_at + self.hold if self.deployed_at else None


def plan(strategy: Strategy) -> tuple[Step, ...]:
    """Make a strategy's steps concrete."""
    return tuple(
        Step(index=i, key=f"{strategy.kind}-{step.percent}", percent=step.percent, hold=step.hold) for i, step in enumerate(strategy.steps)
    )
