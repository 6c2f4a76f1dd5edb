"""What a version was proved to be stays so when it has been put back: a wish to have
it away is no judgement.
"""

from __future__ import annotations

from typing import Any

from bot.domain.commands import Deploy, RollBack, SayLive, Unlock
from bot.domain.deployment import State
from bot.domain.rollout import RunState
from tests.services.conftest import BAD, COMMITS, GOOD, MINUTE, Team
from tests.services.test_let_go import PLAIN, goes_now


async def quarantined(team: Team, version: str) -> str:
    async with team.database.store.reading() as reader:
        return await reader.quarantine("shop", COMMITS[version])


async def verified_after_a_bad_minute(team: Team) -> None:
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(2 * MINUTE)
    team.numbers.new = BAD
    await team.passes(MINUTE)
    team.numbers.new = GOOD
    await team.passes(30 * MINUTE)
    assert (await team.deployment("shop-1")).state is State.VERIFIED


async def test_a_version_that_was_proved_and_put_back_is_not_quarantined_by_the_wish_to_have_it_away(
    team_with: Any,
) -> None:
    async with team_with(**PLAIN) as team:
        await verified_after_a_bad_minute(team)
        await team.says("cy", Deploy("shop", "production", "v3"))
        await team.passes(30 * MINUTE)
        await team.rolls_back("bo", RollBack("shop", "production", reason="wish"))
        await team.passes(30 * MINUTE)
        again = RollBack("shop", "production", ref="v1", reason="wish again")
        assert "quarantined" not in await team.says("bo", again)
        await team.rolls_back("bo", again)
        await team.passes(5 * MINUTE)
        assert not await quarantined(team, "v2")


async def test_a_version_that_was_proved_once_is_quarantined_when_it_is_worse_the_next_time(
    team_with: Any,
) -> None:
    async with team_with(**PLAIN) as team:
        await verified_after_a_bad_minute(team)
        await team.rolls_back("bo", RollBack("shop", "production", reason="wish"))
        await team.passes(5 * MINUTE)
        await team.says("bo", Unlock("shop", "production"))
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(2 * MINUTE)
        team.numbers.new = BAD
        await team.passes(2 * MINUTE)
        worse = RollBack("shop", "production", reason="errors")
        assert "quarantined" in await team.says("bo", worse)
        await team.rolls_back("bo", worse)
        await team.passes(5 * MINUTE)
        assert await quarantined(team, "v2")


async def test_a_version_that_was_away_says_since_when_it_is_live_again(team_with: Any) -> None:
    async with team_with(**PLAIN) as team:
        await verified_after_a_bad_minute(team)
        await team.says("cy", Deploy("shop", "production", "v3"))
        await team.passes(30 * MINUTE)
        assert "was live" in await team.shown("shop-1")
        await team.rolls_back("bo", RollBack("shop", "production", reason="wish"))
        back = f"{team.context.now():%Y-%m-%d %H:%M}"
        await team.passes(30 * MINUTE)
        assert f"live again and healthy since {back} UTC" in await team.shown("shop-1")


async def test_the_card_of_what_was_replaced_says_on_whose_word_it_is_live_again(
    team_with: Any,
) -> None:
    async with team_with(**PLAIN) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(5 * MINUTE)
        await team.says("cy", Deploy("shop", "production", "v3"))
        await team.passes(MINUTE)
        team.ci.ends["deploy"] = RunState.FAILED
        await goes_now(team, "shop-2")
        await team.passes(2 * MINUTE)
        await team.says_live("bo", SayLive("shop", "production", "v2", "looked"))
        await team.passes(2 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.SUPERSEDED
        assert "v2 is live again only on the word of <@UBO>" in await team.shown("shop-1")
