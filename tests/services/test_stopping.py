"""What cannot be gone back from: its lead stops it where it is, and what is
asked for in answer goes on.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from bot.dispatch.tables import AT_ONCE
from bot.domain.actions import Action
from bot.domain.catalog import AutomaticRollback
from bot.domain.commands import (
    Cancel,
    Deploy,
    HandOver,
    History,
    Proceed,
    Quarantine,
    RollBack,
    Status,
)
from bot.domain.deployment import State
from bot.domain.rollout import RunState
from bot.domain.shown import seen_on, token
from bot.services.endings import ended
from bot.services.timely import still_true
from bot.slack.card_buttons import CONFIRM
from tests.services.conftest import BAD, BEGAN, GOOD, MINUTE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from bot.domain.card import Card
    from bot.domain.commands import Command
    from tests.services.conftest import Team

    TeamWith = Callable[..., AbstractAsyncContextManager[Team]]

OPEN: Mapping[str, Any] = {
    "gates": (), "checklist": (), "approvals": (), "after": "",
    "watch": 20 * MINUTE, "automatic_rollback": AutomaticRollback.OFF,
}  # fmt: skip


def _pressed(card: Card) -> Command:
    """Give what the card's button to cancel, or to stop, stands for."""
    return AT_ONCE[Action.CANCEL](card.deployment.id, token(Action.CANCEL, seen_on(card)))


async def goes_bad_with_no_way_back(team: Team) -> None:
    """Roll v2 out, let it be worse, and quarantine the only version that it could go back to."""
    await team.says("ana", Deploy("shop", "production", "v2"))
    team.numbers.new = BAD
    await team.passes(12 * MINUTE)
    await team.says("bo", Quarantine("shop", "v1", "it has holes too"))
    await team.passes()


async def test_a_bad_rollout_that_nothing_can_be_gone_back_from_is_stopped_by_its_lead(
    team_with: TeamWith,
) -> None:
    async with team_with(**OPEN) as team:
        await goes_bad_with_no_way_back(team)
        actions = (await team.card("shop-1")).actions
        assert actions.index(Action.CANCEL) < actions.index(Action.PROCEED), (
            "what stops the harm comes first"
        )
        assert "Its lead can stop it where it is (/deploy cancel shop-1)." in await team.shown(
            "shop-1"
        )
        assert "/deploy cancel shop-1" in await team.says(
            "bo", RollBack(service="shop", environment="production", reason="it is bad")
        )
        assert "Only <@UBO>" in await team.says("ana", Cancel("shop-1"))
        said = await team.says("bo", Cancel("shop-1"))
        assert (
            "is stopped. Its 5 % stays in production. What runs there is unclear until another "
            "version is deployed: /deploy shop REF to production"
        ) in said
        await team.passes()
        assert (await team.deployment("shop-1")).state is State.FAILED
        assert "was stopped by <@UBO> at 5 %; no button can go back. It is quarantined." in "".join(
            await team.said("stopped")
        )
        assert "end it at the CI provider" not in said + "".join(await team.said("stopped")), (
            "no run was under way"
        )
        assert "v2 is quarantined: it was stopped in production" in await team.says(
            "ana", Deploy("shop", "production", "v2")
        )
        assert not any("canary-100" in run for run in team.ci.runs)


async def test_what_is_asked_for_once_it_is_known_is_the_answer_to_it(team_with: TeamWith) -> None:
    async with team_with(**OPEN) as team:
        await goes_bad_with_no_way_back(team)
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes(MINUTE)
        await team.says("bo", Cancel("shop-1"))
        team.numbers.new = GOOD
        await team.passes(60 * MINUTE)
        assert (await team.deployment("shop-2")).state is State.VERIFIED
        assert "replaced by v3" in "".join(await team.shown("shop-1"))


async def test_a_run_that_hangs_is_stopped_with_it(team_with: TeamWith) -> None:
    async with team_with(**OPEN) as team:
        team.ci.ends["deploy"] = RunState.RUNNING
        await goes_bad_with_no_way_back(team)
        await team.says("bo", _pressed(await team.card("shop-1")))
        await team.passes()
        assert (await team.deployment("shop-1")).state is State.FAILED
        assert team.ci.cancelled


@pytest.mark.parametrize("shown", ["", "of before"])
async def test_a_rollout_that_can_be_rolled_back_is_not_cancelled(team: Team, shown: str) -> None:
    await team.rolls_out_v2()
    assert "can roll it back" in await team.says("bo", Cancel("shop-2", shown))
    assert (await team.deployment("shop-2")).state is State.ROLLING_OUT


