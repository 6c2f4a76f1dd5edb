"""Whether the database is whole: the file is looked through to its end beside everything else, and
whoever asks hears what is known.

A large file takes longer than any question may, so no question waits for a look,
and none cuts one short.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import structlog

from bot.domain.plain import moment
from bot.storage.faults import is_damage, of_sqlite

log = structlog.get_logger(__name__)

EVERY = timedelta(days=1)
"""After this time the whole file is looked through again; once in any case after a start."""
WHOLE = "ok"
INTERRUPTED = 0.05
"""Seconds between two interruptions of a look that has not begun to listen to them."""


class Look(Protocol):
    """What looks through the whole file."""

    async def through(self) -> str:
        """Look through it to its end; give ``ok``, or what is damaged; an empty text where
        the end was not reached.
        """
        ...

    def stop(self) -> None:
        """Have a look that is under way end soon; it may be said again."""
        ...


def wall_clock() -> datetime:
    """Give the time."""
    return datetime.now(UTC)


class Soundness:
    """Looks through the file once after a start and once a day; answers at once, with what
    the last whole look found.
    """

    def __init__(self, look: Look, now: Callable[[], datetime] = wall_clock) -> None:
        self._look = look
        self._now = now
        self._began: datetime | None = None
        self._ended: datetime | None = None
        self._damage = ""
        self._task: asyncio.Task[None] | None = None

    def damage(self) -> str:
        """Say what is damaged, as far as is known. A look that is due begins beside it."""
        if self._task is None and (self._began is None or self._now() - self._began >= EVERY):
            self._began = self._now()
            self._task = asyncio.create_task(self._look_through(), name="look through the database")
        return self._damage

    def known(self) -> str:
        """Say since when that is known."""
        under_way = (
            f"It is being looked through since {moment(self._began)}."
            if self._task and self._began
            else ""
        )
        if self._ended is None:
            return f"Nothing is known yet of the whole file. {under_way}".rstrip()
        found = "Damaged" if self._damage else "Whole"
        return (
            f"{found} when it was looked through to its end, {moment(self._ended)}. {under_way}"
        ).rstrip()

    async def close(self) -> None:
        """End a look that is under way; nothing is learned from it."""
        while self._task is not None:
            self._look.stop()
            await asyncio.wait([self._task], timeout=INTERRUPTED)

    async def _look_through(self) -> None:
        try:
            found = await self._look.through()
        finally:
            self._task = None
        if not found:
            self._began = None  # whoever asks next has it looked through
            return
        self._ended = self._now()
        where = found.rpartition("\n")[2]
        self._damage = (
            ""
            if found == WHOLE
            else (
                f"The database is damaged ({where}; seen {moment(self._ended)}). Restore a backup."
            )
        )
        if self._damage:
            log.error("the database is damaged", where=where)


class QuickCheck:
    """SQLite's own look at every page, in a thread and on a connection of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._is_stopped = False

    async def through(self) -> str:
        """Look through the file in a thread."""
        return await asyncio.to_thread(self._through)

    def stop(self) -> None:
        """Interrupt it."""
        self._is_stopped = True
        if self._connection is not None:
            with suppress(sqlite3.ProgrammingError):  # it has been closed this moment
                self._connection.interrupt()

    def _through(self) -> str:
        try:
            return self._checked()
        except sqlite3.Error as error:
            why = str(of_sqlite(self._path, error))
            if is_damage(error):
                return why
            if not self._is_stopped:
                log.warning("the database could not be looked through", why=why)
            return ""

    def _checked(self) -> str:
        address = f"{self._path.absolute().as_uri()}?mode=ro"
        with closing(
            sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
        ) as connection:
            self._connection = connection
            try:
                return (
                    ""
                    if self._is_stopped
                    else str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
                )
            finally:
                self._connection = None
