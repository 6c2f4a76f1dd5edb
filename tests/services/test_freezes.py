"""Freezes that the CI provider keeps: they hold a deployment like those of gonogo.yaml, clear by
themselves, and let rollbacks pass.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.catalog import AutomaticGate, Freeze, GateKind, Need
from bot.domain.commands import Acknowledge, Approve, Check, RollBack, Tick
from bot.domain.deployment import State

Team = Any
"""The fixture ``team``."""
MINUTE = timedelta(minutes=1)


def freeze(
    team: Team,
    *,
    environment: str = "production",
    after: timedelta = timedelta(0),
    long: timedelta = timedelta(hours=1),
) -> Freeze:
    """Give a freeze that begins some time from now."""
    start = team.context.now() + after
    return Freeze(environment, start, start + long, "deploy freeze at the CI")


async def test_a_freeze_of_the_provider_holds_a_deployment_and_clears_by_itself(team: Team) -> None:
    begun = freeze(team)
    team.ci.frozen = (begun,)
    v2 = await team.asks_for_v2()
    start, end = (f"{moment:%Y-%m-%d %H:%M} UTC" for moment in (begun.start, begun.end))
    line = (
        f"production is frozen: deploy freeze at the CI · it began {start} "
        f"· it ends by itself {end}"
    )
    assert f"○ not frozen: {line}" in await team.shown(v2)
    assert line in await team.says("ana", Check("shop", "production", "v2"))
    await team.says("bo", Acknowledge(v2))
    await team.says("cy", Tick(v2, ("support",)))
    await team.passes(30 * MINUTE)
    assert (await team.deployment(v2)).state is State.GATED
    await team.passes(30 * MINUTE)
    assert (await team.deployment(v2)).state is State.AWAITING_APPROVAL
    assert all(not gate.blocks for gate in (await team.card(v2)).review.gates)


async def test_a_freeze_that_begins_while_an_approval_is_awaited_comes_before_the_start(
    team: Team,
) -> None:
    v2 = await team.asks_for_v2()
    await team.says("bo", Acknowledge(v2))
    await team.says("cy", Tick(v2, ("support",)))
    await team.passes()
    assert (await team.deployment(v2)).state is State.AWAITING_APPROVAL
    team.ci.frozen = (freeze(team),)
    await team.says("bo", Approve(v2))
    await team.passes(MINUTE)
    assert (await team.deployment(v2)).state is State.GATED
    assert not any(request.environment == "production" for request in team.ci.runs.values())
    await team.passes(60 * MINUTE)
    assert (await team.deployment(v2)).state is State.ROLLING_OUT


async def test_a_rollback_passes_a_freeze_of_the_provider(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    team.ci.frozen = (freeze(team),)
    await team.says("bo", RollBack(deployment=v2, reason="carts are lost"))
    await team.passes(10 * MINUTE)
    assert (await team.deployment(v2)).state is State.ROLLED_BACK


async def test_a_freeze_of_another_environment_or_of_another_time_holds_nothing(team: Team) -> None:
    team.ci.frozen = (freeze(team, environment="staging"), freeze(team, after=timedelta(days=1)))
    assert "✓ not frozen" in await team.shown(await team.asks_for_v2())


@pytest.mark.parametrize(
    ("away", "unreadable", "says"),
    [(True, "", "the CI does not answer"), (False, "freeze 7 is odd", "freeze 7 is odd")],
)
async def test_a_freeze_that_cannot_be_read_is_never_green(
    team: Team, away: bool, unreadable: str, says: str
) -> None:
    v2 = await team.asks_for_v2()
    team.ci.away, team.ci.unreadable = away, unreadable
    await team.says("bo", Acknowledge(v2))
    await team.says("cy", Tick(v2, ("support",)))
    await team.passes(2 * MINUTE)
    assert f"? not frozen: {says}" in await team.shown(v2)
    assert (await team.deployment(v2)).state is State.GATED
    team.ci.away, team.ci.unreadable = False, ""
    await team.passes(2 * MINUTE)
    assert (await team.deployment(v2)).state is State.AWAITING_APPROVAL


async def test_our_own_freeze_holds_whatever_the_provider_says(team: Team) -> None:
    own = replace(freeze(team), reason="end of the year")
    team.context = replace(team.context, catalog=replace(team.context.catalog, freezes=(own,)))
    team.ci.unreadable = "freeze 7 is odd"
    assert "○ not frozen: production is frozen: end of the year" in await team.says(
        "ana", Check("shop", "production", "v2")
    )


async def test_the_one_that_ends_last_is_said_of_two(team: Team) -> None:
    own = replace(freeze(team), reason="end of the year")
    team.context = replace(team.context, catalog=replace(team.context.catalog, freezes=(own,)))
    team.ci.frozen = (freeze(team, long=timedelta(hours=2)),)
    assert "production is frozen: deploy freeze at the CI" in await team.says(
        "ana", Check("shop", "production", "v2")
    )


@pytest.mark.parametrize(
    ("gates", "shown"), [((), False), ((AutomaticGate(GateKind.UNFROZEN, Need.OPTIONAL),), True)]
)
async def test_where_the_gate_is_off_or_optional_a_freeze_of_the_provider_holds_nothing(
    team_with: Any, gates: Any, shown: bool
) -> None:
    async with team_with(gates=gates, checklist=(), approvals=()) as team:
        team.ci.frozen = (freeze(team, long=timedelta(hours=3)),)
        v2 = await team.asks_for_v2()
        await team.passes(MINUTE)
        found = [
            gate.state for gate in (await team.card(v2)).review.gates if gate.key == "unfrozen"
        ]
        assert bool(found) is shown
        assert (await team.deployment(v2)).state is State.ROLLING_OUT
