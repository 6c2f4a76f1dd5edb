"""The lead's word that something goes on although its numbers are worse: what it covers, what it
does not, and when it ends.
"""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.catalog import AutomaticRollback
from bot.domain.commands import Command, Deploy, Lock, Proceed, Quarantine, Unlock, Unquarantine
from bot.domain.deployment import State
from bot.domain.health import Finding, Snapshot, Verdict
from bot.domain.places import Doubt, Unclear
from bot.domain.trouble import WATCH, ByItself, Sort, Trouble
from bot.services.word import ends_by_itself
from tests.services.conftest import BAD, GOOD, MINUTE

Team = Any
"""The fixtures ``team`` and ``team_with``."""
FREE: dict[str, Any] = {
    "gates": (),
    "checklist": (),
    "approvals": (),
    "after": "",
    "automatic_rollback": AutomaticRollback.OFF,
}
LOCKED = (Lock("shop", "production", "fire"), Unlock("shop", "production"))
QUARANTINED = (
    Quarantine("shop", "v2", "it loses carts"),
    Unquarantine("shop", "v2", "it does not"),
)
KEPT = pytest.mark.parametrize(
    ("keep", "free"), [LOCKED, QUARANTINED], ids=["locked", "quarantined"]
)


async def is_degraded_at_5(team: Team) -> None:
    """Have v2 at 5 % in production as shop-1, with worse numbers."""
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(2 * MINUTE)
    team.numbers.new = BAD
    await team.passes(MINUTE)


async def is_degraded_in_its_watch(team: Team) -> None:
    """Have v2 live in production as shop-1 and watched, with worse numbers."""
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(2 * MINUTE)
    team.numbers.new = BAD
    await team.passes(2 * MINUTE)
    assert (await team.deployment("shop-1")).state is State.WATCHING


def has_gone_to_100(team: Team) -> bool:
    return "shop-1:canary-100" in team.ci.runs


@KEPT
async def test_no_word_about_numbers_is_offered_or_taken_while_more_than_numbers_keeps_it(
    team_with: Any, keep: Command, free: Command
) -> None:
    async with team_with(**FREE) as team:
        await is_degraded_at_5(team)
        assert Action.PROCEED in (await team.card("shop-1")).actions
        await team.says("bo", keep)
        assert Action.PROCEED not in (await team.card("shop-1")).actions
        said = await team.says("bo", Proceed("shop-1", "known noise"))
        assert said.startswith("More than its numbers keeps shop v2 → production: ")
        assert said.endswith(
            "would let nothing go on now; you are asked about them when that has ended."
        )
        await team.passes(20 * MINUTE)
        await team.says("bo", free)
        assert Action.PROCEED in (await team.card("shop-1")).actions
        await team.passes(20 * MINUTE)
        assert not has_gone_to_100(team)


@KEPT
async def test_a_word_that_an_obstacle_has_outlasted_is_asked_for_again(
    team_with: Any, keep: Command, free: Command
) -> None:
    async with team_with(**FREE) as team:
        await is_degraded_at_5(team)
        await team.says("bo", Proceed("shop-1", "known noise"))
        await team.says("bo", keep)
        await team.passes(20 * MINUTE)
        assert not has_gone_to_100(team)
        assert (
            "goes on to 100 % by itself once its numbers allow; where they do not, its lead decides"
            in await team.says("bo", free)
        )
        await team.passes(20 * MINUTE)
        assert not has_gone_to_100(team), "its numbers do not allow it, and the word is from before"
        assert len(await team.said("degraded")) == 2, "the lead is asked again"
        assert "let it go on" not in await team.shown("shop-1")
        await team.says("bo", Proceed("shop-1", "known noise, still"))
        await team.passes(MINUTE)
        assert has_gone_to_100(team)


@KEPT
async def test_a_word_is_ended_by_what_keeps_it_however_short_that_is(
    team_with: Any, keep: Command, free: Command
) -> None:
    async with team_with(**FREE) as team:
        await is_degraded_at_5(team)
        await team.says("bo", Proceed("shop-1", "known noise"))
        await team.says("bo", keep)
        assert (
            "goes on to 100 % by itself once its numbers allow; where they do not, its lead decides"
            in await team.says("bo", free)
        )
        await team.passes(20 * MINUTE)
        assert not has_gone_to_100(team)


async def test_a_lock_that_comes_after_the_last_look_at_a_step_ends_the_word_too(
    team_with: Any,
) -> None:
    async with team_with(**FREE) as team:
        await is_degraded_at_5(team)
        await team.says("bo", Proceed("shop-1", "known noise"))
        team.ci.during["find shop-1:canary-100"] = lambda: team.says("bo", LOCKED[0])
        await team.passes(20 * MINUTE)
        assert not has_gone_to_100(team)
        await team.says("bo", LOCKED[1])
        await team.passes(20 * MINUTE)
        assert not has_gone_to_100(team)
        team.numbers.new = GOOD
        await team.passes(2 * MINUTE)
        assert has_gone_to_100(team), "once its numbers allow"


async def test_a_quarantine_after_the_word_keeps_a_watch_from_its_end(team_with: Any) -> None:
    async with team_with(**FREE, strategy="rolling", watch=10 * MINUTE) as team:
        await is_degraded_in_its_watch(team)
        await team.says("bo", Proceed("shop-1", "known noise"))
        await team.says("bo", QUARANTINED[0])
        await team.passes(30 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.WATCHING
        await team.says("bo", QUARANTINED[1])
        await team.passes(30 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.WATCHING, "the lead is asked again"
        await team.says("bo", Proceed("shop-1", "known noise"))
        await team.passes(MINUTE)
        assert (await team.deployment("shop-1")).state is State.ACCEPTED


async def test_an_unclear_place_keeps_a_watch_from_its_end_whatever_word_was_given(
    team_with: Any,
) -> None:
    async with team_with(**FREE, strategy="rolling", watch=10 * MINUTE) as team:
        await is_degraded_in_its_watch(team)
        await team.says("bo", Proceed("shop-1", "known noise"))
        async with team.database.store.transaction() as tx:
            await tx.cast_doubt(
                "shop", "production", Doubt(Unclear.STRAY, "a run ended late", team.context.now())
            )
        await team.passes(30 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.WATCHING
        assert Action.PROCEED not in (await team.card("shop-1")).actions
        assert "it is unclear what runs" in await team.says("bo", Proceed("shop-1", "known noise"))


@pytest.mark.parametrize(
    ("where", "ends"),
    [("canary-5", ByItself.NUMBERS), ("canary-100", ByItself.NOTHING), (WATCH, ByItself.NOTHING)],
)
async def test_what_nobody_has_measured_of_the_time_before_comes_no_more_once_it_has_all_requests(
    team_with: Any, where: str, ends: ByItself
) -> None:
    async with team_with(**FREE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(2 * MINUTE)
        finding = Finding("errors", "errors", "%", Verdict.NO_DATA, 0.002, None)
        async with team.database.store.transaction() as tx:
            await tx.add_snapshot(
                Snapshot(
                    "shop-1", where, team.context.now(), Verdict.NO_DATA, (finding,), where=where
                )
            )
            told = await ends_by_itself(
                team.context, tx, await team.deployment("shop-1"), Trouble(1, Sort.BLIND, where)
            )
        assert told is ends
