"""What a message refers to: people by their names, its deployment's card by its address. What
cannot be known is left out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from bot.domain.people import Person
from bot.ports.talk import Message, Posting
from bot.slack.client import SlackClient, SlackError
from bot.slack.pacing import Pacing

log = structlog.get_logger(__name__)

Name = Callable[[Person], Awaitable[str]]
"""Says what somebody is called."""

MOST_REMEMBERED = 500


class References:
    """Looks up what a message refers to, once for each card."""

    def __init__(self, client: SlackClient, pacing: Pacing, name: Name | None = None) -> None:
        self._client = client
        self._pacing = pacing
        self._name = name
        self._addresses: dict[tuple[str, str], str] = {}

    async def of(self, message: Message, card: Posting | None) -> dict[str, Any]:
        """Give the facts of a message's surroundings; only a message outside of the card's own
        thread needs the card's address.
        """
        address = await self._address(card) if card is not None and message.to != "thread" else ""
        return {
            "card_channel": card.channel if card else "",
            "card_url": address,
            "names": await self._names(message),
        }

    async def _names(self, message: Message) -> dict[str, str]:
        """Look up the people that a message names without notifying them (its fact ``people``)."""
        if self._name is None:
            return {}
        return {
            str(person): await self._name(Person.parse(person))
            for person in message.facts.get("people", ())
        }

    async def _address(self, card: Posting) -> str:
        place = (card.channel, card.ts)
        if place not in self._addresses and self._pacing.away():
            return ""
        if place not in self._addresses:
            try:
                address = await self._client.permalink(*place)
            except SlackError as error:
                # the message says where the card is, and an alarm waits for nothing
                log.warning("the card's address is not known", key=card.key, why=str(error))
                return ""
            if len(self._addresses) >= MOST_REMEMBERED:
                self._addresses.clear()
            self._addresses[place] = address
        return self._addresses[place]
