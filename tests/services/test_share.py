"""Wherever something is said to be live, it is said what it has of the requests now; what gets none
is called healthy nowhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot.domain.commands import Check, Deploy, History, RollBack, SayLive, Status
from bot.domain.deployment import State
from bot.domain.places import Doubt, Unclear
from bot.domain.rollout import RunState
from bot.queries import board
from bot.slack.dialogs import Dialogs
from tests.services.conftest import BAD, MINUTE, Team

HAS_ALL = "it gets no requests now: v3 (shop-2) has them all"
CANARY = {"strategy": "canary", "gates": (), "checklist": (), "approvals": (), "after": ""}


async def v3_over_v2(team: Team, time: Any = 12 * MINUTE) -> None:
    """Have v2 live and healthy, and v3 rolling out over it; from 100 % on it is worse."""
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(60 * MINUTE)
    await team.says("ana", Deploy("shop", "production", "v3"))
    await team.passes(2 * MINUTE)
    if time > 10 * MINUTE:
        await team.passes(9 * MINUTE)
        team.numbers.new = BAD
    await team.passes(2 * MINUTE)


async def home(team: Team) -> str:
    return str(Dialogs(team.words).home(await board.rows(team.context), roles=[]))


def line_of(text: str, place: str) -> str:
    return next(line for line in text.replace("\\n", "\n").splitlines() if place in line)


DOORS: dict[str, Callable[[Team], Any]] = {
    "status": lambda team: team.says("ana", Status("shop")),
    "home": home,
    "history": lambda team: team.says("ana", History("shop", "production")),
}


@pytest.mark.parametrize("door", DOORS)
async def test_what_gets_no_requests_is_not_called_healthy_and_what_has_them_is_named(
    team_with: Any, door: str
) -> None:
    async with team_with(**CANARY) as team:
        await v3_over_v2(team)
        line = line_of(await DOORS[door](team), HAS_ALL)
        assert "v2" in line
        assert "healthy" not in line


@pytest.mark.parametrize("door", DOORS)
async def test_what_shares_the_requests_is_said_with_its_share(team_with: Any, door: str) -> None:
    async with team_with(**CANARY) as team:
        await v3_over_v2(team, MINUTE)
        assert "it has 95 % of the requests now, v3 (shop-2) has the others" in await DOORS[door](
            team
        )


async def test_what_is_alone_is_said_with_its_verdict_and_no_share(team_with: Any) -> None:
    async with team_with(**CANARY) as team:
        await v3_over_v2(team, MINUTE)
        await team.passes(60 * MINUTE)
        for door in DOORS.values():
            shown = await door(team)
            assert "healthy" in shown
            assert "of the requests now" not in shown


async def test_what_was_adopted_is_said_with_its_share_too(team_with: Any) -> None:
    async with team_with(**CANARY) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(2 * MINUTE)
        assert "adopted by an operator · it has 95 % of the requests now" in await team.says(
            "ana", Status("shop")
        )


async def test_the_dialog_that_asks_what_is_live_says_what_the_recorded_version_has(
    team_with: Any,
) -> None:
    async with team_with(**CANARY) as team:
        await v3_over_v2(team)
        team.ci.changes = team.ci.changes.__class__(total=1, files=("migrations/7.sql",))
        shown = await team.says("bo", SayLive("shop", "production", "v1", "went back"))
        assert "Recorded last: v2 since 2026-11-21 02:15 UTC (shop-1; " in shown
        assert f"the CI provider says of its last run: succeeded); {HAS_ALL}." in shown


async def test_while_a_rollback_is_under_way_nothing_there_is_called_healthy(
    team_with: Any,
) -> None:
    async with team_with(**CANARY) as team:
        await v3_over_v2(team, MINUTE)
        team.ci.ends["rollback"] = RunState.RUNNING
        await team.rolls_back("bo", RollBack("shop", "production", reason="x"))
        await team.passes(MINUTE)
        line = line_of(await team.says("ana", Status("shop")), "*shop production*")
        assert "*ROLLING BACK* from v3 (shop-2) to v2 as shop-3, lead <@UBO>" in line
        assert line.endswith("live before: v2, since 2026-11-21 02:15 UTC, by <@UANA> (shop-1)")


@pytest.mark.parametrize("kind", [Unclear.RESTORED, Unclear.FAILED])
async def test_the_status_of_a_place_put_back_from_a_copy_sends_nobody_to_a_rollback_that_would_not_make_it_clear(
    swift: Team, kind: Unclear
) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    async with swift.database.store.transaction() as tx:
        await tx.cast_doubt("shop", "production", Doubt(kind, "nobody knows", swift.context.now()))
    for shown in (await swift.says("ana", Status("shop")), await home(swift)):
        assert (
            "Roll back: /rollback shop production because TEXT. Or deploy another version: "
            in shown
        ) is (kind is Unclear.FAILED)
        assert ("Say what is live" in shown) is (kind is Unclear.RESTORED)
        assert "healthy" not in shown


async def test_where_a_rollback_is_under_way_the_status_sends_nobody_to_a_word_that_is_refused(
    swift: Team,
) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    swift.ci.ends["rollback"] = RunState.RUNNING
    await swift.rolls_back("bo", RollBack("shop", "production", reason="x"))
    await swift.passes(MINUTE)
    async with swift.database.store.transaction() as tx:
        await tx.cast_doubt(
            "shop", "production", Doubt(Unclear.STRAY, "a run may be there", swift.context.now())
        )
    assert "shop-2 is under way" in await swift.says(
        "bo", SayLive("shop", "production", "v2", "I looked")
    )
    for shown in (await swift.says("ana", Status("shop")), await home(swift)):
        assert (
            "shop-2 is under way there. If it is unclear still once that has ended, "
            "somebody says what is live"
        ) in shown
        assert "Say what is live" not in shown
    assert (await swift.deployment("shop-1")).state is State.ROLLING_BACK
    assert "rolling back to v1 already" in await swift.says(
        "bo", RollBack("shop", "production", reason="x")
    )


@pytest.mark.case("card-and-people-12")
async def test_a_check_of_what_comes_or_is_there_already_says_that_it_is_not_needed(
    team: Team,
) -> None:
    await team.says("ana", Deploy("shop", "staging", "v3", strategy="canary"))
    await team.passes(2 * MINUTE)
    coming = await team.says("ana", Check("shop", "staging", "v3"))
    assert coming.startswith(
        "*shop v3 → staging*: not needed: shop-1 brings v3 to staging already."
    )
    there = await team.says("ana", Check("shop", "production", "v1"))
    assert there.startswith(
        "*shop v1 → production*: not needed: v1 is live in production already, so "
        "there is nothing to deploy."
    )


@pytest.mark.case("card-and-people-12")
async def test_a_gate_over_what_was_verified_before_says_that_it_gets_no_requests_there_now(
    team: Team,
) -> None:
    await team.says("ana", Deploy("shop", "staging", "v2"))
    await team.passes(10 * MINUTE)
    before = await team.says("ana", Check("shop", "production", "v2"))
    assert "✓ live and verified on staging: v2 is live and verified on staging\n" in before
    await team.says("ana", Deploy("shop", "staging", "v3", strategy="canary"))
    for _ in range(60):
        await team.passes(MINUTE)
        if HAS_ALL in await team.says("ana", Status("shop")):
            break
    after = await team.says("ana", Check("shop", "production", "v2"))
    assert (
        "✓ live and verified on staging: v2 is live and verified on staging; it gets no "
        "requests there now: v3 (shop-2) has them all"
    ) in after
