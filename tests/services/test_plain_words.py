"""What is said about a lock, a state, a watch and a tick is said in people's words and is true."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.commands import Acknowledge, Approve, Deploy, GoNow, Lock, Tick, Unlock
from bot.domain.deployment import OUT_OF_TIME, STANDS, WAITING, State
from tests.services.test_watching import FREE, HALF

Team = Any
"""The fixture ``team``."""
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize("state", State)
def test_every_state_has_its_words_for_a_sentence(state: State) -> None:
    assert STANDS[state].split()[0] in {"is", "waits", "has", "was"}
    assert "gated" not in STANDS[state]


def test_whatever_waits_for_too_long_has_a_reason_in_words() -> None:
    assert set(OUT_OF_TIME) == WAITING


async def test_a_lock_that_is_taken_away_while_another_holds_is_told_with_the_other(
    team: Team,
) -> None:
    await team.asks_for_v2()
    await team.says("bo", Lock("shop", "production", "fire"))
    await team.says("bo", Lock("", "production", "incident 7"))
    await team.says("bo", Unlock("shop", "production"))
    last = (await team.said("lock_said"))[-1]
    assert last == (
        "<@UBO> took away the lock on *shop in production*; the reason was: fire. "
        "<@UBO> keeps *everything in production* locked: incident 7."
    )  # fmt: skip


async def test_a_lock_with_an_end_is_not_said_to_last_until_somebody_takes_it_away(
    team: Team,
) -> None:
    await team.rolls_out_v2()
    said = await team.says("bo", Lock("shop", "production", "load test", 7200))
    assert "shop v2 → production goes no further before that is over." in said
    assert said.endswith("It ends by itself; /deploy unlock shop production takes it away before.")
    said = await team.says("bo", Lock("", "production", "incident 7"))
    assert said.endswith("It ends when somebody takes it away: /deploy unlock all production.")


async def test_an_approval_that_comes_after_a_lock_is_refused_with_what_is_open(team: Team) -> None:
    v2 = await waits_for_approval(team)
    await team.says("bo", Lock("shop", "production", "load test"))
    await team.passes()
    assert await team.says("bo", Approve(v2)) == (
        "shop v2 → production waits for its gates, not for approval now. Open: not locked (shop "
        "in production is locked: load test)."
    )


async def test_a_tick_can_be_taken_back_while_an_approval_is_waited_for(team: Team) -> None:
    v2 = await waits_for_approval(team)
    assert Action.TICK in (await team.card(v2)).actions
    await team.says("cy", Tick(v2, (), ("support",)))
    await team.passes()
    assert (await team.deployment(v2)).state is State.GATED
    assert "not ticked" in await team.shown(v2)


async def test_go_now_is_offered_where_the_watch_alone_keeps_it_and_taken_nowhere_else(
    team_with: Any,
) -> None:
    async with team_with(**FREE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        while (await team.deployment("shop-1")).state is not State.WATCHING:
            await team.passes(HALF)
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.says("bo", Lock("shop", "production", "fire"))
        await team.passes()
        assert Action.GO_NOW not in (await team.card("shop-2")).actions
        assert "waits for its gates, not only for the end of that watch." in await team.says(
            "ana", GoNow("shop-2")
        )
        await team.says("bo", Unlock("shop", "production"))
        await team.passes()
        assert Action.GO_NOW in (await team.card("shop-2")).actions


async def waits_for_approval(team: Team) -> str:
    """Ask for v2, clear its gates, and stop where it waits for approval."""
    v2: str = await team.asks_for_v2()
    await team.says("cy", Tick(v2, ("support",)))
    await team.says("bo", Acknowledge(v2))
    await team.passes()
    assert (await team.deployment(v2)).state is State.AWAITING_APPROVAL
    return v2
