"""What stands still serves: it is observed for as long as something keeps it, and goes on by
what its numbers say then.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.catalog import AutomaticRollback, Freeze
from bot.domain.commands import Deploy, Lock, Proceed, RollBack, Unlock
from bot.domain.deployment import State
from bot.domain.health import Observed
from bot.domain.outcomes import Went
from bot.domain.rollout import RunState, StepState
from bot.services import health
from tests.services.conftest import BAD, GOOD, MINUTE

ALONE: dict[str, Any] = {
    "gates": (), "checklist": (), "approvals": (),
    "after": "", "strategy": "canary", "watch": 10 * MINUTE,
    "automatic_rollback": AutomaticRollback.OFF,
}  # fmt: skip
TERRIBLE = Observed(900, 1000, requests=1000)


async def locked(team: Any) -> None:
    await team.says("bo", Lock("shop", "production", "maintenance"))


async def frozen(team: Any) -> None:
    """Begin a freeze; a rollout that has stood for an hour does not go on into it."""
    team.numbers.new = None
    await team.passes(80 * MINUTE)
    now = team.context.now()
    freeze = Freeze("production", now, now + timedelta(hours=8), "weekend")
    object.__setattr__(team.context, "catalog", replace(team.context.catalog, freezes=(freeze,)))
    team.numbers.new = GOOD


async def stands(team: Any, kept: Any) -> None:
    """Have a canary serve 5 %, well, and be kept there."""
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(5 * MINUTE)
    await kept(team)
    await team.passes(15 * MINUTE)
    assert [step.state for step in (await team.card("shop-1")).steps] == [
        StepState.HOLDING,
        StepState.PENDING,
    ]
    assert "stands still before canary 100 %" in await team.shown("shop-1")


@pytest.mark.case("races-4")
@pytest.mark.parametrize("kept", [locked, frozen])
async def test_what_turns_worse_while_something_keeps_a_rollout_is_seen_and_said(
    team_with: Any, kept: Any
) -> None:
    async with team_with(**ALONE) as team:
        await stands(team, kept)
        team.numbers.new = TERRIBLE
        await team.passes(2 * MINUTE)
        assert "errors 90 %" in (await team.said("degraded"))[-1]
        assert "*DEGRADED* at 5 %" in await team.shown("shop-1")


@pytest.mark.case("races-4")
async def test_an_unlock_sends_nothing_on_that_has_turned_worse_a_moment_ago(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await stands(team, locked)
        team.numbers.new = TERRIBLE
        assert "once its numbers allow" in await team.says("bo", Unlock("shop", "production"))
        await team.passes(5 * MINUTE)
        assert "shop-1:canary-100" not in team.ci.runs
        assert (await team.card("shop-1")).is_degraded


async def test_once_nothing_keeps_it_any_more_it_goes_on_by_its_numbers_and_the_step_is_told_once(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await stands(team, locked)
        await team.says("bo", Unlock("shop", "production"))
        await team.passes(10 * MINUTE)
        assert "shop-1:canary-100" in team.ci.runs
        assert (
            len(
                [
                    line
                    for line in await team.said("snapshot")
                    if "5 %" in line and "100 %" not in line
                ]
            )
            == 1
        )
        assert (await team.audited("shop-1")).count("step done") == 2, "5 % and 100 %"
        assert (await team.deployment("shop-1")).state is State.WATCHING


async def test_hours_of_good_numbers_hide_no_bad_minutes(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        await stands(team, locked)
        await team.passes(timedelta(hours=3))
        policy = team.context.policy("shop", "production")
        longest = max(policy.baseline, (await team.card("shop-1")).steps[0].hold)
        asked = team.numbers.windows[-1]
        assert asked.end - asked.start <= longest


async def test_a_word_about_numbers_is_not_taken_while_a_freeze_keeps_it(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        await stands(team, frozen)
        team.numbers.new = BAD
        await team.passes(2 * MINUTE)
        said = await team.says("bo", Proceed("shop-1", "known noise"))
        assert said.startswith(
            "More than its numbers keeps shop v2 → production: production is frozen: weekend."
        )


async def test_numbers_that_come_when_a_rollout_is_rolled_back_already_end_none_of_its_steps(
    team: Any,
) -> None:
    v2 = await team.rolls_out_v2(2 * MINUTE)
    observe = team.numbers.observe

    async def rolled_back_meanwhile(*asked: Any) -> Any:
        team.numbers.observe = observe
        await team.says("bo", RollBack(deployment=v2, reason="x"))
        return await observe(*asked)

    team.engine.clock.advance(20 * MINUTE)
    team.numbers.observe = rolled_back_meanwhile
    assert await health.hold(team.context, v2, 0) is Went.OVER
    assert (await team.deployment(v2)).state is State.ROLLING_BACK
    assert "step done" not in await team.audited(v2)


@pytest.mark.parametrize("smoke", [True, False])
async def test_the_time_at_a_step_begins_after_its_smoke_test_and_at_once_where_there_is_none(
    team_with: Any, *, smoke: bool
) -> None:
    async with team_with(**ALONE, smoke=smoke) as team:
        team.ci.ends["smoke"] = RunState.RUNNING
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(3 * MINUTE)
        (first, _) = (await team.card("shop-1")).steps
        assert (first.state, first.deployed_at is None) == (
            (StepState.SMOKE, True) if smoke else (StepState.HOLDING, False)
        )
