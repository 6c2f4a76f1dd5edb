"""Open the database: one file, one process, one writer; the schema brought up to date first.

The recipe is measured (WAL, ``BEGIN IMMEDIATE``, one exclusive writing connection,
``synchronous=FULL``): without it SQLite loses updates or answers "database is locked". Readers have
connections of their own and never wait for writers.
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TextIO, cast

from sqlalchemy import create_engine, event, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.domain.audit import Keys
from bot.domain.commands import COMMANDS, Commands
from bot.domain.errors import ConfigurationError, SystemUnavailable
from bot.ports.store import Restored
from bot.storage.condition import SqlCondition
from bot.storage.direct import Direct, Slots
from bot.storage.faults import told
from bot.storage.inbox import SqlInbox
from bot.storage.journal import SqlJournal
from bot.storage.local_runs import SqlRuns, SqlStarts
from bot.storage.marker import Marker
from bot.storage.migrate import upgrade
from bot.storage.postings import SqlPostings
from bot.storage.rows import table
from bot.storage.samples import SqlSamples
from bot.storage.store import SqlStore
from bot.storage.tables.record import AuditRow

READERS = 8
"""How many may read at a time."""
KEPT = 4
"""So many more connections are kept for rollbacks: whatever hangs elsewhere, one can read."""
NO_KEYS = Keys()
BESIDE = ("-wal", "-shm", ".lock", ".marker")
"""What stands beside the database, by the ends of the names."""
PRIVATE, PRIVATE_FOLDER = 0o600, 0o700
OWN_FOLDER = Path("var")
"""The folder of the database that is used where none is set: it alone is made."""


@dataclass(slots=True)
class Database:
    """Everything that is stored, by who asks for it."""

    store: SqlStore
    inbox: SqlInbox
    runs: SqlRuns
    starts: SqlStarts
    samples: SqlSamples
    postings: SqlPostings
    journal: SqlJournal
    writer: AsyncEngine
    reader: AsyncEngine
    lock: TextIO | None
    condition: SqlCondition
    marker: Marker
    path: Path
    is_new: bool
    """Whether there was none before it was opened."""
    restored: Restored | None = None
    """Set until ``settle``: this is not the database with which the bot last worked."""

    @property
    def made(self) -> str:
        """Say that it was made anew, as somebody with a mistyped address has to learn; else ""."""
        return f"made a new, empty database at {self.path.absolute()}" if self.is_new else ""

    def settle(self) -> None:
        """Go on from this database: whoever has to know that it was restored has been
        told, and that is committed.
        """
        self.restored = None
        self.marker.is_held = False
        self.marker.seen(None, {})

    async def close(self) -> None:
        """Close every connection and let the next process have the file."""
        await self.condition.close()
        await self.inbox.close()
        await self.reader.dispose()
        await self.writer.dispose()
        if self.lock is not None:
            self.lock.close()


async def open_database(
    url: str, *, audit_keys: Keys = NO_KEYS, commands: Commands = COMMANDS
) -> Database:
    """Open a database and bring its schema up to date; ``commands`` are what its inbox can hold.

    Raises ConfigurationError for an address or a file that cannot be used, or a schema
    newer than this program, and SystemUnavailable for a file that another process has,
    and for what else may pass.
    """
    path = file_of(url)
    with told(path):
        _plain(path)
        _in_a_folder(path)
        is_new = not path.exists() or not path.stat().st_size
        lock = _lock(_own(path))
        try:
            await upgrade(url)
        except BaseException:
            lock.close()
            raise
    writer = _engine(url, "BEGIN IMMEDIATE", size=1, kept=0, read_only=False)
    reader = _engine(url, "BEGIN", size=READERS, kept=KEPT, read_only=True)
    inbox = SqlInbox(path, _pragmas(read_only=False), writer, reader, commands)
    marker = Marker.beside(path)
    database = Database(
        SqlStore(writer, reader, audit_keys, marker), inbox,
        SqlRuns(writer, reader), SqlStarts(writer, reader),
        SqlSamples(writer, reader), SqlPostings(writer, reader),
        SqlJournal(writer, reader), writer, reader, lock,
        SqlCondition(path, writer, reader), marker, path, is_new,
    )  # fmt: skip
    database.restored = await _compared(marker, reader)
    marker.is_held = database.restored is not None
    await database.inbox.prune(datetime.now(UTC))
    return database


async def _compared(marker: Marker, reader: AsyncEngine) -> Restored | None:
    """Tell whether the database ends before its marker, went another way, or has
    none although it is not new.
    """
    row = table(AuditRow)
    async with reader.begin() as connection:
        newest = (
            await connection.execute(select(row.c.n, row.c.at).order_by(row.c.n.desc()).limit(1))
        ).first()
        there = (
            await connection.execute(select(row.c.hash).where(row.c.n == marker.mark.n))
        ).scalar()
    agrees = there == marker.mark.hash if marker.mark.n else newest is None or marker.was_there
    if agrees:
        return None
    return Restored(
        newest.n if newest else 0,
        marker.mark.n,
        datetime.fromisoformat(newest.at) if newest else None,
    )


def existing(url: str) -> str:
    """Check that a database is there, and give its address. Raises
    ConfigurationError when there is none.
    """
    path = file_of(url)
    if not path.is_file():
        raise ConfigurationError(
            f"There is no database at {path}. Set GONOGO_DATABASE_URL to the bot's."
        )
    return url


def file_of(url: str) -> Path:
    """Give the file that an address names. Raises ConfigurationError for an
    address that cannot be used.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigurationError(
            "GONOGO_DATABASE_URL is not a database address. Example: "
            "sqlite+aiosqlite:///var/gonogo.db"
        ) from error
    if (
        parsed.drivername != "sqlite+aiosqlite"
        or not parsed.database
        or parsed.database == ":memory:"
    ):
        raise ConfigurationError(
            "GONOGO_DATABASE_URL must name an SQLite file. Example: "
            "sqlite+aiosqlite:///var/gonogo.db"
        )
    return Path(parsed.database)


