"""The inbox: what is acknowledged is stored, many in one commit."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from bot.domain.commands import Deploy, Tick
from bot.ports.talk import Intent, Place
from bot.storage.database import Database, open_database
from tests.storage.conftest import ANA, NOW

SECRET = "https://hooks.example.test/secret"


def intent(key: str) -> Intent:
    return Intent(key, Deploy("shop", "production", "v1"), ANA, Place("C1", "", SECRET), NOW)


async def test_a_command_is_stored_once_and_comes_back_whole(database: Database) -> None:
    ticked = Intent(
        "k2",
        Tick("shop-1", ("support", "docs")),
        ANA,
        Place("C1", "1.2"),
        NOW + timedelta(seconds=1),
    )
    assert await database.inbox.accept(intent("k1"))
    assert await database.inbox.accept(ticked)
    assert not await database.inbox.accept(intent("k1"))
    assert await database.inbox.waiting() == (intent("k1"), ticked)


async def test_a_finished_command_leaves_only_its_key(database: Database) -> None:
    await database.inbox.accept(intent("k1"))
    await database.inbox.finish("k1")
    assert await database.inbox.waiting() == ()
    assert not await database.inbox.accept(intent("k1"))
    async with database.reader.begin() as connection:
        rows = (await connection.execute(text("SELECT * FROM inbox"))).all()
    assert SECRET not in str(rows)


def commits(wal: Path) -> int:
    """Count the commits in a write-ahead log: the frames with a size of the database in them
    (sqlite.org/fileformat2.html#walformat).
    """
    log = wal.read_bytes()
    page = int.from_bytes(log[8:12])
    frames = range(32, len(log), 24 + page)
    return sum(
        log[start + 8 : start + 16] == log[16:24] and any(log[start + 4 : start + 8])
        for start in frames
    )


async def test_commands_that_come_together_share_commits_and_each_gets_its_own_answer(
    database: Database, tmp_path: Path
) -> None:
    before = commits(tmp_path / "gonogo.db-wal")
    keys = [f"k{n % 60}" for n in range(100)]
    accepted = await asyncio.gather(*(database.inbox.accept(intent(key)) for key in keys))
    assert accepted == [True] * 60 + [False] * 40
    assert 1 <= commits(tmp_path / "gonogo.db-wal") - before < 10


async def test_one_command_that_is_delivered_twice_at_once_counts_once(database: Database) -> None:
    twice = intent("k1")
    assert sorted(
        await asyncio.gather(database.inbox.accept(twice), database.inbox.accept(twice))
    ) == [False, True]


async def test_everybody_hears_when_the_disk_fails_and_the_next_are_served(
    database: Database,
) -> None:
    async with database.writer.begin() as connection:
        await connection.execute(text("ALTER TABLE inbox RENAME TO away"))
    waiting = [asyncio.create_task(database.inbox.accept(intent(f"k{n}"))) for n in range(3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each).__name__ for each in done] == [
        "OperationalError",
        "CancelledError",
        "OperationalError",
    ]
    async with database.writer.begin() as connection:
        await connection.execute(text("ALTER TABLE away RENAME TO inbox"))
    assert await database.inbox.accept(intent("k0"))


async def test_an_ack_whose_caller_went_away_is_stored_all_the_same(database: Database) -> None:
    waiting = [asyncio.create_task(database.inbox.accept(intent(f"k{n}"))) for n in range(3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert [done[0], done[2]] == [True, True]
    assert {stored.key for stored in await database.inbox.waiting()} >= {"k0", "k2"}


async def test_what_was_accepted_survives_a_restart(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/gonogo.db"
    database = await open_database(url)
    await database.inbox.accept(intent("k1"))
    await database.close()
    database = await open_database(url)
    assert await database.inbox.waiting() == (intent("k1"),)
    await database.close()


async def test_keys_are_kept_a_day_and_then_forgotten_but_never_what_waits(
    database: Database,
) -> None:
    for key in ("done", "waits"):
        await database.inbox.accept(intent(key))
    await database.inbox.finish("done")
    await database.inbox.prune(NOW + timedelta(hours=24))
    assert not await database.inbox.accept(intent("done"))
    await database.inbox.prune(NOW + timedelta(days=3))
    assert await database.inbox.accept(intent("done"))
    assert not await database.inbox.accept(intent("waits"))


async def test_a_key_is_taken_once_also_in_transactions(database: Database) -> None:
    async with database.store.transaction() as tx:
        assert await tx.once("k1")
        assert not await tx.once("k1")
    async with database.store.transaction() as tx:
        assert not await tx.once("k1")


@pytest.mark.case("trust-6")
async def test_a_stored_command_that_cannot_be_read_holds_up_no_other(database: Database) -> None:
    async with database.writer.begin() as connection:
        for body in (
            "",
            "[]",
            '{"key": "x"}',
            '{"key": "x", "command": {"verb": "from another age"}}',
        ):
            values = {"key": body, "at": "2026-01-01 00:00:00.000000", "body": body}
            await connection.execute(
                text("INSERT INTO inbox VALUES (:key, :at, 0, :body, 0, 0)"), values
            )
    await database.inbox.accept(intent("good"))
    assert await database.inbox.waiting() == (intent("good"),)
