"""Sentences that look before they are said: what waits is not under way, what is gone is not named,
and what helps is offered first.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.catalog import ChecklistItem, EnvironmentPolicy
from bot.domain.commands import Acknowledge, Cancel, Deploy, RollBack, SayWhy, Tick, Unlock
from bot.domain.deployment import State
from bot.services.asked import asked
from bot.slack import speech
from bot.slack.card_buttons import card_buttons
from tests.services.conftest import BAD, readable, text_of

Team = Any
"""The fixtures ``team`` and ``swift``."""
MINUTE = timedelta(minutes=1)


async def primary(team: Team, id: str) -> str:
    """Read the label of a card's primary button; empty where it has none."""
    card = await team.card(id)
    drawn = [each.to_dict() for each in card_buttons(card, team.words, card.actions)]
    return next((str(each["text"]["text"]) for each in drawn if each.get("style") == "primary"), "")


async def test_what_brings_a_deployment_on_is_its_primary_button(team: Team) -> None:
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes()
    assert await primary(team, "shop-1") == "Acknowledge as on-call"
    await team.says("bo", Acknowledge("shop-1"))
    await team.passes()
    assert await primary(team, "shop-1") == "Tick my items…"
    await team.says("cy", Tick("shop-1", ("support",)))
    await team.passes()
    assert await primary(team, "shop-1") == "Deploy to staging first", "nothing is left to tick"
    await team.says("ana", Deploy("shop", "staging", "v2"))
    await team.passes(10 * MINUTE)
    assert await primary(team, "shop-1") == "Approve"


async def test_an_alarm_of_what_waits_says_that_it_waits_and_how_it_is_cancelled(
    team_with: Any,
) -> None:
    async with team_with(
        after="", gates=(), approvals=(), checklist=(), strategy="rolling"
    ) as team:
        other = EnvironmentPolicy(
            "production-eu",
            "rolling",
            checklist=(ChecklistItem("support", "support briefed", "support"),),
        )
        team.context.catalog.services["shop"].environments["production-eu"] = other
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(2 * MINUTE)
        await team.says("cy", Deploy("shop", "production-eu", "v2"))
        await team.passes(MINUTE)
        assert (await team.deployment("shop-2")).state is State.GATED
        team.numbers.new = BAD
        await team.passes(2 * MINUTE)
        await team.rolls_back("bo", RollBack("shop", "production", reason="carts"))
        await team.passes(MINUTE)
        (alarm,) = [each for each in await team.outbox() if each.template == "quarantined"]
        drawn = speech.message(alarm, team.words, card_channel="C1", card=await team.card("shop-2"))
        said = readable("\n".join(text_of(drawn.blocks)))
        assert "is waiting, and the version is quarantined now" in said
        assert "under way" not in said
        assert (
            "nothing of it has been started; it goes no further by itself. <@UBO> or <@UCY> "
            "can cancel it on the card"
        ) in said


async def test_a_request_for_what_a_rollback_is_putting_back_is_refused_at_once_to_the_person_alone(
    swift: Team,
) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    said: list[str] = []

    async def asks() -> None:
        said.append(await swift.says("ana", Deploy("shop", "production", "v1")))

    swift.ci.during["start shop-2:rollback"] = asks
    await swift.rolls_back("bo", RollBack("shop", "production", reason="carts"))
    await swift.passes(2 * MINUTE)
    assert said == ["The rollback of shop-1 is putting v1 back in production already, as shop-2."]
    async with swift.database.store.reading() as reader:
        assert {each.id for each in await reader.history("shop", limit=10)} == {"shop-1", "shop-2"}


@pytest.mark.parametrize("is_unlocked", [False, True])
async def test_whoever_says_why_is_told_of_a_lock_only_where_there_is_one(
    swift: Team, is_unlocked: bool
) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    await swift.says("bo", RollBack(deployment="shop-1"))
    await swift.passes(2 * MINUTE)
    if is_unlocked:
        await swift.says("bo", Unlock("shop", "production"))
    dialog = (await asked(swift.context, Action.SAY_WHY, "shop-1")).facts
    shown = swift.words.text("verbs/say_why#dialog", {"title": "shop", "about": dialog})
    said = await swift.says("bo", SayWhy("shop-1", "carts are lost"))
    assert ("the lock" in shown) is ("the lock" in said) is not is_unlocked
    assert "The history" in shown
    assert "The history" in said


async def test_nobody_is_told_that_something_was_not_possible_already(team: Team) -> None:
    team.ci.away = True
    await team.says("ana", Deploy("shop", "production", "v9"))
    team.ci.away = False
    await team.passes()
    assert (await team.deployment("shop-1")).state is State.IMPOSSIBLE
    assert (
        await team.says("ana", Cancel("shop-1"))
        == "shop v9 → production was not possible; there is nothing to cancel."
    )
    assert (
        await team.says("cy", Tick("shop-1", ("support",)))
        == "shop v9 → production was not possible; its checklist is closed."
    )


async def test_what_is_queued_behind_something_unready_says_what_that_waits_for_and_who_may_cancel_it(
    team: Team,
) -> None:
    await team.asks_for_v2()
    await team.says("cy", Deploy("shop", "production", "v3"))
    await team.passes()
    shown = await team.shown("shop-3")
    assert "queued behind shop-2" in shown
    assert (
        "shop-2 (v2) comes first and waits for its gates. Nothing passes it; <@UANA>, <@UBO> or "
        "people with the role release manager "
        "can cancel it: /deploy cancel shop-2"
    ) in shown
    await team.says("bo", Acknowledge("shop-2"))
    await team.says("cy", Tick("shop-2", ("support",)))
    await team.passes(MINUTE)
    assert "shop-2 (v2) comes first and waits for approval. Nothing passes it;" in await team.shown(
        "shop-3"
    )
