"""What the bot says and holds after its database was put back from a copy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.domain.commands import SayLive, Status
from bot.domain.deployment import State
from bot.domain.places import Unclear
from bot.ports import Restored
from bot.services import restoring

Team = Any
"""The fixture ``team``."""
COPIED = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
pytestmark = pytest.mark.case("reliability-7")


@pytest.mark.parametrize(
    ("restored", "why"),
    [
        (Restored(7, 9, COPIED), "the database was put back from a copy of 2026-11-21 08:00 UTC"),
        (Restored(7, 0, COPIED), "the database comes from elsewhere, and ends at 2026-11-21 08:00 UTC"),
        (Restored(0, 9, None), "the database is new, but the bot has worked here before"),
    ],
)
async def test_every_environment_is_unclear_and_the_board_says_so(team: Team, restored: Restored, why: str) -> None:
    await restoring.notice(team.house, restored, ["C0OPS"])
    async with team.house.store.reading() as reader:
        for environment in team.house.service("shop").environments:
            doubt = await reader.doubt("shop", environment)
            assert (doubt.kind, doubt.why) == (Unclear.RESTORED, why)
    said = await team.says("ana", Status())
    assert "*unclear what runs*, recorded last:" in said
    assert f"{why}. Say what is live: /deploy live shop production is REF because TEXT" in said


async def test_it_is_told_with_what_the_database_says_and_what_is_missing(team: Team) -> None:
    await restoring.notice(team.house, Restored(7, 10, COPIED), ["C0OPS"])
    (said,) = await team.said("restored")
    assert "3 entries of the audit log are missing. Nothing goes forward until somebody has looked" in said
    assert "• shop production: v1, says the database. /deploy live shop production is v1 because TEXT" in said


@pytest.mark.parametrize(
    ("minutes", "copied", "then"), [(2, State.ROLLING_OUT, State.FAILED), (20, State.WATCHING, State.SUPERSEDED)], ids=str
)
async def test_what_the_copy_shows_as_under_way_is_no_obstacle_to_saying_what_is_live(
    team: Team, minutes: int, copied: State, then: State
) -> None:
    v2 = await team.rolls_out_v2(timedelta(minutes=minutes))
    assert (await team.deployment(v2)).state is copied
    await restoring.notice(team.house, Restored(7, 10, COPIED), ["C0OPS"])
    assert "v1" in (await team.says_live("bo", SayLive("shop", "production", "v1", "I looked at it")))[1]
    assert (await team.deployment(v2)).state is then
    await team.passes(timedelta(minutes=1))
    async with team.house.store.reading() as reader:
        assert await reader.doubt("shop", "production") is None
        assert await reader.strays("shop", "production") == ()
        assert await reader.holder("shop", "production") == ""
        assert (await reader.live("shop", "production")).version == "v1"


async def test_what_began_after_the_restore_is_waited_for_as_ever(team: Team) -> None:
    await restoring.notice(team.house, Restored(7, 10, COPIED), ["C0OPS"])
    for environment in ("staging", "production"):
        await team.says_live("bo", SayLive("shop", environment, "v1", "I looked at it"))
    v2 = await team.rolls_out_v2(timedelta(minutes=2))
    assert f"{v2} is under way in shop production" in await team.says("bo", SayLive("shop", "production", "v1", "I looked at it"))
