"""Who may do what. Every door asks here, when it happens, by user id and workspace;
nobody named means nobody.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from bot.domain.catalog import Catalog, Permission
from bot.domain.errors import IntegrationError, NotAllowed
from bot.domain.people import Person
from bot.ports.people import Directory, Profile

TERMINAL = "terminal"
"""The team of people who use ``gonogo`` on the bot's own machine; they are the operators."""


MOST_NAMED = 5
"""So many people are looked up for one text."""
_MENTIONED = re.compile(r"@([UW][A-Z0-9]{1,20})\b")


UNKNOWN = "which roles they hold cannot be looked up now"
LEFT = "this account is no member of the workspace any more"


@dataclass(frozen=True, slots=True)
class Held:
    """Which of some roles a person holds now, or why none."""

    roles: frozenset[str] = frozenset()
    why_not: str = ""

    @property
    def is_known(self) -> bool:
        """Tell whether it could be looked up."""
        return self.why_not != UNKNOWN

    @property
    def has_left(self) -> bool:
        """Tell whether they are no member of the workspace any more."""
        return self.why_not == LEFT


class People:
    """The configured roles joined with what the workspace says about people and groups."""

    def __init__(self, catalog: Catalog, directory: Directory) -> None:
        self._catalog = catalog
        self._directory = directory

    async def admit(self, person: Person, *, fresh: bool = False) -> None:
        """Let in members of the workspace only. Whatever gives a right asks ``fresh``: no look-up
        of a minute ago is believed then.

        Raises NotAllowed for guests, bots, the deactivated and people of other companies, and
        IntegrationError when it cannot be known.
        """
        if self._is_ours(person):
            self._admit(await self._directory.profile(person, fresh=fresh))

    def remembered(self, person: Person) -> None:
        """Let in whoever is not known to be nobody here; asks no directory, so that no outage holds
        up a lead's rollback, and nothing else.

        Raises NotAllowed for people of other companies, and for whom the directory
        last said to be no member.
        """
        profile = self._directory.remembered(person) if self._is_ours(person) else None
        if profile is not None:
            self._admit(profile)

    def _is_ours(self, person: Person) -> bool:
        """Tell whether the directory knows about somebody. Raises
        NotAllowed for another workspace.
        """
        if person.team not in {TERMINAL, self._catalog.team}:
            raise NotAllowed("Go/No-Go takes requests from members of this workspace only.")
        return person.team != TERMINAL

    @staticmethod
    def _admit(profile: Profile) -> None:
        if not profile.is_member:
            raise NotAllowed(
                "Go/No-Go takes requests from members of this workspace only; this "
                f"account {profile.why_not}."
            )

    async def holds(self, person: Person, role: str) -> bool:
        """Tell whether a person holds a role, by name or through a user group.

        A group that does not exist gives nothing; one that cannot be read now raises
        IntegrationError, unless something else says yes.
        """
        return await self._hold_any(person, (role,))

    async def held_now(
        self, person: Person, roles: Collection[str], *, fresh: bool = False
    ) -> Held:
        """Name which of these roles a person holds at this moment; whoever cannot be looked up,
        or has left, holds none.
        """
        try:
            await self.admit(person, fresh=fresh)
            held = frozenset(
                [
                    role
                    for role in sorted(roles)
                    if await self._hold_any(person, (role,), fresh=fresh)
                ]
            )
        except NotAllowed:
            return Held(why_not=LEFT)
        except IntegrationError:
            return Held(why_not=UNKNOWN)
        wanted = " or ".join(readable(role) for role in sorted(roles))
        return Held(held, "" if held else f"who gave it is not {wanted} any more")

    async def may(self, person: Person, permission: Permission) -> bool:
        """Tell whether a person has a permission through any of their roles."""
        if person.team == TERMINAL:
            return True
        return await self._hold_any(
            person, sorted(self._catalog.permissions.get(permission, frozenset()))
        )

    async def _hold_any(self, person: Person, roles: Iterable[str], *, fresh: bool = False) -> bool:
        found = [self._catalog.roles[role] for role in roles if role in self._catalog.roles]
        if any(person in role.people for role in found):
            return True
        away: IntegrationError | None = None
        for group in sorted(frozenset[str]().union(*(role.groups for role in found))):
            try:
                if person in await self._directory.members(group, fresh=fresh):
                    return True
            except IntegrationError as error:
                away = error if error.retry else away
        if away is not None:
            raise away
        return False

    async def has_a_role(self, person: Person) -> bool:
        """Tell whether somebody holds any role, or works at the terminal."""
        return person.team == TERMINAL or await self._hold_any(person, sorted(self._catalog.roles))

    async def require(self, person: Person, permission: Permission, what: str) -> None:
        """Refuse somebody without a permission; ``what`` completes "You cannot …"."""
        if not await self.may(person, permission):
            raise NotAllowed(
                f"You cannot {what}. {self.who_can(permission)}",
                roles=self._catalog.permissions.get(permission, ()),
            )

    async def may_lead(self, person: Person) -> bool:
        """Tell whether somebody can be a deployment's lead: whoever may deploy, or hand over any
        lead. Who is on call may besides.
        """
        return await self.may(person, Permission.DEPLOY) or await self.may(
            person, Permission.HAND_OVER
        )

    async def enter(self, person: Person, permission: Permission, what: str) -> None:
        """Let somebody in and let them do one thing: what every door asks that is no
        command. Raises NotAllowed.
        """
        await self.admit(person)
        await self.require(person, permission, what)

    async def with_roles(self, roles: Iterable[str]) -> frozenset[Person]:
        """List who holds one of these roles; a group that cannot be read has nobody."""
        found = [self._catalog.roles[role] for role in roles if role in self._catalog.roles]
        groups = [await self._members(group) for role in found for group in sorted(role.groups)]
        return frozenset().union(*(role.people for role in found), *groups)

    async def holders(self, role: str) -> frozenset[Person] | None:
        """List who holds a role; None where a group of it cannot be read now. A group that
        does not exist has nobody.
        """
        found = self._catalog.roles.get(role)
        held = set(found.people) if found else set[Person]()
        for group in sorted(found.groups) if found else ():
            try:
                held |= await self._directory.members(group)
            except IntegrationError as error:
                if error.retry:
                    return None
        return frozenset(held)

    def who_can(self, permission: Permission) -> str:
        """Say who has a permission, as a sentence."""
        named = " or ".join(self.named_by_role(permission))
        return (
            f"{named[0].upper()}{named[1:]} can."
            if named
            else "No role can; ask whoever keeps gonogo.yaml."
        )

    def named_by_role(self, permission: Permission) -> list[str]:
        """Say which people have a permission, for a sentence:
        ``people with the role release manager``; nothing when nobody has.
        """
        roles = self._roles(permission)
        return [f"people with the role {roles}"] if roles else []

    def anyone_with(self, permission: Permission) -> str:
        """Begin a sentence with who has a permission: ``Anyone with the role release manager``;
        "" when nobody has.
        """
        roles = self._roles(permission)
        return f"Anyone with the role {roles}" if roles else ""

    def _roles(self, permission: Permission) -> str:
        roles = [
            readable(role)
            for role in sorted(self._catalog.permissions.get(permission, frozenset()))
        ]
        return " or ".join([", ".join(roles[:-1]), roles[-1]] if roles[1:] else roles)

    async def name(self, person: Person) -> str:
        """Give what people call somebody, for texts that must not notify them; the user id where
        the workspace does not tell.
        """
        try:
            return (await self._directory.profile(person)).name
        except IntegrationError:
            known = self._directory.remembered(person)
            return known.name if known else person.user

    async def zone(self, person: Person) -> str:
        """Give somebody's time zone, for a place where Slack translates no time; empty where the
        workspace does not tell.
        """
        known = self._directory.remembered(person)
        try:
            return (known or await self._directory.profile(person)).zone
        except IntegrationError:
            return ""

    async def named(self, text: str) -> str:
        """Write the user ids that somebody mentioned in a text as the names of these people; what
        the workspace does not know stays.
        """
        names = {
            user: await self.name(Person(self._catalog.team, user))
            for user in sorted(set(_MENTIONED.findall(text)))[:MOST_NAMED]
        }
        return _MENTIONED.sub(lambda at: f"@{names.get(at[1], at[1])}", text)

    async def _members(self, group: str) -> frozenset[Person]:
        try:
            return await self._directory.members(group)
        except IntegrationError:
            return frozenset()


def readable(role: str) -> str:
    """Write a role's name as people say it."""
    return role.replace("_", " ")