async def test_a_cancel_that_was_pressed_before_it_began_stops_nothing(team_with: TeamWith) -> None:
    async with team_with(**OPEN) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        before = await team.card("shop-1")
        await goes_bad_with_no_way_back(team)
        assert "has changed since it was shown" in await team.says("bo", _pressed(before))
        assert (await team.deployment("shop-1")).state is State.ROLLING_OUT


async def test_what_is_well_again_and_stopped_makes_no_answer_of_what_was_asked_for_meanwhile(
    team_with: TeamWith,
) -> None:
    async with team_with(**OPEN) as team:
        await goes_bad_with_no_way_back(team)
        team.numbers.new = GOOD
        team.ci.ends["deploy"] = RunState.RUNNING
        await team.passes(2 * MINUTE)
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes(MINUTE)
        assert not (await team.card("shop-1")).is_degraded
        await team.says("bo", Cancel("shop-1"))
        await team.passes(10 * MINUTE)
        assert "known what runs" in await team.shown("shop-2")


async def test_a_run_that_does_not_stop_is_said_to_be_ended_at_the_ci_provider(
    team_with: TeamWith,
) -> None:
    async with team_with(**OPEN) as team:
        team.ci.ends["deploy"], team.ci.deaf = RunState.RUNNING, True
        await goes_bad_with_no_way_back(team)
        await team.says("bo", Cancel("shop-1"))
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes(5 * MINUTE)
        review = (await team.card("shop-2")).review
        assert review is not None
        assert any(
            "if it hangs, end it at the CI provider" in gate.sentence for gate in review.gates
        )


async def test_a_version_that_was_stopped_with_its_numbers_is_said_to_be_the_same_when_it_is_asked_for_again(
    team_with: TeamWith,
) -> None:
    """There was nothing to compare it with, so that it is not kept out: answer and card say
    what it was stopped with.
    """
    async with team_with(**OPEN) as team:
        team.numbers.since.insert(0, (BEGAN - timedelta(days=2), None))
        await goes_bad_with_no_way_back(team)
        await team.says("bo", Cancel("shop-1"))
        stopped = (
            "v2 (shop-1) was stopped by its lead at 5 % with errors 6.0 % "
            "(nothing to compare with)."
        )
        at = "2026-11-21 02:12 UTC, at 5 %"
        again = (
            f"*The same version* (shop-1) was stopped here by <@UBO>, {at}, with errors 6.0 % "
            "(nothing to compare with)."
        )
        assert f"{again} It is unclear what runs there since." in await team.says(
            "ana", Deploy("shop", "production", "v2")
        )
        await team.passes()
        assert f"{again} It is unclear what runs in production since." in await team.shown("shop-2")
        assert stopped in await team.says("bo", Status("shop"))
        told = await team.says("bo", History("shop", "production"))
        assert "stopped by <@UBO>, *NO DATA* to judge it by since" in told
        assert ": errors 6.0 % (nothing to compare with) · asked for by" in told


async def test_another_version_after_one_that_was_stopped_is_not_called_the_same(
    team_with: TeamWith,
) -> None:
    async with team_with(**OPEN) as team:
        await goes_bad_with_no_way_back(team)
        await team.says("bo", Cancel("shop-1"))
        assert "same version" not in await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes()
        assert "same version" not in await team.shown("shop-2")
        assert "same version" not in await team.shown("shop-1")


@pytest.mark.parametrize("hangs", [False, True])
async def test_what_its_lead_stopped_is_called_stopped_everywhere_at_one_share_with_what_leads_on(
    team_with: TeamWith, *, hangs: bool
) -> None:
    async with team_with(**OPEN) as team:
        await goes_bad_with_no_way_back(team)
        if hangs:
            team.ci.ends["deploy"] = RunState.RUNNING
            await team.says("bo", Proceed("shop-1", "noise"))
            await team.passes(MINUTE)
        alarm = next(each for each in await team.outbox() if each.template == "degraded")
        await team.says("bo", Cancel("shop-1"))
        await team.passes(MINUTE)
        card = await team.shown("shop-1")
        assert "*STOPPED* by <@UBO> at 5 %" in card
        assert card.count("stopped") <= 1, "each thing is said once"
        assert card.count("unclear") == 2
        assert (
            "until another version is deployed (/deploy shop REF to production), or "
            "somebody says what is live"
        ) in card
        assert "(/deploy live shop production is REF because TEXT)" in card
        assert "failed" not in card
        assert Action.SHOW_TIMELINE in (await team.card("shop-1")).actions
        ending = await ended(team.context, alarm)
        assert ending is not None
        assert ending.sentence == "It was stopped by <@UBO>."
        assert "was stopped by its lead already" in await team.says("bo", Cancel("shop-1"))


