"""One conformance suite, two engines: the journal over a real SQLite
file, and the simulated one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.engine.journal import JournalEngine
from bot.engine.released import Registry
from bot.engine.simulated import MemoryJournal, SimulatedEngine, VirtualClock
from bot.ports.engine import JournalStore, Later, Run, RunRecord
from bot.storage.database import Database, open_database
from tests.patience import PATIENCE

"""Seconds after which a condition that does not come true is a failure."""


async def eventually(condition: Callable[[], Awaitable[Any]]) -> Any:
    """Wait for a condition with a deadline."""
    async with asyncio.timeout(PATIENCE):
        while not (found := await condition()):  # noqa: ASYNC110 - the condition is in a database
            await asyncio.sleep(0.002)
    return found


@dataclass
class Bench:
    """An engine at work, with a clock that the test moves and a list of what has stuck."""

    registry: Registry
    clock: VirtualClock
    stuck: list[tuple[str, str]] = field(default_factory=list)
    did: list[str] = field(default_factory=list)

    async def act(self, what: str) -> str:
        """Do something visible."""
        self.did.append(what)
        return what

    async def bake(self, run: Run, duration: timedelta) -> None:
        """Let time pass in a runbook."""
        until = await run.step("how long to bake", self._after, duration)
        await run.until("baked", self._is_past, until, every=duration)

    async def _after(self, duration: timedelta) -> datetime:
        return self.clock.now() + duration

    async def _is_past(self, until: datetime) -> bool | Later:
        left = until - self.clock.now()
        return Later(left) if left > timedelta(0) else True

    def on_stuck(self, run: RunRecord, why: str) -> None:
        """Hear of a run that needs a person."""
        self.stuck.append((run.id, why))

    def add(
        self, runbook: Callable[..., Awaitable[Any]], *, name: str = "deploy", version: int = 1
    ) -> None:
        """Release a runbook."""
        self.registry.add(name, version, runbook)

    def forget(self) -> None:
        """Be another build of the bot: know no runbook."""
        self.registry = Registry()

    # what each engine does in its own way
    @property
    def journal(self) -> JournalStore:
        """Where it is written."""
        raise NotImplementedError

    @property
    def engine(self) -> Any:
        """The engine itself."""
        raise NotImplementedError

    async def open(self) -> None:
        """Begin."""
        raise NotImplementedError

    async def restart(self) -> None:
        """Stop and begin again, from what is stored."""
        raise NotImplementedError

    async def woken(self, run: str) -> None:
        """Wake as a transaction does."""
        raise NotImplementedError

    async def wake(self, run: str) -> None:
        """Wake, and let what is due be done."""
        await self.woken(run)
        await self.settle()

    async def settle(self) -> None:
        """Let everything that is due now be done."""
        raise NotImplementedError

    async def close(self) -> None:
        """End."""
        raise NotImplementedError

    async def pass_time(self, by: timedelta) -> None:
        """Move the clock and let what is due be done."""
        self.clock.advance(by)
        await self.settle()

    async def record(self, run: str) -> RunRecord:
        """Read how a run stands."""
        found = await self.journal.get(run)
        assert found is not None
        return found


@dataclass
class JournalBench(Bench):
    """The journal engine over a file."""

    path: Path = Path()
    database: Database | None = None
    journal_engine: JournalEngine | None = None

    @property
    def journal(self) -> JournalStore:
        assert self.database is not None
        return self.database.journal

    @property
    def engine(self) -> Any:
        assert self.journal_engine is not None
        return self.journal_engine

    async def open(self) -> None:
        self.database = await open_database(f"sqlite+aiosqlite:///{self.path}")
        self.journal_engine = JournalEngine(
            self.database.journal, self.registry, self.clock, on_stuck=self.on_stuck
        )
        self.database.store.on_runs(self.journal_engine.nudge)
        await self.journal_engine.open()

    async def close(self) -> None:
        if self.database is not None:
            await self.engine.close()
            await self.database.close()
            self.database = None

    async def restart(self) -> None:
        await self.close()
        await self.open()
        await self.settle()

    async def woken(self, run: str) -> None:
        assert self.database is not None
        async with self.database.store.transaction() as tx:
            await tx.wake(run)

    async def settle(self) -> None:
        self.engine.nudge()
        await eventually(self._is_quiet)

    async def _is_quiet(self) -> bool:
        await asyncio.sleep(0.01)
        return not self.engine.running and not await self.journal.due(self.clock.now())


@dataclass
class SimulatedBench(Bench):
    """The simulated engine."""

    memory: MemoryJournal = field(default_factory=MemoryJournal)
    simulated: SimulatedEngine | None = None

    @property
    def journal(self) -> JournalStore:
        return self.memory

    @property
    def engine(self) -> Any:
        assert self.simulated is not None
        return self.simulated

    async def open(self) -> None:
        self.simulated = SimulatedEngine(
            self.memory, self.registry, self.clock, on_stuck=self.on_stuck
        )
        await self.simulated.open()

    async def close(self) -> None:
        await self.engine.close()

    async def restart(self) -> None:
        await self.close()
        await self.open()
        await self.settle()

    async def woken(self, run: str) -> None:
        self.memory.wake(run)

    async def settle(self) -> None:
        while await self.engine.run_due():
            pass


@pytest.fixture(params=["journal", "simulated"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    """Give an engine that is open."""
    clock = VirtualClock()
    made: Bench = (
        JournalBench(Registry(), clock, path=tmp_path / "gonogo.db")
        if request.param == "journal"
        else SimulatedBench(Registry(), clock)
    )
    await made.open()
    yield made
    await made.close()
