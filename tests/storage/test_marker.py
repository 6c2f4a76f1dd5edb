"""A database that was put back from a copy is known for what it is, and gives no number twice."""

from __future__ import annotations

import shutil
import stat
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.domain.audit import Entry
from bot.storage.database import Database, open_database
from tests.storage.conftest import ANA, NOW, request

pytestmark = pytest.mark.case("reliability-7")


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Database]:
    database = await open_database(f"sqlite+aiosqlite:///{folder}/gonogo.db")
    try:
        yield database
    finally:
        await database.close()


async def deploys(database: Database, times: int = 1) -> list[str]:
    """Ask for deployments as the services do: the deployment and its entry in one transaction."""
    ids = []
    for _ in range(times):
        async with database.store.transaction() as tx:
            deployment = await tx.add_deployment(request())
            await tx.audit(Entry(NOW, ANA, "deploy", deployment.id))
        ids.append(deployment.id)
    return ids


def copy(folder: Path, to: str, names: Iterable[str] = ("gonogo.db",)) -> None:
    (folder / to).mkdir()
    for name in names:
        shutil.copy(folder / name, folder / to)


def put_back(folder: Path, from_: str) -> None:
    for name in ("gonogo.db-wal", "gonogo.db-shm"):
        (folder / name).unlink(missing_ok=True)
    shutil.copy(folder / from_ / "gonogo.db", folder)


async def test_a_new_database_and_one_that_goes_on_are_nothing_special(tmp_path: Path) -> None:
    for expected in ("shop-1", "shop-2"):
        async with opened(tmp_path) as database:
            assert database.restored is None
            assert await deploys(database) == [expected]
    assert stat.S_IMODE((tmp_path / "gonogo.db.marker").stat().st_mode) == 0o600


async def test_a_backup_of_an_hour_ago_is_known_and_its_numbers_go_on(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        await deploys(database, 2)
    copy(tmp_path, "backup")
    async with opened(tmp_path) as database:
        assert await deploys(database, 3) == ["shop-3", "shop-4", "shop-5"]
    put_back(tmp_path, "backup")
    async with opened(tmp_path) as database:
        restored = database.restored
        assert restored is not None
        assert (restored.newest, restored.known, restored.as_of) == (2, 5, NOW)
        assert await deploys(database) == ["shop-6"]


async def test_it_stays_known_until_somebody_has_been_told(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        await deploys(database)
    copy(tmp_path, "backup")
    async with opened(tmp_path) as database:
        await deploys(database)
    put_back(tmp_path, "backup")
    for _ in range(2):  # it dies before it has told anybody
        async with opened(tmp_path) as database:
            assert database.restored is not None
            await deploys(database)
    async with opened(tmp_path) as database:
        assert database.restored is not None
        await deploys(database)
        database.settle()
    async with opened(tmp_path) as database:
        assert database.restored is None
        assert await deploys(database) == ["shop-6"]


async def test_a_database_that_went_another_way_is_known_by_its_hashes(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        await deploys(database)
    copy(tmp_path, "elsewhere", ("gonogo.db", "gonogo.db.marker"))
    async with opened(tmp_path / "elsewhere") as database:
        async with database.store.transaction() as tx:
            await tx.audit(Entry(NOW, ANA, "lock"))
        await deploys(database, 3)
    async with opened(tmp_path) as database:
        await deploys(database)
    put_back(tmp_path, "elsewhere")
    async with opened(tmp_path) as database:
        assert database.restored is not None
        assert (database.restored.newest, database.restored.known) == (5, 2)


@pytest.mark.parametrize(
    "content",
    [None, b"", b"\xff", b"[]", b'{"n": "1", "hash": "", "numbers": {}}', b'{"n": 1, "hash": "x"}'],
)
async def test_a_database_without_a_readable_marker_that_is_not_new_is_not_believed(
    tmp_path: Path, content: bytes | None
) -> None:
    async with opened(tmp_path) as database:
        await deploys(database)
    marker = tmp_path / "gonogo.db.marker"
    marker.unlink() if content is None else marker.write_bytes(content)
    async with opened(tmp_path) as database:
        assert database.restored is not None
        assert database.restored.known == 0


async def test_a_database_that_was_emptied_is_not_believed_and_gives_no_number_twice(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as database:
        await deploys(database, 2)
    for name in ("gonogo.db", "gonogo.db-wal", "gonogo.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    async with opened(tmp_path) as database:
        assert database.restored is not None
        assert database.restored.as_of is None
        assert await deploys(database) == ["shop-3"]


async def test_a_transaction_that_fails_uses_up_no_number(tmp_path: Path) -> None:
    async def fail(database: Database) -> None:
        async with database.store.transaction() as tx:
            await tx.add_deployment(request())
            raise RuntimeError

    async with opened(tmp_path) as database:
        with pytest.raises(RuntimeError):
            await fail(database)
        assert await deploys(database) == ["shop-1"]


async def test_a_marker_that_cannot_be_written_holds_up_nothing(tmp_path: Path) -> None:
    (tmp_path / "gonogo.db.marker").mkdir()
    async with opened(tmp_path) as database:
        assert await deploys(database, 2) == ["shop-1", "shop-2"]
