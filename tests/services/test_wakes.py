"""Whoever decides wakes what waits for it, and what is shown elsewhere is drawn again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bot.domain.commands import (
    Acknowledge,
    Approve,
    Cancel,
    Command,
    Deploy,
    GoNow,
    HandOver,
    Lock,
    OpenGate,
    Proceed,
    Quarantine,
    Reject,
    Retest,
    RollBack,
    StopCountdown,
    TakeOver,
    Tick,
    Unlock,
    Unquarantine,
)
from bot.domain.deployment import State
from bot.domain.quality import QualityState
from bot.domain.rollout import RunState, Stage
from tests.services.conftest import BAD, MINUTE, PEOPLE

Team = Any
"""The fixtures ``team`` and ``swift``."""
V2 = "shop-2"


async def waits(team: Team) -> None:
    await team.asks_for_v2()


async def waits_for_approval(team: Team) -> None:
    await team.asks_for_v2()
    await team.says("bo", Acknowledge(V2))
    await team.says("cy", Tick(V2, ("support",)))
    await team.passes()


async def has_red_tests(team: Team) -> None:
    await team.asks_for_v2()
    team.ci.quality_state = QualityState.RED
    await team.passes(2 * MINUTE)


async def rolls_out(team: Team) -> None:
    await team.rolls_out_v2(2 * MINUTE)


async def is_degraded(team: Team) -> None:
    await rolls_out(team)
    team.numbers.new = BAD
    await team.passes(MINUTE)


async def waits_at_a_gate(team: Team) -> None:
    team.ci.stages = (Stage("release", RunState.WAITING, passable=True),)
    await team.rolls_out_v2()


async def is_led_by_somebody_off_call(team: Team) -> None:
    await rolls_out(team)
    team.rota.person = PEOPLE["cy"]


async def is_locked(team: Team) -> None:
    await rolls_out(team)
    await team.says("bo", Lock("shop", "production", "a sale"))


async def is_quarantined(team: Team) -> None:
    await rolls_out(team)
    await team.says("bo", Quarantine("shop", "v2", "it leaks"))


@pytest.mark.parametrize(
    ("before", "name", "command"),
    [
        (waits, "bo", Acknowledge(V2)),
        (waits, "cy", Tick(V2, ("support",))),
        (waits, "ana", Cancel(V2)),
        (waits, "bo", Lock("shop", "production", "a sale")),
        (waits, "bo", HandOver(V2, "UCY")),
        (has_red_tests, "ana", Retest(V2)),
        (waits_for_approval, "bo", Approve(V2)),
        (waits_for_approval, "bo", Reject(V2, "not today")),
        (rolls_out, "bo", RollBack(deployment=V2)),
        (rolls_out, "bo", Quarantine("shop", "v2", "it leaks")),
        (is_locked, "bo", Unlock("shop", "production")),
        (is_quarantined, "bo", Unquarantine("shop", "v2", "it was the database")),
        (is_degraded, "bo", Proceed(V2, "a known spike")),
        (is_degraded, "bo", StopCountdown(V2, "a known spike")),
        (is_led_by_somebody_off_call, "cy", TakeOver(V2, "bo sleeps")),
        (waits_at_a_gate, "bo", OpenGate(V2)),
    ],
    ids=lambda each: each.verb if isinstance(each, Command) else getattr(each, "__name__", each),
)
async def test_what_waits_looks_again_as_soon_as_somebody_has_decided(
    team: Team, before: Callable[[Team], Awaitable[None]], name: str, command: Command
) -> None:
    await before(team)

    async def signals() -> int:
        return int((await team.database.journal.get(V2)).wakes)

    woken = await signals()
    await team.says(name, command)
    assert await signals() > woken


async def test_what_was_let_go_and_what_it_replaces_look_again(swift: Team) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    while (await swift.deployment("shop-1")).state is not State.WATCHING:
        await swift.passes(MINUTE / 3)
    await swift.says("ana", Deploy("shop", "production", "v3"))
    await swift.passes()
    before = [(await swift.database.journal.get(each)).wakes for each in ("shop-1", "shop-2")]
    await swift.says("cy", GoNow("shop-2"))
    await swift.passes(MINUTE / 10)
    after = [(await swift.database.journal.get(each)).wakes for each in ("shop-1", "shop-2")]
    assert [late > early for early, late in zip(before, after, strict=True)] == [True, True]


async def test_the_card_of_what_is_live_of_a_commit_is_drawn_again_when_it_is_quarantined_here_or_by_a_rollback_elsewhere(
    team: Team,
) -> None:
    await team.rolls_out_v2(2 * MINUTE)  # v2 is verified on staging as shop-1
    drawn: list[str] = []
    team.database.store.on_card_changed(drawn.append)
    await team.says("bo", Quarantine("shop", "v2", "it leaks"))
    assert {"shop-1", "shop-2"} <= set(drawn)
    await team.says("bo", Unquarantine("shop", "v2", "it was the database"))
    team.numbers.new = BAD
    await team.passes(MINUTE)
    drawn.clear()
    await team.says("bo", RollBack(deployment=V2))
    await team.passes(MINUTE)
    assert "shop-1" in drawn
