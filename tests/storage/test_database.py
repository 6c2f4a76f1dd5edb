"""Opening the file: one process, the newest schema, the measured settings."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from sqlmodel import SQLModel

from bot.domain.errors import ConfigurationError
from bot.storage.database import Database, open_database
from tests.patience import PATIENCE
from tests.storage.conftest import deploy

ROOT = Path(__file__).parents[2]


async def test_the_migrations_make_exactly_the_tables(database: Database, tmp_path: Path) -> None:
    await deploy(database)
    engine = create_engine(f"sqlite:///{tmp_path}/gonogo.db")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []
    engine.dispose()


async def test_what_was_stored_is_there_after_opening_again(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/gonogo.db"
    database = await open_database(url)
    await deploy(database)
    await database.close()
    database = await open_database(url)
    async with database.store.reading() as reader:
        assert await reader.deployment("shop-1") is not None
    await database.close()


async def test_a_schema_from_the_future_is_refused_and_left_alone(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/gonogo.db"
    database = await open_database(url)
    async with database.writer.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await database.close()
    for _ in range(2):  # the lock is given back each time
        with pytest.raises(ConfigurationError, match="9999"):
            await open_database(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "sqlite+aiosqlite://",
        "sqlite+aiosqlite:///:memory:",
        "postgresql+psycopg://localhost/x",
    ],
)
async def test_an_address_that_cannot_be_used_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"Example: sqlite\+aiosqlite:///"):
        await open_database(url)


async def test_a_second_process_is_told_which_file_and_what_to_do(
    database: Database, tmp_path: Path
) -> None:
    await deploy(database)
    script = (
        "import asyncio; from bot.storage.database import open_database; "
        f"asyncio.run(open_database('sqlite+aiosqlite:///{tmp_path}/gonogo.db'))"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    _, said = await process.communicate()
    last = said.decode().strip().splitlines()[-1]
    assert f"{tmp_path}/gonogo.db is in use by process {os.getpid()}" in last
    assert "GONOGO_DATABASE_URL" in last


async def test_the_connections_are_set_as_measured(database: Database) -> None:
    async with database.writer.begin() as connection:
        values = [
            (await connection.execute(text(f"PRAGMA {name}"))).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert values == ["wal", 2, 1]


async def test_a_reader_cannot_write(database: Database) -> None:
    async with database.reader.connect() as connection:
        with pytest.raises(OperationalError, match="readonly"):
            await connection.execute(text("DELETE FROM deployment"))


async def test_readers_do_not_wait_for_the_writer_and_see_one_moment(database: Database) -> None:
    async with database.store.reading() as reader:
        assert await reader.history("shop") == ()
        await deploy(database)
        assert await reader.history("shop") == ()
    async with (
        asyncio.timeout(PATIENCE),
        database.store.transaction(),
        database.store.reading() as reader,
    ):
        assert len(await reader.history("shop")) == 1


async def test_no_update_is_lost_among_two_hundred_writers(database: Database) -> None:
    await asyncio.gather(*(deploy(database) for _ in range(200)))
    async with database.store.reading() as reader:
        assert [d.id for d in await reader.history("shop", limit=1)] == ["shop-200"]
