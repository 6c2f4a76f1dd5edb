"""The default engine: a journal in the database. A parked runbook is only a row, so ten thousand of them cost nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial

import structlog

from bot.engine.execution import Execution, Misplaced, Parked
from bot.engine.registry import Registry
from bot.ports import Clock, JournalStore, Json, RunRecord

log = structlog.get_logger(__name__)

LONGEST_SLEEP = 60.0
"""Seconds after which the engine looks at the table even when nothing is due: a clock may have been set."""


def _nobody(run: str, why: str) -> None:
    log.error("a runbook is blocked", run=run, why=why)


class JournalEngine:
    """``ports.Engine`` on a ``JournalStore``."""

    def __init__(self, journal: JournalStore, registry: Registry, clock: Clock, *, on_stuck: Callable[[str, str], None] = _nobody) -> None:
        self._journal = journal
        self._registry = registry
        self._clock = clock
        self._on_stuck = on_stuck
        self._running: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._wake = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._closing = False

    async def open(self) -> None:
        """Begin to work; what was under way goes on."""
        self._loop = asyncio.create_task(self._work(), name="engine")

    async def close(self) -> None:
        """Stop between two steps. A step that is under way is finished and written down; nothing after it is begun."""
        self._closing = True
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def start(self, runbook: str, id: str, *args: Json) -> bool:
        """Start the newest version of a runbook; False when the id was started before."""
        started = await self._journal.start(id, runbook, self._registry.newest(runbook), args)
        self.nudge()
        return started

    async def signal(self, id: str, name: str, value: Json = True) -> bool:
        """Give a run a signal; False when that name was signalled before."""
        first = await self._journal.signal(id, name, value)
        self.nudge()
        return first

    def nudge(self) -> None:
        """Something was committed that may have started or woken a run."""
        self._wake.set()

    async def _work(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._take_due()
                pause = await self._pause()
            except Exception:
                log.exception("the engine could not read its journal")
                pause = 1.0
            try:
                await asyncio.wait_for(self._wake.wait(), pause)
            except TimeoutError:
                continue

    async def _pause(self) -> float:
        due = await self._journal.next_due()
        if due is None:
            return LONGEST_SLEEP
        seconds = (due - self._clock.now()).total_seconds()
        if seconds <= 0 and self._running:  # due, but under way: its end wakes the loop
            return LONGEST_SLEEP
        return min(max(seconds, 0.01), LONGEST_SLEEP)

    async def _take_due(self) -> None:
        for record in await self._journal.due(self._clock.now()):
            if record.id in self._running:
                continue
            task = asyncio.create_task(self._execute(record), name=f"run {record.id}")
            self._running[record.id] = task
            task.add_done_callback(partial(self._ended, record.id))

    def _ended(self, run: str, _task: asyncio.Task[None]) -> None:
        self._running.pop(run, None)
        self._wake.set()

    async def _execute(self, record: RunRecord) -> None:
        runbook = self._registry.find(record.name, record.version)
        if runbook is None:
            await self._block(record, f"this version of Go/No-Go does not know {record.name} version {record.version}")
            return
        try:
            run = Execution(
                record.id, dict(await self._journal.entries(record.id)), dict(await self._journal.signals(record.id)),
                _Stoppable(self._journal, self), self._clock, record.attempts,
            )  # fmt: skip
            result = await runbook(run, *record.args)
            await self._journal.finish(record.id, result)
        except Parked as parked:
            await self._park(record, run, parked.until, parked.error)
        except Misplaced as misplaced:
            await self._block(record, str(misplaced))
        except _Stopped:
            pass
        except Exception as error:
            log.exception("a runbook failed", run=record.id)
            await self._block(record, f"{type(error).__name__}: {error}")

    async def _park(self, record: RunRecord, run: Execution, until: datetime | None, error: str) -> None:
        attempts = run.attempts + 1 if error else 0
        if error:
            log.warning("a step will be tried again", run=record.id, why=error, attempts=attempts)
        await self._journal.park(replace(record, attempts=attempts), until, attempts=attempts, error=error)

    async def _block(self, record: RunRecord, why: str) -> None:
        await self._journal.block(record.id, why)
        self._on_stuck(record.id, why)

    @property
    def is_closing(self) -> bool:
        """Tell whether nothing new may begin."""
        return self._closing


class _Stopped(BaseException):
    """The engine closes; the run goes on at the next start."""


class _Stoppable:
    """Writes entries, and stops the run after an entry once the engine closes."""

    def __init__(self, journal: JournalStore, engine: JournalEngine) -> None:
        self._journal = journal
        self._engine = engine

    async def record(self, run: str, name: str, value: Json) -> None:
        """Write an entry."""
        await self._journal.record(run, name, value)
        if self._engine.is_closing:
            raise _Stopped
