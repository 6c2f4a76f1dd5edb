"""Read the audit log page by page: memory that does not grow with it, no view that is held open,
also beside a bot at work.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Select, create_engine, event, select
from sqlalchemy.engine import Engine, RowMapping, make_url

from bot.domain.audit import Head, Keys, Link, Wanted, moment
from bot.domain.proof import Report, Verifier
from bot.storage.faults import told
from bot.storage.rows import table
from bot.storage.tables.record import AuditHeadRow, AuditRow

PAGE = 500
EVERYTHING = Wanted()


class SqlAuditLog:
    """``ports.AuditLog`` on a file. It has a connection of its own, reads in a
    thread and writes nothing.
    """

    def __init__(self, url: str, keys: Keys) -> None:
        self._file = Path(str(make_url(url).database))
        self._engine = _reading(url)
        self._keys = keys
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Have a gentle verification that is under way give up."""
        self._stopped.set()

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()

    async def verify(
        self, heads: Sequence[Head] = (), *, since: Head | None = None, gently: bool = False
    ) -> Report:
        """Verify the chain in a thread, from a head on or all of it; ``gently`` leaves
        half of the time to others.
        """
        return await asyncio.to_thread(
            self._verify, Verifier(self._keys, heads, since), gently=gently
        )

    async def newest_head(self) -> Head | None:
        """Read the newest head that was stored."""
        return await asyncio.to_thread(self._newest_head)

    def links(self, wanted: Wanted = EVERYTHING, *, first: int = 1) -> Iterator[Link]:
        """Give the entries that are wanted, oldest first."""
        for page in self._pages(wanted, first):
            yield from (link for link in page if link in wanted)

    def _verify(self, verifier: Verifier, *, gently: bool) -> Report:
        began = time.monotonic()
        for page in self._pages(EVERYTHING, verifier.since.n if verifier.since else 1):
            if not verifier.take(page) or (gently and self._stopped.wait(time.monotonic() - began)):
                break
            began = time.monotonic()
        return verifier.report()

    def _pages(self, wanted: Wanted, first: int) -> Iterator[Sequence[Link]]:
        row = table(AuditRow)
        while True:
            found = self._read(_page(wanted).where(row.c.n >= first).limit(PAGE))
            yield [Link(**each) for each in found]
            if len(found) < PAGE:
                return
            first = found[-1]["n"] + 1

    def _newest_head(self) -> Head | None:
        row = table(AuditHeadRow)
        found = self._read(select(row).order_by(row.c.n.desc()).limit(1))
        return Head(**found[0]) if found else None

    def _read(self, statement: Select[Any]) -> Sequence[RowMapping]:
        with told(self._file), self._engine.connect() as connection:
            return connection.execute(statement).mappings().all()


def _text(raw: bytes) -> str:
    """Read what is no UTF-8, too: it is shown to be changed, and stops nothing."""
    return raw.decode("utf-8", "surrogateescape")


def _page(wanted: Wanted) -> Select[Any]:
    row = table(AuditRow)
    statement = select(row).order_by(row.c.n)
    if wanted.deployment:
        statement = statement.where(row.c.deployment == wanted.deployment)
    if wanted.since:
        statement = statement.where(row.c.at >= moment(wanted.since))
    if wanted.until:
        statement = statement.where(row.c.at < moment(wanted.until))
    return statement


def _reading(url: str) -> Engine:
    engine = create_engine(
        make_url(url).set(drivername="sqlite"), connect_args={"isolation_level": None}
    )

    def connected(connection: Any, _record: Any) -> None:
        for pragma in ("query_only=ON", "busy_timeout=10000"):
            connection.execute(f"PRAGMA {pragma}")
        connection.text_factory = _text

    event.listen(engine, "connect", connected)
    return engine
