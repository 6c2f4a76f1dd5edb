"""How we stand with Slack: whether it takes our token."""

from __future__ import annotations

import time

from bot.domain.errors import IntegrationError
from bot.slack.client import SlackClient

TRUST = 300.0
"""Seconds for which a token that Slack has taken counts as good."""


class Authentication:
    """Whether Slack takes our token: asked when somebody wants to know, and not again
    for a while after a yes.
    """

    def __init__(self, client: SlackClient) -> None:
        self._client = client
        self._good_until = 0.0

    async def problem(self) -> str:
        """Give an empty text, or what is wrong."""
        if time.monotonic() < self._good_until:
            return ""
        try:
            await self._client.who_am_i()
        except IntegrationError as error:
            return str(error)
        self._good_until = time.monotonic() + TRUST
        return ""
