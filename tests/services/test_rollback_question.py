"""The question that a rollback asks: what it says, and how long its button stands for it."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.commands import Deploy, RollBack
from bot.domain.deployment import State
from bot.domain.errors import Offer
from bot.domain.rollout import RunState
from tests.services.conftest import MINUTE, pressed
from tests.services.test_races import button

ALONE: dict[str, Any] = {
    "gates": (), "checklist": (), "approvals": (), "after": "", "watch": 20 * MINUTE,
}  # fmt: skip
TO_V1 = RollBack("shop", "production", reason="carts are lost")


async def asks(team: Any, command: RollBack = TO_V1) -> Offer:
    """Type a rollback, and keep the button of its question."""
    await team.says("bo", command, key="typed")
    return await question(team, "typed")


async def question(team: Any, key: str) -> Offer:
    async with team.database.store.reading() as reader:
        kept = await reader.kept(key)
    assert kept is not None
    assert kept.name == "rollback_dialog"
    offer: Offer = kept.offers[0]
    return offer


async def begins(team: Any) -> None:
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(MINUTE)


@pytest.mark.parametrize(
    ("is_watched", "state"), [(True, State.VERIFIED), (False, State.ACCEPTED)], ids=str
)
async def test_a_question_from_before_a_watch_had_ended_is_put_anew_and_does_nothing(
    team_with: Any, *, is_watched: bool, state: State
) -> None:
    async with team_with(
        **{**ALONE, "strategy": "rolling", "is_watched": is_watched, "smoke": True}
    ) as team:
        team.ci.ends["smoke"] = RunState.RUNNING
        await begins(team)
        older = await asks(team)
        team.ci.ends.clear()
        await team.passes(40 * MINUTE)
        assert (await team.deployment("shop-1")).state is state
        said = await team.says("bo", pressed(older), key="anew")
        assert f"*shop v2 → production* has been {state} since that button asked" in said
        assert "nothing was done" in said
        assert "Roll shop in production back from v2 to *v1*?" in said
        assert "Reason: carts are lost" in said
        assert (await team.deployment("shop-1")).state is state
        newer = await question(team, "anew")
        assert "Rolling shop in production back" in await team.says("bo", pressed(newer))
        assert (await team.deployment("shop-1")).state is State.ROLLING_BACK
        assert (await team.deployment("shop-2")).reason == "carts are lost"
        for again in (older, newer):  # whoever has done it hears no more of it
            assert await team.says("bo", pressed(again)) == ""


@pytest.mark.parametrize("later", [10, 16], ids=["a step further", "in its watch"])
async def test_a_question_with_an_older_share_still_acts_while_it_rolls_out_or_is_watched(
    team_with: Any, later: int
) -> None:
    async with team_with(**ALONE) as team:
        await begins(team)
        older, before = await asks(team), await team.card("shop-1")
        await team.passes(later * MINUTE)
        now = await team.card("shop-1")
        assert (now.deployment.state, now.serving) != (before.deployment.state, before.serving)
        await team.says("bo", pressed(older))
        assert (await team.deployment("shop-1")).state is State.ROLLING_BACK


async def test_the_button_of_a_card_is_asked_about_anew_like_a_question_and_acts_on_what_it_shows_now(
    team_with: Any,
) -> None:
    async with team_with(**{**ALONE, "strategy": "rolling"}) as team:
        await begins(team)
        older = button(await team.card("shop-1"), Action.ROLL_BACK)
        await team.passes(40 * MINUTE)
        said = await team.says("bo", RollBack(deployment="shop-1", shown=older))
        assert "has been verified since that button asked about it" in said
        assert (await team.deployment("shop-1")).state is State.VERIFIED
        now = button(await team.card("shop-1"), Action.ROLL_BACK)
        await team.says("bo", RollBack(deployment="shop-1", shown=now))
        assert (await team.deployment("shop-1")).state is State.ROLLING_BACK
