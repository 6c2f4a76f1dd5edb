"""The inbox of accepted commands, and the audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.domain.audit import Head
from bot.domain.proof import Report
from bot.ports.talk import Intent


class AuditLog(Protocol):
    """The audit chain, read in constant memory and off the event loop."""

    async def verify(
        self, heads: Sequence[Head] = (), *, since: Head | None = None, gently: bool = False
    ) -> Report:
        """Verify the chain, from a head on or all of it, and compare it with heads; ``gently``
        leaves half of the time to others.
        """
        ...

    async def newest_head(self) -> Head | None:
        """Read the newest head that was stored."""
        ...

    def stop(self) -> None:
        """Have a gentle verification that is under way give up."""
        ...


class HeadKeeper(Protocol):
    """Heads of the audit chain, kept outside the database."""

    def append(self, head: Head) -> None:
        """Keep a head. Raises OSError."""
        ...

    def read(self) -> tuple[Sequence[Head], Sequence[int]]:
        """Read all heads, and the numbers of the lines that are none. Raises OSError."""
        ...


@dataclass(frozen=True, slots=True)
class LeftOver:
    """What an earlier process accepted and did not finish."""

    starts: Mapping[str, int]
    """By key, how many starts it was left over at, this one included."""
    unreadable: tuple[str, ...] = ()
    """The keys of what cannot be read."""


class Inbox(Protocol):
    """Accepted commands. ``accept`` is what an ack waits for, so it commits many at once."""

    async def accept(self, intent: Intent) -> bool:
        """Store an intent durably; False when its key was stored before."""
        ...

    async def waiting(self) -> tuple[Intent, ...]:
        """List what was accepted and not finished, oldest first."""
        ...

    async def left_over(self) -> LeftOver:
        """Count one more start for everything that is accepted and not finished, and tell
        what has been there before.
        """
        ...

    async def begin(self, key: str) -> int:
        """Note that a command begins with nothing beside it; tell how often it has, and the
        process did not come back.
        """
        ...

    async def survived(self, key: str) -> None:
        """Note that the process came back from a command: it is not what ends it."""
        ...

    async def finish(self, key: str) -> None:
        """Forget an intent's contents (its key is kept for a day against late duplicates)."""
        ...
