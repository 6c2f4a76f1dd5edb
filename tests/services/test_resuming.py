"""A watch that a rollback cut off goes on where the rollback failed and somebody has said
that the version is live.
"""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.catalog import AutomaticRollback
from bot.domain.commands import Deploy, History, RollBack, SayLive, Status, Unquarantine
from bot.domain.deployment import Acceptance, State
from bot.domain.health import Observed
from bot.domain.outcomes import Went
from bot.domain.places import Doubt, Unclear
from bot.domain.rollout import RunState
from bot.services import health, rollout_ends
from bot.services.endings import ended
from tests.services.conftest import COMMITS, GOOD, MINUTE

PLAIN: dict[str, Any] = {
    "gates": (), "checklist": (), "approvals": (),
    "after": "", "strategy": "rolling", "watch": 20 * MINUTE,
    "automatic_rollback": AutomaticRollback.OFF,
}  # fmt: skip
COUNTS = {**PLAIN, "automatic_rollback": AutomaticRollback.COUNTDOWN, "countdown": 5 * MINUTE}
TERRIBLE = Observed(900, 1000, requests=1000)
WORD = SayLive("shop", "production", "v2", "I looked at it")


async def cannot_go_back(
    team: Any, after: Any = 5 * MINUTE, ends: RunState = RunState.FAILED
) -> None:
    """Have v2 landed and rolled back by bo, which comes to nothing."""
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(after)
    team.ci.ends["rollback"] = ends
    await team.rolls_back("bo", RollBack("shop", "production", reason="errors"))
    await team.passes(12 * MINUTE)


async def is_said(team: Any) -> str:
    said: str = (await team.says_live("bo", WORD))[1]
    team.ci.ends.clear()
    return said


async def state(team: Any) -> State:
    found: State = (await team.deployment("shop-1")).state
    return found


async def test_what_is_live_on_a_word_after_a_failed_rollback_is_watched_to_its_end_and_accepted(
    team_with: Any,
) -> None:
    async with team_with(**PLAIN) as team:
        await cannot_go_back(team)
        assert "begins again: it is watched until 02:37" in await is_said(team)
        await team.passes(MINUTE)
        assert await state(team) is State.WATCHING
        shown = await team.shown("shop-1")
        assert "on the word of <@UBO>, being watched until 02:37" in shown
        assert "unclear" not in shown
        await team.passes(18 * MINUTE)
        assert await state(team) is State.WATCHING
        await team.passes(2 * MINUTE)
        found = await team.deployment("shop-1")
        assert (found.state, found.accepted) == (State.ACCEPTED, Acceptance.SAID)
        async with team.database.store.reading() as reader:
            assert not await reader.was_verified(found)
        assert await team.said("degraded") == []


async def test_what_goes_bad_in_it_is_found_said_and_can_be_rolled_back(team_with: Any) -> None:
    async with team_with(**PLAIN) as team:
        await cannot_go_back(team)
        await is_said(team)
        team.numbers.new = TERRIBLE
        await team.passes(3 * MINUTE)
        assert "errors 90 %" in (await team.said("degraded"))[-1]
        assert "live, but *DEGRADED*" in await team.shown("shop-1")
        assert {Action.ROLL_BACK, Action.PROCEED} <= set((await team.card("shop-1")).decisions)
        await team.rolls_back("bo", RollBack("shop", "production", reason="errors"))
        await team.passes(3 * MINUTE)
        assert await state(team) is State.ROLLED_BACK


async def test_what_was_found_before_the_word_is_found_and_said_anew_if_it_is_still_so(
    team_with: Any,
) -> None:
    async with team_with(**COUNTS) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(2 * MINUTE)
        team.numbers.new = TERRIBLE
        team.ci.ends["rollback"] = RunState.FAILED
        await team.passes(10 * MINUTE)
        assert await state(team) is State.FAILED
        assert len(await team.said("degraded")) == 1
        await is_said(team)
        await team.passes(2 * MINUTE)
        assert len(await team.said("degraded")) == 2
        assert (await team.deployment("shop-1")).countdown_until is not None


async def test_what_was_found_before_the_word_and_is_over_is_not_held_against_it(
    team_with: Any,
) -> None:
    async with team_with(**COUNTS) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(2 * MINUTE)
        team.numbers.new = TERRIBLE
        team.ci.ends["rollback"] = RunState.FAILED
        await team.passes(10 * MINUTE)
        team.numbers.new = GOOD
        await is_said(team)
        await team.says("bo", Unquarantine("shop", "v2", "it was the metrics"))
        await team.passes(22 * MINUTE)
        assert await state(team) is State.ACCEPTED
        assert len(await team.said("degraded")) == 1


