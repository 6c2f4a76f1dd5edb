"""One process of the bot, as the state machine drives it: every runbook and every command is a
task, and each can die anywhere.

Time is virtual for the engine and for the event loop alike, so that ``asyncio.timeout`` ends when
the clock is moved. Calls to providers are parked until they are answered from outside; the process
has come to rest when every task is parked or over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from itertools import count
from typing import Any

from bot.domain.errors import IntegrationError
from bot.engine.execution import carry_out
from bot.engine.released import Registry
from bot.engine.simulated import VirtualClock
from bot.ports.engine import RunRecord
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.ports.talk import Answer, Intent
from bot.ports.time import VIEWING
from bot.storage.database import Database

TICK = timedelta(milliseconds=1)
RESTLESS = 500
"""After so many rounds something goes in circles."""
HANGS = timedelta(seconds=100)
"""After so long nobody waits for a provider any more."""


class Died(BaseException):
    """The process died here."""


class How(Enum):
    """How a provider answers a call that was held."""

    OK = "ok"
    DONE = "done"  # ok, and what was asked about has succeeded
    FAILED = "failed"  # ok, and what was asked about has failed
    NO = "no"  # it did nothing and says that it is not well
    LOST = "lost"  # it did what it was asked, and the answer was lost


@dataclass(eq=False)
class Call:
    """A call to a provider that is on its way."""

    kind: str
    about: str
    task: asyncio.Task[Any]
    answer: asyncio.Future[How]


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose timers go by the virtual clock."""

    def __init__(self, clock: VirtualClock) -> None:
        self._virtual, self._origin = clock, clock.at
        super().__init__()

    def time(self) -> float:
        """Give the virtual time."""
        return (self._virtual.at - self._origin).total_seconds()

    def next_timer(self) -> datetime | None:
        """Tell when the next timer fires."""
        timers = [handle.when() for handle in self._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
        return self._origin + timedelta(seconds=min(timers)) + TICK if timers else None


@dataclass(eq=False)
class Process:
    """The tasks of one process, the calls that they wait for, and where it dies."""

    loop: VirtualLoop
    clock: VirtualClock
    holds: frozenset[str]
    """Which kinds of calls are held; all others are answered at once."""
    at_once: How = How.DONE
    """How the others are answered."""
    carry_out_command: Callable[[Intent], Awaitable[Answer | None]] = field(init=False)
    answered: Callable[[Intent, Answer | None], None] = field(init=False)
    registry: Registry = field(init=False)
    database: Database = field(init=False)
    calls: list[Call] = field(default_factory=list)
    tasks: dict[asyncio.Task[Any], int] = field(default_factory=dict)
    """Which task belongs to which life of the process."""
    runs: dict[str, asyncio.Task[Any]] = field(default_factory=dict)
    inbox: dict[str, Intent] = field(default_factory=dict)
    """What was accepted and has not been carried out: it is taken up again after a crash."""
    life: int = 0
    born: int = 0
    """Which life has begun: after a death the next one has to."""
    dies_after: int | None = None
    """At which of the next borders between two acts it dies."""
    arrives: bool = False
    """Whether a start that was on its way when the process died, or that nobody waited for any
    more, has been carried out.
    """
    frozen: set[asyncio.Task[Any]] = field(default_factory=set)
    """Runbooks of an earlier process that is not dead: another has taken over while a start
    of theirs was on its way.
    """
    due_runs: Callable[[], set[str]] = set
    """Names the runs that are due, as the file says: cheaper than to ask the journal."""
    checked: Callable[[], None] = lambda: None
    """Is called after every commit."""
    reborn: Callable[[], None] = lambda: None
    """Is called when the next life begins: it knows what is stored and nothing else."""
    faults: list[BaseException] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    # Where it dies ------------------------------------------------------------------------------

    def border(self) -> None:
        """Pass from one act to the next, or die. A task of an earlier life
        dies at its next border.
        """
        task = asyncio.current_task()
        life = self.tasks.get(task, None) if task else None
        if life is None or task in self.frozen:
            return
        if life == self.life and self.dies_after is not None:
            self.dies_after -= 1
            if self.dies_after < 0:
                self.dies_after = None
                self.life += 1
        if life != self.life:
            raise Died

    # Calls that are held ------------------------------------------------------------------------

    async def hold(self, kind: str, about: str = "") -> How:
        """Wait until somebody says how a call is answered. Nobody may
        hold the database meanwhile.
        """
        task = asyncio.current_task()
        assert task is not None
        if task not in self.tasks:
            return How.OK
        assert not VIEWING.get(), f"{kind} {about} is asked while a view of the database is open"
        self.border()
        if kind not in self.holds:
            return self.at_once
        if task in self.frozen:
            raise Died
        call = Call(kind, about, task, self.loop.create_future())
        self.calls.append(call)
        self.changed.set()
        try:
            async with asyncio.timeout(HANGS.total_seconds()):
                return await call.answer
        except TimeoutError:
            return How.LOST if self.arrives and task not in self.frozen else How.NO
        finally:
            self.calls.remove(call)

    def answer(self, call: Call, how: How) -> None:
        """Answer a call."""
        if not call.answer.done():
            call.answer.set_result(how)

    # Tasks --------------------------------------------------------------------------------------

    def say(self, intent: Intent) -> None:
        """Accept a command: it is stored, and carried out by a task of its own."""
        self.inbox[intent.key] = intent
        self._begin(self._command(intent))

    async def _command(self, intent: Intent) -> None:
        answer = None
        for _ in range(2):
            try:
                answer = await self.carry_out_command(intent)
                break
            except IntegrationError:
                continue
        self.border()
        del self.inbox[intent.key]
        self.answered(intent, answer)

    def _begin(self, work: Any) -> asyncio.Task[Any]:
        task = self.loop.create_task(work)
        self.tasks[task] = self.life
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        life = self.tasks.pop(task)
        self.frozen.discard(task)
        for run in [run for run, other in self.runs.items() if other is task]:
            del self.runs[run]
        error = None if task.cancelled() else task.exception()
        if (
            error is not None
            and not isinstance(error, Died)
            and (life == self.life or isinstance(error, AssertionError))
        ):
            self.faults.append(error)
        self.changed.set()

    async def _run(self, record: RunRecord) -> None:
        why = await carry_out(record, Journal(self), self.registry, self.clock)
        assert not why, f"{record.id} is stuck: {why}"

    async def _begin_due(self) -> None:
        if not self.due_runs() - set(self.runs):
            return
        for record in await self.database.journal.due(self.clock.now(), excluding=tuple(self.runs)):
            if record.id not in self.runs:
                self.runs[record.id] = self._begin(self._run(record))

    def _busy(self) -> bool:
        parked = {call.task for call in self.calls if not call.answer.done()}
        return any(task not in parked for task in self.tasks)

    async def settle(self) -> None:
        """Go on until every task is parked or over, and nothing is due; after a
        death, begin anew first.
        """
        for rounds in count():
            assert rounds < RESTLESS, (
                f"it does not come to rest: {sorted(self.runs)}, {sorted(self.inbox)}"
            )
            for _ in range(6):  # timers that are due fire, and who was woken comes to its next wait
                await asyncio.sleep(0)
            self.changed.clear()
            if self.born != self.life:
                await self._bury()
                await self._begin_anew()
            if self.faults:
                raise self.faults.pop()
            await self._begin_due()
            if not self._busy():
                return
            await self.changed.wait()

    async def _bury(self) -> None:
        """Let what is left of an earlier life end: what it waits for is never answered, and it
        writes nothing any more.
        """
        old = [
            task
            for task, life in self.tasks.items()
            if life != self.life and task not in self.frozen
        ]
        for call in [call for call in self.calls if call.task in old]:
            call.task.cancel()
        if old:
            await asyncio.wait(old)

    async def _begin_anew(self) -> None:
        self.born = self.life
        self.reborn()
        await self.database.journal.unblock()
        for intent in list(self.inbox.values()):
            self._begin(self._command(intent))

    async def crash(self) -> None:
        """Die now, and begin anew."""
        self.life += 1
        await self.settle()

    async def is_taken_over(self) -> None:
        """Have another process take over. What this one was starting is recorded when it is
        answered, and nothing after it.
        """
        starting = {call.task for call in self.calls if call.kind == "start"}
        for run in [run for run, task in self.runs.items() if task in starting]:
            self.frozen.add(self.runs.pop(run))
        self.life += 1
        await self.settle()

    async def passes(self, time: timedelta) -> None:
        """Let time pass: whatever falls due meanwhile happens at its moment."""
        until = self.clock.now() + time
        for moments in count():
            if self.clock.now() >= until:
                return
            assert moments < RESTLESS, (
                f"something happens all the time: {sorted(self.runs)}, {self.calls}"
            )
            due = [await self.database.journal.next_due(self.clock.now()), self.loop.next_timer()]
            self.clock.at = max(self.clock.at + TICK, min([until, *(at for at in due if at)]))
            await self.settle()

    async def end(self) -> None:
        """Die for good."""
        self.life += 1
        self.frozen.clear()
        if self.tasks:
            await self._bury()


@dataclass(eq=False)
class Journal:
    """The journal of a process that may die before and after every entry; one that was taken over
    finds the entry of another.
    """

    process: Process

    def _is_its_own(self) -> None:
        if asyncio.current_task() in self.process.frozen:
            raise Died

    def __getattr__(self, name: str) -> Any:
        return getattr(self.process.database.journal, name)

    async def record(self, run: str, name: str, value: Any) -> None:
        """Write an entry, or die before or after it."""
        self._is_its_own()
        self.process.border()
        await self.process.database.journal.record(run, name, value)
        self.process.border()

    async def park(self, record: RunRecord, *args: Any, **kwargs: Any) -> None:
        """Put a run to sleep. What failed for a reason that waiting does not
        cure is a fault of ours.
        """
        self._is_its_own()
        self.process.border()
        assert not kwargs.get("faults"), f"{record.id}: {kwargs.get('error')}"
        await self.process.database.journal.park(record, *args, **kwargs)


@dataclass(eq=False)
class Store:
    """The store of a process that may die before and after every commit."""

    process: Process

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open the one writing transaction."""
        self.process.border()
        async with self.process.database.store.transaction() as tx:
            yield tx
            self.process.border()
        try:
            self.process.checked()
        except AssertionError as broken:
            self.process.faults.append(broken)
        self.process.border()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Reader]:
        """Open a view."""
        self.process.border()
        async with self.process.database.store.reading() as reader:
            yield reader

    def may_pass(self, error: Exception) -> bool:
        """Tell whether the database may answer later."""
        return self.process.database.store.may_pass(error)
