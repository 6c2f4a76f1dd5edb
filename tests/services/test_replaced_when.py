"""A version that is live is watched until the first run of what replaces it may start; what was
only intended is not under way.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.catalog import AutomaticRollback
from bot.domain.commands import Deploy, GoNow, Lock, RollBack, Unlock
from bot.domain.deployment import State
from bot.domain.errors import IntegrationError
from bot.domain.health import Observed
from bot.domain.rollout import StepState
from bot.domain.shown import seen_on, token
from tests.services.conftest import COMMITS

Team = Any
"""A team, as ``team_with`` gives it."""
MINUTE = timedelta(minutes=1)
OPEN: dict[str, Any] = {
    "gates": (),
    "checklist": (),
    "approvals": (),
    "after": "",
    "strategy": "rolling",
    "watch": 10 * MINUTE,
}
AWFUL = Observed(900, 1000, requests=1000)


async def let_go_and_locked(team: Team) -> None:
    """Have v2 live and watched, v3 let go over it, and a lock come before v3's first run."""
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(2 * MINUTE)
    await team.says("ana", Deploy("shop", "production", "v3"))
    await team.passes(MINUTE / 2)
    await team.says("cy", GoNow("shop-2"))

    async def lock() -> None:
        await team.says("bo", Lock("shop", "production", "wait"))

    team.ci.during["find shop-2"] = lock
    await team.passes(MINUTE)
    assert not [run for run in team.ci.runs if run.startswith("shop-2")]


async def states(team: Team) -> list[State]:
    return [(await team.deployment(f"shop-{number}")).state for number in (1, 2)]


async def test_what_is_live_is_watched_on_while_what_was_let_go_over_it_cannot_start(
    team_with: Any,
) -> None:
    async with team_with(**OPEN) as team:
        await let_go_and_locked(team)
        assert await states(team) == [State.WATCHING, State.ROLLING_OUT]
        assert "replaced" not in await team.shown("shop-1")
        team.numbers.new = AWFUL
        await team.passes(MINUTE)
        assert "errors 90 %" in (await team.said("degraded"))[0]
        assert (await team.deployment("shop-1")).countdown_until is not None


async def test_a_rollback_goes_back_from_what_is_live_and_not_from_what_has_not_begun(
    team_with: Any,
) -> None:
    async with team_with(**OPEN) as team:
        await let_go_and_locked(team)
        assert "Nothing of shop v3 → production has been started yet" in await team.says(
            "bo", RollBack(deployment="shop-2")
        )
        assert "Roll back to" not in await team.shown("shop-2")
        said = await team.says("bo", RollBack("shop", "production", reason="errors"))
        assert "back from v2 to *v1*" in said
        assert "shop v3 → production, which was let go and has begun nothing, is cancelled." in said
        assert (await team.card("shop-1")).rollback.cancels == "shop v3 → production"
        await team.says("bo", RollBack(deployment="shop-1"))
        await team.passes(3 * MINUTE)
        assert await states(team) == [State.ROLLED_BACK, State.CANCELLED]
        assert not [run for run in team.ci.runs if run.startswith("shop-2")]
        note = (await team.deployment("shop-2")).note
        assert (
            note
            == "shop-1, which it was to replace, was rolled back before anything of it was started"
        )
        assert note in await team.shown("shop-2")
        assert "is rolled back already" in await team.says(
            "bo", RollBack("shop", "production", reason="errors")
        )


async def test_the_countdown_of_what_is_live_runs_to_its_end_and_what_was_let_go_over_it_waits_again(
    team_with: Any,
) -> None:
    async with team_with(**OPEN) as team:
        await let_go_and_locked(team)
        team.numbers.new = AWFUL
        await team.passes(10 * MINUTE)
        assert await states(team) == [State.ROLLED_BACK, State.GATED]


async def test_what_is_live_is_replaced_when_the_first_run_of_the_next_starts(
    team_with: Any,
) -> None:
    async with team_with(**OPEN) as team:
        await let_go_and_locked(team)
        await team.says("bo", Unlock("shop", "production"))
        await team.passes(2 * MINUTE)
        assert await states(team) == [State.SUPERSEDED, State.WATCHING]


