"""Who is on call, and whom the workspace knows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.domain.catalog import Service
from bot.domain.people import Person


@dataclass(frozen=True, slots=True)
class Shift:
    """Somebody's time on call."""

    person: Person
    until: datetime | None
    source: str
    """Where this was read, for a person: ``rota "storefront"``."""
    as_of: datetime | None = None
    """When the schedule said so, where that is a while ago."""


class OnCallSchedule(Protocol):
    """Who is on call."""

    async def who(self, service: Service, at: datetime) -> Shift | None:
        """Name the person on call, or None when nobody is (a gap blocks)."""
        ...


@dataclass(frozen=True, slots=True)
class Profile:
    """What the workspace says about a user id. ``is_member`` is False for guests, bots, the
    deactivated and people of other companies.
    """

    person: Person
    name: str
    is_member: bool
    why_not: str = ""
    """For a refusal: ``is a guest of this workspace``."""
    zone: str = ""
    """Their time zone, where the workspace tells it: ``Europe/Berlin``."""


class Directory(Protocol):
    """The workspace's people and groups."""

    async def profile(self, person: Person, *, fresh: bool = False) -> Profile:
        """Look a person up, as they were a minute ago at most; ``fresh``: as they are now.

        Raises IntegrationError when that cannot be known.
        """
        ...

    def remembered(self, person: Person) -> Profile | None:
        """Give what was last known about a person, however long ago; asks nobody.
        None when nothing is known.
        """
        ...

    async def members(self, group: str, *, fresh: bool = False) -> frozenset[Person]:
        """List a user group's members, of a minute ago at most; ``fresh``: of now. Raises
        IntegrationError when that cannot be known.
        """
        ...
