"""One execution of a runbook from its journal: what was done is not done
again, what must wait parks.

Both engines share this. What the engine itself has to say is raised as a BaseException, so that no
runbook can catch it by accident.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar, TypeVarTuple, cast

from bot.domain.errors import IntegrationError
from bot.engine.released import Registry
from bot.engine.results import Result, result_of
from bot.ports.engine import JournalStore, Later, RunRecord
from bot.ports.time import Clock, Json

R = TypeVar("R")
Ts = TypeVarTuple("Ts")

BACK_OFF = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds between tries of a step that failed."""
TRIES = 5
"""How often a step is tried that fails for a reason which waiting does not cure."""


class Parked(BaseException):
    """The run has to wait; ``until`` is when it looks again, None for only when it is woken."""

    def __init__(self, until: datetime | None, *, error: str = "", faults: int = 0) -> None:
        super().__init__()
        self.until = until
        self.error = error
        """Why, when a step failed and is tried again."""
        self.faults = faults


class Stuck(BaseException):
    """The run cannot go on without a person: a step keeps failing, or a
    released version was edited.
    """


class Stopped(BaseException):
    """The engine closes; the run goes on at the next start."""


class JournalLost(BaseException):
    """The journal could not be written. That is no failure of the step: the run is taken up
    again from what is stored.
    """


def _always() -> bool:
    return True


@dataclass
class Execution:
    """``ports.Run``: one pass through a runbook."""

    id: str
    entries: dict[str, Json]
    journal: JournalStore
    clock: Clock
    attempts: int = 0
    """How often the step that comes next has failed."""
    faults: int = 0
    """How often of these for a reason which waiting does not cure."""
    may_go_on: Callable[[], bool] = _always
    """Asked before anything new is begun."""
    _left: set[str] = field(init=False)
    _used: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._left = set(self.entries)

    async def step(self, name: str, do: Callable[[*Ts], Awaitable[R]], *args: *Ts) -> R:
        """Do something once and remember its result."""
        result = result_of(do)
        if not self._is_past(name):
            self._begin(name)
            await self._record(name, result, await self._try(do, *args))
        return cast("R", result.read(self.entries[name]))

    async def until(
        self,
        name: str,
        look: Callable[[*Ts], Awaitable[R | Later | None]],
        *args: *Ts,
        every: timedelta,
    ) -> R:
        """Look until there is something; park in between."""
        result = result_of(look)
        if not self._is_past(name):
            self._begin(name)
            found = await self._try(look, *args)
            if found is None or isinstance(found, Later):
                raise Parked(self.clock.now() + (found.pause if found else every))
            await self._record(name, result, found)
        return cast("R", result.read(self.entries[name]))

    def _is_past(self, name: str) -> bool:
        """Tell whether something was done under a name, and count it as seen."""
        if name in self._used:
            raise Stuck(f'the runbook uses the name "{name}" twice')
        self._used.add(name)
        self._left.discard(name)
        return name in self.entries

    def _begin(self, name: str) -> None:
        """Refuse to do something new while the journal holds things that were done after it, or
        while the engine closes.
        """
        if self._left:
            done = ", ".join(sorted(self._left))
            raise Stuck(
                f'"{name}" was not done, but the journal holds what comes after it ({done}): a '
                "released runbook was edited"
            )
        if not self.may_go_on():
            raise Stopped

    def check_complete(self) -> None:
        """Refuse to end while the journal holds things that the runbook never asked for."""
        if self._left:
            raise Stuck(
                f"the runbook ended without {', '.join(sorted(self._left))}: a "
                "released runbook was edited"
            )

    async def _record(self, name: str, result: Result[R], value: R) -> None:
        stored = _written(f'"{name}"', result, value)
        try:
            await self.journal.record(self.id, name, stored)
        except Exception as error:
            raise JournalLost(f"{self.id}: {name}") from error
        self.entries[name] = stored
        self.attempts = self.faults = 0

    async def _try(self, do: Callable[[*Ts], Awaitable[R]], *args: *Ts) -> R:
        try:
            return await do(*args)
        except IntegrationError as error:
            raise self._again(str(error), faults=self.faults + (not error.retry)) from error
        except Exception as error:
            raise self._again(f"{type(error).__name__}: {error}", faults=self.faults + 1) from error

    def _again(self, why: str, *, faults: int) -> Parked | Stuck:
        if faults >= TRIES:
            return Stuck(why)
        pause = BACK_OFF[min(self.attempts, len(BACK_OFF) - 1)]
        return Parked(self.clock.now() + timedelta(seconds=pause), error=why, faults=faults)


def _written(what: str, result: Result[R], value: R) -> Json:
    try:
        return result.write(value)
    except TypeError as error:
        raise Stuck(f"{what} returned {error}") from error


async def carry_out(
    record: RunRecord,
    journal: JournalStore,
    registry: Registry,
    clock: Clock,
    *,
    may_go_on: Callable[[], bool] = _always,
) -> str:
    """Execute a run until it ends or has to wait. Returns why it is stuck, or nothing.

    Whatever else is raised says that the journal could not be read or written;
    the run is then as it was.
    """
    runbook = registry.find(record.name, record.version)
    if runbook is None:
        return await _block(
            journal,
            record,
            f"this version of Go/No-Go does not know {record.name} version {record.version}",
        )
    entries = await journal.entries(record.id)
    run = Execution(
        record.id, dict(entries), journal, clock, record.attempts, record.faults, may_go_on
    )
    try:
        result = _written("the runbook", result_of(runbook), await runbook(run, *record.args))
        run.check_complete()
    except Parked as parked:
        attempts = run.attempts + 1 if parked.error else 0
        await journal.park(
            record, parked.until, attempts=attempts, faults=parked.faults, error=parked.error
        )
        return ""
    except Stopped:
        return ""
    except Stuck as stuck:
        return await _block(journal, record, str(stuck))
    except Exception as error:  # noqa: BLE001 - a mistake in the runbook itself
        return await _block(journal, record, f"{type(error).__name__}: {error}")
    await journal.finish(record.id, result)
    return ""


async def _block(journal: JournalStore, record: RunRecord, why: str) -> str:
    await journal.block(record.id, why)
    return why
