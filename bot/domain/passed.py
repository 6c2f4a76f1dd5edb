"""What was in a place before a deployment, and is no target of its rollback."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.people import Person


@dataclass(frozen=True, slots=True)
class Passed:
    """A version that a rollback passes over although it was there before, and may still have
    a share of the requests.
    """

    version: str
    why: str = ""
    """As a sentence about it goes on: ``is quarantined: it loses carts``; empty where
    nothing is known against it.
    """
    by: Person | None = None
    """Who has quarantined it."""

    @property
    def sentence(self) -> str:
        """Say why it is passed over; empty where nothing is known against it."""
        return f"{self.version}, which was there before, {self.why}" if self.why else ""
