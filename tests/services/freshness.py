"""Cards that follow: what a card would show otherwise after somebody has said
something is drawn again with it.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from typing import Any, TypeVar

from bot.domain.deployment import DeploymentId, Kind
from bot.slack.cards import deployment_card
from tests.services.conftest import Team, readable, text_of

T = TypeVar("T")


async def cards_of(team: Team) -> dict[DeploymentId, str]:
    """Draw every card as it is now, but for how long it still takes."""
    async with team.database.store.reading() as reader:
        ids = [
            each.id
            for each in await reader.history("shop", "", limit=100)
            if each.kind is Kind.FORWARD
        ]
    return {each: await _drawn(team, each) for each in ids}


async def _drawn(team: Team, id: DeploymentId) -> str:
    card = replace(await team.card(id), about_left=None)
    return readable("\n".join([*text_of(deployment_card(card, team.words).blocks), *card.actions]))


async def stale_after(team: Team, happens: Awaitable[Any]) -> dict[DeploymentId, tuple[str, str]]:
    """Give the cards that something has changed and that nobody was told to draw again: as they
    were shown, and as they are.
    """
    before, told = await cards_of(team), set[DeploymentId]()
    team.database.store.on_card_changed(told.add)
    await happens
    team.database.store.on_card_changed(lambda _: None)
    after = await cards_of(team)
    async with team.database.store.reading() as reader:
        backs = [await reader.deployment(each) for each in told]
    drawn = told | {back.undoes for back in backs if back is not None and back.undoes}
    return {
        each: (text, after[each])
        for each, text in before.items()
        if each not in drawn and after[each] != text
    }
