"""An answer to a failure queues behind nothing that cannot go before it; a rollback's own
gate is opened on its card.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.commands import Deploy, OpenGate, RollBack
from bot.domain.deployment import State
from bot.domain.rollout import RunState, Stage

Team = Any
"""A team, as ``team_with`` gives it."""
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
OPEN: dict[str, Any] = {
    "gates": (),
    "checklist": (),
    "approvals": (),
    "after": "",
    "strategy": "rolling",
    "watch": 10 * MINUTE,
}


async def v2_fails_while_v3_waits(team: Team) -> None:
    team.ci.ends["deploy"] = RunState.RUNNING
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(MINUTE)
    await team.says("ana", Deploy("shop", "production", "v3"))
    await team.passes(MINUTE)
    team.ci.ends["deploy"] = RunState.FAILED
    await team.passes(2 * MINUTE)
    team.ci.ends["deploy"] = RunState.SUCCEEDED


async def test_an_answer_to_a_failure_passes_what_was_asked_for_before_it_and_that_goes_after_it(
    team_with: Any,
) -> None:
    async with team_with(**OPEN) as team:
        await v2_fails_while_v3_waits(team)
        assert (await team.deployment("shop-2")).state is State.GATED
        await team.says("ana", Deploy("shop", "production", "v1"))
        await team.passes(MINUTE)
        assert (await team.deployment("shop-3")).state is State.WATCHING
        await team.passes(40 * MINUTE)
        assert (await team.deployment("shop-3")).state in {State.VERIFIED, State.ACCEPTED}
        assert "shop-2:rolling-100" in team.ci.runs


async def test_of_two_answers_to_a_failure_the_later_waits_for_the_earlier(team_with: Any) -> None:
    async with team_with(**OPEN) as team:
        await v2_fails_while_v3_waits(team)
        team.ci.ends["deploy"] = RunState.RUNNING
        await team.says("ana", Deploy("shop", "production", "v1"))
        await team.passes(MINUTE)
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(MINUTE)
        assert [(await team.deployment(f"shop-{number}")).state for number in (3, 4)] == [
            State.ROLLING_OUT,
            State.QUEUED,
        ]


async def rolls_back_and_waits(team: Team) -> None:
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(3 * MINUTE)
    team.ci.stages = (Stage("approve", RunState.WAITING, passable=True),)
    await team.says("bo", RollBack(deployment="shop-1"))
    await team.passes(2 * MINUTE)
    assert "shop-2:rollback" in team.ci.runs


@pytest.mark.parametrize("named", ["shop-1", "shop-2"])
async def test_whoever_rolls_back_opens_the_gate_of_that_pipeline_too(
    team_with: Any, named: str
) -> None:
    async with team_with(**OPEN) as team:
        await rolls_back_and_waits(team)
        card = await team.card("shop-1")
        assert Action.OPEN_GATE in card.actions
        said = await team.says("bo", OpenGate(named, card.under_way.gate))
        assert "approve" in said
        await team.passes(SECOND)
        assert team.ci.opened == ["shop-2:rollback"]
        team.ci.stages = ()
        await team.passes(2 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.ROLLED_BACK


async def test_a_gate_of_the_rollout_is_no_gate_of_its_rollback(team_with: Any) -> None:
    async with team_with(**OPEN) as team:
        team.ci.stages = (Stage("approve", RunState.WAITING, passable=True),)
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(MINUTE)
        old = (await team.card("shop-1")).under_way.gate
        await team.says("bo", RollBack(deployment="shop-1"))
        await team.passes(MINUTE)
        assert "does not wait at this gate" in await team.says("bo", OpenGate("shop-1", old))
        assert "can let the pipeline of" in await team.says("di", OpenGate("shop-1"))
