"""The store: opens the one writing transaction, and views to read in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from bot.domain.audit import Keys
from bot.domain.deployment import DeploymentId
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.ports.time import VIEWING
from bot.storage.faults import may_pass
from bot.storage.marker import Marker
from bot.storage.reader import SqlView
from bot.storage.transaction import SqlTransaction


class SqlStore:
    """``ports.Store`` on a writing and a reading engine."""

    def __init__(
        self, writer: AsyncEngine, reader: AsyncEngine, audit_keys: Keys, marker: Marker
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._audit_keys = audit_keys
        self._marker = marker
        self._writing: asyncio.Task[Any] | None = None
        self._card_changed: Callable[[DeploymentId], None] = lambda _: None
        self._outbox_changed: Callable[[], None] = lambda: None
        self._runs_changed: Callable[[], None] = lambda: None
        self.newest_version: Callable[[str], int] = lambda _: 1

    def on_card_changed(self, callback: Callable[[DeploymentId], None]) -> None:
        """Call back after a commit that changed what a card shows."""
        self._card_changed = callback

    def on_outbox(self, callback: Callable[[], None]) -> None:
        """Call back after a commit that put something into the outbox."""
        self._outbox_changed = callback

    def on_runs(self, callback: Callable[[], None]) -> None:
        """Call back after a commit that started or woke a runbook."""
        self._runs_changed = callback

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open the one writing transaction. Raises RuntimeError inside another one, which would
        wait for itself for ever.
        """
        task = asyncio.current_task()
        if self._writing is task:
            raise RuntimeError(
                "a transaction was opened inside a transaction; pass the open one on"
            )
        async with self._writer.begin() as connection:
            self._writing, viewing = task, VIEWING.set(True)
            try:
                tx = SqlTransaction(connection, self._audit_keys, self.newest_version, self._marker)
                yield tx
            finally:
                self._writing = None
                VIEWING.reset(viewing)
        if tx.audited or tx.numbers:
            self._marker.seen(tx.audited, tx.numbers)
        for deployment in tx.cards:
            self._card_changed(deployment)
        if tx.has_said:
            self._outbox_changed()
        if tx.has_woken:
            self._runs_changed()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Reader]:
        """Open a consistent view that never waits for writers."""
        async with self._reader.begin() as connection:
            viewing = VIEWING.set(True)
            try:
                yield SqlView(connection)
            finally:
                VIEWING.reset(viewing)

    def may_pass(self, error: Exception) -> bool:
        """Tell whether a fault is the machine's, not ours, and may be gone at the next try."""
        return may_pass(error)
