"""A bad version is kept out from the moment in which its rollback is decided, also while that hangs
and after it was given up.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.dispatch.tables import AT_ONCE
from bot.domain.actions import Action
from bot.domain.catalog import AutomaticRollback, EnvironmentPolicy
from bot.domain.commands import (
    Cancel,
    Check,
    Deploy,
    Quarantine,
    RollBack,
    SayWhy,
    Unlock,
    Unquarantine,
)
from bot.domain.deployment import State
from bot.domain.rollout import RunState
from tests.services.conftest import BAD, COMMITS, GOOD, MINUTE
from tests.services.test_hanging import ALONE, TYPED, answered, gives_up, hangs, rolls_back

Team = Any
"""The fixture ``team_with``."""
WHY = "v2 is quarantined: its rollback from production began 2026-11-21 02:"


async def _kept_out(team: Team) -> str:
    async with team.database.store.reading() as reader:
        why: str = await reader.quarantine("shop", COMMITS["v2"])
        return why


def _beside(team: Team) -> None:
    """Add an environment to which the same versions go."""
    policy = EnvironmentPolicy(
        "production-eu", "canary", watch=20 * MINUTE, automatic_rollback=AutomaticRollback.OFF
    )
    team.context.catalog.services["shop"].environments["production-eu"] = policy


async def test_it_is_quarantined_by_the_click_and_cannot_be_deployed_elsewhere_while_its_rollback_goes_on(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        _beside(team)
        await rolls_back(team)
        assert (await team.deployment("shop-1")).state is State.ROLLING_BACK
        assert WHY in await team.says("ana", Deploy("shop", "production-eu", "v2"))
        assert "not possible, the version is quarantined" in await team.says(
            "ana", Check("shop", "production-eu", "v2")
        )
        assert (
            "v2 is *quarantined*: nothing goes back to it, and it is not deployed again"
            in await team.shown("shop-1")
        )


async def test_whoever_rolls_it_back_reads_that_it_is_quarantined(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        team.numbers.new = BAD
        await team.passes(5 * MINUTE)
        said = await team.rolls_back("bo", RollBack("shop", "production", reason="errors"))
        assert said.startswith(
            "Rolling shop in production back to *v1*. v2 is quarantined. "
            "The card shows how it goes."
        )


async def test_what_is_under_way_with_it_elsewhere_stands_still_from_then_on_and_its_lead_is_called_once(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        _beside(team)
        await team.says("ana", Deploy("shop", "production-eu", "v2"))
        await team.passes(MINUTE)
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(MINUTE)
        team.numbers.new = BAD
        await team.passes(3 * MINUTE)
        team.ci.ends["rollback"] = RunState.RUNNING
        await team.rolls_back("bo", RollBack("shop", "production", reason="errors"))
        assert [
            each.deployment for each in await team.outbox() if each.template == "quarantined"
        ] == ["shop-1"]
        assert WHY in await team.shown("shop-1")
        team.ci.ends.clear()
        await team.passes(5 * MINUTE)
        assert (await team.deployment("shop-2")).state is State.ROLLED_BACK
        assert [
            each.deployment for each in await team.outbox() if each.template == "quarantined"
        ] == ["shop-1"]


async def test_it_stays_quarantined_once_the_rollback_is_given_up_and_the_next_one_says_nothing_anew(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        await gives_up(team)
        assert (await team.deployment("shop-1")).state is State.FAILED
        why = await _kept_out(team)
        assert why.endswith("UTC: errors")
        assert "v2 is *quarantined*" in await team.shown("shop-1")
        assert WHY in await team.says("ana", Deploy("shop", "staging", "v2"))
        team.ci.ends.clear()
        assert "quarantined" not in await team.says("bo", TYPED), "it is already"
        await team.rolls_back("bo", TYPED)
        await team.passes(5 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.ROLLED_BACK
        assert await _kept_out(team) == why


async def test_what_is_lifted_while_it_goes_back_stays_lifted_when_it_is_back(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await rolls_back(team)
        await team.says("bo", Unquarantine("shop", "v2", "it was the database"))
        team.ci.ends.clear()
        await team.passes(5 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.ROLLED_BACK
        assert not await _kept_out(team)
        assert "v2 may be deployed again" in await team.shown("shop-1")


async def test_the_rule_that_rolls_it_back_keeps_it_out_in_the_same_moment(team_with: Any) -> None:
    counts = {**ALONE, "automatic_rollback": AutomaticRollback.COUNTDOWN, "countdown": MINUTE}
    async with team_with(**counts) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(MINUTE)
        team.numbers.new, team.ci.ends["rollback"] = BAD, RunState.RUNNING
        while (await team.deployment("shop-1")).state is not State.ROLLING_BACK:
            assert not await _kept_out(team)
            await team.passes(timedelta(seconds=30))
        assert "its rollback from production began" in await _kept_out(team)


async def test_going_back_from_a_healthy_version_keeps_nothing_out_and_whoever_asks_for_it_again_reads_what_comes_first(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(5 * MINUTE)
        team.ci.ends["rollback"] = RunState.RUNNING
        said = await team.rolls_back("bo", RollBack("shop", "production", reason="a test"))
        assert "quarantined" not in said
        assert not await _kept_out(team)
        asked = await team.says("ana", Deploy("shop", "production", "v2"))
        assert "shop-2, which is rolling v2 back there now, comes first there." in asked
        assert "shop-2 comes first there." in await team.says(
            "ana", Deploy("shop", "production", "v3")
        )


async def test_the_same_version_is_refused_in_the_same_place_with_the_rollback_that_takes_it_away(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await rolls_back(team)
        said = await team.says("ana", Deploy("shop", "production", "v2"))
        assert said.startswith(WHY)
        assert "errors. shop-2 is rolling it back in production now. Deploy another version" in said


async def _asks_again(team: Team) -> None:
    """Have v2 asked for again in its place after its quarantine was lifted, and quarantined
    once more while that waits.
    """
    await rolls_back(team, RunState.SUCCEEDED)
    await team.passes(5 * MINUTE)
    await team.says("bo", Unquarantine("shop", "v2", "it was the database"))
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(MINUTE)
    async with team.database.store.transaction() as tx:
        await tx.put_in_quarantine(
            "shop", COMMITS["v2"], reason="it leaks", by=team.rota.person, at=team.context.now()
        )


async def test_a_quarantined_version_that_waits_is_refused_with_its_quarantine_and_whoever_asked_is_offered_to_take_it_back(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await _asks_again(team)
        said = await team.says("ana", Deploy("shop", "production", "v2"))
        waits = (
            "shop-3, which is to bring it to production, does not begin: /deploy "
            "cancel shop-3 takes it back."
        )
        assert said.startswith(f"v2 is quarantined: it leaks. {waits}")
        assert "the quarantine is lifted: /deploy unquarantine shop v2 because TEXT." in said
        assert "brings" not in said
        (offer,) = (await answered(team, "ana", Deploy("shop", "production", "v2"))).offers
        assert (offer.action, offer.label) == (Action.CANCEL, "Cancel shop-3")
        await team.says("ana", AT_ONCE[Action.CANCEL](offer.deployment, offer.carries))
        assert (await team.deployment("shop-3")).state is State.CANCELLED


async def test_nobody_is_offered_to_take_back_what_they_cannot(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        await _asks_again(team)
        assert (await answered(team, "cy", Deploy("shop", "production", "v2"))).offers == ()
        assert "<@UANA>, who asked for it," in await team.says("cy", Cancel("shop-3"))


async def test_a_gate_after_a_failure_does_not_offer_the_version_that_failed_as_the_answer_to_it(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        team.numbers.new = GOOD
        await team.passes(5 * MINUTE)
        team.ci.ends["rollback"] = RunState.RUNNING
        await team.rolls_back("bo", RollBack("shop", "production", reason="a test"))
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes(12 * MINUTE)
        await gives_up(team)
        await team.passes(MINUTE)
        assert "if this is the answer to it" not in await team.shown("shop-3")
        assert (
            "its card says whether it goes back; deploy another version, or say what is live"
            in await team.shown("shop-3")
        )


@pytest.mark.parametrize("ends", [RunState.RUNNING, RunState.SUCCEEDED])
async def test_a_reason_that_is_given_later_is_the_quarantines_as_well(
    team_with: Any, ends: RunState
) -> None:
    async with team_with(**ALONE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        team.numbers.new = BAD
        await team.passes(5 * MINUTE)
        team.ci.ends["rollback"] = ends
        await team.says("bo", RollBack(deployment="shop-1"))
        await team.passes(2 * MINUTE)
        assert "errors 6.0 %" in await _kept_out(team)
        await team.says("bo", SayWhy("shop-1", "carts are lost"))
        assert (await _kept_out(team)).endswith("; carts are lost")
        await team.says("bo", Unlock("shop", "production"))


async def test_a_retrospective_tells_each_time_that_the_version_was_quarantined_and_let_in_again(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        await team.says("bo", Unquarantine("shop", "v2", "the numbers lied"))
        await gives_up(team)
        await team.says("bo", Quarantine("shop", "v2", "they did not"))
        team.ci.ends.clear()
        await team.rolls_back("bo", TYPED)
        await team.passes(5 * MINUTE)
        told = (await team.said("retrospective"))[-1]
        lines = [
            line.partition(" UTC ")[2]
            for line in told.splitlines()
            if "quarantine" in line and " UTC " in line
        ]
        assert lines == [
            "the version was quarantined with its rollback",
            "the quarantine of the version was lifted by UBO: the numbers lied",
            "the version was quarantined by UBO: they did not",
        ]


async def test_the_one_line_of_a_quarantined_version_that_could_not_be_looked_up_at_once_has_the_command_that_helps(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await rolls_back(team, RunState.SUCCEEDED)
        await team.passes(MINUTE)
        team.ci.away = True
        await team.says("ana", Deploy("shop", "production", "v2"))
        team.ci.away = False
        await team.passes(3 * MINUTE)
        assert (
            "/deploy unquarantine shop v2 because TEXT. Asked for by <@UANA> (shop-3)"
            in await team.shown("shop-3")
        )
