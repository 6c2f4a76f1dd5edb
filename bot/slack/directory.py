"""The workspace's people and groups, looked up when needed and remembered for a minute; what gives
a right is asked past that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from bot.domain.people import Person
from bot.ports.people import Profile
from bot.ports.time import Clock
from bot.slack.client import SlackClient, SlackError

FRESH = timedelta(seconds=60)
MOST_REMEMBERED = 5000
UNKNOWN = frozenset({"user_not_found", "users_not_found", "user_not_visible"})
SLACKBOT = "USLACKBOT"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Known(Generic[T]):
    value: T
    at: datetime


class SlackDirectory:
    """``ports.Directory`` on Slack. Only full members of the configured workspace are members."""

    def __init__(self, client: SlackClient, *, team: str, clock: Clock) -> None:
        self._client = client
        self._team = team
        self._clock = clock
        self._profiles: dict[str, _Known[Profile]] = {}
        self._groups: dict[str, _Known[frozenset[Person]]] = {}

    async def profile(self, person: Person, *, fresh: bool = False) -> Profile:
        """Look a person up, past what is remembered when ``fresh``. Raises IntegrationError
        when that cannot be known.
        """
        if person.team != self._team:
            return Profile(
                person, person.user, is_member=False, why_not="belongs to another workspace"
            )
        known = self._profiles.get(person.user)
        if known is not None and not fresh and self._age(known) < FRESH:
            return known.value
        try:
            profile = profile_of(person, await self._client.user(person.user))
        except SlackError as error:
            if error.code not in UNKNOWN:
                raise
            profile = Profile(
                person, person.user, is_member=False, why_not="is not known in this workspace"
            )
        self._remember(self._profiles, person.user, profile)
        return profile

    def remembered(self, person: Person) -> Profile | None:
        """Give what was last known about a person."""
        known = self._profiles.get(person.user) if person.team == self._team else None
        return known.value if known else None

    async def members(self, group: str, *, fresh: bool = False) -> frozenset[Person]:
        """List a user group's members, past what is remembered when ``fresh``. Raises
        IntegrationError when that cannot be known.
        """
        known = self._groups.get(group)
        if known is not None and not fresh and self._age(known) < FRESH:
            return known.value
        people = frozenset(Person(self._team, user) for user in await self._client.members(group))
        self._remember(self._groups, group, people)
        return people

    def _age(self, known: _Known[Any]) -> timedelta:
        return self._clock.now() - known.at

    def _remember(self, where: dict[str, _Known[T]], key: str, value: T) -> None:
        if len(where) >= MOST_REMEMBERED:
            where.clear()
        where[key] = _Known(value, self._clock.now())


def profile_of(person: Person, user: Mapping[str, Any]) -> Profile:
    """Read ``users.info``. What is not plainly a full member of this workspace is none."""
    details = user.get("profile") or {}
    name = str(
        details.get("display_name") or user.get("real_name") or user.get("name") or person.user
    )
    why_not = _why_not(person, user)
    zone = str(user.get("tz") or "")
    return Profile(person, name, is_member=not why_not, why_not=why_not, zone=zone)


def _why_not(person: Person, user: Mapping[str, Any]) -> str:
    teams = {user.get("team_id"), *((user.get("enterprise_user") or {}).get("teams") or [])}
    if user.get("id") != person.user:
        return "is not known in this workspace"
    if person.team not in teams or user.get("is_stranger"):
        return "belongs to another workspace"
    if user.get("deleted"):
        return "is deactivated"
    if user.get("is_bot") or person.user == SLACKBOT:
        return "is a bot"
    if user.get("is_restricted") or user.get("is_ultra_restricted"):
        return "is a guest of this workspace"
    return ""