async def test_the_word_that_ends_a_rollback_that_hangs_takes_the_watch_up_as_well(
    team_with: Any,
) -> None:
    async with team_with(**PLAIN) as team:
        await cannot_go_back(team, ends=RunState.RUNNING)
        assert await state(team) is State.ROLLING_BACK
        assert "it is watched until" in await is_said(team)
        assert await state(team) is State.WATCHING
        assert (await team.deployment("shop-2")).state is State.FAILED


async def test_what_had_ended_its_watch_is_not_watched_again(team_with: Any) -> None:
    async with team_with(**PLAIN) as team:
        await cannot_go_back(team, after=30 * MINUTE)
        assert "watched" not in await is_said(team)
        assert await state(team) is State.FAILED
        assert "that v2 is live all the same" in await team.shown("shop-1")


async def test_what_never_was_there_whole_is_not_watched(team_with: Any) -> None:
    async with team_with(**PLAIN) as team:
        team.ci.ends["deploy"] = RunState.FAILED
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(5 * MINUTE)
        assert "watched" not in await is_said(team)
        assert await state(team) is State.FAILED


async def test_the_alarm_about_the_failed_rollback_says_on_whose_word_it_ended(
    team_with: Any,
) -> None:
    async with team_with(**PLAIN) as team:
        await cannot_go_back(team)
        await is_said(team)
        message = next(each for each in await team.outbox() if each.template == "failed")
        ending = await ended(team.context, message)
        assert ending is not None
        assert (ending.sentence, ending.is_final) == (
            "<@UBO> has said that v2 was live there.",
            True,
        )
        await team.passes(22 * MINUTE)
        later = await ended(team.context, message)
        assert later is not None
        assert later.sentence == "It has ended its watch, accepted without proof."


async def test_a_word_that_corrects_it_ends_the_watch(team_with: Any) -> None:
    async with team_with(**PLAIN) as team:
        await cannot_go_back(team)
        await is_said(team)
        await team.passes(2 * MINUTE)
        await team.says_live("bo", SayLive("shop", "production", "v1", "I was wrong"))
        assert await state(team) is State.SUPERSEDED
        await team.passes(22 * MINUTE)
        assert await state(team) is State.SUPERSEDED


async def test_what_a_wrong_word_has_cut_off_the_right_one_takes_up_again(team_with: Any) -> None:
    async with team_with(**PLAIN) as team:
        await cannot_go_back(team)
        await is_said(team)
        await team.passes(2 * MINUTE)
        await team.says_live("bo", SayLive("shop", "production", "v1", "I was wrong"))
        shown = await team.shown("shop-1")
        assert (
            "and being watched; <@UBO> said 2026-11-21 02:19 UTC that v1 was live instead" in shown
        )
        assert "replaced by the next deployment" not in shown
        assert "unclear" not in shown
        await team.passes(2 * MINUTE)
        assert "begins again: it is watched until 02:41" in await is_said(team)
        assert "being watched until 02:41" in await team.shown("shop-1")
        team.numbers.new = TERRIBLE
        await team.passes(3 * MINUTE)
        assert "errors 90 %" in (await team.said("degraded"))[-1]
        assert "brought" not in await team.rolls_back(
            "bo", RollBack("shop", "production", reason="errors")
        )
        await team.passes(3 * MINUTE)
        found = await team.deployment("shop-1")
        assert (found.state, found.was_stopped) == (State.ROLLED_BACK, False)


async def test_a_watch_that_was_never_rolled_back_is_taken_up_again_after_a_wrong_word_as_well(
    team_with: Any,
) -> None:
    async with team_with(**PLAIN) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(5 * MINUTE)
        async with team.database.store.transaction() as tx:
            await tx.cast_doubt(
                "shop",
                "production",
                Doubt(Unclear.STRAY, "a run has ended only now", team.context.now()),
            )
        await team.says_live("bo", SayLive("shop", "production", "v1", "I think so"))
        assert await state(team) is State.SUPERSEDED
        assert "is watched until" in await is_said(team)
        brought = "brought there by <@UANA> (shop-1) · "
        said = await team.says("ana", Status())
        assert f"{brought}its numbers have not been looked at since" in said, (
            "those are from before"
        )
        await team.passes(2 * MINUTE)
        assert f"{brought}healthy" in await team.says("ana", Status())
        await team.passes(19 * MINUTE)
        assert await state(team) is State.ACCEPTED


