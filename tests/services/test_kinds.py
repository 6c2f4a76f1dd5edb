"""Rules that could once be broken without a test that noticed, and sentences that
were once taken for keys.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.domain.commands import Deploy, DeployFirst, GoNow, Quarantine, RollBack, Unquarantine
from bot.domain.deployment import State
from tests.services.conftest import COMMITS, MINUTE

Team = Any
"""The fixtures ``team`` and ``swift``."""
HALF = timedelta(seconds=30)


@pytest.mark.case("structure-5")
async def test_what_is_watched_is_superseded_when_somebody_lets_the_next_one_go(
    swift: Team,
) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    while (await swift.deployment("shop-1")).state is not State.WATCHING:
        await swift.passes(HALF)
    await swift.says("ana", Deploy("shop", "production", "v3"))
    await swift.passes()
    await swift.says("cy", GoNow("shop-2"))
    await swift.passes()
    before = await swift.deployment("shop-1")
    assert (before.state, before.note) == (
        State.SUPERSEDED,
        "shop-2 was let go before its watch had ended",
    )


@pytest.mark.case("structure-2")
async def test_a_reason_that_somebody_typed_keeps_no_button_from_working(team: Team) -> None:
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.says("cy", Deploy("shop", "staging", "v3", reason="first step of shop-1"))
    await team.passes()
    assert "is asked for as shop-3" in await team.says("ana", DeployFirst("shop-1"))
    await team.passes()
    assert (await team.deployment("shop-3")).commit == COMMITS["v2"]


@pytest.mark.case("card-and-people-10")
async def test_a_typed_rollback_is_answered_with_the_dialog_and_does_nothing_by_itself(
    swift: Team,
) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    said = await swift.says("bo", RollBack("shop", "production", "v1", reason="a test"))
    assert "v1" in said
    assert (await swift.deployment("shop-1")).state is State.VERIFIED
    assert "rollback" not in await swift.audited("shop-1")


@pytest.mark.case("card-and-people-10")
async def test_going_back_from_a_healthy_version_quarantines_nothing(swift: Team) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    await swift.rolls_back("bo", RollBack("shop", "production", reason="a test"))
    await swift.passes(4 * MINUTE)
    assert (await swift.deployment("shop-1")).state is State.ROLLED_BACK
    async with swift.database.store.reading() as reader:
        assert await reader.quarantine("shop", COMMITS["v2"]) == ""


@pytest.mark.case("card-and-people-10")
async def test_a_quarantine_is_lifted_with_a_reason_by_whoever_may_lock(swift: Team) -> None:
    await swift.says("bo", Quarantine("shop", "v2", "it forgets carts"))
    assert "it forgets carts" in await swift.says("ana", Deploy("shop", "production", "v2"))
    assert "You cannot lift a quarantine." in await swift.says(
        "ana", Unquarantine("shop", "v2", "it was the load balancer")
    )
    assert "it was the load balancer" in await swift.says(
        "bo", Unquarantine("shop", "v2", "it was the load balancer")
    )
    assert "is asked for as shop-1" in await swift.says("ana", Deploy("shop", "production", "v2"))


@pytest.mark.case("reliability-5")
async def test_one_failed_start_costs_a_rollback_seconds_where_the_provider_can_tell(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2(5 * MINUTE)
    team.ci.refused.add("shop-3:rollback")
    await team.says("bo", RollBack(deployment=v2, reason="errors"))
    asked = team.context.now()
    while "shop-3:rollback" not in team.ci.runs:
        await team.passes(timedelta(seconds=1))
        assert (
            "shop-3:rollback" in team.ci.runs
            or "The CI provider has not answered since" in await team.shown(v2)
        )
    assert team.context.now() - asked <= timedelta(seconds=10)
