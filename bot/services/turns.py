"""One person's commands about one service are carried out in the order in which they were said: who locks and unlocks means the unlock."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary

from bot.domain.people import Person
from bot.ports import Intent


class Turns:
    """Who waits for whom. Commands of different people, or about different services, wait for none."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[tuple[Person, str], asyncio.Lock] = WeakValueDictionary()

    def of(self, intent: Intent) -> asyncio.Lock:
        """Give the lock under which a command is carried out. Whoever waits for it first gets it first."""
        key = (intent.by, _service(intent))
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        return lock


def _service(intent: Intent) -> str:
    """Name the service that a command is about; empty for all."""
    named = str(getattr(intent.command, "service", ""))
    return named or str(getattr(intent.command, "deployment", "")).rpartition("-")[0]
