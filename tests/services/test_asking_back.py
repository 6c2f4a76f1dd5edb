"""A run that waits for the approval it was started with: the rollout gives it while it may go on,
and nobody who only looks does.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.domain.commands import Lock, RollBack, Unlock
from bot.domain.deployment import State
from bot.domain.errors import IntegrationError
from bot.domain.rollout import RunState, Stage

Team = Any
"""The fixture ``team``."""
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
FIRST = "shop-2:canary-5"


@pytest.fixture
def guarded(team: Team) -> Team:
    """Give a CI whose runs into production wait for the approval that they were started with."""
    team.ci.stages = (Stage("build", RunState.SUCCEEDED), Stage("release", RunState.WAITING))
    team.ci.asks_back = True
    return team


async def test_a_rollout_gives_the_approval_that_its_run_was_started_with(guarded: Team) -> None:
    await guarded.rolls_out_v2()
    await guarded.passes(MINUTE)
    assert guarded.ci.opened[0] == FIRST
    assert guarded.ci.asked_to_open.count(FIRST) == 1
    assert await guarded.said("gate_opened") == []


async def test_what_does_not_get_there_is_given_again_and_what_is_refused_stops_nothing(
    guarded: Team,
) -> None:
    guarded.ci.answer_to_open_is_lost = True
    v2 = await guarded.rolls_out_v2()
    assert guarded.ci.opened == []
    guarded.ci.answer_to_open_is_lost, guarded.ci.may_open = False, False
    await guarded.passes(MINUTE)
    assert (await guarded.deployment(v2)).state is State.ROLLING_OUT
    guarded.ci.may_open = True
    await guarded.passes(MINUTE)
    assert FIRST in guarded.ci.opened


async def test_a_lock_between_the_start_and_the_gate_keeps_the_run_there(guarded: Team) -> None:
    guarded.ci.during[f"look {FIRST}"] = lambda: _says(guarded, Lock("shop", "production", "fire"))
    await guarded.rolls_out_v2()
    await guarded.passes(2 * MINUTE)
    assert guarded.ci.asked_to_open == []
    assert (
        "stands still before 5 %: shop in production is locked: fire."
        in (await guarded.said("stands_still"))[0]
    )
    await guarded.says("bo", Unlock("shop", "production"))
    await guarded.passes(2 * MINUTE)
    assert FIRST in guarded.ci.opened


async def test_a_rollback_while_the_run_is_looked_at_leaves_it_at_its_gate(guarded: Team) -> None:
    guarded.ci.during[f"look {FIRST}"] = lambda: _says(guarded, RollBack(deployment="shop-2"))
    await guarded.rolls_out_v2()
    await guarded.passes(2 * MINUTE)
    assert FIRST in guarded.ci.cancelled
    assert FIRST not in guarded.ci.asked_to_open
    assert "shop-3:rollback" in guarded.ci.opened, "the way back is let go on by itself"


async def test_a_start_that_nobody_has_answered_is_found_to_be_stopped_and_never_let_go_on(
    guarded: Team,
) -> None:
    guarded.ci.unanswered.add(FIRST)
    v2: str = await guarded.asks_for_v2()
    guarded.ci.during[f"start {v2}"] = lambda: _does_not_tell(guarded)
    await guarded.clears(v2)
    await guarded.passes(MINUTE)
    await guarded.says("bo", RollBack(deployment=v2))
    await guarded.passes(20 * SECOND)
    guarded.ci.refuses.clear()
    await guarded.passes(10 * MINUTE)
    assert FIRST in guarded.ci.cancelled
    assert FIRST not in guarded.ci.asked_to_open


async def _says(team: Team, command: Any) -> None:
    await team.says("bo", command)


async def _does_not_tell(team: Team) -> None:
    team.ci.refuses[f"find {FIRST}"] = IntegrationError(
        "GitHub does not show the run yet.", vendor="GitHub"
    )