async def test_a_watch_may_end_while_what_was_let_go_over_it_cannot_start(team_with: Any) -> None:
    async with team_with(**OPEN) as team:
        await let_go_and_locked(team)
        await team.passes(20 * MINUTE)
        assert await states(team) == [State.VERIFIED, State.GATED]


async def locked_before_the_first_run(team: Team) -> None:
    async def lock() -> None:
        await team.says("bo", Lock("shop", "production", "wait"))

    team.ci.during["find shop-1"] = lock
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(30 * MINUTE)
    assert not team.ci.runs


async def test_a_lock_between_the_intent_and_the_start_leaves_nothing_under_way(
    team_with: Any,
) -> None:
    async with team_with(**OPEN | {"strategy": "canary"}) as team:
        await locked_before_the_first_run(team)
        assert (await team.card("shop-1")).steps[0].state is StepState.PENDING
        shown = await team.shown("shop-1")
        assert "deploying" not in shown
        assert "production is locked: wait" in shown
        await team.says("bo", Unlock("shop", "production"))
        await team.passes(MINUTE)
        assert "shop-1:canary-5" in team.ci.runs


async def test_a_start_that_may_be_on_its_way_stays_under_way_when_a_lock_comes(
    team_with: Any,
) -> None:
    async with team_with(**OPEN | {"strategy": "canary"}) as team:
        team.ci.refused.add("shop-1:canary-5")

        async def lock() -> None:
            await team.says("bo", Lock("shop", "production", "wait"))

        team.ci.during["start shop-1"] = lock
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(MINUTE)
        assert (await team.card("shop-1")).steps[0].state is StepState.RUNNING
        team.ci.refuses["find shop-1"] = IntegrationError("no answer", vendor="the CI")
        await team.passes(MINUTE)
        assert (await team.card("shop-1")).steps[0].state is StepState.RUNNING


async def test_a_press_on_go_now_is_for_the_picture_that_was_shown(team_with: Any) -> None:
    async with team_with(**OPEN | {"automatic_rollback": AutomaticRollback.OFF}) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(2 * MINUTE)
        team.numbers.new = Observed(22, 1000, requests=1000)
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes(MINUTE)
        shown = token(Action.GO_NOW, seen_on(await team.card("shop-2")))
        team.numbers.new = Observed(59, 1000, requests=1000)
        await team.passes(MINUTE)
        assert "has changed since it was shown" in await team.says("cy", GoNow("shop-2", shown))
        again = token(Action.GO_NOW, seen_on(await team.card("shop-2")))
        assert "does not wait" in await team.says("cy", GoNow("shop-2", again))


@pytest.mark.case("races-19")
@pytest.mark.parametrize("becomes", ["answered", "refused", "lost"])
async def test_whatever_becomes_of_a_first_start_the_rollback_over_it_leaves_nothing_else_there(
    team_with: Any, becomes: str
) -> None:
    """v3 is let go over the watch of v2 and rolled back while its first start is on its way: v1 is
    there, and nothing of v2.
    """
    async with team_with(
        **{**OPEN, "watch": 30 * MINUTE, "automatic_rollback": AutomaticRollback.OFF}
    ) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(5 * MINUTE)
        await team.says("cy", Deploy("shop", "production", "v3"))
        await team.passes(MINUTE)

        async def goes_back() -> None:
            await team.rolls_back("bo", RollBack("shop", "production", reason="away with it"))

        team.ci.during["start shop-2"] = goes_back
        if becomes == "refused":
            team.ci.refuses["start shop-2:rolling"] = IntegrationError(
                "401", vendor="the CI", status=401, retry=False
            )
        if becomes == "lost":
            team.ci.refused.add("shop-2:rolling-100")
        await team.says("bo", GoNow("shop-2"))
        await team.passes(40 * MINUTE)
        assert await states(team) == [State.SUPERSEDED, State.ROLLED_BACK]
        async with team.context.store.reading() as reader:
            live = await reader.live("shop", "production")
        assert live is not None
        assert live.commit == COMMITS["v1"]
        assert "live" not in (await team.shown("shop-1")).split("\n")[0]
