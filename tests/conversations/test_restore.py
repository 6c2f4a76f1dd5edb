"""A backup of an hour ago is put back: the bot does not believe it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conversations.conftest import World

ANA, BO, CY = "U0ANA", "U0BO", "U0CY"


@pytest.mark.case("reliability-7")
async def test_after_a_restore_nothing_goes_forward_until_somebody_says_what_is_live(
    world: World,
) -> None:
    database = Path(world.settings.gonogo_database_url.removeprefix("sqlite+aiosqlite:///"))
    await world.deploy("v1.2.0", "staging")
    await world.stop_bot()
    shutil.copy(database, database.with_name("backup.db"))
    await world.start_bot()
    await world.deploy("v1.1.0", "staging")
    await world.stop_bot()
    shutil.copy(database.with_name("backup.db"), database)
    await world.start_bot()
    await world.card("What is live is unclear.", "entries of the audit log are missing")

    await world.says(ANA, "/deploy status")
    await world.reply(
        ANA,
        "storefront staging*: *unclear what runs*, recorded last: v1.2.0",
        "put back from a copy of",
    )
    await world.says(ANA, "/deploy storefront v1.0.0 to staging")
    waiting = await world.card("storefront v1.0.0 → staging", "not ready")
    started = world.started()
    assert not any(line.startswith(world.commits["v1.0.0"]) for line in started)

    dialog = await world.says_live(
        CY, "/deploy live storefront staging is v1.1.0 because I looked at it"
    )
    assert "Recorded last: v1.2.0 since" in dialog
    await world.card(
        "says that *v1.1.0* is live in storefront staging: I looked at it.",
        "Recorded before: v1.2.0 (storefront-1)",
    )
    # others get requests as well, so that the word alone makes nothing clear
    await world.clicks(ANA, waiting, "cancel")
    await world.card("storefront v1.0.0 → staging", "cancelled")
    await world.says(ANA, "/deploy storefront v1.0.0 to staging")
    await world.card("storefront v1.0.0 → staging", "live and healthy")
    await world.says(ANA, "/deploy history storefront")
    await world.reply(ANA, "storefront-4")
