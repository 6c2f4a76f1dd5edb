"""Opens dialogs for people: what listeners ask for right after their ack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from bot.domain.actions import Action
from bot.domain.catalog import Catalog
from bot.domain.deployment import Deployment
from bot.domain.errors import IntegrationError, Refusal
from bot.domain.people import Person
from bot.ports.board import BoardRow
from bot.ports.talk import Answer, Asked
from bot.slack import ids
from bot.slack.client import SlackClient
from bot.slack.dialogs import Dialogs, ServiceChoice

Items = tuple[tuple[str, str, bool], ...]
NOT_KNOWN = (
    "Slack does not say just now who you are, so nothing is shown. Open this again in a minute."
)


class Doors(Protocol):
    """What dialogs are about. Each asks the authority, and raises Refusal
    for whoever may not see it.
    """

    async def may_deploy(self, by: Person) -> None:
        """Ask before the form that asks for a deployment is shown."""
        ...

    async def may_ask(self, action: Action, id: str, by: Person) -> Asked:
        """Ask before a dialog asks why, and give what it shows."""
        ...

    async def tickable(self, id: str, by: Person) -> tuple[Deployment, Items]:
        """Give the items that somebody may tick, as (key, title, ticked)."""
        ...

    async def changes(self, id: str, by: Person) -> Mapping[str, Any]:
        """Give the facts of what a deployment changes (``dialogs/changes``)."""
        ...

    async def timeline(self, id: str, by: Person) -> Mapping[str, Any]:
        """Give the facts of what happened to a deployment (``dialogs/timeline``)."""
        ...

    async def board(self, by: Person) -> Sequence[BoardRow]:
        """Give the board."""
        ...

    async def roles(self, by: Person) -> Sequence[str]:
        """Say which roles somebody holds."""
        ...

    async def refuse(self, by: Person, channel: str, refusal: Refusal) -> None:
        """Tell somebody why a dialog is not shown."""
        ...


class Forms:
    """The dialogs, opened. What they show comes from the doors; a refusal is told to the
    person instead of a dialog.
    """

    def __init__(
        self, client: SlackClient, dialogs: Dialogs, catalog: Catalog, doors: Doors
    ) -> None:
        self._client = client
        self._dialogs = dialogs
        self._catalog = catalog
        self._doors = doors

    async def deploy(self, trigger: str, person: Person, *, channel: str) -> None:
        """Open the dialog that asks for a deployment, for whoever may ask for one."""
        try:
            await self._doors.may_deploy(person)
        except Refusal as refusal:
            await self._doors.refuse(person, channel, refusal)
            return
        await self._client.open_view(trigger, self._deploy_form("", ids.Carried(channel=channel)))

    async def narrow_deploy(self, view: dict[str, Any], service: str, person: Person) -> None:
        """Show the picked service's environments in the open dialog."""
        carried = ids.carried(str(view.get("private_metadata", "")))
        try:
            await self._doors.may_deploy(person)
        except Refusal as refusal:
            await self._doors.refuse(person, carried.channel, refusal)
            return
        await self._client.update_view(
            str(view.get("id", "")), str(view.get("hash", "")), self._deploy_form(service, carried)
        )

    def _deploy_form(self, service: str, carried: ids.Carried) -> dict[str, Any]:
        choices = [
            ServiceChoice(each.name, tuple(each.environments))
            for each in self._catalog.services.values()
        ]
        return self._dialogs.deploy_form(
            choices, list(self._catalog.strategies), service=service, carried=carried
        )

    async def tick(
        self, trigger: str, deployment: str, person: Person, *, channel: str, shown: str = ""
    ) -> None:
        """Open the checklist with the person's own items."""
        try:
            found, items = await self._doors.tickable(deployment, person)
        except Refusal as refusal:
            await self._doors.refuse(person, channel, refusal)
            return
        await self._client.open_view(
            trigger,
            self._dialogs.tick_form(
                found.title, items, ids.Carried(deployment, channel, shown=shown)
            ),
        )

    async def reason(
        self,
        trigger: str,
        action: Action,
        deployment: str,
        person: Person,
        *,
        channel: str,
        shown: str = "",
    ) -> None:
        """Ask why, unless it is known already that it would be for nothing. What the dialog shows
        itself is what is decided about.
        """
        try:
            found = await self._doors.may_ask(action, deployment, person)
        except Refusal as refusal:
            await self._doors.refuse(person, channel, refusal)
            return
        carried = ids.Carried(deployment, channel, shown=found.shown or shown)
        await self._client.open_view(
            trigger, self._dialogs.reason_form(action, found.deployment.title, carried, found.facts)
        )

    async def show(
        self, trigger: str, action: Action, deployment: str, person: Person, *, channel: str
    ) -> None:
        """Show something to be read, to whoever may see the status."""
        ask, template = {
            Action.SHOW_CHANGES: (self._doors.changes, "changes"),
            Action.SHOW_TIMELINE: (self._doors.timeline, "timeline"),
        }[action]
        try:
            facts = await ask(deployment, person)
        except Refusal as refusal:
            await self._doors.refuse(person, channel, refusal)
            return
        await self._client.open_view(trigger, self._dialogs.reading(template, action, facts))

    async def home(self, person: Person) -> None:
        """Show somebody their App Home: the board, or why they do not see it."""
        try:
            view = self._dialogs.home(
                await self._doors.board(person), roles=await self._doors.roles(person)
            )
        except Refusal as refusal:
            view = self._dialogs.closed_home(str(refusal))
        except IntegrationError:
            view = self._dialogs.closed_home(NOT_KNOWN)
        await self._client.publish_home(person.user, view)

    def answer(self, answer: Answer) -> dict[str, Any]:
        """Draw an answer that an ack gives: its text and blocks."""
        return self._dialogs.answer(answer)
