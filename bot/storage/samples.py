"""What the scraping metrics source remembers: its samples."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.ports.metrics import Sample
from bot.storage.rows import table
from bot.storage.tables.work import SampleRow


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
            {
                "service": s.service,
                "environment": s.environment,
                "endpoint": s.endpoint,
                "at": s.at,
                "body": dict(s.values),
            }
            for s in samples
        ]
        async with self._writer.begin() as connection:
            await connection.execute(insert(table(SampleRow)), rows)

    async def between(
        self, service: str, environment: str, start: datetime, end: datetime
    ) -> tuple[Sample, ...]:
        """List scrapes, oldest first."""
        row = table(SampleRow)
        statement = select(row).where(
            row.c.service == service,
            row.c.environment == environment,
            row.c.at >= start,
            row.c.at < end,
        )
        async with self._reader.begin() as connection:
            rows = (
                (await connection.execute(statement.order_by(row.c.at, row.c.n))).mappings().all()
            )
        return tuple(
            Sample(r["service"], r["environment"], r["endpoint"], r["at"], r["body"]) for r in rows
        )

    async def prune(self, before: datetime) -> None:
        """Forget what is older."""
        row = table(SampleRow)
        async with self._writer.begin() as connection:
            await connection.execute(delete(row).where(row.c.at < before))
