"""What stands behind the doors that are no commands: the App Home and the dialogs. Each asks first
who it is and whether they may.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from bot.dispatch import use_cases
from bot.domain.actions import Action
from bot.domain.catalog import Permission
from bot.domain.changes import Changes
from bot.domain.commands import Help
from bot.domain.deployment import Deployment, DeploymentId
from bot.domain.errors import Refusal
from bot.domain.people import Person
from bot.ports.board import BoardRow
from bot.ports.talk import Announcer, Asked, Intent, Place
from bot.ports.time import Json
from bot.queries import board
from bot.services import refusals, ticks
from bot.services.asked import asked
from bot.services.context import Context, existing, facts_of, facts_of_timeline


@dataclass(frozen=True, slots=True)
class Doors:
    """Answers what dialogs and the App Home ask. Every method raises Refusal for whoever may
    not, and IntegrationError.
    """

    context: Context
    announcer: Announcer

    async def may_deploy(self, by: Person) -> None:
        """Ask before the form that asks for a deployment is shown, and before it is filled
        with what a service has.
        """
        await self.context.people.enter(by, Permission.DEPLOY, "ask for a deployment")

    async def may_ask(self, action: Action, id: DeploymentId, by: Person) -> Asked:
        """Ask before a dialog asks why, and give what it shows."""
        await use_cases.may_ask(self.context, action, id, by)
        return await asked(self.context, action, id)

    async def tickable(
        self, id: DeploymentId, by: Person
    ) -> tuple[Deployment, tuple[tuple[str, str, bool], ...]]:
        """Give the items that somebody may tick."""
        await self.context.people.admit(by)
        try:
            return await self._deployment(id), await ticks.tickable(self.context, id, by)
        except Refusal as refusal:
            raise await refusals.to_whom(self.context, by, refusal, id) from refusal

    async def changes(self, id: DeploymentId, by: Person) -> dict[str, Json]:
        """Give every commit and file that a deployment changes, for whoever approves it."""
        await self.context.people.enter(by, Permission.VIEW, "see what changes")
        async with self.context.store.reading() as reader:
            deployment = await existing(reader, id)
            changes = await reader.changes(id) or Changes(known=False)
        return {
            **facts_of(deployment),
            "commit": deployment.commit,
            "base": deployment.base_commit,
            "changes": asdict(changes),
        }

    async def timeline(self, id: DeploymentId, by: Person) -> dict[str, Json]:
        """Give what happened to a deployment, with people by their names."""
        await self.context.people.enter(by, Permission.VIEW, "see the timeline")
        async with self.context.store.reading() as reader:
            deployment = await existing(reader, id)
            told = await reader.timeline(id)
        entries = [*told.begin, *told.end]
        people = {str(each.actor) for each in entries} | {
            str(each.facts["to"]) for each in entries if each.action == "lead"
        }
        return {
            **facts_of(deployment),
            "timeline": facts_of_timeline(told),
            "item_titles": self.context.items_of(deployment),
            "names": {
                person: await self.context.people.name(Person.parse(person))
                for person in sorted(people)
            },
        }

    async def board(self, by: Person) -> Sequence[BoardRow]:
        """Give what the App Home shows: to whom ``/deploy status`` would
        show it, and to nobody else.
        """
        await self.context.people.enter(by, Permission.VIEW, "see the status")
        return await board.rows(self.context)

    async def roles(self, by: Person) -> Sequence[str]:
        """Say which roles somebody holds."""
        return [
            role
            for role in sorted(self.context.catalog.roles)
            if await self.context.people.holds(by, role)
        ]

    async def refuse(self, by: Person, channel: str, refusal: Refusal) -> None:
        """Tell somebody why a dialog is not shown."""
        intent = Intent("", Help(), by, Place(channel=channel), self.context.now())
        await self.announcer.answer(intent, await refusals.told(self.context, by, refusal))

    async def _deployment(self, id: DeploymentId) -> Deployment:
        async with self.context.store.reading() as reader:
            return await existing(reader, id)