async def test_what_a_deployment_has_replaced_is_taken_up_by_no_word(team_with: Any) -> None:
    async with team_with(**PLAIN) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(5 * MINUTE)
        async with team.database.store.transaction() as tx:
            await tx.move(
                "shop-1",
                State.SUPERSEDED,
                at=team.context.now(),
                note="shop-2 was let go before its watch had ended",
            )
            await tx.cast_doubt(
                "shop",
                "production",
                Doubt(Unclear.STRAY, "a run has ended only now", team.context.now()),
            )
        assert "watched" not in await is_said(team)
        assert await state(team) is State.SUPERSEDED


async def test_an_alarm_about_what_a_word_has_ended_names_whose_word_it_was(team_with: Any) -> None:
    async with team_with(**PLAIN) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(5 * MINUTE)
        team.numbers.new = TERRIBLE
        await team.passes(2 * MINUTE)
        async with team.database.store.transaction() as tx:
            await tx.cast_doubt(
                "shop",
                "production",
                Doubt(Unclear.STRAY, "a run has ended only now", team.context.now()),
            )
        await team.says_live("bo", SayLive("shop", "production", "v1", "by hand"))
        message = next(each for each in await team.outbox() if each.template == "degraded")
        ending = await ended(team.context, message)
        assert ending is not None
        assert ending.sentence == "<@UBO> has said that something else was live there."
        assert "why watch ended: v1 was said to be live instead" in await team.says(
            "ana", History("shop")
        )


async def test_what_has_failed_a_moment_before_it_lands_is_not_landed(team_with: Any) -> None:
    async with team_with(**PLAIN) as team:
        team.ci.ends["deploy"] = RunState.FAILED
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(5 * MINUTE)
        assert await rollout_ends.land(team.context, "shop-1") is Went.OVER
        assert await state(team) is State.FAILED


async def test_the_next_deployment_waits_for_it_as_for_any_watch(team_with: Any) -> None:
    async with team_with(**PLAIN) as team:
        await cannot_go_back(team)
        await is_said(team)
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes(2 * MINUTE)
        assert Action.GO_NOW in (await team.card("shop-3")).actions
        await team.passes(25 * MINUTE)
        assert (await team.deployment("shop-3")).state is State.WATCHING


@pytest.mark.parametrize("ends", [RunState.FAILED, RunState.RUNNING])
async def test_what_a_rollback_was_putting_back_is_asked_about_when_another_version_is_said_to_be_live(
    team_with: Any, ends: RunState
) -> None:
    async with team_with(**PLAIN) as team:
        await cannot_go_back(team, ends=ends)
        shown, said = await team.says_live("bo", WORD, is_gone=False)
        assert "v1 (aaaaaaa): 1,000, 50 % in the last minute" in shown
        assert "v1 still got requests, as the metrics see it, when v2 was said to be live" in said
        await team.passes(25 * MINUTE)
        assert await state(team) is State.WATCHING
        assert "v1 still got requests, as the metrics see it" in await team.shown("shop-1")
        team.numbers.gone = {COMMITS["v1"]}
        await team.passes(5 * MINUTE)
        assert await state(team) is State.ACCEPTED


async def test_a_look_that_waited_while_the_watch_was_cut_off_and_taken_up_again_does_not_end_the_new_one(
    team_with: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with team_with(**PLAIN) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(19 * MINUTE)
        landed = (await team.deployment("shop-1")).landed_at
        team.engine.clock.at = landed + 20 * MINUTE
        observe = team.numbers.observe

        async def is_slow(*asked: Any) -> Any:
            monkeypatch.setattr(team.numbers, "observe", observe)
            team.ci.ends["rollback"] = RunState.FAILED
            await team.rolls_back("bo", RollBack("shop", "production", reason="errors"))
            await team.passes(MINUTE)
            assert "is watched until" in await is_said(team)
            return await observe(*asked)

        monkeypatch.setattr(team.numbers, "observe", is_slow)
        assert await health.watch(team.context, "shop-1") is Went.OVER
        assert await state(team) is State.WATCHING
