"""Locks: a person (or a rollback) keeps deployments out of an environment, with a reason
that everybody can read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

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


FOREVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Locked:
    """That a place is locked: by the lock that lasts longest, and how many others."""

    lock: Lock
    others: int

    @property
    def sentence(self) -> str:
        """Say what is locked and why, and that this is not the only lock."""
        return f"{self.lock.place} is locked: {self.lock.reason}{and_more(self.others)}"


def locked_by(locks: Sequence[Lock], now: datetime) -> Locked | None:
    """Tell what keeps a place locked, if anything does: it is over with the last of its locks."""
    holding = [lock for lock in locks if lock.holds(now)]
    if not holding:
        return None
    return Locked(max(holding, key=lambda lock: lock.until or FOREVER), len(holding) - 1)


def and_more(others: int) -> str:
    """Say after a lock's reason how many more there are; nothing where there is none."""
    return f" (and {others} more lock{'s' * (others > 1)})" if others else ""
