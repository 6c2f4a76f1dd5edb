"""How the same version ended the last time that it was in a place, where that was no success:
whoever has it come again is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.domain.deployment import DeploymentId
from bot.domain.people import Person


class Ended(StrEnum):
    """How it ended."""

    STOPPED = "stopped"
    ROLLED_BACK = "rolled back"
    FAILED = "failed"
    NOT_BACK = "not back"  # only its rollback failed


@dataclass(frozen=True, slots=True)
class LastTime:
    """One sentence of facts: ``was stopped by @bo at 18:35 at 50 % with
    errors 30 %: carts are lost``.
    """

    deployment: DeploymentId
    how: Ended
    at: datetime
    by: Person | None = None
    """Who ended it; None where it failed."""
    percent: int = 0
    """What it had of the requests then, or where its run failed; 0 where that is
    not known, or says nothing.
    """
    numbers: str = ""
    """The worst of its numbers, in words."""
    reason: str = ""
