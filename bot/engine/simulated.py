"""The engine for tests: the same execution, a virtual clock that jumps, and a crash wherever one is wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from bot.engine.execution import Execution, Misplaced, Parked
from bot.engine.registry import Registry
from bot.ports import JournalStore, Json, RunRecord


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
class _Row:
    record: RunRecord
    state: str = "waiting"
    wake_at: datetime | None = None
    error: str = ""
    result: Json = None
    entries: dict[str, Json] = field(default_factory=dict)


class MemoryJournal:
    """``ports.JournalStore`` in memory."""

    def __init__(self) -> None:
        self.rows: dict[str, _Row] = {}
        self._signals: dict[str, dict[str, Json]] = {}

    async def start(self, id: str, name: str, version: int, args: Sequence[Json]) -> bool:
        """Store a run that is due now."""
        if id in self.rows:
            return False
        self.rows[id] = _Row(RunRecord(id, name, version, tuple(args), 0), wake_at=datetime.min.replace(tzinfo=UTC))
        return True

    async def due(self, now: datetime, limit: int = 100) -> tuple[RunRecord, ...]:
        """List the runs whose time has come."""
        waiting = [row for row in self.rows.values() if row.state == "waiting" and row.wake_at is not None and row.wake_at <= now]
        return tuple(row.record for row in waiting[:limit])

    async def next_due(self) -> datetime | None:
        """Tell when the next parked run is due."""
        return min((row.wake_at for row in self.rows.values() if row.state == "waiting" and row.wake_at is not None), default=None)

    async def entries(self, run: str) -> Mapping[str, Json]:
        """Read what a run has done."""
        return self.rows[run].entries

    async def record(self, run: str, name: str, value: Json) -> None:
        """Write down what a run has done."""
        self.rows[run].entries.setdefault(name, value)

    async def signal(self, run: str, name: str, value: Json) -> bool:
        """Store a signal and make the run due; the first value under a name wins."""
        told = self._signals.setdefault(run, {})
        if name in told:
            return False
        told[name] = value
        self.wake(run)
        return True

    async def signals(self, run: str) -> Mapping[str, Json]:
        """Read what a run was told."""
        return self._signals.get(run, {})

    def wake(self, run: str) -> None:
        """Have a parked run look again."""
        row = self.rows.get(run)
        if row is not None and row.state == "waiting":
            row.record = replace(row.record, signals=row.record.signals + 1)
            row.wake_at = datetime.min.replace(tzinfo=UTC)

    async def park(self, record: RunRecord, wake_at: datetime | None, *, attempts: int = 0, error: str = "") -> None:
        """Put a run to sleep unless it was woken meanwhile."""
        row = self.rows[record.id]
        if row.record.signals == record.signals:
            row.wake_at = wake_at
        row.record = replace(row.record, attempts=attempts)
        row.error = error

    async def finish(self, run: str, result: Json) -> None:
        """Close a run."""
        self.rows[run].state, self.rows[run].result = "done", result

    async def block(self, run: str, why: str) -> None:
        """Put a run aside."""
        self.rows[run].state, self.rows[run].error = "blocked", why


class SimulatedEngine:
    """``ports.Engine`` without tasks: ``run_until_idle`` does all that is due and jumps from one due time to the next."""

    def __init__(
        self,
        journal: JournalStore,
        registry: Registry,
        clock: VirtualClock,
        *,
        on_stuck: Callable[[str, str], None] = lambda _run, _why: None,
    ) -> None:
        self.clock = clock
        self.crash_before: int | None = None
        """Die instead of writing this journal entry (counted over all runs): the act is done, the note is missing."""
        self.writes = 0
        self._journal = journal
        self._registry = registry
        self._on_stuck = on_stuck

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def start(self, runbook: str, id: str, *args: Json) -> bool:
        """Start the newest version of a runbook."""
        return await self._journal.start(id, runbook, self._registry.newest(runbook), args)

    async def signal(self, id: str, name: str, value: Json = True) -> bool:
        """Give a run a signal; the first wins."""
        return await self._journal.signal(id, name, value)

    def nudge(self) -> None:
        """Nothing waits for a nudge here."""

    async def record(self, run: str, name: str, value: Json) -> None:
        """Write an entry, or die instead."""
        self.writes += 1
        if self.crash_before == self.writes:
            raise Crash
        await self._journal.record(run, name, value)

    async def run_due(self) -> bool:
        """Execute what is due now; False when nothing was."""
        due = await self._journal.due(self.clock.now())
        for record in due:
            await self._execute(record)
        return bool(due)

    async def run_until_idle(self, *, horizon: timedelta = timedelta(days=2)) -> None:
        """Execute and jump, until nothing is due within the horizon."""
        end = self.clock.now() + horizon
        while True:
            if await self.run_due():
                continue
            due = await self._journal.next_due()
            if due is None or due > end:
                return
            self.clock.at = max(due, self.clock.now())

    async def _execute(self, record: RunRecord) -> None:
        runbook = self._registry.find(record.name, record.version)
        if runbook is None:
            await self._block(record, f"this version of Go/No-Go does not know {record.name} version {record.version}")
            return
        entries, signals = dict(await self._journal.entries(record.id)), dict(await self._journal.signals(record.id))
        execution = Execution(record.id, entries, signals, self, self.clock, record.attempts)
        try:
            await self._journal.finish(record.id, await runbook(execution, *record.args))
        except Parked as parked:
            attempts = execution.attempts + 1 if parked.error else 0
            await self._journal.park(record, parked.until, attempts=attempts, error=parked.error)
        except Misplaced as misplaced:
            await self._block(record, str(misplaced))
        except Exception as error:  # noqa: BLE001 - whatever a runbook raises blocks it
            await self._block(record, f"{type(error).__name__}: {error}")

    async def _block(self, record: RunRecord, why: str) -> None:
        await self._journal.block(record.id, why)
        self._on_stuck(record.id, why)
