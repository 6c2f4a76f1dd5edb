"""The engine for tests: the same execution in memory, a virtual clock that jumps, and a crash wherever one is wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bot.engine.execution import Execution, Misplaced, Parked
from bot.engine.registry import Registry
from bot.ports import Json


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
class _Run:
    id: str
    name: str
    version: int
    args: tuple[Json, ...]
    wake_at: datetime | None
    entries: dict[str, Json] = field(default_factory=dict)
    signals: dict[str, Json] = field(default_factory=dict)
    woken: int = 0
    attempts: int = 0
    state: str = "waiting"
    result: Json = None
    error: str = ""


class SimulatedEngine:
    """``ports.Engine`` without a process: ``run_until_idle`` does everything that is due, jumping from one due time to the next."""

    def __init__(self, registry: Registry, clock: VirtualClock, *, on_stuck: Callable[[str, str], None] = lambda _run, _why: None) -> None:
        self.clock = clock
        self.runs: dict[str, _Run] = {}
        self.crash_before: int | None = None
        """Die instead of writing this journal entry (counted over all runs): the act is done, the note is missing."""
        self.writes = 0
        self._registry = registry
        self._on_stuck = on_stuck

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def start(self, runbook: str, id: str, *args: Json) -> bool:
        """Start the newest version of a runbook."""
        if id in self.runs:
            return False
        self.runs[id] = _Run(id, runbook, self._registry.newest(runbook), args, self.clock.now())
        return True

    async def signal(self, id: str, name: str, value: Json = True) -> bool:
        """Give a run a signal; the first wins."""
        run = self.runs[id]
        if name in run.signals:
            return False
        run.signals[name] = value
        self.wake(id)
        return True

    def wake(self, id: str) -> None:
        """Have a parked run look again, now."""
        run = self.runs.get(id)
        if run is not None and run.state == "waiting":
            run.woken += 1
            run.wake_at = self.clock.now()

    def nudge(self) -> None:
        """Nothing waits for a nudge here."""

    async def record(self, run: str, name: str, value: Json) -> None:
        """Write an entry, or die instead."""
        self.writes += 1
        if self.crash_before == self.writes:
            raise Crash
        self.runs[run].entries[name] = value

    async def run_due(self) -> bool:
        """Execute what is due now; False when nothing was."""
        due = [run for run in self.runs.values() if run.state == "waiting" and run.wake_at is not None and run.wake_at <= self.clock.now()]
        for run in due:
            await self._execute(run)
        return bool(due)

    async def run_until_idle(self, *, horizon: timedelta = timedelta(days=2)) -> None:
        """Execute and jump, until nothing is due within the horizon."""
        end = self.clock.now() + horizon
        while True:
            if await self.run_due():
                continue
            times = [run.wake_at for run in self.runs.values() if run.state == "waiting" and run.wake_at is not None]
            if not times or min(times) > end:
                return
            self.clock.at = max(min(times), self.clock.now())

    async def _execute(self, run: _Run) -> None:
        runbook = self._registry.find(run.name, run.version)
        if runbook is None:
            self._block(run, f"this version of Go/No-Go does not know {run.name} version {run.version}")
            return
        woken = run.woken
        execution = Execution(run.id, dict(run.entries), dict(run.signals), self, self.clock, run.attempts)
        try:
            run.result = await runbook(execution, *run.args)
            run.state = "done"
        except Parked as parked:
            run.attempts = execution.attempts + 1 if parked.error else 0
            run.error = parked.error
            if run.woken == woken:
                run.wake_at = parked.until
        except Misplaced as misplaced:
            self._block(run, str(misplaced))
        except Exception as error:  # noqa: BLE001 - whatever a runbook raises blocks it
            self._block(run, f"{type(error).__name__}: {error}")

    def _block(self, run: _Run, why: str) -> None:
        run.state, run.error = "blocked", why
        self._on_stuck(run.id, why)
