"""How a rollback came about: when somebody asked for it first, and what became of those that
came to nothing before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.domain.deployment import Deployment
from bot.domain.observation import is_shown_bad
from bot.domain.people import GONOGO, Person
from bot.domain.rollout import Step
from bot.domain.trouble import Trouble


class Outcome(StrEnum):
    """How what a retrospective is about came to its end."""

    ROLLED_BACK = "rolled back"
    STOPPED = "stopped"
    FAILED_BACK = "rollback failed"
    GIVEN_UP = "rollback given up"


@dataclass(frozen=True, slots=True)
class WentBack:
    """One duration has one beginning: the first time that going back was asked for."""

    asked_at: datetime
    asked_by: Person
    given_up: int = 0
    """How many rollbacks before it were given up,"""
    failed: int = 0
    """and how many failed."""

    @property
    def by_itself(self) -> bool:
        """Tell whether nobody asked for the first of them."""
        return self.asked_by == GONOGO

    @property
    def before(self) -> int:
        """Count the rollbacks that came to nothing before it."""
        return self.given_up + self.failed


def stood_before(
    undone: Deployment, steps: Sequence[Step], trouble: Trouble | None, *, is_verified: bool
) -> str:
    """Say how a deployment stood whose rollback has failed, as its sentence goes on; empty where it
    had failed itself: by its run, its smoke test or its numbers.
    """
    if is_shown_bad(trouble, steps, is_verified=is_verified):
        return ""
    if is_verified or undone.accepted:
        return f"was {'verified' if is_verified else 'accepted'} before"
    return "was live before" if undone.landed_at is not None else "had not failed itself"


def went_back(backs: Sequence[Deployment], *, since: datetime | None = None) -> WentBack | None:
    """Say how the newest of some rollbacks of one deployment came about; those from before
    ``since`` are another story.
    """
    mine = sorted(
        (each for each in backs if since is None or each.requested_at > since),
        key=lambda each: each.requested_at,
    )
    if not mine:
        return None
    given_up = sum(each.was_given_up for each in mine[:-1])
    return WentBack(mine[0].requested_at, mine[0].requested_by, given_up, len(mine) - 1 - given_up)
