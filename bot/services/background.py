"""What is done beside a caller who cannot wait: a provider that has something to say goes on at
once, and whoever waits for it is woken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass

from bot.domain.catalog import Catalog
from bot.ports.ci import TEST, RunHint, RunStore
from bot.ports.store import Store
from bot.services import webhooks


class Background:
    """Small things that are done beside their caller."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()

    def do(self, work: Coroutine[object, object, object]) -> None:
        """Begin it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Let all come to their ends, while the database is still there."""
        await asyncio.gather(*self._tasks, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class Wakeups:
    """Wakes whoever waits for what a provider or its answers say anew."""

    store: Store
    catalog: Catalog
    runs: RunStore
    background: Background

    def run_changed(self, run: str) -> None:
        """Wake whoever waits for a run of a provider in this process, or for the tests of its
        commit.
        """
        self.background.do(self._run_changed(run))

    def tests_changed(self, commit: str) -> None:
        """Wake whoever waits with a commit of whose tests a vendor says something else than before:
        no two cards say different things.
        """
        self.background.do(webhooks.wake(self.store, self.catalog, RunHint("", commit=commit)))

    async def _run_changed(self, run: str) -> None:
        carried_out = await self.runs.get(run)
        is_test = carried_out is not None and carried_out.request.action == TEST
        commit = carried_out.request.commit if carried_out and is_test else ""
        await webhooks.wake(self.store, self.catalog, RunHint(run, commit=commit))
