"""Locks: a person (or a rollback) keeps deployments out of an environment, with a reason
that everybody can read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.domain.people import Person


@dataclass(frozen=True, slots=True)
class Lock:
    """One lock. ``service`` is empty for all services of the environment."""

    service: str
    environment: str
    reason: str
    by: Person
    at: datetime
    until: datetime | None = None
    deployment: str = ""
    """The deployment whose rollback set it, if one did."""

    @property
    def place(self) -> str:
        """Name what is locked: one service, or everything in the environment."""
        return f"{self.service or 'everything'} in {self.environment}"

    @property
    def mark(self) -> str:
        """Tell this lock from every other one of the place; its reason may be written anew."""
        return (
            f"{self.service} {self.environment} {self.deployment} {self.by} {self.at.isoformat()}"
        )

    def holds(self, now: datetime) -> bool:
        """Tell whether it still holds."""
        return self.until is None or now < self.until
