"""A version that is quarantined while it is live: it stays where it is, and everybody who
looks or leads hears of it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.domain.commands import Deploy, Quarantine, RollBack, Status, Unquarantine
from bot.domain.deployment import State
from tests.services.conftest import BAD

Team = Any
"""The fixtures ``team`` and ``swift``."""
MINUTE = timedelta(minutes=1)


@pytest.mark.case("races-4")
async def test_quarantining_what_is_live_says_where_that_it_stays_and_how_it_goes(
    swift: Team,
) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    said = await swift.says("bo", Quarantine("shop", "v2", "it loses carts"))
    stays = (
        "It is live in production and stays there until <@UBO> rolls it back: /rollback shop "
        "production because TEXT."
    )
    assert stays in said
    assert await swift.said("quarantine_said") == [
        (
            "<@UBO> put *v2* in quarantine: it loses carts. It goes no further by itself, and "
            f"nothing goes back to it. {stays}"
        )
    ]
    assert (
        "v2 is *quarantined*: it loses carts. It stays live until <@UBO> rolls it back: "
        "/rollback shop production because TEXT"
    ) in (await swift.says("ana", Status()))
    assert (
        "v2 is *quarantined*: nothing goes back to it, and it stays live until it is rolled back"
        in await swift.shown("shop-1")
    )


async def test_what_was_live_before_the_bot_came_stays_until_another_version_is_deployed(
    swift: Team,
) -> None:
    said = await swift.says("bo", Quarantine("shop", "v1", "it loses carts"))
    assert (
        "It is live in staging and stays there until another version is deployed: "
        "/deploy shop REF to staging."
    ) in said
    assert (
        "It is live in production and stays there until another version is deployed: "
        "/deploy shop REF to production."
    ) in said


@pytest.mark.case("races-4")
async def test_what_is_rolled_back_in_production_is_said_to_be_quarantined_where_it_is_live_elsewhere(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2(5 * MINUTE)
    team.numbers.new = BAD
    await team.passes(2 * MINUTE)
    await team.says("bo", RollBack(deployment=v2, reason="errors"))
    await team.passes(2 * MINUTE)
    (said,) = await team.said("quarantine_said")
    why = "its rollback from production began 2026-11-21 02:17 UTC: errors."
    assert f"The rollback of shop-2 by <@UBO> put *v2* in quarantine: {why}" in said
    assert (
        "It is live in staging and stays there until <@UBO> rolls it back: /rollback "
        "shop staging because TEXT."
    ) in said
    assert "*shop staging*: v2 live" in await team.says("ana", Status())
    assert "v2 is *quarantined*: its rollback from production began" in await team.says(
        "ana", Status()
    )


CANARY: dict[str, Any] = {
    "gates": (),
    "checklist": (),
    "approvals": (),
    "after": "",
    "watch": 2 * MINUTE,
}


@pytest.mark.case("races-4")
async def test_quarantining_what_a_degraded_rollout_would_go_back_to_says_so_to_who_does_it_and_to_its_lead(
    team_with: Any,
) -> None:
    async with team_with(**CANARY) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(11 * MINUTE)
        team.numbers.new = BAD
        await team.passes(2 * MINUTE)
        assert ((await team.card("shop-1")).serving, (await team.card("shop-1")).is_degraded) == (
            100,
            True,
        )
        said = await team.says("bo", Quarantine("shop", "v1", "hm"))
        assert "It is live in production" not in said, "it gets no requests there any more"
        assert "It is live in staging" in said
        gone = (
            "v1 was verified here and is quarantined, and there is no other version, so there "
            "is nothing to go back to."
        )
        assert (
            "*shop v2 → production* would have gone back to it. No rollback by button any "
            f"more: {gone} <@UBO>, its lead, is told."
        ) in said
        (told,) = await team.said("not_by_itself")
        assert told.startswith(
            "<@UBO> put *v1* in quarantine, to which it would have gone back. *shop v2 → "
            "production* is not rolled back"
        )
        assert f"by itself: {gone} <@UBO> decides on the card" in told
        assert await team.said("way_back_lost") == []


async def test_what_it_goes_back_to_instead_is_named_and_what_still_serves_is_said_to_be_live(
    team_with: Any,
) -> None:
    async with team_with(**CANARY) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(30 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.VERIFIED
        assert "would have gone back" not in await team.says(
            "bo", Quarantine("shop", "v3", "hm")
        ), "nothing goes back to v3"
        await team.says("bo", Unquarantine("shop", "v3", "tried"))
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes(2 * MINUTE)
        said = await team.says("bo", Quarantine("shop", "v2", "hm"))
        assert "It is live in production and stays there until shop-2 has replaced it." in said
        assert (
            "*shop v3 → production* would have gone back to it. A rollback leads to v1 now." in said
        )
        assert (await team.card("shop-2")).rollback.version == "v1"
