"""One execution of a runbook from its journal: what was done is not done again, what must wait parks.

Both engines share this. Waiting is raised as ``Parked``, a BaseException, so that no runbook can catch it by accident.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from bot.domain.errors import IntegrationError
from bot.ports import Clock, Json


class Parked(BaseException):
    """The run has to wait; ``until`` is when it looks again, None for only when it is woken."""

    def __init__(self, until: datetime | None, *, error: str = "") -> None:
        super().__init__()
        self.until = until
        self.error = error
        """Why, when a step failed and is tried again."""


class Misplaced(BaseException):
    """The journal has entries that this runbook did not reach: somebody edited a released version."""


class Notes(Protocol):
    """Where an execution writes down what was done."""

    async def record(self, run: str, name: str, value: Json) -> None:
        """Write an entry."""
        ...


BACK_OFF = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds between tries of a step whose provider does not answer."""
TRIES = 5
"""How often a step that fails for another reason is tried."""


@dataclass
class Execution:
    """``ports.Run``: one pass through a runbook."""

    id: str
    entries: dict[str, Json]
    signals: dict[str, Json]
    notes: Notes
    clock: Clock
    attempts: int = 0
    """How often the step that comes next has failed."""
    _left: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self._left = set(self.entries)

    async def step(self, name: str, do: Callable[..., Awaitable[Json]], *args: Any) -> Json:
        """Do something once and remember its result."""
        if name in self.entries:
            return self._seen(name)
        self._check_order(name)
        return await self._record(name, await self._try(do, *args))

    async def until(self, name: str, look: Callable[..., Awaitable[Json]], *args: Any, every: timedelta) -> Json:
        """Look until there is something; park in between."""
        if name in self.entries:
            return self._seen(name)
        self._check_order(name)
        found = await self._try(look, *args)
        if found is None:
            raise Parked(self.clock.now() + every)
        return await self._record(name, found)

    async def wait(self, name: str, *, timeout: timedelta | None = None) -> Json:
        """Wait for a signal; a timeout that has passed stays one, even when the signal comes later."""
        if name in self.entries:
            return self._seen(name)
        if name in self.signals:
            return await self._record(name, self.signals[name])
        if timeout is None:
            raise Parked(None)
        deadline = datetime.fromisoformat(await self._deadline(f"{name}, until", timeout))
        if self.clock.now() < deadline:
            raise Parked(deadline)
        return await self._record(name, None)

    async def sleep(self, name: str, duration: timedelta) -> None:
        """Sleep, also over restarts."""
        if name in self.entries:
            self._seen(name)
            return
        until = datetime.fromisoformat(await self._deadline(f"{name}, until", duration))
        if self.clock.now() < until:
            raise Parked(until)
        await self._record(name, True)  # noqa: FBT003 - a JSON value

    async def _deadline(self, name: str, duration: timedelta) -> str:
        if name in self.entries:
            return str(self._seen(name))
        self._check_order(name)
        return str(await self._record(name, (self.clock.now() + duration).isoformat()))

    def _seen(self, name: str) -> Json:
        self._left.discard(name)
        return self.entries[name]

    def _check_order(self, name: str) -> None:
        """Refuse to do something new while the journal holds things that were done after it."""
        if self._left:
            raise Misplaced(f'"{name}" stands before {sorted(self._left)} in the runbook, but was not done before them')

    async def _record(self, name: str, value: Json) -> Json:
        await self.notes.record(self.id, name, value)
        self.entries[name] = value
        self.attempts = 0
        return value

    async def _try(self, do: Callable[..., Awaitable[Json]], *args: Any) -> Json:
        try:
            return await do(*args)
        except IntegrationError as error:
            if not error.retry and self.attempts >= TRIES:
                raise
            pause = BACK_OFF[min(self.attempts, len(BACK_OFF) - 1)]
            raise Parked(self.clock.now() + timedelta(seconds=pause), error=str(error) or type(error).__name__) from error
        except Exception as error:
            if self.attempts >= TRIES:
                raise
            pause = BACK_OFF[min(self.attempts, len(BACK_OFF) - 1)]
            why = f"{type(error).__name__}: {error}"
            raise Parked(self.clock.now() + timedelta(seconds=pause), error=why) from error
