"""Dialogs that are opened, and refusals that are told instead."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.card import Action
from bot.domain.catalog import Catalog
from bot.domain.deployment import Deployment
from bot.domain.errors import NotAllowed, Refusal
from bot.domain.people import Person
from bot.ports import BoardRow
from bot.slack.client import SlackClient
from bot.slack.dialogs import Dialogs
from bot.slack.forms import Forms
from bot.slack.render import Words

CY = Person("T1", "UCY")


@pytest.fixture
def refused() -> list[tuple[Person, str, str]]:
    return []


@pytest.fixture
def forms(client: SlackClient, world: Any, refused: list[tuple[Person, str, str]]) -> Forms:
    async def deployment(id: str) -> Deployment:
        found: Deployment = world.deployment(id).deployment
        return found

    async def may_ask(action: Action, _deployment: str, _person: Person) -> None:
        if action is Action.TAKE_OVER:
            raise NotAllowed("Only the person on call can take over.")

    async def tickable(_deployment: str, _person: Person) -> tuple[tuple[str, str, bool], ...]:
        raise NotAllowed("None of the open items is yours.")

    async def rows() -> tuple[BoardRow, ...]:
        return ()

    async def refuse(person: Person, channel: str, refusal: Refusal) -> None:
        refused.append((person, channel, str(refusal)))

    return Forms(
        client, Dialogs(Words()), Catalog("T1", {}, {}, {}, {}),
        deployment=deployment, may_ask=may_ask, tickable=tickable, rows=rows, refuse=refuse,
    )  # fmt: skip


async def test_who_may_not_is_told_so_and_gets_no_dialog(forms: Forms, slack: Any, refused: list[tuple[Person, str, str]]) -> None:
    await forms.reason("trigger", Action.TAKE_OVER, "storefront-42", CY, channel="C1")
    await forms.tick("trigger", "storefront-42", CY, channel="C1")
    assert refused == [(CY, "C1", "Only the person on call can take over."), (CY, "C1", "None of the open items is yours.")]
    assert slack.asked("views.open") == []


async def test_who_may_is_asked_why(forms: Forms, slack: Any, refused: list[tuple[Person, str, str]]) -> None:
    slack.views_open = lambda arguments: {"view": arguments["view"]}
    await forms.reason("trigger", Action.PROCEED, "storefront-42", CY, channel="C1")
    assert "*storefront v1.2.0 → production* goes on" in str(slack.asked("views.open"))
    assert refused == []
