"""What was put aside goes on at the next start, under the rules of that moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.catalog import Freeze
from bot.domain.commands import Lock, RollBack, Unlock
from bot.domain.deployment import State
from bot.domain.errors import IntegrationError
from bot.services.endings import ended
from tests.services.conftest import COMMITS, MINUTE, PEOPLE

Team = Any
"""The fixture ``team``."""
HOUR = 60 * MINUTE


async def locked(team: Team) -> None:
    await team.says("bo", Lock("shop", "production", "fire"))


async def quarantined(team: Team) -> None:
    async with team.database.store.transaction() as tx:
        await tx.put_in_quarantine(
            "shop",
            COMMITS["v2"],
            reason="it was bad on staging",
            by=PEOPLE["bo"],
            at=team.context.now(),
        )


async def frozen(team: Team) -> None:
    now = team.context.now()
    freeze = Freeze("production", now - MINUTE, now + HOUR, "year's end")
    object.__setattr__(team.context, "catalog", replace(team.context.catalog, freezes=(freeze,)))


async def frozen_at_the_provider(team: Team) -> None:
    now = team.context.now()
    team.ci.frozen = (Freeze("production", now - MINUTE, now + HOUR, "deploy freeze at the CI"),)


async def perhaps_frozen(team: Team) -> None:
    team.ci.unreadable = "freeze 7 cannot be read"


async def is_put_aside(team: Team, id: str, time: timedelta = 4 * HOUR) -> None:
    """Have a runbook blocked, and the bot stand for hours."""
    await team.database.journal.block(id, "a fault")
    await team.passes(time)


FORBID = [locked, quarantined, frozen, frozen_at_the_provider, perhaps_frozen]


@pytest.mark.case("races-28")
@pytest.mark.parametrize("forbid", FORBID)
async def test_a_rollout_that_was_put_aside_takes_no_step_that_is_forbidden_by_now(
    team: Team, forbid: Callable[[Team], Awaitable[None]]
) -> None:
    v2 = await team.rolls_out_v2()
    await is_put_aside(team, v2)
    await forbid(team)
    runs = set(team.ci.runs)
    await team.engine.open()
    await team.passes(30 * MINUTE)
    assert set(team.ci.runs) == runs
    assert (await team.deployment(v2)).state is State.ROLLING_OUT
    assert "stands_still" in await team.said_to("channel")


@pytest.mark.case("races-28")
@pytest.mark.parametrize("forbid", FORBID)
async def test_one_that_was_put_aside_before_it_went_does_not_go_when_it_may_not(
    team: Team, forbid: Callable[[Team], Awaitable[None]]
) -> None:
    v2 = await team.asks_for_v2()
    await team.clears(v2)  # approved, and not looked at yet
    await is_put_aside(team, v2, HOUR)
    await forbid(team)
    runs = set(team.ci.runs)
    await team.engine.open()
    await team.passes(30 * MINUTE)
    assert set(team.ci.runs) == runs
    assert (await team.deployment(v2)).state in {State.GATED, State.EXPIRED}


@pytest.mark.case("races-28")
async def test_after_a_freeze_that_the_provider_keeps_it_goes_on_by_itself(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    await is_put_aside(team, v2)
    await frozen_at_the_provider(team)
    await team.engine.open()
    await team.passes(30 * MINUTE)
    assert "production is frozen: deploy freeze at the CI" in (await team.said("stands_still"))[0]
    await team.passes(HOUR)
    assert f"{v2}:canary-100" in team.ci.runs


@pytest.mark.case("races-28")
async def test_a_freeze_of_the_provider_does_not_keep_what_is_under_way_and_nobody_asks_for_it(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2()
    await perhaps_frozen(team)
    await team.passes(30 * MINUTE)
    assert f"{v2}:canary-100" in team.ci.runs


@pytest.mark.case("races-28")
async def test_what_kept_it_gone_it_goes_on(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    await is_put_aside(team, v2)
    await locked(team)
    await team.engine.open()
    await team.passes(30 * MINUTE)
    await team.says("bo", Unlock("shop", "production"))
    await team.passes(5 * MINUTE)
    assert f"{v2}:canary-100" in team.ci.runs


@pytest.mark.case("races-28")
async def test_a_rollback_that_was_put_aside_goes_on_into_whatever_there_is(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    await team.says("bo", RollBack(deployment=v2))
    await is_put_aside(team, "shop-3")
    await locked(team)
    await frozen(team)
    await team.engine.open()
    await team.passes(5 * MINUTE)
    assert (await team.deployment(v2)).state is State.ROLLED_BACK


@pytest.mark.case("reliability-5")
async def test_a_rollback_whose_start_meets_a_fault_starts_again_within_seconds_and_its_card_says_what_is_waited_for(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2()
    team.ci.refused.add("shop-3:rollback")
    await team.says("bo", RollBack(deployment=v2))
    await team.passes()
    assert "has not answered the rollback's start since" in await team.shown(v2)
    await team.passes(timedelta(seconds=1))
    assert "shop-3:rollback" in team.ci.runs
    assert "has not answered" not in await team.shown(v2)


@pytest.mark.case("reliability-5")
async def test_while_it_cannot_be_told_whether_a_rollback_runs_the_card_says_that_it_is_looked_for(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2()
    team.ci.refuses["find shop-3"] = IntegrationError("its list is behind", vendor="the CI")
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(timedelta(seconds=8))
    assert "started again as soon as it is certain that it does not run" in await team.shown(v2)
    del team.ci.refuses["find shop-3"]
    await team.passes(timedelta(seconds=8))
    assert "shop-3:rollback" in team.ci.runs


@pytest.mark.case("races-14")
async def test_a_second_lock_with_the_same_reason_is_said_again_and_the_first_alarm_ends(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2(2 * MINUTE)
    await team.says("bo", Lock("shop", "production", "fire"))
    await team.passes(20 * MINUTE)
    assert len(await team.said("stands_still")) == 1
    team.engine.clock.at += MINUTE
    await team.says("bo", Unlock("shop", "production"))
    await team.says("bo", Lock("shop", "production", "fire"))
    await team.passes(20 * MINUTE)
    first, second = [
        message for message in await team.outbox() if message.template == "stands_still"
    ]
    assert second.facts["why"] == first.facts["why"]
    end = await ended(team.context, first)
    assert end is not None
    assert end.sentence == "That is over; something else keeps it now."
    assert await ended(team.context, second) is None
    assert (await team.deployment(v2)).state is State.ROLLING_OUT
