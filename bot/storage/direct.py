"""SQLite without a thread hop for every statement: statements run on the loop's thread, and only
what waits for the disk runs in another.

It has the part of SQLAlchemy's ``AsyncEngine`` that this room uses, so that the stores are written
once, also for a server's engine. BEGIN IMMEDIATE may wait for another writer, and COMMIT waits for
the disk and perhaps does a checkpoint: both run in one thread of the writer's own. A statement in
between waits for nobody. A reader's statements never wait for writers, and are short and indexed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, CursorResult, Engine, Executable

from bot.ports.time import URGENT

PATIENCE = 15.0
"""Seconds that one waits for a connection: whoever has them all does not hold
everybody else up for ever.
"""

T = TypeVar("T")


class DatabaseBusy(Exception):  # noqa: N818 - it is what it says
    """No connection became free in time."""


class Statements:
    """The statements of one transaction: what ``AsyncConnection`` offers, done at once."""

    def __init__(self, connection: Connection) -> None:
        self.sync_connection = connection

    async def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        """Execute a statement. The caller reads the answer to its end: an open cursor would keep
        its view, and stop the checkpoints.
        """
        return self.sync_connection.execute(statement, parameters)

    async def exec_driver_sql(self, statement: str, parameters: Any = None) -> CursorResult[Any]:
        """Execute plain SQL."""
        return self.sync_connection.exec_driver_sql(statement, parameters)


class Slots:
    """So many at a time, and some more that are kept for what is urgent: a rollback."""

    def __init__(self, common: int, reserved: int, patience: float = PATIENCE) -> None:
        self._common = asyncio.Semaphore(common)
        self._reserved = asyncio.Semaphore(reserved) if reserved else self._common
        self._patience = patience

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Have one of them. Raises DatabaseBusy when none becomes free in time."""
        slots = self._reserved if URGENT.get() and self._common.locked() else self._common
        try:
            async with asyncio.timeout(self._patience):
                await slots.acquire()
        except TimeoutError:
            raise DatabaseBusy(
                f"no connection to the database became free in {self._patience:.0f} s"
            ) from None
        try:
            yield
        finally:
            slots.release()


class Direct:
    """An engine for one file. ``writes`` says that its transactions take the writer's
    lock and wait for the disk.
    """

    def __init__(self, engine: Engine, *, slots: Slots, writes: bool) -> None:
        self.sync_engine = engine
        self._slots = slots
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database") if writes else None

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Statements]:
        """Have a transaction; it is committed at the end, and rolled back
        when something is raised.
        """
        async with self._slots.one():
            with self.sync_engine.connect() as connection:
                transaction = await self._waiting(connection.begin, undo=connection.rollback)
                try:
                    yield Statements(connection)
                except BaseException:
                    transaction.rollback()
                    raise
                await self._waiting(transaction.commit)

    connect = begin
    """For who only reads; what was begun is ended all the same."""

    async def dispose(self) -> None:
        """Close every connection."""
        self.sync_engine.dispose()
        if self._thread is not None:
            self._thread.shutdown()

    async def _waiting(self, do: Callable[[], T], *, undo: Callable[[], object] | None = None) -> T:
        """Do what may wait in the writer's thread. Whoever is cancelled meanwhile waits for it: the
        connection is in use so long.
        """
        if self._thread is None:
            return do()
        done = asyncio.get_running_loop().run_in_executor(self._thread, do)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            await _end_of(done)
            if undo is not None and done.exception() is None:
                undo()
            raise


async def _end_of(done: asyncio.Future[Any]) -> None:
    """Wait for something to its end, however often one is cancelled."""
    while not done.done():
        try:
            await asyncio.wait([done])
        except asyncio.CancelledError:
            continue
