"""A rollback whose pipeline waits at a gate of its own calls people at once, and names
the gate and what opens it.
"""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.catalog import AutomaticRollback
from bot.domain.commands import Deploy, OpenGate, RollBack
from bot.domain.deployment import State
from bot.domain.rollout import RunState, Stage
from bot.services.endings import ended
from bot.services.timely import still_true
from tests.services.conftest import MINUTE, PEOPLE
from tests.services.test_hanging import ALONE, TERRIBLE

Team = Any
OPENS_HERE = Stage("approve", RunState.WAITING, passable=True)


async def rolls_back_by_rule(team: Team) -> None:
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(3 * MINUTE)
    team.ci.stages = (OPENS_HERE,)
    team.numbers.new = TERRIBLE
    while (await team.deployment("shop-1")).state is not State.ROLLING_BACK:
        await team.passes(MINUTE)


async def call(team: Team) -> Any:
    return next(each for each in await team.outbox() if each.template == "rollback_waits")


@pytest.mark.case("reliability-1")
async def test_a_rollback_by_rule_that_waits_at_a_gate_calls_its_lead_at_once_and_once(
    team_with: Any,
) -> None:
    by_rule = {"automatic_rollback": AutomaticRollback.COUNTDOWN, "countdown": 5 * MINUTE}
    async with team_with(**{**ALONE, **by_rule}) as team:
        await rolls_back_by_rule(team)
        await team.passes(MINUTE)
        (said,) = await team.said("rollback_waits")
        assert "please look" in said
        assert "before *approve*. *Go on with approve*, here or on" in said
        assert (await call(team)).to == "channel"
        assert Action.OPEN_GATE in (await team.card("shop-1")).decisions
        await team.passes(5 * MINUTE)
        assert len(await team.said("rollback_waits")) == 1


@pytest.mark.case("reliability-1")
async def test_a_rollback_that_waits_ends_its_call_when_the_gate_is_opened(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(3 * MINUTE)
        team.ci.stages = (OPENS_HERE,)
        await team.rolls_back("bo", RollBack("shop", "production", reason="errors"))
        await team.passes(MINUTE)
        message = await call(team)
        assert await still_true(team.context, message) is not None
        assert await ended(team.context, message) is None
        await team.says("bo", OpenGate("shop-1"))
        team.ci.stages = ()
        await team.passes(3 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.ROLLED_BACK
        assert await still_true(team.context, message) is None
        assert await ended(team.context, message) is not None


@pytest.mark.case("reliability-1")
async def test_the_alarm_about_a_rollback_that_hangs_names_the_gate(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(3 * MINUTE)
        team.ci.stages = (OPENS_HERE,)
        await team.rolls_back("bo", RollBack("shop", "production", reason="errors"))
        await team.passes(12 * MINUTE)
        (alarm,) = await team.said("rollback_hangs")
        assert (
            "Its pipeline waits at its own gate before *approve*. *Go on with approve*, here or on"
            in alarm
        )
        assert "where it hangs" not in alarm


@pytest.mark.case("reliability-1")
async def test_a_gate_that_somebody_has_opened_calls_nobody(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(3 * MINUTE)
        await team.rolls_back("bo", RollBack("shop", "production", reason="errors"))
        await team.passes(3 * MINUTE)
        assert await team.said("rollback_waits") == []


@pytest.mark.case("reliability-1")
@pytest.mark.parametrize(
    ("name", "called"),
    [("cy", "T1/UCY"), ("bo", ""), ("", "")],
    ids=["somebody", "its lead", "nobody"],
)
async def test_a_gate_calls_whoever_is_on_call_beside_the_lead_and_nobody_where_that_is_the_lead_or_nobody(
    team_with: Any, name: str, called: str
) -> None:
    async with team_with(**ALONE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(3 * MINUTE)
        team.ci.stages, team.rota.person = (OPENS_HERE,), PEOPLE.get(name)
        await team.rolls_back("bo", RollBack("shop", "production", reason="errors"))
        await team.passes(MINUTE)
        assert (await call(team)).facts["on_call"] == called
