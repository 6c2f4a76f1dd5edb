"""Statements on the loop's thread, the disk in another: nothing is half done, nobody is held up."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bot.ports.talk import Posting
from bot.ports.time import URGENT
from bot.storage.database import READERS, Database
from bot.storage.direct import DatabaseBusy, Slots
from tests.patience import PATIENCE
from tests.storage.conftest import deploy


async def test_a_transaction_that_is_cancelled_is_all_there_or_not_at_all(
    database: Database,
) -> None:
    for turn in range(40):

        async def write(turn: int = turn) -> None:
            async with database.writer.begin() as connection:
                await connection.exec_driver_sql(
                    "INSERT INTO posting (key, channel, ts, digest) VALUES (?, 'a', '', '')",
                    (f"a {turn}",),
                )
                await connection.exec_driver_sql(
                    "INSERT INTO posting (key, channel, ts, digest) VALUES (?, 'b', '', '')",
                    (f"b {turn}",),
                )

        task = asyncio.create_task(write())
        for _ in range(turn % 8):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        first, second = (
            await database.postings.get(f"a {turn}"),
            await database.postings.get(f"b {turn}"),
        )
        assert (first is None) == (second is None)
    await database.postings.save(Posting("after", "C1"))
    assert await database.postings.get("after") == Posting("after", "C1")


async def test_a_file_that_another_process_writes_to_stops_no_loop_and_no_reader(
    database: Database, tmp_path: Path
) -> None:
    other = sqlite3.connect(tmp_path / "gonogo.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writing = asyncio.create_task(deploy(database))
    await asyncio.sleep(0.05)
    assert await database.postings.get("nothing") is None
    assert not writing.done()
    other.execute("COMMIT")
    other.close()
    assert (await writing).id == "shop-1"


async def test_what_is_raised_in_a_transaction_undoes_it(database: Database) -> None:
    async def fail() -> None:
        async with database.writer.begin() as connection:
            await connection.exec_driver_sql(
                "INSERT INTO posting (key, channel, ts, digest) VALUES ('k', 'a', '', '')"
            )
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await database.postings.get("k") is None


@pytest.mark.case("races-7")
async def test_however_many_views_hang_a_rollback_can_read(database: Database) -> None:
    async with AsyncExitStack() as hung:
        for _ in range(READERS):
            await hung.enter_async_context(database.store.reading())

        async def rollback() -> bool:
            URGENT.set(True)
            async with database.store.reading() as reader:
                return await reader.deployment("shop-1") is None

        async with asyncio.timeout(PATIENCE):
            assert await asyncio.create_task(rollback())


@pytest.mark.case("races-7")
async def test_nobody_waits_for_a_connection_for_ever() -> None:
    slots = Slots(1, 0, patience=0.01)
    async with slots.one():
        with pytest.raises(DatabaseBusy):
            async with slots.one():
                pytest.fail("there is one only")
    async with slots.one():
        pass
