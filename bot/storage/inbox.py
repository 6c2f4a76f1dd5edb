"""The inbox of accepted commands: one commit for all that are waiting for their ack.

It writes through a connection of its own in a thread of its own: an ack waits for the disk, never
in the queue of those who do the work.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.domain.commands import Commands, from_json, to_json
from bot.domain.people import Person
from bot.ports.talk import Intent, Place
from bot.ports.work import LeftOver
from bot.storage.rows import table
from bot.storage.tables.work import InboxRow, TakenRow

log = structlog.get_logger(__name__)

KEEP = timedelta(days=2)
"""How long a key is kept against late duplicates; Slack's last retry comes after minutes."""
_AT_ONCE = 500
"""How many commands share a commit at most."""
_INSERT = (
    "INSERT INTO inbox (key, at, finished, body, starts, begun) VALUES {} ON CONFLICT "
    "DO NOTHING RETURNING key"
)


@dataclass(slots=True)
class _Waiting:
    intent: Intent
    accepted: asyncio.Future[bool]


class SqlInbox:
    """``ports.Inbox`` with group commit: whoever arrives while a commit is under
    way shares the next one.
    """

    def __init__(
        self,
        path: Path,
        pragmas: Sequence[str],
        writer: AsyncEngine,
        reader: AsyncEngine,
        commands: Commands,
    ) -> None:
        self._path = path
        self._pragmas = pragmas
        self._writer = writer
        self._reader = reader
        self._commands = commands
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="inbox")
        self._connection: sqlite3.Connection | None = None
        self._waiting: list[_Waiting] = []
        self._flush: asyncio.Task[None] | None = None
        self._unreadable: set[str] = set()

    async def accept(self, intent: Intent) -> bool:
        """Store an intent durably; False when its key was stored before."""
        waiting = _Waiting(intent, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._flush is None or self._flush.done():
            self._flush = asyncio.create_task(self._commit_all(), name="inbox")
        return await waiting.accepted

    async def close(self) -> None:
        """Let the commit that is under way come to its end."""
        if self._flush is not None:
            await self._flush
        await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
        self._thread.shutdown()

    async def _commit_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
            try:
                taken = await self._commit(batch)
            except Exception as error:  # noqa: BLE001 - each of the waiting has to hear of it
                for each in batch:
                    if not each.accepted.done():
                        each.accepted.set_exception(error)
                continue
            for each, accepted in zip(batch, taken, strict=True):
                if not each.accepted.done():
                    each.accepted.set_result(accepted)

    async def _commit(self, batch: list[_Waiting]) -> list[bool]:
        """Store a batch with one statement and one commit; of equal keys the first counts."""
        first = {each.intent.key: each for each in reversed(batch)}
        values = [
            value
            for key, each in first.items()
            for value in (key, _stored(each.intent.at), _write(each.intent))
        ]
        statement = _INSERT.format(",".join(["(?, ?, 0, ?, 0, 0)"] * len(first)))
        new = await asyncio.get_running_loop().run_in_executor(
            self._thread, self._insert, statement, values
        )
        return [each.intent.key in new and first[each.intent.key] is each for each in batch]

    def _insert(self, statement: str, values: Sequence[str]) -> set[str]:
        """Run in the inbox's thread: one statement is one transaction, and
        durable when it returns.
        """
        if self._connection is None:
            self._connection = sqlite3.connect(self._path, isolation_level=None)
            for pragma in self._pragmas:
                self._connection.execute(f"PRAGMA {pragma}")
        return {key for (key,) in self._connection.execute(statement, values).fetchall()}

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()

    async def waiting(self) -> tuple[Intent, ...]:
        """List what was accepted and not finished, oldest first."""
        row = table(InboxRow)
        async with self._reader.begin() as connection:
            chosen = (
                select(row.c.key, row.c.body).where(row.c.finished.is_(False)).order_by(row.c.at)
            )
            rows = (await connection.execute(chosen)).all()
        return tuple(
            intent
            for intent in [self._read_or_leave(key, body) for key, body in rows]
            if intent is not None
        )

    def _read_or_leave(self, key: str, body: str) -> Intent | None:
        """Read a stored command; one that cannot be read stays where it is, said
        once, and holds up no other.
        """
        try:
            return _read(body, self._commands)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            if key not in self._unreadable:
                self._unreadable.add(key)
                log.error(  # noqa: TRY400
                    "a stored command cannot be read and is left aside",
                    key=key,
                    error=type(error).__name__,
                )
            return None

    async def left_over(self) -> LeftOver:
        """Count one more start for everything that is accepted and not finished, and tell
        what has been there before.
        """
        row = table(InboxRow)
        async with self._writer.begin() as connection:
            await connection.execute(
                update(row).where(row.c.finished.is_(False)).values(starts=row.c.starts + 1)
            )
            rows = (
                await connection.execute(
                    select(row.c.key, row.c.body, row.c.starts).where(row.c.finished.is_(False))
                )
            ).all()
        unreadable = tuple(key for key, body, _ in rows if self._read_or_leave(key, body) is None)
        return LeftOver(
            {key: starts for key, _, starts in rows if key not in unreadable}, unreadable
        )

    async def begin(self, key: str) -> int:
        """Note that a command begins with nothing beside it; tell how often it has, and the
        process did not come back.
        """
        row = table(InboxRow)
        async with self._writer.begin() as connection:
            noted = (
                update(row)
                .where(row.c.key == key)
                .values(begun=row.c.begun + 1)
                .returning(row.c.begun)
            )
            return int((await connection.execute(noted)).scalar_one()) - 1

    async def survived(self, key: str) -> None:
        """Note that the process came back from a command: it is not what ends it."""
        row = table(InboxRow)
        async with self._writer.begin() as connection:
            await connection.execute(update(row).where(row.c.key == key).values(starts=0, begun=0))

    async def finish(self, key: str) -> None:
        """Forget an intent's contents, with Slack's answer address in it; the
        key is kept for a while.
        """
        row = table(InboxRow)
        async with self._writer.begin() as connection:
            await connection.execute(
                update(row).where(row.c.key == key).values(finished=True, body="")
            )

    async def prune(self, now: datetime) -> None:
        """Forget keys that no duplicate can follow any more."""
        inbox, taken = table(InboxRow), table(TakenRow)
        async with self._writer.begin() as connection:
            await connection.execute(
                delete(inbox).where(inbox.c.finished.is_(True), inbox.c.at < now - KEEP)
            )
            await connection.execute(delete(taken).where(taken.c.at < now - KEEP))


def _stored(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _write(intent: Intent) -> str:
    place = {
        "channel": intent.place.channel,
        "thread": intent.place.thread,
        "response_url": intent.place.response_url,
    }
    body = {
        "key": intent.key,
        "command": to_json(intent.command),
        "by": str(intent.by),
        "place": place,
        "at": intent.at.isoformat(),
    }
    return json.dumps(body)


def _read(body: str, commands: Commands) -> Intent:
    value = json.loads(body)
    return Intent(
        value["key"],
        from_json(value["command"], commands),
        Person.parse(value["by"]),
        Place(**value["place"]),
        datetime.fromisoformat(value["at"]),
    )
