"""What was rolled back or stopped speaks of itself as past once something else has come there, and
says what came.
"""

from __future__ import annotations

from typing import Any

from bot.domain.commands import Cancel, Deploy, RollBack, SayLive, SayWhy, Unlock
from bot.ports.talk import Ending, Message
from bot.services.endings import ended
from bot.services.timely import still_true
from tests.services.conftest import GOOD, MINUTE
from tests.services.test_stopping import OPEN, goes_bad_with_no_way_back

Team = Any
"""The fixtures ``team`` and ``team_with``."""


async def newest(team: Team, template: str) -> Message:
    *_, found = [each for each in await team.outbox() if each.template == template]
    assert isinstance(found, Message)
    return found


async def end_of(team: Team, template: str) -> Ending:
    end = await ended(team.context, await newest(team, template))
    assert end is not None
    return end


async def reads(team: Team, template: str) -> str:
    """Read a message as it stands in Slack by now."""
    now = await still_true(team.context, await newest(team, template))
    assert now is not None
    return str(team.reads(now))


async def test_a_retrospective_says_what_came_after_it_and_is_not_closed_before(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    await team.says("bo", RollBack(deployment=v2, reason="carts are lost"))
    await team.passes(2 * MINUTE)
    assert not (await end_of(team, "retrospective")).is_final
    assert "came after" not in await reads(team, "retrospective")
    await team.says("bo", Unlock(deployment=v2))
    await team.says("ana", Deploy("shop", "staging", "v3"))
    await team.passes(15 * MINUTE)
    await team.says("ana", Deploy("shop", "production", "v3"))
    await team.passes()
    await team.clears("shop-5")
    await team.passes(30 * MINUTE)
    assert (await end_of(team, "retrospective")).is_final
    assert (
        "*shop v2 → production* was rolled back to v1: carts are lost. v3 came after that, 2026-11-21"
        in await reads(team, "retrospective")
    )


async def test_a_reason_reaches_the_retrospective_also_after_another_version_has_come(
    team_with: Any,
) -> None:
    async with team_with(**OPEN) as team:
        await goes_bad_with_no_way_back(team)
        await team.says("bo", Cancel("shop-1"))
        team.numbers.new = GOOD
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes(60 * MINUTE)
        assert "was stopped at 5 %. v3 came after that" in await reads(team, "retrospective")
        assert not (await end_of(team, "retrospective")).is_final
        await team.says("bo", SayWhy("shop-1", "carts are lost"))
        assert "at 5 %: carts are lost. v3 came after that" in await reads(team, "retrospective")
        assert (await end_of(team, "retrospective")).is_final


async def test_the_retrospective_of_what_was_stopped_names_who_said_what_is_live_instead(
    team_with: Any,
) -> None:
    async with team_with(**OPEN) as team:
        await goes_bad_with_no_way_back(team)
        await team.says("bo", Cancel("shop-1"))
        await team.says("bo", SayWhy("shop-1", "carts are lost"))
        assert "was stopped at 5 %: carts are lost\n" in await reads(team, "retrospective")
        await team.says_live("bo", SayLive("shop", "production", "v1", "by hand"))
        assert "was stopped at 5 %: carts are lost. <@UBO> said 2026-11-21 02:" in await reads(
            team, "retrospective"
        )
        assert "that v1 was live instead." in await reads(team, "retrospective")


async def test_what_was_stopped_says_nothing_of_now_once_another_version_has_come(
    team_with: Any,
) -> None:
    async with team_with(**OPEN) as team:
        await goes_bad_with_no_way_back(team)
        await team.says("bo", Cancel("shop-1"))
        assert "no button can go back" in await reads(team, "stopped")
        team.numbers.new = GOOD
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes(60 * MINUTE)
        alarm = await reads(team, "stopped")
        assert "no button could go back. It was quarantined." in alarm
        assert alarm.endswith("v3 came after it.")
        card = await team.shown("shop-1")
        assert "*STOPPED* by <@UBO> at 5 % · replaced by v3 2026-11-21" in card
        assert " is " not in card
        assert "stands" not in card
