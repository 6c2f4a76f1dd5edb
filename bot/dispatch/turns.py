"""One person's commands about one service are carried out in the order in which they were said: who
locks and unlocks means the unlock.

What stops something waits only a moment for an earlier command that waits for a vendor, unless
that one would take it back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from bot.dispatch.tables import STOPPING, TAKES_BACK
from bot.domain.commands import Command, Lock
from bot.domain.people import Person
from bot.ports.talk import Intent

PATIENCE = 2.0
"""Seconds that a command which stops something waits for the earlier ones of the same
person about other things.
"""


@dataclass(frozen=True, slots=True, eq=False)
class _Turn:
    """One command in the line of its person and service."""

    kind: type[Command]
    service: str
    """Empty for all."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def about(self) -> type[Command]:
        """Name what it sets or takes back: a lock and an unlock are about the same."""
        return TAKES_BACK.get(self.kind, self.kind)

    def meets(self, other: _Turn) -> bool:
        """Tell whether both are about one service; a lock of all, and its end, are about each."""
        return self.service == other.service or any(
            each.about is Lock and not each.service for each in (self, other)
        )


class Turns:
    """Who waits for whom. Commands of different people, or about different
    services, wait for none.
    """

    def __init__(self) -> None:
        self._lines: dict[Person, list[_Turn]] = {}

    @asynccontextmanager
    async def of(self, intent: Intent) -> AsyncIterator[None]:
        """Wait for the turn of a command, and keep it until the command has been carried out."""
        line = self._lines.setdefault(intent.by, [])
        turn = _Turn(type(intent.command), _service(intent))
        earlier = tuple(each for each in line if each.meets(turn))
        line.append(turn)
        try:
            await _wait(turn, earlier)
            yield
        finally:
            turn.ended.set()
            line.remove(turn)
            if not line:
                del self._lines[intent.by]


async def _wait(turn: _Turn, earlier: tuple[_Turn, ...]) -> None:
    """Wait for what was said earlier: for all of it, or only for what is about the same where
    something is to be stopped.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE if turn.kind in STOPPING else None):
            await _ended(earlier)
    await _ended(each for each in earlier if each.about is turn.about)


async def _ended(turns: Iterable[_Turn]) -> None:
    for turn in turns:
        await turn.ended.wait()


def _service(intent: Intent) -> str:
    """Name the service that a command is about; empty for all."""
    named = str(getattr(intent.command, "service", ""))
    return named or str(getattr(intent.command, "deployment", "")).rpartition("-")[0]