async def test_a_run_that_was_cut_off_is_looked_for_in_the_words_until_it_has_ended_and_never_by_its_internal_name(
    team_with: TeamWith,
) -> None:
    async with team_with(**OPEN) as team:
        team.ci.ends["deploy"], team.ci.deaf = RunState.RUNNING, True
        await goes_bad_with_no_way_back(team)
        assert "If it goes on, end it at the CI provider." in await team.says(
            "bo", Cancel("shop-1")
        )
        await team.passes(MINUTE)
        (stopped,) = [each for each in await team.outbox() if each.template == "stopped"]
        now = await still_true(team.context, stopped)
        assert now is not None
        assert (
            "Its run is looked for until it has ended: until then nothing goes forward there."
            in team.reads(now)
        )
        assert "in its first run" in await team.shown("shop-1")
        assert "a run of shop-1 that was cut off has not been seen to end" in await team.shown(
            "shop-1"
        )
        team.ci.deaf = False
        await team.passes(5 * MINUTE)
        now = await still_true(team.context, stopped)
        assert now is not None
        assert "looked for" not in team.reads(now)
        (ended_,) = await team.said("given_up_ended")
        assert (
            "of 5 % of *shop v2 → production* that <@UBO> stopped has ended: cancelled." in ended_
        )
        assert "canary-5" not in "".join(
            [ended_, await team.shown("shop-1"), *await team.said("retrospective")]
        )


UNSEEN, MORE = (
    ", of which the newest numbers show no request, may be in production",
    "; its run that was cut off in its middle may have brought more.",
)


@pytest.mark.parametrize(
    ("runs_before", "is_seen", "what"),
    [
        (0, False, "What its run has brought until it was cut off may be in production."),
        (0, True, "Something of it is in production, where requests of it were seen."),
        (1, True, f"Its 5 % stays in production{MORE}"),
        (1, False, f"Its 5 %{UNSEEN}{MORE}"),
    ],
)
async def test_what_a_stopped_run_has_brought_is_said_to_be_there_only_as_far_as_that_is_seen(
    team_with: TeamWith, runs_before: int, what: str, *, is_seen: bool
) -> None:
    async with team_with(**OPEN) as team:
        if not runs_before:
            team.ci.ends["deploy"] = RunState.RUNNING
        await team.says("ana", Deploy("shop", "production", "v2"))
        team.numbers.new = BAD if is_seen else None
        await team.passes(12 * MINUTE)
        await team.says("bo", Quarantine("shop", "v1", "it has holes too"))
        if runs_before:
            team.ci.ends["deploy"] = RunState.RUNNING
            await team.says("bo", Proceed("shop-1", "noise"))
            await team.passes(2 * MINUTE)
        shown = team.words.plain_line(
            "verbs/cancel#question", {"card": await team.card("shop-1")}, CONFIRM
        )
        assert ("Something of v2 may stay in production" in shown) is (not runs_before)
        assert ("v2 keeps its 5 %" in shown) is bool(runs_before and is_seen)
        assert what in await team.says("bo", Cancel("shop-1"))
        (told,) = await team.said("stopped")
        assert what in told
        assert "stays" not in told or (runs_before and is_seen)


async def test_who_stops_a_rollout_reads_before_what_it_keeps_with_which_numbers(
    team_with: TeamWith,
) -> None:
    async with team_with(**OPEN) as team:
        await goes_bad_with_no_way_back(team)
        text = team.words.plain_line(
            "verbs/cancel#question", {"card": await team.card("shop-1")}, CONFIRM
        )
        assert text.startswith(
            "v2 keeps its 5 % in production, with errors 6 % (0.2 %), until "
            "another version is deployed;"
        )
        assert "no button can go back" in text
        assert "v2 will be quarantined everywhere." in text


async def test_whoever_is_handed_the_lead_of_what_was_stopped_is_called_to_no_decision(
    team_with: TeamWith,
) -> None:
    async with team_with(**OPEN) as team:
        await goes_bad_with_no_way_back(team)
        await team.says("bo", Cancel("shop-1"))
        await team.says("bo", HandOver("shop-1", "UCY"))
        (told,) = [each for each in await team.outbox() if each.template == "lead_changed"]
        assert (told.to, team.reads(told)) == (
            "thread",
            "<@UCY> leads this now, before it was <@UBO> (changed by <@UBO>).",
        )
