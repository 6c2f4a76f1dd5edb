"""Durable execution: what a runbook asks of its engine, and what the engine remembers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar, TypeVarTuple

from bot.ports.time import Json

R = TypeVar("R")
Ts = TypeVarTuple("Ts")


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A runbook under way, as it is stored."""

    id: str
    name: str
    version: int
    args: tuple[Json, ...]
    wakes: int
    """How often it was woken; a wake-up during execution changes it, so that none is lost."""
    attempts: int = 0
    """How often the step that comes next has failed."""
    faults: int = 0
    """How often of these for a reason which waiting does not cure."""
    state: str = "waiting"
    """``waiting``, ``done`` or ``blocked``."""
    wake_at: datetime | None = None
    error: str = ""
    result: Json = None


class JournalStore(Protocol):
    """The engine's memory: runs, and what each has done under which name."""

    async def start(self, id: str, name: str, version: int, args: Sequence[Json]) -> bool:
        """Store a run that is due now; False when the id is taken."""
        ...

    async def get(self, run: str) -> RunRecord | None:
        """Read how a run stands."""
        ...

    async def due(
        self,
        now: datetime,
        limit: int = 100,
        *,
        excluding: Collection[str] = (),
        named: Collection[str] = (),
    ) -> tuple[RunRecord, ...]:
        """List the runs whose time has come, without those that are being executed; of ``named``
        runbooks alone, where some are named.
        """
        ...

    async def next_due(self, after: datetime) -> datetime | None:
        """Tell when the next run is due that is not due yet."""
        ...

    async def entries(self, run: str) -> Mapping[str, Json]:
        """Read what a run has done, in order."""
        ...

    async def record(self, run: str, name: str, value: Json) -> None:
        """Write down what a run has done."""
        ...

    async def park(
        self,
        record: RunRecord,
        wake_at: datetime | None,
        *,
        attempts: int = 0,
        faults: int = 0,
        error: str = "",
    ) -> None:
        """Put a run to sleep; if it was woken since ``record`` was read it stays due."""
        ...

    async def finish(self, run: str, result: Json) -> None:
        """Close a run."""
        ...

    async def block(self, run: str, why: str) -> None:
        """Put a run aside that cannot go on without a person."""
        ...

    async def unblock(self) -> None:
        """Give the runs that were put aside another chance: a new version may know them."""
        ...


@dataclass(frozen=True, slots=True)
class Later:
    """What a look may answer instead of None: there is nothing yet, look again after ``pause``,
    whatever ``every`` says.
    """

    pause: timedelta


class Run(Protocol):
    """A runbook's own two verbs. Names are unique within a run; what has happened under a
    name is never done again.
    """

    @property
    def id(self) -> str:
        """The id under which the runbook was started."""
        ...

    async def step(self, name: str, do: Callable[[*Ts], Awaitable[R]], *args: *Ts) -> R:
        """Do something once and remember its result. It may be done again after a crash, so
        ``do`` finds before it does.

        What it is declared to return is written down and read back, on the first pass too. An
        IntegrationError with ``retry`` is tried again with back-off for as long as it takes.
        """
        ...

    async def until(
        self,
        name: str,
        look: Callable[[*Ts], Awaitable[R | Later | None]],
        *args: *Ts,
        every: timedelta,
    ) -> R:
        """Look at the stored facts, now, on every wake-up and every so often, until
        the look returns something.

        None is nothing, and so is ``Later``.
        """
        ...


Runbook = Callable[..., Awaitable[object]]
"""``async def runbook(run: Run, *args: Json) -> Json``."""


class Engine(Protocol):
    """Durable execution."""

    async def open(self) -> None:
        """Begin to work; what was under way goes on."""
        ...

    async def close(self) -> None:
        """Stop between two steps; what is under way goes on at the next start."""
        ...

    async def start(self, runbook: str, id: str, *args: Json) -> bool:
        """Start the newest version of a runbook; False when the id was started before."""
        ...

    def nudge(self) -> None:
        """Something was committed that may have started or woken a run."""
        ...
