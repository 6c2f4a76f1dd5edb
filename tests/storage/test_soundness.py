"""Whether the database is whole is found out beside everything else, however long that takes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.storage.database import Database
from bot.storage.soundness import QuickCheck, Soundness
from tests.storage.conftest import deploy

NOW = datetime(2026, 11, 28, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)


class Large:
    """A file that takes long to look through: a look ends when it is told what it finds."""

    def __init__(self) -> None:
        self.now = NOW
        self.looks: list[asyncio.Future[str]] = []
        self.soundness = Soundness(self, lambda: self.now)

    async def through(self) -> str:
        self.looks.append(asyncio.get_running_loop().create_future())
        return await self.looks[-1]

    def stop(self) -> None:
        for look in self.looks:
            if not look.done():
                look.set_result("")

    async def asked(self, times: int = 1) -> str:
        """Ask; a question has no time to wait for a look, as that of
        readiness after 2 s has none.
        """
        for _ in range(times):
            said = self.soundness.damage()
            await asyncio.sleep(0)
        return said

    async def finds(self, what: str) -> None:
        """Let the newest look come to its end."""
        self.looks[-1].set_result(what)
        await asyncio.sleep(0)
        await asyncio.sleep(0)


@pytest.fixture
async def large() -> AsyncIterator[Large]:
    file = Large()
    yield file
    await file.soundness.close()


async def test_a_look_that_takes_long_is_waited_for_by_nobody_and_comes_to_its_end(
    large: Large,
) -> None:
    assert large.soundness.known() == "Nothing is known yet of the whole file."
    assert await large.asked(times=5) == ""
    assert len(large.looks) == 1, "one look at a time"
    assert large.soundness.known() == (
        "Nothing is known yet of the whole file. It is being looked through "
        "since 2026-11-28 09:30 UTC."
    )
    large.now += timedelta(minutes=20)
    await large.finds("ok")
    assert await large.asked() == ""
    assert (
        large.soundness.known()
        == "Whole when it was looked through to its end, 2026-11-28 09:50 UTC."
    )


async def test_what_is_damaged_is_told_from_then_on_and_until_another_look_has_come_to_its_end(
    large: Large,
) -> None:
    await large.asked()
    await large.finds(
        "*** in database main ***\nTree 5 page 5: btreeInitPage() returns error code 11"
    )
    said = (
        "The database is damaged (Tree 5 page 5: btreeInitPage() returns error code 11; seen "
        "2026-11-28 09:30 UTC). Restore a backup."
    )
    assert await large.asked() == said
    large.now += DAY
    assert await large.asked() == said, "the next look is under way"
    assert large.soundness.known() == (
        "Damaged when it was looked through to its end, 2026-11-28 09:30 UTC. It is being looked "
        "through since 2026-11-29 09:30 UTC."
    )
    await large.finds("ok")
    assert await large.asked() == ""


async def test_the_whole_file_is_looked_through_once_after_a_start_and_once_a_day(
    large: Large,
) -> None:
    await large.asked()
    await large.finds("ok")
    large.now += DAY - timedelta(microseconds=1)
    await large.asked(times=3)
    assert len(large.looks) == 1
    large.now += timedelta(microseconds=1)
    await large.asked(times=3)
    assert len(large.looks) == 2


async def test_a_look_that_did_not_reach_the_end_is_begun_again_by_whoever_asks_next(
    large: Large,
) -> None:
    await large.asked()
    await large.finds("")
    assert large.soundness.known() == "Nothing is known yet of the whole file."
    await large.asked()
    assert len(large.looks) == 2


async def test_whoever_closes_the_database_waits_for_no_look(database: Database) -> None:
    assert await database.condition.damage() == ""
    await database.condition.close()
    assert await database.condition.known() == "Nothing is known yet of the whole file."


async def test_only_a_file_that_is_not_whole_is_damaged(database: Database, tmp_path: Path) -> None:
    await deploy(database)
    path, other = tmp_path / "gonogo.db", tmp_path / "other.db"
    other.write_bytes(b"no database" * 1000)
    assert await QuickCheck(path).through() == "ok"
    assert "is no database" in await QuickCheck(other).through()
    assert await QuickCheck(tmp_path / "none.db").through() == "", (
        "what cannot be opened is not known to be damaged"
    )
    stopped = QuickCheck(path)
    stopped.stop()
    assert await stopped.through() == ""
