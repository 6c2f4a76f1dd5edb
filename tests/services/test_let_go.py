"""What was let go and has begun nothing: it is not there, it can be cancelled, and what is live is
watched and can be gone back from.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.catalog import AutomaticRollback
from bot.domain.commands import Cancel, Deploy, GoNow, Lock, RollBack, Status, Unlock
from bot.domain.deployment import State
from bot.domain.errors import IntegrationError
from bot.domain.health import Observed
from bot.domain.rollout import RunState
from bot.domain.shown import seen_on, token
from bot.services import approvals, clearance, health
from tests.services.conftest import BAD, GOOD, MINUTE, Team
from tests.services.test_still import alarm

SECOND = timedelta(seconds=1)
PLAIN: dict[str, Any] = {
    "gates": (), "checklist": (), "approvals": (),
    "after": "", "strategy": "rolling", "watch": 10 * MINUTE,
    "automatic_rollback": AutomaticRollback.OFF,
}  # fmt: skip
REFUSED = IntegrationError(
    "you may not start this workflow", vendor="the CI", status=403, retry=False
)


async def live_v2(team: Team, *, minutes: int = 2) -> None:
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(minutes * MINUTE)


async def goes_now(team: Team, id: str) -> str:
    """Have cy press *Go now* as the card shows it."""
    return await team.says("cy", GoNow(id, token(Action.GO_NOW, seen_on(await team.card(id)))))


def locks(team: Team) -> Callable[[], Awaitable[object]]:
    return lambda: team.says("bo", Lock("shop", "production", "wait"))


async def keeps_v3(team: Team) -> None:
    """Let v3 go, and lock the place before its first run is permitted."""
    team.ci.during["find shop-2"] = locks(team)
    await team.says("ana", Deploy("shop", "production", "v3"))
    await team.passes(2 * MINUTE)
    assert (await team.deployment("shop-2")).is_only_let_go


async def test_what_has_begun_nothing_over_a_verified_version_cannot_be_rolled_back_and_can_be_cancelled(
    team_with: Any,
) -> None:
    async with team_with(**PLAIN) as team:
        await live_v2(team, minutes=20)
        await keeps_v3(team)
        card = await team.card("shop-2")
        assert Action.ROLL_BACK not in card.actions
        assert Action.CANCEL in card.actions
        shown = await team.shown("shop-2")
        assert "stands still before its first step" in shown
        assert "Nothing of it has been started yet; v2 is there. It can be cancelled." in shown
        assert "can roll it back" not in await alarm(team, "stands_still")
        assert "rolling out" not in await team.says("ana", Status())
        refused = await team.says("bo", RollBack(deployment="shop-2"))
        assert refused == (
            "Nothing of shop v3 → production has been started yet, so it is "
            "cancelled: /deploy cancel shop-2. "
            "shop v2 → production is there; to have that away, roll back shop-1 instead."
        )
        assert Action.ROLL_BACK in (await team.card("shop-1")).actions
        assert "is cancelled. Nothing was touched." in await team.says(
            "ana", Cancel("shop-2", token(Action.CANCEL, seen_on(card)))
        )
        await team.passes(MINUTE)
        assert (await team.deployment("shop-2")).state is State.CANCELLED
        assert not [run for run in team.ci.runs if run.startswith("shop-2")]


async def test_a_rollback_of_what_is_verified_ends_what_was_let_go_over_it(team_with: Any) -> None:
    async with team_with(**PLAIN) as team:
        await live_v2(team, minutes=20)
        await keeps_v3(team)
        await team.rolls_back("bo", RollBack("shop", "production", reason="customers complain"))
        await team.passes(MINUTE)
        assert (await team.deployment("shop-1")).state is State.ROLLED_BACK
        assert (await team.deployment("shop-2")).state is State.CANCELLED


async def test_nobody_but_its_requester_its_lead_or_a_release_manager_cancels_what_was_let_go(
    team_with: Any,
) -> None:
    async with team_with(**PLAIN) as team:
        await live_v2(team)
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes(MINUTE / 2)
        team.ci.during["find shop-2"] = locks(team)
        await goes_now(team, "shop-2")
        await team.passes(MINUTE)
        assert (await team.deployment("shop-2")).is_only_let_go
        assert "can cancel shop-2" in await team.says("cy", Cancel("shop-2"))
        assert "is cancelled" in await team.says("ana", Cancel("shop-2"))
        await team.passes(MINUTE)
        assert (await team.deployment("shop-1")).state is State.WATCHING


async def test_what_is_cancelled_while_its_run_is_looked_for_starts_nothing(team_with: Any) -> None:
    async with team_with(**PLAIN) as team:
        team.ci.during["find shop-1"] = lambda: team.says("ana", Cancel("shop-1"))
        await live_v2(team)
        assert (await team.deployment("shop-1")).state is State.CANCELLED
        assert not team.ci.runs


async def test_what_has_been_started_is_not_cancelled(team_with: Any) -> None:
    async with team_with(**PLAIN) as team:
        team.ci.during["start shop-1"] = lambda: team.says("ana", Cancel("shop-1"))
        await live_v2(team)
        assert (await team.deployment("shop-1")).state is State.WATCHING


async def test_a_refused_first_start_leaves_what_is_live_watched_and_the_new_one_cancellable(
    team_with: Any,
) -> None:
    async with team_with(**PLAIN) as team:
        await live_v2(team)
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes(MINUTE / 2)
        team.ci.refuses["start shop-2"] = REFUSED
        await goes_now(team, "shop-2")
        await team.passes(2 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.WATCHING
        shown = await team.shown("shop-2")
        assert "nothing of it has been started: the CI provider refuses" in shown
        assert "can roll back" not in await alarm(team, "refused")
        assert "Nothing of it has been started; it can be cancelled on the card." in await alarm(
            team, "refused"
        )
        assert "CI provider refuses since" in await team.says("ana", Status())
        team.numbers.new = BAD
        await team.passes(2 * MINUTE)
        assert (await team.card("shop-1")).is_degraded
        assert "is cancelled" in await team.says("ana", Cancel("shop-2"))


async def test_a_first_start_that_nobody_answered_may_be_there_so_it_is_not_cancelled(
    team_with: Any,
) -> None:
    async with team_with(**PLAIN) as team:
        await live_v2(team)
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes(MINUTE / 2)
        team.ci.hidden.add("shop-2:rolling-100")
        team.ci.unanswered.add("shop-2:rolling-100")
        team.ci.refuses["find shop-2"] = IntegrationError("no answer", vendor="the CI")
        await goes_now(team, "shop-2")
        team.ci.refuses.clear()
        await team.passes(MINUTE / 10)
        team.ci.refuses["find shop-2"] = IntegrationError("no answer", vendor="the CI")
        await team.passes(MINUTE)
        assert list(team.ci.runs)[-1] == "shop-2:rolling-100"
        assert (await team.deployment("shop-1")).state is State.SUPERSEDED
        assert "already" in await team.says("ana", Cancel("shop-2"))


async def test_a_word_to_go_now_is_asked_anew_when_what_is_live_has_turned_worse_before_the_first_run(
    team_with: Any,
) -> None:
    async with team_with(**PLAIN) as team:
        await live_v2(team)
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes(MINUTE / 2)
        team.ci.during["find shop-2"] = locks(team)
        await goes_now(team, "shop-2")
        await team.passes(MINUTE)
        team.numbers.new = BAD
        await team.passes(2 * MINUTE)
        assert Action.GO_NOW not in (await team.card("shop-2")).actions
        await team.says("bo", Unlock("shop", "production"))
        await team.passes(2 * MINUTE)
        assert (await team.deployment("shop-2")).state is State.GATED
        assert "shop-1 (v2) is worse or unclear, and its lead decides first" in await team.shown(
            "shop-2"
        )
        older = token(Action.GO_NOW, seen_on(await team.card("shop-2")))
        team.numbers.new = Observed(200, 1000, requests=1000)
        await team.passes(MINUTE)
        assert "has changed since it was shown" in await team.says("cy", GoNow("shop-2", older))
        team.numbers.new = BAD
        assert "goes" in await goes_now(team, "shop-2")
        await team.passes(MINUTE)
        assert (await team.deployment("shop-1")).state is State.SUPERSEDED
        assert "shop-2:rolling-100" in team.ci.runs


async def test_what_waits_for_a_word_about_what_turned_worse_goes_by_itself_once_that_is_well_again(
    team_with: Any,
) -> None:
    async with team_with(**PLAIN) as team:
        await live_v2(team)
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes(MINUTE / 2)
        team.ci.during["find shop-2"] = locks(team)
        await goes_now(team, "shop-2")
        team.numbers.new = BAD
        await team.passes(2 * MINUTE)
        await team.says("bo", Unlock("shop", "production"))
        await team.passes(MINUTE)
        assert not [run for run in team.ci.runs if run.startswith("shop-2")]
        team.numbers.new = GOOD
        await team.passes(2 * MINUTE)
        assert "shop-2:rolling-100" in team.ci.runs


async def test_what_was_let_go_is_no_version_that_may_be_there(team_with: Any) -> None:
    async with team_with(**{**PLAIN, "strategy": "canary"}) as team:
        team.ci.during["find shop-1"] = locks(team)
        await live_v2(team)
        card = await team.card("shop-1")
        assert card.deployment == replace(card.deployment, state=State.ROLLING_OUT, started_at=None)
        assert "has been started yet, so it is cancelled" in await team.says(
            "bo", RollBack("shop", "production", reason="x")
        )


async def test_what_is_ended_while_its_first_start_is_on_its_way_is_not_said_to_have_touched_nothing(
    team_with: Any,
) -> None:
    counts = {**PLAIN, "automatic_rollback": AutomaticRollback.COUNTDOWN, "countdown": 5 * MINUTE}
    async with team_with(**counts) as team:
        await live_v2(team, minutes=3)
        await team.says("cy", Deploy("shop", "production", "v3"))
        await team.passes(MINUTE)
        team.numbers.new = BAD
        await team.passes(2 * MINUTE)
        team.ci.ends["deploy"] = RunState.RUNNING

        async def its_countdown_ends() -> None:
            team.engine.clock.at += 6 * MINUTE
            await health.watch(team.context, "shop-1")

        team.ci.during["start shop-2:rolling-100"] = its_countdown_ends
        await goes_now(team, "shop-2")
        await team.passes(5 * MINUTE)
        assert (await team.deployment("shop-2")).state is State.CANCELLED
        assert team.ci.cancelled == ["shop-2:rolling-100"]
        shown = await team.shown("shop-2")
        assert "cancelled; what had been asked for is stopped" in shown
        assert "nothing was touched" not in shown


@pytest.mark.parametrize(
    ("early", "state"), [(SECOND, State.ROLLING_OUT), (0 * SECOND, State.EXPIRED)]
)
async def test_what_was_let_go_and_has_begun_nothing_expires_at_its_time_and_no_sooner(
    team_with: Any, early: Any, state: State
) -> None:
    async with team_with(**PLAIN) as team:
        await live_v2(team, minutes=20)
        await keeps_v3(team)
        await team.says("bo", Unlock("shop", "production"))
        v3 = await team.deployment("shop-2")
        team.engine.clock.at = approvals.expires_at(v3, team.context.of(v3)[1]) - early
        await clearance.cleared_still(team.context, "shop-2")
        assert (await team.deployment("shop-2")).state is state
