"""The builders of a Buildbot: their numbers, and where their builds are shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.domain.errors import IntegrationError
from bot.providers.ci.buildbot.client import BuildbotClient
from bot.providers.ci.buildbot.reading import VENDOR


class Builders:
    """The builders of one master, by name."""

    def __init__(self, client: BuildbotClient, url: str) -> None:
        self._client = client
        self._url = url
        self._numbers: dict[str, int] = {}

    async def number(self, name: str) -> int:
        """Give a builder's number, which stays the same for as long as its name does."""
        if name not in self._numbers:
            found = await self._client.read("/builders", name=name)
            if not found:
                raise refusal(f"Buildbot has no builder {name}.")
            self._numbers[name] = int(found[0]["builderid"])
        return self._numbers[name]

    def link(self, builder: int, build: Mapping[str, Any]) -> str:
        """Give the address of a build's page."""
        return f"{self._url}/#/builders/{builder}/builds/{build['number']}"


def refusal(sentence: str, status: int | None = None) -> IntegrationError:
    """Make a refusal that waiting does not cure."""
    return IntegrationError(sentence, vendor=VENDOR, status=status, retry=False)
