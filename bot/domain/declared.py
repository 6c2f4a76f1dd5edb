"""What is known to be live because somebody declared it, and not because a
deployment of ours brought it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.domain.people import Person


class Origin(StrEnum):
    """How a version came to be recorded as live without a deployment of ours."""

    ADOPTED = "adopted"  # an operator recorded what was live before the bot came
    SAID = "said"  # somebody said so while the bot could not know


@dataclass(frozen=True, slots=True)
class Declared:
    """That somebody declared a version live in a place: who, when, and why."""

    service: str
    environment: str
    commit: str
    version: str
    origin: Origin
    by: Person
    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Replaced:
    """What came right after a deployment or a rollback in its place: the version, and who said so
    where nothing but a word did.
    """

    version: str
    at: datetime
    by: Person | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """That somebody has gone back from a version by hand, and said so: no rollback puts it back,
    until it is deployed and proved again.
    """

    service: str
    environment: str
    commit: str
    version: str
    by: Person
    at: datetime