def _plain(path: Path) -> None:
    """Refuse what is no plain file where one is kept: a pipe would hold up the start without a
    word. Raises ConfigurationError.
    """
    for file in (path, *(path.with_name(path.name + suffix) for suffix in BESIDE)):
        # then there is no marker, and every commit says so
        is_harmless = file.suffix == ".marker" and file.is_dir()
        if file.exists() and not file.is_file() and not is_harmless:
            what = "a folder" if file.is_dir() else "a pipe, a socket or a device"
            raise ConfigurationError(
                f"{file} is {what}, not a file. Take it away, or set "
                "GONOGO_DATABASE_URL to another file."
            )


def _in_a_folder(path: Path) -> None:
    """Refuse a folder that is not there: whoever mistypes an address would start an empty bot. Only
    the one that is used unasked is made. Raises ConfigurationError.
    """
    if path.parent.is_dir():
        return
    if path.parent != OWN_FOLDER:
        raise ConfigurationError(
            f"There is no folder {path.parent} for the database {path.name}. Look whether "
            "GONOGO_DATABASE_URL is written as you mean it, or make the folder."
        )
    path.parent.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)


def _own(path: Path) -> Path:
    """Make the files the bot's alone. SQLite gives its WAL the rights that it finds on the file."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, PRIVATE))
    for file in (
        path,
        *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm", ".lock")),
    ):
        if file.is_file() and file.stat().st_uid == os.geteuid():
            file.chmod(PRIVATE)
    return path


def _lock(path: Path) -> TextIO:
    """Keep other processes out of the file, for as long as this one lives."""
    lock = open(  # noqa: SIM115
        path.with_name(path.name + ".lock"),
        "a+",
        encoding="utf-8",
        opener=partial(os.open, mode=PRIVATE),
    )
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        holder = lock.read().strip() or "another process"
        lock.close()
        raise SystemUnavailable(
            f"{path} is in use by {holder}. Stop it first, or set "
            "GONOGO_DATABASE_URL to another file."
        ) from error
    lock.truncate(0)
    lock.write(f"process {os.getpid()}")
    lock.flush()
    return lock


def _engine(url: str, begin: str, *, size: int, kept: int, read_only: bool) -> AsyncEngine:
    """Make an engine with the part of AsyncEngine that this room uses; the stores are
    typed as on any server's.
    """
    engine = create_engine(
        make_url(url).set(drivername="sqlite"), pool_size=size + kept, max_overflow=0,
        connect_args={"isolation_level": None, "check_same_thread": False},
    )  # fmt: skip

    def connected(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in _pragmas(read_only=read_only):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def begun(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return cast("AsyncEngine", Direct(engine, slots=Slots(size, kept), writes=not read_only))


def _pragmas(*, read_only: bool) -> tuple[str, ...]:
    """Only a writer turns the WAL on: that writes, and a reader may look at a copy, or at
    a file that is not ours.
    """
    common = ("busy_timeout=10000", "foreign_keys=ON")
    return (
        (*common, "query_only=ON")
        if read_only
        else ("journal_mode=WAL", "synchronous=FULL", *common)
    )
