"""What a person's word has ended is stopped on its card: it neither goes on nor has failed, and
nothing is held against the version.
"""

from __future__ import annotations

from typing import Any

from bot.domain.actions import Action
from bot.domain.changes import Change, Changes
from bot.domain.commands import Cancel, Deploy, Lock, SayLive
from bot.domain.deployment import State
from bot.domain.rollout import RunState, StepState
from bot.domain.shown import seen_on, token
from tests.services.conftest import MINUTE
from tests.services.test_hanging import ALONE, gives_up, hangs

CANARY = {**ALONE, "strategy": "canary"}


async def goes_over_a_migration(team: Any) -> None:
    team.ci.changes = Changes(
        (Change("b" * 40, "x", "cy"),), 1, ("cy",), files=("migrations/7.sql",)
    )
    await team.says("ana", Deploy("shop", "production", "v2"))


async def states(team: Any, id: str) -> list[StepState]:
    async with team.database.store.reading() as reader:
        return [step.state for step in await reader.steps(id)]


async def test_the_run_of_what_a_word_has_ended_is_stopped_on_its_card_and_nothing_is_held_against_the_version(
    team_with: Any,
) -> None:
    async with team_with(**CANARY) as team:
        await goes_over_a_migration(team)
        await team.passes(9 * MINUTE)
        team.ci.ends["deploy"] = RunState.RUNNING
        await team.passes(3 * MINUTE)
        await team.says("bo", Lock("shop", "production", "stop"))
        await team.says_live("bo", SayLive("shop", "production", "v1", "by its plan"))
        await team.passes(60 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.FAILED
        assert await states(team, "shop-1") == [StepState.DONE, StepState.STOPPED]
        shown = await team.shown("shop-1")
        assert "deploying" not in shown
        assert "100 %> stopped" in shown
        assert not (await team.card("shop-1")).is_shown_bad


async def test_what_its_lead_has_stopped_in_good_health_has_not_failed_at_any_step(
    team_with: Any,
) -> None:
    async with team_with(**CANARY) as team:
        await goes_over_a_migration(team)
        await team.passes(3 * MINUTE)
        await team.says(
            "bo", Cancel("shop-1", token(Action.CANCEL, seen_on(await team.card("shop-1"))))
        )
        await team.passes(MINUTE)
        assert await states(team, "shop-1") == [StepState.STOPPED, StepState.PENDING]
        assert "<https://ci.example.com/run|5 %> stopped" in await team.shown("shop-1")
        assert not (await team.card("shop-1")).is_shown_bad


async def test_the_run_of_a_rollback_that_is_given_up_is_stopped_as_well(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        await gives_up(team)
        assert await states(team, "shop-2") == [StepState.STOPPED]
