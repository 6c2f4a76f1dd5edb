"""A version that is quarantined while it is live: it stays where it is, and everybody who looks or leads hears of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.domain.commands import Deploy, Quarantine, RollBack, Status
from tests.services.conftest import BAD

Team = Any
"""The fixtures ``team`` and ``swift``."""
MINUTE = timedelta(minutes=1)


@pytest.mark.case("races-4")
async def test_quarantining_what_is_live_says_where_that_it_stays_and_how_it_goes(swift: Team) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    said = await swift.says("bo", Quarantine("shop", "v2", "it loses carts"))
    stays = "It is live in production and stays there until <@UBO> rolls it back: /rollback shop production because TEXT."
    assert stays in said
    assert await swift.said("quarantine_said") == [
        f"<@UBO> put *v2* in quarantine: it loses carts. It goes no further by itself, and nothing goes back to it. {stays}"
    ]
    assert "v2 is *quarantined*: it loses carts. It stays live until <@UBO> rolls it back: /rollback shop production because TEXT" in (
        await swift.says("ana", Status())
    )
    assert "v2 is *quarantined*: nothing goes back to it, and it stays live until it is rolled back" in await swift.shown("shop-1")


async def test_what_was_live_before_the_bot_came_stays_until_another_version_is_deployed(swift: Team) -> None:
    said = await swift.says("bo", Quarantine("shop", "v1", "it loses carts"))
    assert "It is live in staging and stays there until another version is deployed: /deploy shop REF to staging." in said
    assert "It is live in production and stays there until another version is deployed: /deploy shop REF to production." in said


@pytest.mark.case("races-4")
async def test_what_is_rolled_back_in_production_is_said_to_be_quarantined_where_it_is_live_elsewhere(team: Team) -> None:
    v2 = await team.rolls_out_v2(5 * MINUTE)
    team.numbers.new = BAD
    await team.passes(2 * MINUTE)
    await team.says("bo", RollBack(deployment=v2, reason="errors"))
    await team.passes(2 * MINUTE)
    (said,) = await team.said("quarantine_said")
    assert "The rollback of shop-2 by <@UBO> put *v2* in quarantine: it was rolled back from production on 2026-11-21: errors." in said
    assert "It is live in staging and stays there until <@UBO> rolls it back: /rollback shop staging because TEXT." in said
    assert "*shop staging*: v2 live" in await team.says("ana", Status())
    assert "v2 is *quarantined*: it was rolled back from production" in await team.says("ana", Status())
