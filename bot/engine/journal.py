"""The default engine: a journal in the database. A parked runbook is only a row, so ten
thousand of them cost nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from functools import partial

import structlog

from bot.engine.execution import JournalLost, carry_out
from bot.engine.released import Registry
from bot.ports.engine import JournalStore, RunRecord
from bot.ports.time import URGENT, Clock, Json

log = structlog.get_logger(__name__)

LONGEST_SLEEP = 60.0
"""Seconds after which the engine compares a far timer with the clock again:
somebody may have set the clock.
"""
CONCURRENCY = 64
"""How many runs are executed at a time; parked ones do not count."""
KEPT = 16
"""So many more places are kept for what is urgent: whatever hangs elsewhere, a rollback begins."""


def _nobody(run: RunRecord, why: str) -> None:
    log.error("a runbook is blocked", run=run.id, why=why)


class JournalEngine:
    """``ports.Engine`` on a ``JournalStore``.

    ``on_stuck(run, sentence)`` hears of every run that cannot go on without a person; such a run is
    tried again at the next start. ``urgent`` names the runbooks for which places are kept. ``rest``
    is how many seconds the engine waits when its journal cannot be read or written.
    """

    def __init__(
        self, journal: JournalStore, registry: Registry, clock: Clock,
        *, on_stuck: Callable[[RunRecord, str], None] = _nobody,
        concurrency: int = CONCURRENCY, urgent: Collection[str] = (),
        kept: int = KEPT, rest: float = 1.0,
    ) -> None:  # fmt: skip
        self._journal = journal
        self._registry = registry
        self._clock = clock
        self._on_stuck = on_stuck
        self._concurrency = concurrency
        self._urgent = urgent
        self._kept = kept
        self._rest = rest
        self._running: dict[str, asyncio.Task[None]] = {}
        self._in_kept: set[str] = set()
        """The urgent runs, which take a kept place and no other."""
        self._wake = asyncio.Event()
        self._closed = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to work; what was under way goes on."""
        await self._journal.unblock()
        self._loop = asyncio.create_task(self._work(), name="engine")

    async def close(self) -> None:
        """Stop between two steps. A step that is under way is finished and written down;
        nothing after it is begun.
        """
        self._closed.set()
        self._wake.set()
        if self._loop is not None:
            await self._loop
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    @property
    def is_working(self) -> bool:
        """Tell whether the engine takes up what is due."""
        return self._loop is not None and not self._loop.done()

    @property
    def running(self) -> tuple[str, ...]:
        """Name the runs that are being executed at this moment."""
        return tuple(self._running)

    async def start(self, runbook: str, id: str, *args: Json) -> bool:
        """Start the newest version of a runbook; False when the id was started before."""
        started = await self._journal.start(id, runbook, self._registry.newest(runbook), args)
        self.nudge()
        return started

    def nudge(self) -> None:
        """Something was committed that may have started or woken a run."""
        self._wake.set()

    async def _work(self) -> None:
        while not self._closed.is_set():
            self._wake.clear()
            try:
                pause = await self._take_due()
            except Exception:
                log.exception("the engine could not read its journal")
                pause = self._rest
            try:
                await asyncio.wait_for(self._wake.wait(), pause)
            except TimeoutError:
                continue

    async def _take_due(self) -> float | None:
        """Begin what is due; tell for how many seconds there is nothing more to
        do (None: until a nudge).
        """
        now = self._clock.now()
        if self._urgent and self._kept > len(self._in_kept):
            for record in await self._journal.due(
                now, self._kept - len(self._in_kept), excluding=self.running, named=self._urgent
            ):
                self._in_kept.add(record.id)
                self._begin(record)
        free = self._concurrency - len(self._running) + len(self._in_kept)
        if free > 0:
            for record in await self._journal.due(now, free, excluding=self.running):
                self._begin(record)
        due = await self._journal.next_due(now)
        return (
            None
            if due is None
            else min(max((due - self._clock.now()).total_seconds(), 0.0), LONGEST_SLEEP)
        )

    def _begin(self, record: RunRecord) -> None:
        if self._closed.is_set():
            return
        task = asyncio.create_task(self._execute(record), name=f"run {record.id}")
        self._running[record.id] = task
        task.add_done_callback(partial(self._ended, record.id))

    def _ended(self, run: str, _task: asyncio.Task[None]) -> None:
        self._running.pop(run, None)
        self._in_kept.discard(run)
        self._wake.set()

    async def _execute(self, record: RunRecord) -> None:
        URGENT.set(record.name in self._urgent)  # of this task alone
        try:
            why = await carry_out(
                record,
                self._journal,
                self._registry,
                self._clock,
                may_go_on=lambda: not self._closed.is_set(),
            )
            if why:
                self._on_stuck(record, why)
        except (Exception, JournalLost):
            log.exception(
                "the journal could not be read or written; the run is taken up again", run=record.id
            )
            await self._have_a_rest()

    async def _have_a_rest(self) -> None:
        try:
            await asyncio.wait_for(self._closed.wait(), self._rest)
        except TimeoutError:
            return
