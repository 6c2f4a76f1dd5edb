"""A rollback whose run hangs is said, and whoever leads it has a way out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.dispatch import use_cases
from bot.dispatch.tables import AT_ONCE
from bot.domain.actions import Action
from bot.domain.catalog import AutomaticRollback
from bot.domain.commands import Cancel, Command, Deploy, RollBack, SayLive, Status
from bot.domain.deployment import State
from bot.domain.errors import IntegrationError
from bot.domain.health import Observed
from bot.domain.rollout import RunState
from bot.domain.shown import seen_on, token
from bot.ports.ci import CIRun
from bot.ports.talk import Answer, Intent, Place
from bot.services.endings import ended
from tests.services.conftest import COMMITS, GOOD, MINUTE, PEOPLE

ALONE: dict[str, Any] = {
    "gates": (), "checklist": (), "approvals": (),
    "after": "", "strategy": "rolling", "watch": 20 * MINUTE,
    "automatic_rollback": AutomaticRollback.OFF,
}  # fmt: skip
TERRIBLE = Observed(900, 1000, requests=1000)
TYPED = RollBack("shop", "production", reason="frozen")


async def rolls_back(team: Any, ends: RunState = RunState.RUNNING) -> None:
    """Have bo roll v2 back to v1, and the run of that come to nothing."""
    await team.says("ana", Deploy("shop", "production", "v2"))
    team.numbers.new = TERRIBLE
    await team.passes(5 * MINUTE)
    team.ci.ends["rollback"] = ends
    await team.rolls_back("bo", RollBack("shop", "production", reason="errors"))


def begun(team: Any) -> None:
    """Have the provider show of every run that something of it had begun."""
    look = team.ci.look

    async def shown(run: str) -> CIRun:
        found: CIRun = await look(run)
        return replace(found, started_at=team.context.now())

    team.ci.look = shown


async def hangs(team: Any) -> None:
    begun(team)
    await rolls_back(team)
    await team.passes(12 * MINUTE)


async def answered(team: Any, name: str, command: Command) -> Answer:
    intent = Intent(
        f"key {next(team.keys)}", command, PEOPLE[name], Place("C2"), team.context.now()
    )
    answer = await use_cases.carry_out(team.context, intent)
    assert answer is not None
    return answer


async def gives_up(team: Any) -> str:
    """Have bo type the rollback again and press what answers it."""
    (offer,) = (await answered(team, "bo", TYPED)).offers
    said: str = await team.says("bo", AT_ONCE[Action.ROLL_BACK](offer.deployment, offer.carries))
    return said


async def states(team: Any) -> tuple[State, State]:
    return (await team.deployment("shop-1")).state, (await team.deployment("shop-2")).state


async def test_a_rollback_that_takes_longer_than_it_should_is_an_alarm_once(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        await rolls_back(team)
        await team.passes(9 * MINUTE)
        assert await team.said("rollback_hangs") == []
        assert (await team.card("shop-1")).hangs is None
        await team.passes(60 * MINUTE)
        (alarm,) = await team.said("rollback_hangs")
        assert "takes longer than it should" in alarm
        assert "<@UBO>, please look" in alarm
        assert "/rollback shop production because TEXT" in alarm
        assert Action.ROLL_BACK in (await team.card("shop-1")).decisions
        assert "The rollback takes longer than it should: it began at" in await team.shown("shop-1")


async def test_the_alarm_says_how_it_ended(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        team.numbers.new = GOOD
        team.ci.ends.clear()
        await team.passes(3 * MINUTE)
        assert (await states(team))[0] is State.ROLLED_BACK
        message = next(each for each in await team.outbox() if each.template == "rollback_hangs")
        ending = await ended(team.context, message)
        assert ending is not None
        assert ending.sentence == "It was rolled back to v1 by <@UBO>."


async def test_a_rollback_whose_start_is_not_answered_is_said_as_well(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        team.ci.refuses["start shop-2:rollback"] = IntegrationError(
            "down", vendor="the CI", status=503, retry=True
        )
        await rolls_back(team)
        await team.passes(15 * MINUTE)
        assert len(await team.said("rollback_hangs")) == 1


async def test_its_lead_gives_it_up_and_rolls_back_again(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        asked = await answered(team, "bo", TYPED)
        assert "shop-2 counts as failed" in str(asked.facts["sentence"])
        assert await states(team) == (State.ROLLING_BACK, State.ROLLING_OUT)
        assert "is given up" in await gives_up(team)
        assert await states(team) == (State.FAILED, State.FAILED)
        await team.passes(MINUTE)
        assert team.ci.cancelled
        assert len(await team.said("failed")) == 1
        assert Action.ROLL_BACK in (await team.card("shop-1")).actions
        team.ci.ends.clear()
        await team.rolls_back("bo", TYPED)
        await team.passes(5 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.ROLLED_BACK


async def test_the_rollback_that_follows_at_once_is_not_failed_by_the_one_that_was_given_up(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        await gives_up(team)
        team.ci.ends.clear()
        await team.rolls_back("bo", TYPED)
        await team.passes(5 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.ROLLED_BACK
        assert (await team.deployment("shop-3")).state in {State.VERIFIED, State.ACCEPTED}


async def test_the_button_of_the_card_gives_it_up_and_the_older_one_does_not(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        team.numbers.new = TERRIBLE
        await team.passes(5 * MINUTE)
        older = token(Action.ROLL_BACK, seen_on(await team.card("shop-1")))
        team.ci.ends["rollback"] = RunState.RUNNING
        await team.rolls_back("bo", RollBack("shop", "production", reason="errors"))
        await team.passes(12 * MINUTE)
        # a second press of what they have begun
        assert await team.says("bo", RollBack(deployment="shop-1", shown=older)) == ""
        assert await states(team) == (State.ROLLING_BACK, State.ROLLING_OUT)
        shown = token(Action.ROLL_BACK, seen_on(await team.card("shop-1")))
        assert "<@UBO>" in await team.says("ana", RollBack(deployment="shop-1", shown=shown))
        assert "is given up" in await team.says("bo", RollBack(deployment="shop-1", shown=shown))


async def test_a_button_pressed_once_the_rollback_has_ended_changes_nothing(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        (offer,) = (await answered(team, "bo", TYPED)).offers
        team.ci.ends.clear()
        await team.passes(3 * MINUTE)
        await team.says("bo", AT_ONCE[Action.ROLL_BACK](offer.deployment, offer.carries))
        assert (await states(team))[0] is State.ROLLED_BACK


async def test_whoever_has_gone_back_by_hand_says_so_while_it_hangs(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        await rolls_back(team)
        await team.passes(2 * MINUTE)
        word = SayLive("shop", "production", "v1", "by hand")
        assert (
            "the channel is told, and then this can be said"
            in (await team.says_live("bo", word))[0]
        )
        await team.passes(10 * MINUTE)
        shown, said = await team.says_live("bo", word)
        assert "It is unclear what runs: shop-2, the rollback of shop-1 to v1, hangs" in shown
        assert "Nothing makes it unclear" not in shown
        assert "live" in said
        assert await states(team) == (State.FAILED, State.FAILED)
        await team.passes(2 * MINUTE)
        assert team.ci.cancelled
        assert await team.said("failed") == []


async def test_a_request_for_what_it_puts_back_names_the_way_out(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        assert "/rollback shop production because TEXT" in await team.says(
            "ana", Deploy("shop", "production", "v1")
        )
        assert "/rollback shop production because TEXT" in await team.says("bo", Cancel("shop-2"))


@pytest.mark.parametrize("is_gone", [False, True])
async def test_a_word_that_ends_it_is_not_undone_by_the_end_of_the_run_that_it_gives_up(
    team_with: Any, *, is_gone: bool
) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        await team.says_live("bo", SayLive("shop", "production", "v1", "by hand"), is_gone=is_gone)
        await team.passes(MINUTE)
        assert team.ci.cancelled
        assert "say what is live" not in (await team.said("given_up_ended"))[-1]
        status = await team.says("ana", Status())
        assert ("v2 still got requests" in status) is not is_gone
        assert ("unclear" in status) is not is_gone
        assert (Action.ROLL_BACK in (await team.card("shop-1")).actions) is not is_gone
        team.numbers.gone = {COMMITS["v2"]}
        await team.passes(5 * MINUTE)
        assert "unclear" not in await team.says("ana", Status())


async def test_a_run_that_goes_on_for_long_after_the_word_that_gave_it_up_makes_its_place_unclear(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        team.ci.deaf = True
        await team.says_live("bo", SayLive("shop", "production", "v2", "v1 got nothing"))
        await team.passes(10 * MINUTE)
        team.ci.deaf = False
        await team.passes(5 * MINUTE)
        assert "has ended only now: cancelled" in await team.says("ana", Status())


async def test_a_late_end_of_its_run_leaves_the_button_where_a_version_still_gets_requests(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        team.ci.deaf = True
        await team.says_live("bo", SayLive("shop", "production", "v1", "by hand"), is_gone=False)
        team.ci.ends["rollback"] = RunState.SUCCEEDED
        await team.passes(5 * MINUTE)
        assert "has ended only now: succeeded" in await team.says("ana", Status())
        assert Action.ROLL_BACK in (await team.card("shop-1")).actions


async def test_an_old_button_that_gave_another_rollback_up_is_answered_with_a_sentence(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        (offer,) = (await answered(team, "bo", TYPED)).offers
        press = AT_ONCE[Action.ROLL_BACK](offer.deployment, offer.carries)
        await team.says("bo", press)
        await team.rolls_back("bo", TYPED)
        assert "nothing was done" in await team.says("bo", press)
        await team.passes(12 * MINUTE)
        assert "nothing was done" in await team.says("bo", press)
        assert (await team.deployment("shop-3")).state is State.ROLLING_OUT


async def test_giving_up_promises_to_stop_a_run_only_as_far_as_the_provider_lets_it(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        assert (
            "Its run is stopped as far as the CI provider lets it, and is "
            "followed until it has ended."
        ) in await gives_up(team)


async def test_giving_up_says_that_no_run_has_been_seen(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        away = IntegrationError("down", vendor="the CI", status=503, retry=True)
        team.ci.refuses["start shop-2:rollback"] = team.ci.refuses["find shop-2:rollback"] = away
        await hangs(team)
        said = await gives_up(team)
        assert (
            "No run of it has been seen; one that turns up is stopped as far as "
            "the CI provider lets it."
        ) in said


async def test_the_alarm_about_a_rollback_that_was_given_up_has_ended_also_while_the_next_one_goes_on(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        alarm = next(each for each in await team.outbox() if each.template == "rollback_hangs")
        await gives_up(team)
        await team.rolls_back("bo", TYPED)
        await team.passes(MINUTE)
        assert (await team.deployment("shop-1")).state is State.ROLLING_BACK
        ending = await ended(team.context, alarm)
        assert ending is not None
        assert ending.sentence == "It was given up by <@UBO>."
