"""What the announcer, the embedded CI and the scraping metrics source remember."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.ports.ci import LocalRun, StoredStart
from bot.ports.metrics import Sample
from bot.ports.talk import Message, Posting
from bot.storage import codec
from bot.storage.rows import add, put, table
from bot.storage.tables.work import LocalRunRow, OutboxRow, PostingRow, SampleRow, StartRow


class SqlPostings:
    """``ports.Postings``."""

    def __init__(self, writer: AsyncEngine, reader: AsyncEngine) -> None:
        self._writer = writer
        self._reader = reader

    async def get(self, key: str) -> Posting | None:
        """Read a posting."""
        row = table(PostingRow)
        async with self._reader.begin() as connection:
            found = (await connection.execute(select(row).where(row.c.key == key))).mappings().first()
        return Posting(**found) if found else None

    async def intend(self, key: str, channel: str) -> Posting:
        """Store the intent to post; returns the stored one when there is one."""
        row = table(PostingRow)
        async with self._writer.begin() as connection:
            await add(connection, PostingRow, {"key": key, "channel": channel, "ts": "", "digest": ""})
            found = (await connection.execute(select(row).where(row.c.key == key))).mappings().one()
        return Posting(**found)

    async def save(self, posting: Posting) -> None:
        """Store where it was posted and what it shows."""
        values = {"key": posting.key, "channel": posting.channel, "ts": posting.ts, "digest": posting.digest}
        async with self._writer.begin() as connection:
            await put(connection, PostingRow, values)

    async def outbox(self, limit: int = 50) -> tuple[Message, ...]:
        """List unsent messages, oldest first."""
        row = table(OutboxRow)
        statement = select(row.c.body).where(row.c.state == "waiting").order_by(row.c.n).limit(limit)
        async with self._reader.begin() as connection:
            rows = (await connection.execute(statement)).scalars().all()
        return tuple(codec.read(Message, body) for body in rows)

    async def heads(self, limit: int = 50, *, besides: Collection[str] = ()) -> tuple[Message, ...]:
        """List the oldest unsent message of each lane but some: alarms before what goes into threads, then oldest first."""
        row = table(OutboxRow)
        first = select(func.min(row.c.n)).where(row.c.state == "waiting", row.c.lane.not_in(besides)).group_by(row.c.lane)
        statement = select(row.c.body).where(row.c.n.in_(first)).order_by(row.c.lane.startswith("thread "), row.c.n).limit(limit)
        async with self._reader.begin() as connection:
            rows = (await connection.execute(statement)).scalars().all()
        return tuple(codec.read(Message, body) for body in rows)

    async def sent(self, key: str) -> None:
        """Take a message out of the outbox."""
        await self._close(key, "sent", "")

    async def asked(self, key: str) -> None:
        """Take a message out of the outbox that asks for something, and remember it until it has its end."""
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
            await connection.execute(update(row).where(row.c.state == "parked").values(state="waiting"))

    async def _close(self, key: str, state: str, why: str) -> None:
        row = table(OutboxRow)
        async with self._writer.begin() as connection:
            await connection.execute(update(row).where(row.c.key == key).values(state=state, why=why))


class SqlRuns:
    """``ports.RunStore``."""

    def __init__(self, writer: AsyncEngine, reader: AsyncEngine) -> None:
        self._writer = writer
        self._reader = reader

    async def add(self, run: LocalRun) -> LocalRun:
        """Store a new run; when its correlation is taken, return the stored one."""
        row = table(LocalRunRow)
        async with self._writer.begin() as connection:
            await add(connection, LocalRunRow, _values(run))
            same = select(row.c.body).where(row.c.service == run.service, row.c.correlation == run.correlation)
            body = (await connection.execute(same)).scalar_one()
        return codec.read(LocalRun, body)

    async def save(self, run: LocalRun) -> bool:
        """Store what has changed; False for a run that had ended already."""
        row = table(LocalRunRow)
        async with self._writer.begin() as connection:
            done = await connection.execute(update(row).where(row.c.id == run.run.id, row.c.final.is_(False)).values(**_values(run)))
        return done.rowcount > 0

    async def get(self, id: str) -> LocalRun | None:
        """Read a run by its id."""
        row = table(LocalRunRow)
        return await self._first(row.c.id == id)

    async def by_correlation(self, service: str, correlation: str) -> LocalRun | None:
        """Read a run by its correlation id."""
        row = table(LocalRunRow)
        return await self._first((row.c.service == service) & (row.c.correlation == correlation))

    async def _first(self, condition: ColumnElement[bool]) -> LocalRun | None:
        row = table(LocalRunRow)
        async with self._reader.begin() as connection:
            body = (await connection.execute(select(row.c.body).where(condition))).scalar()
        return codec.read(LocalRun, body) if body is not None else None

    async def unfinished(self, service: str) -> tuple[LocalRun, ...]:
        """List the runs that were under way when they were last stored."""
        row = table(LocalRunRow)
        async with self._reader.begin() as connection:
            rows = (await connection.execute(select(row.c.body).where(row.c.service == service, row.c.final.is_(False)))).scalars().all()
        return tuple(codec.read(LocalRun, body) for body in rows)


def _values(run: LocalRun) -> dict[str, object]:
    return {
        "id": run.run.id, "service": run.service, "correlation": run.correlation, "final": run.run.state.is_final, "body": codec.write(run),
    }  # fmt: skip


class SqlStarts:
    """``ports.StartStore``."""

    def __init__(self, writer: AsyncEngine, reader: AsyncEngine) -> None:
        self._writer = writer
        self._reader = reader

    async def save(self, start: StoredStart) -> None:
        """Store a start; the one that is there is replaced."""
        values = {"vendor": start.vendor, "service": start.service, "correlation": start.correlation, "body": codec.write(start)}
        async with self._writer.begin() as connection:
            await put(connection, StartRow, values)

    async def get(self, vendor: str, service: str, correlation: str) -> StoredStart | None:
        """Read a start."""
        row = table(StartRow)
        same = (row.c.vendor == vendor) & (row.c.service == service) & (row.c.correlation == correlation)
        async with self._reader.begin() as connection:
            body = (await connection.execute(select(row.c.body).where(same))).scalar()
        return codec.read(StoredStart, body) if body is not None else None


class SqlSamples:
    """``ports.SampleStore``."""

    def __init__(self, writer: AsyncEngine, reader: AsyncEngine) -> None:
        self._writer = writer
        self._reader = reader

    async def add(self, samples: Sequence[Sample]) -> None:
        """Store scrapes."""
        if not samples:
            return
        rows = [
            {"service": s.service, "environment": s.environment, "endpoint": s.endpoint, "at": s.at, "body": dict(s.values)}
            for s in samples
        ]
        async with self._writer.begin() as connection:
            await connection.execute(insert(table(SampleRow)), rows)

    async def between(self, service: str, environment: str, start: datetime, end: datetime) -> tuple[Sample, ...]:
        """List scrapes, oldest first."""
        row = table(SampleRow)
        statement = select(row).where(row.c.service == service, row.c.environment == environment, row.c.at >= start, row.c.at < end)
        async with self._reader.begin() as connection:
            rows = (await connection.execute(statement.order_by(row.c.at, row.c.n))).mappings().all()
        return tuple(Sample(r["service"], r["environment"], r["endpoint"], r["at"], r["body"]) for r in rows)

    async def prune(self, before: datetime) -> None:
        """Forget what is older."""
        row = table(SampleRow)
        async with self._writer.begin() as connection:
            await connection.execute(delete(row).where(row.c.at < before))
