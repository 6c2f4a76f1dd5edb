"""What the announcer remembers: which message was posted where."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.ports.talk import Message, Posting
from bot.storage import codec
from bot.storage.rows import add, put, table
from bot.storage.tables.work import OutboxRow, PostingRow


class SqlPostings:
    """``ports.Postings``."""

    def __init__(self, writer: AsyncEngine, reader: AsyncEngine) -> None:
        self._writer = writer
        self._reader = reader

    async def get(self, key: str) -> Posting | None:
        """Read a posting."""
        row = table(PostingRow)
        async with self._reader.begin() as connection:
            found = (
                (await connection.execute(select(row).where(row.c.key == key))).mappings().first()
            )
        return Posting(**found) if found else None

    async def intend(self, key: str, channel: str) -> Posting:
        """Store the intent to post; returns the stored one when there is one."""
        row = table(PostingRow)
        async with self._writer.begin() as connection:
            await add(
                connection, PostingRow, {"key": key, "channel": channel, "ts": "", "digest": ""}
            )
            found = (await connection.execute(select(row).where(row.c.key == key))).mappings().one()
        return Posting(**found)

    async def save(self, posting: Posting) -> None:
        """Store where it was posted and what it shows."""
        values = {
            "key": posting.key,
            "channel": posting.channel,
            "ts": posting.ts,
            "digest": posting.digest,
        }
        async with self._writer.begin() as connection:
            await put(connection, PostingRow, values)

    async def outbox(self, limit: int = 50) -> tuple[Message, ...]:
        """List unsent messages, oldest first."""
        row = table(OutboxRow)
        statement = (
            select(row.c.body).where(row.c.state == "waiting").order_by(row.c.n).limit(limit)
        )
        async with self._reader.begin() as connection:
            rows = (await connection.execute(statement)).scalars().all()
        return tuple(codec.read(Message, body) for body in rows)

    async def heads(self, limit: int = 50, *, besides: Collection[str] = ()) -> tuple[Message, ...]:
        """List the oldest unsent message of each lane but some: alarms before what goes into
        threads, then oldest first.
        """
        row = table(OutboxRow)
        first = (
            select(func.min(row.c.n))
            .where(row.c.state == "waiting", row.c.lane.not_in(besides))
            .group_by(row.c.lane)
        )
        statement = (
            select(row.c.body)
            .where(row.c.n.in_(first))
            .order_by(row.c.lane.startswith("thread "), row.c.n)
            .limit(limit)
        )
        async with self._reader.begin() as connection:
            rows = (await connection.execute(statement)).scalars().all()
        return tuple(codec.read(Message, body) for body in rows)

    async def sent(self, key: str) -> None:
        """Take a message out of the outbox."""
        await self._close(key, "sent", "")

    async def asked(self, key: str) -> None:
        """Take a message out of the outbox that asks for something, and remember
        it until it has its end.
        """
        await self._close(key, "asked", "")

    async def asking(self, deployments: Collection[str] | None = None) -> tuple[Message, ...]:
        """List what has been said of some deployments (None: of all) and still asks."""
        row = table(OutboxRow)
        statement = select(row.c.body).where(row.c.state == "asked").order_by(row.c.n)
        if deployments is not None:
            statement = statement.where(row.c.body["deployment"].as_string().in_(deployments))
        async with self._reader.begin() as connection:
            rows = (await connection.execute(statement)).scalars().all()
        return tuple(codec.read(Message, body) for body in rows)

    async def drop(self, key: str) -> None:
        """Take a message out of the outbox that has been overtaken."""
        await self._close(key, "overtaken", "")

    async def park(self, key: str, why: str) -> None:
        """Put a message aside that Slack does not take."""
        await self._close(key, "parked", why)

    async def unpark(self) -> None:
        """Give what was put aside another chance."""
        row = table(OutboxRow)
        async with self._writer.begin() as connection:
            await connection.execute(
                update(row).where(row.c.state == "parked").values(state="waiting")
            )

    async def _close(self, key: str, state: str, why: str) -> None:
        row = table(OutboxRow)
        async with self._writer.begin() as connection:
            await connection.execute(
                update(row).where(row.c.key == key).values(state=state, why=why)
            )
