"""A pipeline's own gate is opened by the rule that a go obeys: what keeps a step from being
started keeps its gate shut.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.catalog import Freeze
from bot.domain.commands import Command, Deploy, Lock, OpenGate, Quarantine, Unlock
from bot.domain.deployment import State
from bot.domain.places import Doubt, Unclear
from bot.domain.rollout import RunState, Stage, StepState

Team = Any
"""The fixture ``team``."""
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
FIRST = "shop-2:canary-5"
BEFORE = "The pipeline of shop v2 → production waits before release, and is not let go on: "


async def waits_at_its_gate(team: Team) -> str:
    team.ci.stages = (
        Stage("build", RunState.SUCCEEDED),
        Stage("release", RunState.WAITING, passable=True),
    )
    return str(await team.rolls_out_v2())


async def locked(team: Team) -> None:
    await team.says("bo", Lock("shop", "production", "fire"))


async def quarantined(team: Team) -> None:
    await team.says("bo", Quarantine("shop", "v2", "it forgets carts"))


async def unclear(team: Team) -> None:
    async with team.database.store.transaction() as tx:
        doubt = Doubt(Unclear.RESTORED, "the database was put back from a copy", team.context.now())
        await tx.cast_doubt("shop", "production", doubt)


async def frozen(team: Team) -> None:
    await team.passes(61 * MINUTE)
    now = team.context.now()
    team.ci.frozen = (Freeze("production", now, now + 60 * MINUTE, "deploy freeze at the CI"),)


@pytest.mark.case("races-16")
@pytest.mark.parametrize(
    ("happens", "why"),
    [
        (locked, "shop in production is locked: fire."),
        (quarantined, "v2 is quarantined: it forgets carts."),
        (unclear, "it is unclear what runs: the database was put back from a copy"),
        (frozen, "production is frozen: deploy freeze at the CI."),
    ],
)
async def test_nobody_lets_a_pipeline_go_on_that_no_step_could_be_started_in(
    team: Team, happens: Callable[[Team], Awaitable[None]], why: str
) -> None:
    v2 = await waits_at_its_gate(team)
    await happens(team)
    assert (await team.says("cy", OpenGate(v2))).startswith(f"{BEFORE}{why}")
    await team.passes(2 * MINUTE)
    assert team.ci.asked_to_open == []
    assert await team.said("gate_opened") == []


@pytest.mark.case("races-16")
async def test_a_gate_that_was_refused_is_opened_by_the_same_press_when_nothing_keeps_it_any_more(
    team: Team,
) -> None:
    v2 = await waits_at_its_gate(team)
    await locked(team)
    assert "is not let go on" in await team.says("cy", OpenGate(v2))
    await team.says("bo", Unlock("shop", "production"))
    assert "goes on with release" in await team.says("cy", OpenGate(v2))
    await team.passes(MINUTE)
    assert team.ci.opened == [FIRST]


@pytest.mark.case("races-16")
async def test_what_comes_between_the_press_and_the_provider_keeps_the_gate_shut_until_it_is_gone(
    team: Team,
) -> None:
    v2 = await waits_at_its_gate(team)
    await team.says("cy", OpenGate(v2))
    team.ci.during[f"look {FIRST}"] = lambda: says(team, Lock("shop", "production", "fire"))
    await team.passes(3 * MINUTE)
    assert team.ci.asked_to_open == []
    assert "is locked: fire." in (await team.said("stands_still"))[0]
    await team.says("bo", Unlock("shop", "production"))
    await team.passes(2 * MINUTE)
    assert team.ci.opened == [FIRST]
    assert (await team.deployment(v2)).state is State.ROLLING_OUT


@pytest.mark.case("races-16")
async def test_the_gate_of_a_smoke_test_is_not_kept_as_nothing_changes_by_it(
    team_with: Any,
) -> None:
    async with team_with(smoke=True) as team:
        v2 = await team.rolls_out_v2()
        await team.passes(SECOND)
        async with team.database.store.transaction() as tx:
            step = (await tx.steps(v2))[0]
            waits = (Stage("browse", RunState.WAITING, passable=True),)
            await tx.save_steps(v2, [replace(step, state=StepState.SMOKE, stages=waits)])
        await locked(team)
        assert "goes on with browse" in await team.says("cy", OpenGate(v2))


async def says(team: Team, command: Command) -> None:
    await team.says("bo", command)


@pytest.mark.case("races-16")
async def test_a_gate_that_a_lock_keeps_is_named_as_that_gate_and_not_as_the_step_after_it(
    team: Team,
) -> None:
    v2 = await waits_at_its_gate(team)
    await team.says("cy", OpenGate(v2))
    await locked(team)
    await team.passes(2 * MINUTE)
    assert (
        "It is not let go on before release: shop in production is locked: fire."
        in await team.shown(v2)
    )
    assert [step.state for step in (await team.card(v2)).steps] == [
        StepState.RUNNING,
        StepState.PENDING,
    ]
    assert "left" not in (await team.shown(v2)).splitlines()[0]
    answer = await team.says("bo", Unlock("shop", "production"))
    assert (
        "*shop v2 → production* is held no longer: its pipeline goes on with release at 5 "
        "%, as somebody has let it."
    ) in answer
    assert "its pipeline goes on with release at 5 %" in (await team.said("lock_said"))[-1]
    again = await team.says("bo", OpenGate(v2))
    assert again.startswith(
        "<@UCY> has let the pipeline of shop v2 → production go on already: it goes on with "
        "release at the next look"
    )
    await team.passes(MINUTE)
    assert team.ci.opened == [FIRST]


async def test_whoever_unlocks_is_told_that_a_pipeline_waits_at_its_gate_for_somebody(
    team: Team,
) -> None:
    await waits_at_its_gate(team)
    await locked(team)
    answer = await team.says("bo", Unlock("shop", "production"))
    assert "its pipeline waits before release at 5 % until somebody lets it go on there." in answer


async def test_the_gate_of_the_last_step_that_a_lock_keeps_is_shown_so_too(team_with: Any) -> None:
    async with team_with(
        gates=(), checklist=(), approvals=(), after="", strategy="rolling"
    ) as team:
        team.ci.stages = (Stage("release", RunState.WAITING, passable=True),)
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(MINUTE)
        await locked(team)
        await team.passes(MINUTE)
        assert (
            "It is not let go on before release: shop in production is locked: fire."
            in await team.shown("shop-1")
        )


async def test_no_time_is_estimated_for_a_rollout_that_a_lock_keeps_from_its_next_step(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2(2 * MINUTE)
    assert "about" in (await team.shown(v2)).splitlines()[0]
    await locked(team)
    await team.passes(MINUTE)
    assert "left" not in (await team.shown(v2)).splitlines()[0]
    await team.says("bo", Unlock("shop", "production"))
    await team.passes(MINUTE)
    assert "left" in (await team.shown(v2)).splitlines()[0]
