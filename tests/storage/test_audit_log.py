"""The audit log in the database."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from bot.app import verify_audit
from bot.domain.audit import Entry
from bot.domain.errors import ConfigurationError
from bot.domain.people import GONOGO
from bot.settings import Settings
from bot.storage.database import Database, open_database, reading_only
from tests.storage.conftest import ANA, NOW


async def write(database: Database, *actions: str) -> None:
    for action in actions:
        async with database.store.transaction() as tx:
            await tx.audit(Entry(NOW, ANA, action, "shop-1", facts={"version": "v1", "by": str(GONOGO), "numbers": [1, 2.5, None]}))


async def test_entries_come_back_in_order_as_they_were(database: Database) -> None:
    await write(database, "deploy", "approve")
    async with database.store.reading() as reader:
        entries = await reader.entries("shop-1")
    assert [entry.action for entry in entries] == ["deploy", "approve"]
    assert entries[0] == Entry(NOW, ANA, "deploy", "shop-1", facts={"version": "v1", "by": "/gonogo", "numbers": [1, 2.5, None]})


@pytest.mark.parametrize("statement", ["UPDATE audit SET hash = 'x'", "DELETE FROM audit"])
async def test_the_database_refuses_to_change_or_delete(database: Database, statement: str) -> None:
    await write(database, "deploy")
    with pytest.raises(IntegrityError, match="append-only"):
        async with database.writer.begin() as connection:
            await connection.execute(text(statement))


async def test_somebody_with_the_file_is_found_out(tmp_path: Path) -> None:
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path}/gonogo.db", audit_key=b"secret")
    await write(database, "deploy", "approve", "rollback")
    assert (await database.store.verify_audit())[::2] == (3, None)
    async with database.writer.begin() as connection:
        await connection.execute(text("DROP TRIGGER audit_no_update"))
        await connection.execute(text("UPDATE audit SET body = replace(body, 'approve', 'refused') WHERE n = 2"))
    assert (await database.store.verify_audit())[::2] == (3, 2)
    await database.close()


async def test_another_key_than_the_bots_is_named_as_the_likely_reason(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/gonogo.db"
    database = await open_database(url, audit_key=b"secret")
    await write(database, "deploy", "approve")
    await database.close()
    sentence, holds = await verify_audit(Settings.model_construct(gonogo_database_url=url, gonogo_audit_key=SecretStr("")))
    assert not holds
    assert sentence == (
        "The audit chain is broken at entry 1 of 2. With another key than the bot's it looks like this, too: check GONOGO_AUDIT_KEY first."
    )


async def test_an_entry_of_a_failed_transaction_is_not_in_the_chain(database: Database) -> None:
    async def fail() -> None:
        async with database.store.transaction() as tx:
            await tx.audit(Entry(NOW, ANA, "never"))
            raise RuntimeError

    await write(database, "deploy")
    with pytest.raises(RuntimeError):
        await fail()
    await write(database, "approve")
    assert (await database.store.verify_audit())[::2] == (2, None)


async def test_the_audit_is_verified_beside_the_bot_and_nothing_is_changed(database: Database, tmp_path: Path) -> None:
    async with database.store.transaction() as tx:
        await tx.audit(Entry(NOW, ANA, "deploy"))
    url = f"sqlite+aiosqlite:///{tmp_path}/gonogo.db"
    async with reading_only(url) as store:
        assert (await store.verify_audit())[::2] == (1, None)


async def test_a_database_that_is_not_there_is_said_so_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"There is no database at .*typo\.db\. Set GONOGO_DATABASE_URL"):
        async with reading_only(f"sqlite+aiosqlite:///{tmp_path}/nowhere/typo.db"):
            pass
    assert not await asyncio.to_thread((tmp_path / "nowhere").exists)
