"""What was let go, and is kept from its first run, does not begin hours later
on the answers of its go.
"""

from __future__ import annotations

from typing import Any

from bot.domain.actions import Action
from bot.domain.catalog import ApprovalRule, AutomaticGate, ChecklistItem, GateKind
from bot.domain.commands import Approve, Cancel, Deploy, Tick, Unlock
from bot.domain.deployment import State
from bot.domain.quality import QualityState
from tests.services.conftest import BAD, GOOD, MINUTE, Team
from tests.services.test_let_go import PLAIN, REFUSED, locks

GUARDED: dict[str, Any] = {
    **PLAIN,
    "gates": (AutomaticGate(GateKind.TESTS),),
    "checklist": (ChecklistItem("support", "support briefed", "support"),),
    "approvals": (ApprovalRule("release_manager"),),
    "approval_expires": 240 * MINUTE,
}


async def goes(team: Team) -> None:
    """Have v2 ticked, approved and let go."""
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(MINUTE)
    await team.says("cy", Tick("shop-1", ("support",)))
    await team.passes(MINUTE)
    await team.says("bo", Approve("shop-1"))
    await team.passes(MINUTE)


async def is_kept(team: Team) -> None:
    """Let v2 go, and lock the place before its first run is permitted."""
    team.ci.during["find shop-1"] = locks(team)
    await goes(team)
    assert (await team.deployment("shop-1")).is_only_let_go


async def state_of(team: Team) -> State:
    return (await team.deployment("shop-1")).state


async def test_what_was_kept_before_its_first_run_goes_on_its_approval_once_that_is_over(
    team_with: Any,
) -> None:
    async with team_with(**GUARDED) as team:
        await is_kept(team)
        await team.passes(10 * MINUTE)
        assert await state_of(team) is State.GATED
        assert "production is locked: wait" in await team.shown("shop-1")
        await team.says("bo", Unlock("shop", "production"))
        await team.passes(MINUTE)
        assert await state_of(team) is State.WATCHING


async def test_what_was_kept_before_its_first_run_does_not_begin_while_its_tests_are_red(
    team_with: Any,
) -> None:
    async with team_with(**GUARDED) as team:
        await is_kept(team)
        team.ci.quality_state = QualityState.RED
        await team.passes(30 * MINUTE)
        await team.says("bo", Unlock("shop", "production"))
        await team.passes(10 * MINUTE)
        assert await state_of(team) is State.GATED
        assert not team.ci.runs


async def test_what_was_kept_before_its_first_run_expires_with_its_approvals(
    team_with: Any,
) -> None:
    async with team_with(**GUARDED) as team:
        await is_kept(team)
        await team.passes(241 * MINUTE)
        assert await state_of(team) is State.EXPIRED
        await team.says("bo", Unlock("shop", "production"))
        await team.passes(MINUTE)
        assert not team.ci.runs


async def test_a_tick_is_taken_back_as_long_as_nothing_has_begun(team_with: Any) -> None:
    async with team_with(**GUARDED) as team:
        await is_kept(team)
        assert "ticked" in await team.says("cy", Tick("shop-1", (), before=("support",)))
        assert await state_of(team) is State.GATED
        await team.says("bo", Unlock("shop", "production"))
        await team.passes(5 * MINUTE)
        assert await state_of(team) is State.GATED
        assert not team.ci.runs
        await team.says("cy", Tick("shop-1", ("support",)))
        await team.passes(MINUTE)
        assert await state_of(team) is State.WATCHING


async def test_a_first_start_that_was_refused_is_not_asked_for_again_on_tests_that_are_red_by_now(
    team_with: Any,
) -> None:
    async with team_with(**GUARDED) as team:
        team.ci.refuses["start shop-1"] = REFUSED
        await goes(team)
        await team.passes(10 * MINUTE)
        assert "nothing of it has been started: the CI provider refuses" in await team.shown(
            "shop-1"
        )
        team.ci.quality_state = QualityState.RED
        await team.passes(10 * MINUTE)
        team.ci.refuses.clear()
        await team.passes(10 * MINUTE)
        assert await state_of(team) is State.GATED
        assert not team.ci.runs
        team.ci.quality_state = QualityState.GREEN
        await team.passes(10 * MINUTE)
        assert await state_of(team) is not State.GATED
        assert next(iter(team.ci.runs)) == "shop-1:rolling-100"


async def test_what_waits_again_is_cancelled_like_whatever_waits(team_with: Any) -> None:
    async with team_with(**GUARDED) as team:
        await is_kept(team)
        await team.passes(10 * MINUTE)
        assert Action.CANCEL in (await team.card("shop-1")).actions
        assert "Nothing was touched" in await team.says("ana", Cancel("shop-1"))
        await team.says("bo", Unlock("shop", "production"))
        await team.passes(MINUTE)
        assert not team.ci.runs
        assert await state_of(team) is State.CANCELLED


async def test_what_was_kept_for_hours_is_compared_with_how_it_is_right_before_its_first_run(
    team_with: Any,
) -> None:
    async with team_with(**{**PLAIN, "approval_expires": 240 * MINUTE}) as team:
        team.numbers.since = [
            (team.context.now() - 60 * MINUTE, BAD),
            (team.context.now() + 20 * MINUTE, GOOD),
        ]
        team.numbers.new = BAD
        team.ci.during["find shop-1"] = locks(team)
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(180 * MINUTE)
        await team.says("bo", Unlock("shop", "production"))
        await team.passes(10 * MINUTE)
        assert "*DEGRADED*" in await team.shown("shop-1")
        assert "baseline 0.2 %" in await team.shown("shop-1")
