"""When a rollback hangs: the one rule for the alarm, the card, and whatever gives the rollback up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from bot.domain.deployment import DeploymentId
from bot.domain.rollout import Step

TIMES = 2
"""So many times its usual time a rollback may take."""
AT_LEAST = timedelta(minutes=5)
"""What usually takes seconds is given so long all the same."""
UNKNOWN = timedelta(minutes=10)
"""How long it may take where none has been seen to end."""


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


def patience(usual: Sequence[float]) -> timedelta:
    """Say how long a rollback may take; ``usual`` are the seconds of earlier ones."""
    return max(TIMES * timedelta(seconds=median(usual)), AT_LEAST) if usual else UNKNOWN


def is_hanging(step: Step, usual: Sequence[float], now: datetime) -> bool:
    """Tell whether a rollback's run, with its smoke test, takes longer than it should."""
    return step.is_under_way and step.started_at is not None and now - step.started_at > patience(usual)
