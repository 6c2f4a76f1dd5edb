"""What keeps a rollout where it is: who does, and the lead's word that it may go on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.domain.people import Person


@dataclass(frozen=True, slots=True)
class LetGo:
    """The lead's word that it may go on although the numbers do not say so."""

    by: Person
    reason: str
    where: str
    """The step's key, or ``watch``."""
    percent: int | None = None
    """Of that step."""
    is_outdated: bool = False
    """Whether it keeps standing there all the same, because it is worse now
    than what the word was for.
    """


@dataclass(frozen=True, slots=True)
class Kept:
    """Who keeps a rollout where it is, and how that is taken away."""

    kind: str
    """``places.Obstacle``."""
    by: Person | None = None
    at: datetime | None = None
    until: datetime | None = None
    """When it ends by itself."""
    who: tuple[str, ...] = ()
    """Who can take it away, in words."""
    how: str = ""
    """The command that does."""
