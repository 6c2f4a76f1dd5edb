"""The engine's memory. What has to be done now is due since ever, so that the engine's clock
decides about timers alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Select, Update, bindparam, case, func, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.ports.engine import RunRecord
from bot.ports.time import Json
from bot.storage.rows import add, asking, table
from bot.storage.tables.columns import UtcDateTime
from bot.storage.tables.work import AT_ONCE, JournalRow, RunbookRow

WAITING, DONE, BLOCKED = "waiting", "done", "blocked"


@cache
def _parking() -> Update:
    """Give the statement that puts a run to sleep; it is made once, as by ``rows.asking``."""
    row = table(RunbookRow)
    asleep = bindparam("asleep", type_=UtcDateTime())
    when = case((row.c.wakes == bindparam("read"), asleep), else_=row.c.wake_at)
    return (
        update(row)
        .where(row.c.id == bindparam("run"))
        .values(
            wake_at=when,
            attempts=bindparam("tried"), faults=bindparam("failed"), error=bindparam("why"),
        )
    )  # fmt: skip


@cache
def _next() -> Select[Any]:
    """Give the statement that tells when the next run is due; it is made once."""
    row = table(RunbookRow)
    later = (row.c.state == WAITING, row.c.wake_at > bindparam("after"))
    return select(func.min(row.c.wake_at)).where(*later)


class SqlJournal:
    """``ports.JournalStore``."""

    def __init__(self, writer: AsyncEngine, reader: AsyncEngine) -> None:
        self._writer = writer
        self._reader = reader

    async def start(self, id: str, name: str, version: int, args: Sequence[Json]) -> bool:
        """Store a run that is due now; False when the id is taken."""
        values = {
            "id": id, "name": name, "version": version,
            "args": list(args), "state": WAITING, "wake_at": AT_ONCE,
            "wakes": 0, "attempts": 0, "faults": 0, "error": "",
        }  # fmt: skip
        async with self._writer.begin() as connection:
            return await add(connection, RunbookRow, values)

    async def get(self, run: str) -> RunRecord | None:
        """Read how a run stands."""
        async with self._reader.begin() as connection:
            found = (
                (await connection.execute(asking(table(RunbookRow), ("id",)), {"id": run}))
                .mappings()
                .first()
            )
        return _record(found) if found else None

    async def due(
        self,
        now: datetime,
        limit: int = 100,
        *,
        excluding: Collection[str] = (),
        named: Collection[str] = (),
    ) -> tuple[RunRecord, ...]:
        """List the runs whose time has come, without those that are being executed."""
        row = table(RunbookRow)
        statement = select(row).where(
            row.c.state == WAITING, row.c.wake_at <= now, row.c.id.not_in(excluding)
        )
        if named:
            statement = statement.where(row.c.name.in_(named))
        async with self._reader.begin() as connection:
            rows = (
                (await connection.execute(statement.order_by(row.c.wake_at).limit(limit)))
                .mappings()
                .all()
            )
        return tuple(_record(found) for found in rows)

    async def next_due(self, after: datetime) -> datetime | None:
        """Tell when the next run is due that is not due yet."""
        async with self._reader.begin() as connection:
            found: datetime | None = (await connection.execute(_next(), {"after": after})).scalar()
        return found

    async def entries(self, run: str) -> Mapping[str, Json]:
        """Read what a run has done, in order."""
        statement = asking(table(JournalRow), ("run",), "n")
        async with self._reader.begin() as connection:
            rows = (await connection.execute(statement, {"run": run})).all()
        return {found.name: found.value for found in rows}

    async def record(self, run: str, name: str, value: Json) -> None:
        """Write down what a run has done."""
        row = table(JournalRow)
        async with self._writer.begin() as connection:
            n = (
                await connection.execute(select(func.count()).where(row.c.run == run))
            ).scalar() or 0
            await add(connection, JournalRow, {"run": run, "name": name, "n": n, "value": value})

    async def park(
        self,
        record: RunRecord,
        wake_at: datetime | None,
        *,
        attempts: int = 0,
        faults: int = 0,
        error: str = "",
    ) -> None:
        """Put a run to sleep; if it was woken since ``record`` was read it stays due."""
        asked = {
            "run": record.id, "read": record.wakes, "asleep": wake_at,
            "tried": attempts, "failed": faults, "why": error,
        }  # fmt: skip
        async with self._writer.begin() as connection:
            await connection.execute(_parking(), asked)

    async def finish(self, run: str, result: Json) -> None:
        """Close a run."""
        await self._close(run, {"state": DONE, "result": result, "wake_at": None, "error": ""})

    async def block(self, run: str, why: str) -> None:
        """Put a run aside that cannot go on without a person."""
        await self._close(run, {"state": BLOCKED, "wake_at": None, "error": why})

    async def unblock(self) -> None:
        """Give the runs that were put aside another chance: a new version may know them."""
        row = table(RunbookRow)
        async with self._writer.begin() as connection:
            again = update(row).where(row.c.state == BLOCKED)
            await connection.execute(
                again.values(state=WAITING, wake_at=AT_ONCE, attempts=0, faults=0)
            )

    async def _close(self, run: str, values: dict[str, Json]) -> None:
        row = table(RunbookRow)
        async with self._writer.begin() as connection:
            await connection.execute(update(row).where(row.c.id == run).values(**values))


def _record(row: RowMapping) -> RunRecord:
    return RunRecord(**{**row, "args": tuple(row["args"])})
