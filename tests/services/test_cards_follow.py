"""A card follows whatever it shows, also what is said of something else: the lock of its place, its
version's quarantine, a doubt.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.catalog import AutomaticRollback, EnvironmentPolicy
from bot.domain.commands import (
    Cancel,
    Command,
    Deploy,
    Lock,
    Quarantine,
    SayLive,
    Unlock,
    Unquarantine,
)
from bot.domain.places import Stray
from bot.domain.rollback import KeptOutBy
from bot.domain.rollout import RunState
from bot.services.quarantines import keep_out
from bot.slack.cards import gist
from tests.services.conftest import BAD, MINUTE, PEOPLE
from tests.services.freshness import stale_after
from tests.services.test_board import took

Team = Any
"""The fixture ``team``."""
ROLLING: dict[str, Any] = {
    "gates": (), "checklist": (), "approvals": (), "after": "",
    "watch": 20 * MINUTE, "automatic_rollback": AutomaticRollback.OFF,
}  # fmt: skip


def _beside(team: Team) -> None:
    policy = EnvironmentPolicy(
        "production-eu", "canary", watch=20 * MINUTE, automatic_rollback=AutomaticRollback.OFF
    )
    team.context.catalog.services["shop"].environments["production-eu"] = policy


async def _hangs_here_and_is_bad_there(team: Team) -> None:
    """Have the run of v2 hang in production while v2 is worse in production-eu."""
    _beside(team)
    await team.says("ana", Deploy("shop", "production-eu", "v2"))
    await team.passes(MINUTE)
    team.numbers.new = BAD
    await team.passes(12 * MINUTE)
    team.ci.ends["deploy"] = RunState.RUNNING
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(MINUTE)


async def test_the_card_of_a_run_that_hangs_is_drawn_again_when_its_version_is_quarantined_by_a_stop_elsewhere(
    team_with: Any,
) -> None:
    async with team_with(**ROLLING) as team:
        await _hangs_here_and_is_bad_there(team)
        assert "quarantined" not in await team.shown("shop-2")
        assert await stale_after(team, team.says("bo", Cancel("shop-1"))) == {}
        assert "It goes no further than this step: v2 is quarantined" in await team.shown("shop-2")


async def test_the_card_of_a_run_that_hangs_is_drawn_again_when_its_version_is_quarantined_by_a_rollback_elsewhere(
    team_with: Any,
) -> None:
    async with team_with(**ROLLING) as team:
        await _hangs_here_and_is_bad_there(team)
        await team.says("ana", Deploy("shop", "staging", "v2"))
        await team.passes(MINUTE)
        assert await stale_after(team, _rolled_back(team, "shop-2")) == {}
        assert "v2 is *quarantined*" in await team.shown("shop-3")


async def _rolled_back(team: Team, id: str) -> None:
    async with team.context.store.transaction() as tx:
        bad = await tx.deployment(id)
        await keep_out(
            team.context,
            tx,
            bad,
            by=PEOPLE["bo"],
            at=team.context.now(),
            why="it was rolled back from production",
            how=KeptOutBy.ROLLBACK,
        )


_WHILE_IT_ROLLS_OUT: tuple[tuple[Command, ...], ...] = (
    (Lock("shop", "production", "fire"), Unlock("shop", "production")),
    (Lock("", "production", "fire"), Unlock("", "production")),
    (Quarantine("shop", "v2", "carts"), Unquarantine("shop", "v2", "it was the network")),
    (Quarantine("shop", "v1", "carts"), Unquarantine("shop", "v1", "it was the network")),
)


@pytest.mark.parametrize(
    "said",
    _WHILE_IT_ROLLS_OUT,
    ids=["lock", "lock of all", "quarantine", "quarantine of the way back"],
)
async def test_every_card_is_drawn_again_that_a_lock_or_a_quarantine_changes_and_when_it_is_gone(
    team_with: Any, said: tuple[Command, ...]
) -> None:
    async with team_with(**ROLLING) as team:
        await _hangs_here_and_is_bad_there(team)
        for command in said:
            assert await stale_after(team, team.says("bo", command)) == {}, command


async def test_the_card_of_what_is_live_is_drawn_again_when_a_run_that_was_given_up_makes_its_place_unclear(
    team_with: Any,
) -> None:
    async with team_with(**{**ROLLING, "strategy": "rolling", "watch": MINUTE}) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(10 * MINUTE)
        stray = Stray("shop", "production", "run 7", "shop-7", "canary-5", team.context.now())
        assert await stale_after(team, _given_up(team, stray)) == {}
        assert "*UNCLEAR* what runs" in await team.shown("shop-1")
        assert await stale_after(team, _ended(team, stray)) == {}
        assert "*UNCLEAR* what runs" not in await team.shown("shop-1")


async def _given_up(team: Team, stray: Stray) -> None:
    async with team.context.store.transaction() as tx:
        await tx.give_up(stray)


async def _ended(team: Team, stray: Stray) -> None:
    async with team.context.store.transaction() as tx:
        await tx.found_ended(stray)


async def test_a_word_for_what_is_live_has_every_card_of_its_place_drawn_again(
    team_with: Any,
) -> None:
    async with team_with(**ROLLING) as team:
        await _hangs_here_and_is_bad_there(team)
        await team.says("bo", Cancel("shop-1"))
        said = team.says_live("bo", SayLive("shop", "production-eu", "v1", "gone back by hand"))
        assert await stale_after(team, said) == {}


async def test_a_run_that_takes_longer_than_usual_has_its_card_drawn_again_once_without_the_time_that_is_left(
    team_with: Any,
) -> None:
    async with team_with(**ROLLING) as team:
        team.ci.ends["deploy"] = RunState.RUNNING
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(MINUTE)
        await took(team, "canary-5", 100)
        before = await team.card("shop-1")
        assert before.about_left is not None
        told: list[str] = []
        team.database.store.on_card_changed(told.append)
        await team.passes(3 * MINUTE)
        after = await team.card("shop-1")
        assert told == ["shop-1"]
        assert after.about_left is None
        shown = await team.shown("shop-1")
        assert " left" not in shown
        assert "takes longer than it did before (1 min 40 s): it began at " in shown
        assert gist(after, team.words) != gist(before, team.words), "it is drawn at once"
        assert gist(replace(before, about_left=MINUTE), team.words) == gist(before, team.words)
