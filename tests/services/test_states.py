"""What moves a deployment from state to state, and what goes with it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.domain.commands import Acknowledge, Cancel, Deploy, GoNow, Reject, Tick
from bot.domain.deployment import State
from bot.ports.engine import RunRecord
from bot.services.stuck import stuck

Team = Any
"""The fixtures ``team`` and ``team_with``."""
MINUTE = timedelta(minutes=1)
FREE = {"gates": (), "checklist": (), "approvals": (), "after": "", "strategy": "rolling"}


async def test_a_watched_deployment_is_superseded_when_somebody_lets_the_next_one_go_and_not_before(
    team_with: Any,
) -> None:
    async with team_with(**FREE, watch=60 * MINUTE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(2 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.WATCHING
        await team.says("ana", Deploy("shop", "production", "v3"))
        assert (await team.deployment("shop-1")).state is State.WATCHING
        await team.passes(2 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.WATCHING
        await team.says("cy", GoNow("shop-2"))
        await team.passes(2 * MINUTE)
        first, second = await team.deployment("shop-1"), await team.deployment("shop-2")
        assert (first.state, first.note) == (
            State.SUPERSEDED,
            "shop-2 was let go before its watch had ended",
        )
        assert first.finished_at is not None
        assert second.state is State.WATCHING
        await team.passes(61 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.SUPERSEDED
        assert (await team.deployment("shop-2")).state is State.VERIFIED


async def test_a_deployment_elsewhere_supersedes_nothing_here(team_with: Any) -> None:
    async with team_with(**FREE, watch=60 * MINUTE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(2 * MINUTE)
        await team.says("ana", Deploy("shop", "staging", "v3"))
        await team.passes(10 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.WATCHING
        assert (await team.deployment("shop-2")).state is State.VERIFIED


async def test_a_runbook_that_cannot_go_on_is_told_in_the_channel_with_its_deployment_and_the_reason(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2()
    await stuck(team.context, RunRecord(v2, "deploy", 1, (v2,), 0), "the disk is full")
    told = await team.said("stuck")
    assert len(told) == 1
    assert "shop v2 → production" in told[0]
    assert "the disk is full" in told[0]
    assert "stuck" in await team.said_to("channel")
    assert "stuck" in await team.audited(v2)


async def test_a_runbook_of_nobody_is_stuck_quietly(team: Team) -> None:
    await stuck(
        team.context, RunRecord("shop-99", "deploy", 1, ("shop-99",), 0), "the disk is full"
    )
    assert await team.said("stuck") == []


async def test_what_turns_out_to_be_live_already_ends_as_impossible_and_frees_the_place(
    team: Team,
) -> None:
    team.ci.away = True
    await team.says("ana", Deploy("shop", "staging", "v1"))
    team.ci.away = False
    await team.passes(10 * MINUTE)
    ended = await team.deployment("shop-1")
    assert (ended.state, ended.note) == (
        State.IMPOSSIBLE,
        "v1 is live in staging already, so there is nothing to deploy.",
    )
    await team.says("ana", Deploy("shop", "staging", "v2"))
    await team.passes(10 * MINUTE)
    assert (await team.deployment("shop-2")).state is State.VERIFIED


@pytest.mark.parametrize("ending", ["cancel", "reject"])
async def test_whoever_waits_behind_has_its_turn_when_the_one_before_is_ended(
    team: Team, ending: str
) -> None:
    v2 = await team.asks_for_v2()
    await team.says("ana", Deploy("shop", "production", "v3"))
    await team.passes(MINUTE)
    assert (await team.deployment("shop-3")).state is State.QUEUED
    if ending == "cancel":
        await team.says("ana", Cancel(v2))
    else:
        await team.says("bo", Acknowledge(v2))
        await team.says("cy", Tick(v2, ("support",)))
        await team.passes()
        await team.says("bo", Reject(v2, "too risky tonight"))
    await team.passes(MINUTE)
    ended = await team.deployment(v2)
    assert ended.state is (State.CANCELLED if ending == "cancel" else State.REJECTED)
    assert (await team.deployment("shop-3")).state is State.GATED
