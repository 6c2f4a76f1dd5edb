"""What there is nothing to deploy for, whose turn it is, and what a version before
the one that is live is.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.catalog import AutomaticGate, GateKind
from bot.domain.commands import Cancel, Deploy, RollBack
from bot.domain.declared import Declared, Origin
from bot.domain.deployment import State
from bot.domain.errors import IntegrationError
from bot.domain.live import Live
from bot.domain.places import Doubt, Unclear
from bot.domain.readiness import GateState
from bot.domain.rollout import RunState, Stage
from bot.ports.engine import Later, RunRecord
from bot.services import needless, queueing
from bot.services.stuck import stuck
from tests.services.conftest import COMMITS, MINUTE, PEOPLE

Team = Any
"""The fixtures ``team`` and ``swift``."""


async def live(team: Team, version: str, **more: Any) -> None:
    """Have a version live in production."""
    now = team.context.now()
    async with team.database.store.transaction() as tx:
        await tx.set_live(
            Live("shop", "production", COMMITS[version], version, now, "", PEOPLE["ana"], **more)
        )


async def is_there(team: Team, version: str) -> bool:
    async with team.database.store.reading() as reader:
        return bool(await needless.is_there(reader, "shop", "production", COMMITS[version]))


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_what_is_live_and_verified_is_there_and_nothing_else(
    team: Team, version: str
) -> None:
    await live(team, "v1", verified_at=team.context.now())
    assert await is_there(team, version) is (version == "v1")


async def test_what_is_unclear_or_only_said_to_be_there_is_not_known_to_be(team: Team) -> None:
    now = team.context.now()
    said = Declared(
        "shop", "production", COMMITS["v1"], "v1", Origin.SAID, PEOPLE["bo"], now, "I looked"
    )
    for declared, there in ((said, False), (replace(said, origin=Origin.ADOPTED), True)):
        await live(team, "v1", declared=declared)
        assert await is_there(team, "v1") is there
    async with team.database.store.transaction() as tx:
        await tx.cast_doubt("shop", "production", Doubt(Unclear.STRAY, "a run ended late", now))
    assert not await is_there(team, "v1")


async def test_what_is_being_watched_is_there_and_what_rolls_out_goes_back_or_failed_is_not_yet(
    swift: Team,
) -> None:
    swift.ci.stages = (Stage("release", RunState.RUNNING),)
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(MINUTE)
    assert not await is_there(swift, "v2")
    assert await swift.says("cy", Deploy("shop", "production", "v2")) != "", (
        "it is on its way already"
    )
    swift.ci.stages = ()
    while (await swift.deployment("shop-1")).state is not State.WATCHING:
        await swift.passes(timedelta(seconds=20))
    assert await is_there(swift, "v2")
    assert "live in production already, so there is nothing to deploy" in await swift.says(
        "cy", Deploy("shop", "production", "v2")
    )
    await swift.passes(4 * MINUTE)
    assert (await swift.deployment("shop-1")).state is State.VERIFIED
    assert await is_there(swift, "v2")
    swift.ci.stages = (Stage("release", RunState.RUNNING),)
    await swift.says("bo", RollBack(deployment="shop-1"))
    assert not await is_there(swift, "v2"), "it is being taken away"


async def test_a_deployment_is_not_in_its_own_way_and_one_that_is_taken_back_is_in_nobodys(
    team: Team,
) -> None:
    async with team.database.store.transaction() as tx:
        await tx.set_live(
            Live(
                "shop",
                "staging",
                COMMITS["v1"],
                "v1",
                team.context.now(),
                "",
                PEOPLE["ana"],
                team.context.now(),
            )
        )
    await team.says("ana", Deploy("shop", "production", "v3"))
    await team.passes()
    assert (await team.deployment("shop-1")).state is State.GATED
    assert (
        await team.says("cy", Deploy("shop", "production", "v3"))
        == "shop-1 brings v3 to production already."
    )
    await team.says("cy", Deploy("shop", "staging", "v3"))
    await team.says("ana", Cancel("shop-1"))
    await team.says("cy", Deploy("shop", "production", "v3"))
    await team.passes()
    states = [(await team.deployment(each)).state for each in ("shop-1", "shop-2", "shop-3")]
    assert State.IMPOSSIBLE not in states
    assert states[0] is State.CANCELLED


@pytest.mark.parametrize(("now_live", "means"), [("v3", "v2"), ("v2", "v3"), (None, "v3")])
async def test_previous_is_the_newest_verified_version_that_is_not_live(
    team: Team, now_live: str | None, means: str
) -> None:
    at = team.context.now()
    v1, v2, v3 = (
        Live("shop", "production", COMMITS[each], each, at, "", PEOPLE["ana"], at)
        for each in ("v1", "v2", "v3")
    )
    there = {"v2": v2, "v3": v3, None: None}[now_live]
    releases = (v3, replace(v1, verified_at=None, accepted="too little traffic"), v2, v1)
    found = await queueing.resolve(
        team.context, ("shop", "production"), "previous", there, releases
    )
    assert (found.commit, found.version) == (COMMITS[means], means)
    with pytest.raises(
        IntegrationError, match="There is no previous version that was verified here"
    ) as refused:
        await queueing.resolve(
            team.context,
            ("shop", "production"),
            "previous",
            v3,
            (v3, replace(v2, verified_at=None)),
        )
    assert (refused.value.retry, refused.value.vendor) == (False, "Go/No-Go")


async def test_a_turn_is_taken_once_and_waited_for_without_a_look_while_somebody_else_has_it(
    team: Team,
) -> None:
    v2 = await team.asks_for_v2()
    assert await queueing.take_turn(team.context, v2) is True, "it has its turn already"
    await team.says("ana", Deploy("shop", "production", "v3"))
    await team.passes()
    assert await queueing.take_turn(team.context, "shop-3") == Later(team.context.intervals.parked)
    assert (await team.deployment("shop-3")).state is State.QUEUED
    await team.says("ana", Cancel(v2))
    assert await queueing.take_turn(team.context, v2) is False
    assert await queueing.take_turn(team.context, "shop-3") is True
    assert (await team.deployment("shop-3")).state is State.GATED


async def test_a_rollback_that_is_stuck_is_told_on_the_card_of_what_it_undoes(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    await team.says("bo", RollBack(deployment=v2))
    for run, card in ((v2, v2), ("shop-3", v2)):
        await stuck(team.context, RunRecord(run, "deploy", 1, (run,), 0), "the disk is full")
        (*_, message) = [each for each in await team.outbox() if each.template == "stuck"]
        assert (message.deployment, message.facts["id"], message.facts["since"]) == (
            card,
            run,
            team.context.now().isoformat(),
        )


@pytest.mark.parametrize(("version", "is_green"), [("v1", True), ("v2", False)])
async def test_where_nothing_could_be_put_back_what_is_recorded_as_live_can_be_put_there_again_and_nothing_else(
    team_with: Any, version: str, *, is_green: bool
) -> None:
    async with team_with(
        gates=(AutomaticGate(GateKind.ROLLBACK),),
        checklist=(),
        approvals=(),
        after="",
        strategy="rolling",
    ) as team:
        async with team.database.store.transaction() as tx:
            await tx.cast_doubt(
                "shop",
                "production",
                Doubt(Unclear.FAILED, "shop-0 failed", team.context.now() - MINUTE),
            )
            if not is_green:
                await tx.put_in_quarantine(
                    "shop", COMMITS["v1"], by=PEOPLE["bo"], at=team.context.now(), reason="slow"
                )
        await team.says("ana", Deploy("shop", "production", version))
        await team.passes(MINUTE / 2)
        gates = {gate.key: gate for gate in (await team.card("shop-1")).review.gates}
        assert (gates["rollback"].state is GateState.GREEN) == is_green
        assert ("putting it there again takes none away" in gates["rollback"].sentence) == is_green
