"""What is said of a rollback that failed, was given up or hung, after that; and while
the CI provider is away.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.domain.commands import Deploy, History, RollBack, SayLive
from bot.domain.deployment import State
from bot.domain.health import Observed
from bot.domain.rollout import RunState, StepState
from bot.services import starts
from bot.services.endings import ended
from bot.slack.card_buttons import rollback_truth
from tests.services.conftest import GOOD, MINUTE, Team
from tests.services.test_hanging import ALONE, gives_up, hangs, rolls_back
from tests.services.test_serves_while_it_goes_back import rolls_back as rolls_back_in_its_watch

WORSE_STILL = Observed(990, 1000, requests=1000)


async def _ending(team: Any, template: str = "rollback_hangs") -> str:
    message = next(each for each in await team.outbox() if each.template == template)
    ending = await ended(team.context, message)
    return ending.sentence if ending is not None else ""


async def _fails(team: Any) -> None:
    """Have a rollback of v2, which was live and watched, fail."""
    await rolls_back(team, RunState.FAILED)
    await team.passes(MINUTE)
    assert (await team.deployment("shop-1")).state is State.FAILED


async def test_a_card_whose_rollback_was_given_up_shows_the_newest_numbers_with_their_time(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        team.numbers.new = WORSE_STILL
        await team.passes(2 * MINUTE)
        await gives_up(team)
        await team.passes(10 * MINUTE)
        shown = await team.shown("shop-1")
        assert "v2 had at 02:1" in shown
        assert "*DEGRADED* · errors 99 %" in shown
        assert "90" not in shown, "nor the older numbers, as if they were of now"


async def test_a_card_whose_rollback_failed_at_once_says_of_when_its_numbers_are(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await _fails(team)
        shown = await team.shown("shop-1")
        assert "As of 2026-11-21 02:0" in shown
        assert shown.index("As of") < shown.index("*worse*")


async def test_the_alarm_about_a_rollback_that_hung_says_who_gave_it_up_and_nobody_is_called_for_their_own_act(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        await gives_up(team)
        await team.passes(MINUTE)
        assert await _ending(team) == "It was given up by <@UBO>."
        (told,) = await team.said("failed")
        assert told.startswith(
            "What runs in production is unclear, since the rollback of *shop v2 → "
            "production* was given up."
        )
        assert "<@UBO>" not in told


async def test_the_alarm_about_a_rollback_that_hung_and_failed_says_so_and_its_lead_is_called(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        team.ci.ends["rollback"] = RunState.FAILED
        await team.passes(MINUTE)
        assert await _ending(team) == "It has failed."
        (told,) = await team.said("failed")
        assert "<@UBO>, please act now" in told


async def test_the_alarm_about_a_rollback_that_hung_says_whose_word_has_ended_it(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        await team.says_live("bo", SayLive("shop", "production", "v1", "by hand"))
        await team.passes(MINUTE)
        assert await _ending(team) == "<@UBO> has said that v1 was live there."


async def test_the_retrospective_says_once_that_the_rollback_hung(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        await team.passes(3 * MINUTE)
        team.ci.ends.clear()
        team.numbers.new = GOOD
        await team.passes(3 * MINUTE)
        (drafted,) = await team.said("retrospective")
        assert drafted.count("the rollback took longer than it should") == 1


async def test_what_is_watched_again_after_a_failed_rollback_says_that_it_failed_and_on_whose_word_it_is_live(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        team.ci.ends["rollback"] = RunState.FAILED
        await rolls_back_in_its_watch(team)
        await team.passes(MINUTE)
        team.numbers.new = GOOD
        await team.says_live("bo", SayLive("shop", "production", "v2", "it serves"))
        await team.passes(MINUTE)
        shown = await team.shown("shop-1")
        assert "live since 02:0" in shown
        assert "on the word of <@UBO>, being watched until" in shown
        assert "its rollback to v1 failed 2026-11-21 02:0" in shown
        told = await team.says("ana", History("shop", "production"))
        assert "watching by" not in told
        assert "before that" not in told


async def test_the_dialog_of_a_second_rollback_has_its_dates_in_the_time_zone_of_its_lead(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        team.workspace.zone = "Asia/Kolkata"
        await _fails(team)
        truth = rollback_truth(await team.card("shop-1"), team.words)
        assert "An earlier rollback failed 2026-11-21 07:3" in truth
        assert " IST." in truth
        assert "UTC" not in truth
        team.workspace.zone = "Moon/Tranquility"
        assert "failed 2026-11-21 02:0" in rollback_truth(await team.card("shop-1"), team.words)


async def test_who_rolls_back_is_told_in_each_dialog_that_the_same_rollback_failed_before(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await _fails(team)
        typed = await team.says("bo", RollBack("shop", "production", reason="again"))
        assert "*The same rollback* failed 2026-11-21 02:0" in typed
        assert "An earlier rollback failed 2026-11-21 02:0" in rollback_truth(
            await team.card("shop-1"), team.words
        )


async def test_who_rolls_back_is_told_that_the_same_rollback_was_given_up(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        await gives_up(team)
        await team.passes(MINUTE)
        assert "*The same rollback* was given up 2026-11-21 02:1" in await team.says(
            "bo", RollBack("shop", "production", reason="again")
        )


@pytest.mark.parametrize("is_asked_for", [False, True])
async def test_a_rollback_while_the_provider_is_away_says_so_from_its_first_second_with_the_last_numbers(
    team: Team, *, is_asked_for: bool
) -> None:
    v2 = await team.asks_for_v2()
    await team.clears(v2)
    if not is_asked_for:  # the first step serves, the run of the next one is away
        await team.passes(8 * MINUTE)
        team.ci.away = True
        await team.passes(6 * MINUTE)
    else:
        team.ci.ends["deploy"] = RunState.RUNNING
        await team.passes(MINUTE)
        team.ci.away = True
        await team.passes(2 * MINUTE)
    assert "The CI provider has not answered" in await team.shown(v2)
    await team.says("bo", RollBack(deployment=v2))
    for _ in range(30):
        shown = await team.shown(v2)
        assert "ROLLING BACK to v1" in shown
        assert "The CI provider has not answered" in shown
        if not is_asked_for:
            assert "errors" in shown
        await team.passes(timedelta(seconds=1))


async def test_while_the_start_of_a_rollback_gets_no_answer_its_card_says_so_before_that_start_has_failed(
    team: Team,
) -> None:
    v2 = await team.asks_for_v2()
    await team.clears(v2)
    team.ci.ends["deploy"] = RunState.RUNNING
    await team.passes(MINUTE)
    team.ci.away = True
    await team.passes(2 * MINUTE)
    await team.says("bo", RollBack(deployment=v2))
    async with team.context.store.reading() as reader:
        back = await reader.rollback_of(v2)
    assert back is not None
    # it is asked for, and nobody has answered or refused yet
    await starts.intend(team.context, back.id, 0, StepState.RUNNING)
    assert "The CI provider has not answered the rollback's start since 02:" in await team.shown(v2)
    team.ci.away = False
    await team.passes(MINUTE)
    assert "has not answered" not in await team.shown(v2)


async def test_what_is_well_and_rolled_back_all_the_same_keeps_its_last_numbers_on_the_card(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(4 * MINUTE)
        team.ci.ends["rollback"] = RunState.RUNNING
        await team.rolls_back("bo", RollBack("shop", "production", reason="a wish"))
        await team.passes(timedelta(seconds=3))
        shown = await team.shown("shop-1")
        assert "Before the rollback" in shown
        assert "errors 0.2 %" in shown


SAYS = {
    "verified": (40, "was verified before"),
    "watched": (4, "was live before"),
    "rolling out": (1, "had not failed itself"),
}


@pytest.mark.parametrize(("after", "stood"), SAYS.values(), ids=SAYS)
@pytest.mark.parametrize("is_given_up", [False, True])
async def test_what_had_not_failed_itself_is_not_said_to_have_failed_because_its_rollback_has(
    team_with: Any, *, after: int, stood: str, is_given_up: bool
) -> None:
    async with team_with(**{**ALONE, "smoke": True}) as team:
        team.ci.ends = {"rollback": RunState.RUNNING if is_given_up else RunState.FAILED}
        if after == 1:
            team.ci.ends["smoke"] = RunState.RUNNING
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(after * MINUTE)
        await team.rolls_back("bo", RollBack("shop", "production", reason="a wish"))
        await team.passes(MINUTE)
        if is_given_up:
            await team.passes(20 * MINUTE)
            await gives_up(team)
        how = "was given up" if is_given_up else "failed"
        shown = (await team.shown("shop-1")).splitlines()[0]
        loud = how if is_given_up else "*FAILED*"
        assert f"its rollback to v1 {loud}; v2 {stood} · production is unclear" in shown
        assert "FAILED* at" not in shown
        (drafted,) = await team.said("retrospective")
        assert f"The rollback of *shop v2 → production* to v1 {how}; v2 {stood}" in drafted
        by = "was given up by <@UBO>" if is_given_up else "by <@UBO> failed"
        told = await team.says("ana", History("shop", "production"))
        assert f"its rollback {by}; it {stood}, healthy · asked for by <@UANA>" in told
        assert "failed with its rollback" not in told


async def test_what_was_shown_bad_and_whose_rollback_failed_has_failed_itself(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await _fails(team)
        assert "*FAILED* at 100 %" in (await team.shown("shop-1")).splitlines()[0]
        (drafted,) = await team.said("retrospective")
        assert "*shop v2 → production* failed, and its rollback to v1 failed" in drafted
