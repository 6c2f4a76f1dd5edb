"""Opens dialogs for people: what listeners ask for right after their ack."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from bot.domain.card import Action
from bot.domain.catalog import Catalog
from bot.domain.deployment import Deployment
from bot.domain.errors import Refusal
from bot.domain.people import Person
from bot.ports import BoardRow
from bot.slack import ids
from bot.slack.client import SlackClient
from bot.slack.dialogs import Dialogs, ServiceChoice

Items = tuple[tuple[str, str, bool], ...]


class Forms:
    """The dialogs, opened. What they ask about comes from the callables; a refusal is shown to the person instead of a dialog."""

    def __init__(
        self, client: SlackClient, dialogs: Dialogs, catalog: Catalog, *,
        deployment: Callable[[str], Awaitable[Deployment]], may_ask: Callable[[Action, str, Person], Awaitable[None]],
        tickable: Callable[[str, Person], Awaitable[Items]],
        rows: Callable[[], Awaitable[Sequence[BoardRow]]], refuse: Callable[[Person, str, Refusal], Awaitable[None]],
    ) -> None:  # fmt: skip
        self._client = client
        self._dialogs = dialogs
        self._catalog = catalog
        self._deployment = deployment
        self._may_ask = may_ask
        self._tickable = tickable
        self._rows = rows
        self._refuse = refuse

    async def deploy(self, trigger: str, *, channel: str) -> None:
        """Open the dialog that asks for a deployment."""
        await self._client.open_view(trigger, self._deploy_form("", ids.Carried(channel=channel)))

    async def narrow_deploy(self, view: dict[str, Any], service: str) -> None:
        """Show the picked service's environments in the open dialog."""
        carried = ids.carried(str(view.get("private_metadata", "")))
        await self._client.update_view(str(view.get("id", "")), str(view.get("hash", "")), self._deploy_form(service, carried))

    def _deploy_form(self, service: str, carried: ids.Carried) -> dict[str, Any]:
        choices = [ServiceChoice(each.name, tuple(each.environments)) for each in self._catalog.services.values()]
        return self._dialogs.deploy_form(choices, list(self._catalog.strategies), service=service, carried=carried)

    async def tick(self, trigger: str, deployment: str, person: Person, *, channel: str) -> None:
        """Open the checklist with the person's own items."""
        try:
            items = await self._tickable(deployment, person)
            found = await self._deployment(deployment)
        except Refusal as refusal:
            await self._refuse(person, channel, refusal)
            return
        await self._client.open_view(trigger, self._dialogs.tick_form(found.title, items, ids.Carried(deployment, channel)))

    async def reason(self, trigger: str, action: Action, deployment: str, person: Person, *, channel: str) -> None:
        """Ask why, unless it is known already that it would be for nothing."""
        try:
            await self._may_ask(action, deployment, person)
            found = await self._deployment(deployment)
        except Refusal as refusal:
            await self._refuse(person, channel, refusal)
            return
        await self._client.open_view(trigger, self._dialogs.reason_form(action, found.title, ids.Carried(deployment, channel)))

    async def home(self, person: Person) -> None:
        """Show somebody their App Home."""
        await self._client.publish_home(person.user, self._dialogs.home(await self._rows()))
