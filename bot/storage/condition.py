"""The condition of the database: whether it really writes, whether it is whole,
and how much work is in it.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.domain.deployment import OPEN
from bot.domain.workload import Workload
from bot.storage.faults import of_sqlite
from bot.storage.rows import table
from bot.storage.soundness import QuickCheck, Soundness
from bot.storage.tables.record import DeploymentRow
from bot.storage.tables.work import InboxRow, OutboxRow, RunbookRow, TakenRow

MARK = "readiness"
MOST_BLOCKED = 20
_CLOSED = frozenset({"sent", "overtaken"})


class SqlCondition:
    """What readiness and the figures ask of the database."""

    def __init__(self, path: Path, writer: AsyncEngine, reader: AsyncEngine) -> None:
        self._path = path
        self._writer = writer
        self._reader = reader
        self._soundness = Soundness(QuickCheck(path))

    async def problem(self) -> str:
        """Write and commit something small; give an empty text, or why nothing can be stored."""
        now = datetime.now(UTC)
        statement = insert(table(TakenRow)).values(key=MARK, at=now)
        try:
            async with self._writer.begin() as connection:
                await connection.execute(
                    statement.on_conflict_do_update(index_elements=["key"], set_={"at": now})
                )
        except DBAPIError as error:
            return self._said(error)
        return ""

    async def damage(self) -> str:
        """Say what is damaged in the file, as far as is known; nobody
        waits for a look through it.
        """
        return self._soundness.damage()

    async def known(self) -> str:
        """Say since when that is known."""
        return self._soundness.known()

    async def close(self) -> None:
        """End a look through the file that is under way."""
        await self._soundness.close()

    async def workload(self) -> Workload:
        """Count what is stored and not done."""
        states = [str(state) for state in OPEN]
        deployment, outbox, inbox, run = (
            table(row) for row in (DeploymentRow, OutboxRow, InboxRow, RunbookRow)
        )
        async with self._reader.begin() as connection:

            async def counted(row: Any, condition: Any) -> dict[str, int]:
                found = await connection.execute(
                    select(row.c.state, func.count()).where(condition).group_by(row.c.state)
                )
                return {row[0]: row[1] for row in found}

            blocked = await connection.execute(
                select(run.c.id, run.c.error).where(run.c.state == "blocked").limit(MOST_BLOCKED)
            )
            waiting = await connection.execute(
                select(func.count(), func.min(inbox.c.at)).where(inbox.c.finished.is_(False))
            )
            count, oldest = waiting.one()
            return Workload(
                await counted(deployment, deployment.c.state.in_(states)),
                {row[0]: row[1] for row in blocked},
                await counted(outbox, outbox.c.state.not_in(_CLOSED)), count,
                max(datetime.now(UTC) - oldest, timedelta(0)) if oldest else timedelta(0),
                self._bytes(),
            )  # fmt: skip

    def _bytes(self) -> int:
        files = (self._path, self._path.with_name(f"{self._path.name}-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def _said(self, error: DBAPIError) -> str:
        return (
            str(of_sqlite(self._path, error.orig))
            if isinstance(error.orig, sqlite3.Error)
            else str(error)
        )
