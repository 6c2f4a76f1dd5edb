"""What the embedded CI remembers: its runs, and what was started."""

from __future__ import annotations

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.ports.ci import LocalRun, StoredStart
from bot.storage import codec
from bot.storage.rows import add, put, table
from bot.storage.tables.work import LocalRunRow, StartRow


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
            same = select(row.c.body).where(
                row.c.service == run.service, row.c.correlation == run.correlation
            )
            body = (await connection.execute(same)).scalar_one()
        return codec.read(LocalRun, body)

    async def save(self, run: LocalRun) -> bool:
        """Store what has changed; False for a run that had ended already."""
        row = table(LocalRunRow)
        async with self._writer.begin() as connection:
            done = await connection.execute(
                update(row)
                .where(row.c.id == run.run.id, row.c.final.is_(False))
                .values(**_values(run))
            )
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
            rows = (
                (
                    await connection.execute(
                        select(row.c.body).where(row.c.service == service, row.c.final.is_(False))
                    )
                )
                .scalars()
                .all()
            )
        return tuple(codec.read(LocalRun, body) for body in rows)


def _values(run: LocalRun) -> dict[str, object]:
    return {
        "id": run.run.id, "service": run.service, "correlation": run.correlation,
        "final": run.run.state.is_final, "body": codec.write(run),
    }  # fmt: skip


class SqlStarts:
    """``ports.StartStore``."""

    def __init__(self, writer: AsyncEngine, reader: AsyncEngine) -> None:
        self._writer = writer
        self._reader = reader

    async def save(self, start: StoredStart) -> None:
        """Store a start; the one that is there is replaced."""
        values = {
            "vendor": start.vendor,
            "service": start.service,
            "correlation": start.correlation,
            "body": codec.write(start),
        }
        async with self._writer.begin() as connection:
            await put(connection, StartRow, values)

    async def get(self, vendor: str, service: str, correlation: str) -> StoredStart | None:
        """Read a start."""
        row = table(StartRow)
        same = (
            (row.c.vendor == vendor)
            & (row.c.service == service)
            & (row.c.correlation == correlation)
        )
        async with self._reader.begin() as connection:
            body = (await connection.execute(select(row.c.body).where(same))).scalar()
        return codec.read(StoredStart, body) if body is not None else None
