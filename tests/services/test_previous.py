"""What ``previous`` names: the version that was verified before the one that is live. What was gone
back from is none, and is named all the same.
"""

from __future__ import annotations

import pytest

from bot.domain.commands import Check, Deploy, Quarantine, RollBack, SayLive
from bot.ports.store import Restored
from bot.services import restoring
from tests.services.conftest import MINUTE, Team

PLACE = ("shop", "production")
PREVIOUS = Deploy(*PLACE, "previous")


async def v2_is_verified_and_rolled_back(team: Team) -> None:
    await team.says("ana", Deploy(*PLACE, "v2"))
    await team.passes(4 * MINUTE)
    await team.says("bo", RollBack(deployment="shop-1", reason="the campaign is over"))
    await team.passes(4 * MINUTE)


async def test_what_was_verified_and_rolled_back_since_is_named_and_may_be_deployed_by_name(
    swift: Team,
) -> None:
    await v2_is_verified_and_rolled_back(swift)
    said = "v2 was verified here, but was rolled back since by <@UBO>; name it to deploy it."
    assert await swift.says("ana", PREVIOUS) == said
    assert said in await swift.says("ana", Check(*PLACE, "previous"))
    assert "is asked for" in await swift.says("ana", Deploy(*PLACE, "v2"))


async def test_what_is_quarantined_is_named_with_why(swift: Team) -> None:
    await v2_is_verified_and_rolled_back(swift)
    await swift.says("bo", Quarantine("shop", "v2", "it loses carts"))
    said = "v2 was verified here, but is quarantined: it loses carts."
    assert await swift.says("ana", PREVIOUS) == said


async def test_what_was_gone_back_from_by_hand_is_named_with_who_said_so(swift: Team) -> None:
    await swift.says("ana", Deploy(*PLACE, "v2"))
    await swift.passes(4 * MINUTE)
    await restoring.notice(swift.context, Restored(7, 9, swift.context.now()), [])
    await swift.says_live("bo", SayLive(*PLACE, "v1", "by hand"))
    said = "v2 was verified here, but was gone back from by hand by <@UBO>; name it to deploy it."
    assert await swift.says("ana", PREVIOUS) == said


@pytest.mark.case("card-and-people-6")
async def test_where_there_never_was_one_it_says_so(swift: Team) -> None:
    said = "There is no previous version that was verified here."
    assert await swift.says("ana", PREVIOUS) == said
