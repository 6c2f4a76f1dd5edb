"""Somebody had the database in hand while the bot was away."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest

if TYPE_CHECKING:
    from tests.conversations.conftest import World

ANA = "U0ANA"


def tamper(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DROP TRIGGER audit_no_update")
        connection.execute("UPDATE audit SET actor = 'T0TEAM/U0BO' WHERE n = 1")


@pytest.mark.case("trust-8")
async def test_a_changed_audit_log_is_told_in_the_channel_and_deployments_go_on(
    world: World,
) -> None:
    await world.deploy("v1.2.0", "staging")
    await world.stop_bot()
    tamper(Path(world.settings.gonogo_database_url.removeprefix("sqlite+aiosqlite:///")))
    await world.start_bot()
    await world.card("The audit log does not hold.", "Entry 1 was changed.")
    assert world.bot is not None
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{world.bot.url}/readyz") as response,
    ):
        assert response.status == 200
        assert (await response.json())["worries"] == {"audit log": "it does not hold at entry 1"}
    await world.deploy("v1.1.0", "staging")
