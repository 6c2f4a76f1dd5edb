"""What was worse has recovered when its numbers are well again, and not because
nobody can tell any more.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from bot.domain.catalog import AutomaticRollback
from bot.domain.commands import Deploy, Proceed, RollBack, StopCountdown
from bot.domain.deployment import State
from bot.domain.health import Observed
from tests.services.conftest import BAD, GOOD, MINUTE

ALONE: dict[str, Any] = {
    "gates": (),
    "checklist": (),
    "approvals": (),
    "after": "",
    "strategy": "rolling",
    "watch": 10 * MINUTE,
}
LITTLE = Observed(0, 3, requests=3)


async def degraded(team: Any) -> None:
    """Have a version watched that is worse than before."""
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(2 * MINUTE)
    team.numbers.new = BAD
    await team.passes(MINUTE)


@pytest.mark.case("races-14")
@pytest.mark.parametrize("silence", [None, LITTLE])
async def test_a_silent_minute_undoes_no_stopped_countdown(
    team_with: Any, silence: Observed | None
) -> None:
    async with team_with(**ALONE) as team:
        await degraded(team)
        await team.says("bo", StopCountdown("shop-1", "known, we look"))
        team.numbers.new = silence
        await team.passes(2 * MINUTE)
        assert "recovered" not in await team.audited("shop-1")
        team.numbers.new = BAD
        await team.passes(5 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.WATCHING
        assert len(await team.said("degraded")) == 1


@pytest.mark.case("races-14")
@pytest.mark.parametrize("silence", [None, LITTLE])
async def test_traffic_that_stays_away_calls_no_countdown_off(
    team_with: Any, silence: Observed | None
) -> None:
    async with team_with(**ALONE) as team:
        await degraded(team)
        team.numbers.new = silence
        await team.passes(3 * MINUTE)
        shown = await team.shown("shop-1")
        assert "*DEGRADED*" in shown
        assert "Nothing to judge by since 02:" in shown
        await team.passes(5 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.ROLLED_BACK
        assert "errors 6" in (await team.deployment("shop-2")).reason


@pytest.mark.case("races-14")
async def test_a_canary_that_was_worse_does_not_go_on_because_its_traffic_is_gone(
    team_with: Any,
) -> None:
    async with team_with(
        **{**ALONE, "strategy": "canary", "automatic_rollback": AutomaticRollback.OFF}
    ) as team:
        await degraded(team)
        team.numbers.new = LITTLE
        await team.passes(30 * MINUTE)
        assert "shop-1:canary-100" not in team.ci.runs
        assert "on your word" in await team.says("bo", Proceed("shop-1", "known noise"))


async def test_numbers_that_are_well_again_call_it_off_and_say_so(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        await degraded(team)
        team.numbers.new = GOOD
        await team.passes(MINUTE)
        assert "recovered" in await team.audited("shop-1")
        assert "DEGRADED" not in await team.shown("shop-1")


@pytest.mark.parametrize("proceeds", [False, True])
async def test_whoever_was_called_without_a_countdown_hears_once_that_it_is_over(
    team_with: Any, *, proceeds: bool
) -> None:
    """Who has let it go on over what was found is waited for no more, and told nothing. Numbers
    that flap are told once.
    """
    async with team_with(**{**ALONE, "automatic_rollback": AutomaticRollback.OFF}) as team:
        await degraded(team)
        if proceeds:
            await team.says("bo", Proceed("shop-1", "known noise"))
        for numbers in [GOOD] if proceeds else [GOOD, BAD, GOOD]:
            team.numbers.new = numbers
            await team.passes(MINUTE)
        said = [message for message in await team.outbox() if message.template == "recovered"]
        assert [message.to for message in said] == ([] if proceeds else ["thread"])
        for message in said:
            assert (
                "no longer worse than the baseline. <@UBO>, there is nothing to "
                "decide about them any more."
            ) in team.reads(message)


async def test_the_card_of_a_rollback_gives_nobody_elses_numbers_as_those_of_what_is_live(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        for version in ("v2", "v3"):
            await team.says("ana", Deploy("shop", "production", version))
            await team.passes(15 * MINUTE)
        await team.says("bo", RollBack(deployment="shop-2", reason="errors"))
        await team.passes(15 * MINUTE)
        assert "v2 is live again since" in await team.shown("shop-2")
        team.numbers.new = BAD
        await team.says("bo", RollBack(deployment="shop-1", reason="errors as well"))
        await team.passes(3 * MINUTE)
        then = await team.shown("shop-2")
        assert re.search(
            r"^v2 was live again from .*, replaced by v1 2026-11-21 \d\d:\d\d UTC$",
            then,
            re.MULTILINE,
        )
        assert "healthy at" not in then
