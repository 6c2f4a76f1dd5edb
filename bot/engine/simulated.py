"""The engine for tests: the same execution, a virtual clock that jumps, and a
crash wherever one is wanted.

On a ``MemoryJournal`` it needs no file; on the database's journal it plays the real store's
runbooks in virtual time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from bot.engine.execution import carry_out
from bot.engine.released import Registry
from bot.ports.engine import JournalStore, RunRecord
from bot.ports.time import Json

AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)
"""Due since ever, whatever the clock says."""


class Crash(BaseException):
    """The process died here."""


@dataclass
class VirtualClock:
    """A clock that stands until it is moved."""

    at: datetime = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)

    def now(self) -> datetime:
        """Give the time as aware UTC."""
        return self.at

    def advance(self, by: timedelta) -> None:
        """Move on."""
        self.at += by


@dataclass
class MemoryJournal:
    """``ports.JournalStore`` in memory."""

    rows: dict[str, RunRecord] = field(default_factory=dict)
    notes: dict[str, dict[str, Json]] = field(default_factory=dict)

    async def start(self, id: str, name: str, version: int, args: Sequence[Json]) -> bool:
        """Store a run that is due now."""
        if id in self.rows:
            return False
        self.rows[id] = RunRecord(id, name, version, tuple(args), 0, wake_at=AT_ONCE)
        return True

    async def get(self, run: str) -> RunRecord | None:
        """Read how a run stands."""
        return self.rows.get(run)

    async def due(
        self,
        now: datetime,
        limit: int = 100,
        *,
        excluding: Collection[str] = (),
        named: Collection[str] = (),
    ) -> tuple[RunRecord, ...]:
        """List the runs whose time has come."""
        waiting = (
            (run.wake_at, run)
            for run in self.rows.values()
            if run.state == "waiting"
            and run.id not in excluding
            and (not named or run.name in named)
        )
        due = [(when, run) for when, run in waiting if when is not None and when <= now]
        return tuple(run for _, run in sorted(due, key=lambda pair: pair[0]))[:limit]

    async def next_due(self, after: datetime) -> datetime | None:
        """Tell when the next run is due that is not due yet."""
        times = (run.wake_at for run in self.rows.values() if run.state == "waiting")
        return min((when for when in times if when is not None and when > after), default=None)

    async def entries(self, run: str) -> Mapping[str, Json]:
        """Read what a run has done."""
        return self.notes.get(run, {})

    async def record(self, run: str, name: str, value: Json) -> None:
        """Write down what a run has done."""
        self.notes.setdefault(run, {}).setdefault(name, value)

    def wake(self, run: str) -> None:
        """Make a run due."""
        record = self.rows.get(run)
        if record is not None and record.state == "waiting":
            self.rows[run] = replace(record, wakes=record.wakes + 1, wake_at=AT_ONCE)

    async def park(
        self,
        record: RunRecord,
        wake_at: datetime | None,
        *,
        attempts: int = 0,
        faults: int = 0,
        error: str = "",
    ) -> None:
        """Put a run to sleep; if it was woken meanwhile it stays due."""
        now = self.rows[record.id]
        when = wake_at if now.wakes == record.wakes else now.wake_at
        self.rows[record.id] = replace(
            now, wake_at=when, attempts=attempts, faults=faults, error=error
        )

    async def finish(self, run: str, result: Json) -> None:
        """Close a run."""
        self.rows[run] = replace(
            self.rows[run], state="done", result=result, wake_at=None, error=""
        )

    async def block(self, run: str, why: str) -> None:
        """Put a run aside."""
        self.rows[run] = replace(self.rows[run], state="blocked", error=why, wake_at=None)

    async def unblock(self) -> None:
        """Give the runs that were put aside another chance."""
        for run in [run for run in self.rows.values() if run.state == "blocked"]:
            self.rows[run.id] = replace(run, state="waiting", wake_at=AT_ONCE, attempts=0, faults=0)


class SimulatedEngine:
    """``ports.Engine`` without a process: ``run_until_idle`` does everything that is due, jumping
    from one due time to the next.

    ``crash_before`` and ``crash_after`` name the journal entry (counted over all runs) at which the
    process dies with ``Crash``. Before: the act is done and its note is missing. After: the note is
    written and nothing else has happened. ``run_until_idle`` again is the restart.
    """

    def __init__(
        self, journal: JournalStore, registry: Registry, clock: VirtualClock, *,
        on_stuck: Callable[[RunRecord, str], None] = lambda _run, _why: None,
    ) -> None:  # fmt: skip
        self.clock = clock
        self.journal = journal
        self.crash_before: int | None = None
        self.crash_after: int | None = None
        self.writes = 0
        self._registry = registry
        self._on_stuck = on_stuck

    async def open(self) -> None:
        """Take up what an earlier engine left."""
        await self.journal.unblock()

    async def close(self) -> None:
        """Nothing to close."""

    async def start(self, runbook: str, id: str, *args: Json) -> bool:
        """Start the newest version of a runbook."""
        return await self.journal.start(id, runbook, self._registry.newest(runbook), args)

    def nudge(self) -> None:
        """Nothing waits for a nudge here."""

    async def run_due(self) -> bool:
        """Execute what is due now; False when nothing was."""
        due = await self.journal.due(self.clock.now())
        for record in due:
            why = await carry_out(record, _Fragile(self.journal, self), self._registry, self.clock)
            if why:
                self._on_stuck(record, why)
        return bool(due)

    async def run_until_idle(self, *, horizon: timedelta = timedelta(days=2)) -> None:
        """Execute and jump, until nothing is due within the horizon."""
        end = self.clock.now() + horizon
        while True:
            if await self.run_due():
                continue
            due = await self.journal.next_due(self.clock.now())
            if due is None or due > end:
                return
            self.clock.at = due

    def count_a_write(self) -> None:
        """Count an entry, and die instead of writing it if this is the one."""
        self.writes += 1
        if self.writes == self.crash_before:
            raise Crash


class _Fragile:
    """The journal of a process that dies when it is told to."""

    def __init__(self, journal: JournalStore, engine: SimulatedEngine) -> None:
        self._engine = engine
        self.get, self.start, self.due, self.next_due = (
            journal.get,
            journal.start,
            journal.due,
            journal.next_due,
        )
        self.entries, self.park, self.finish = journal.entries, journal.park, journal.finish
        self.block, self.unblock = journal.block, journal.unblock
        self._record = journal.record

    async def record(self, run: str, name: str, value: Json) -> None:
        """Write an entry, or die before or after it."""
        self._engine.count_a_write()
        await self._record(run, name, value)
        if self._engine.writes == self._engine.crash_after:
            raise Crash
