"""What the bot says and holds after its database was put back from a copy."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from bot.domain.commands import Status
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
