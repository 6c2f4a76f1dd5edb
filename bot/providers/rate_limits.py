"""What all clients of vendors share: which hosts want to be left alone, and who
hears what the calls cost.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

LONGEST_PAUSE = 3600.0
"""Seconds; whoever asks for more is asked again after this."""


class Observer(Protocol):
    """Hears what calls to vendors cost; for figures."""

    def called(self, vendor: str, outcome: str, seconds: float) -> None:
        """Hear of one request: ``ok``, ``refused`` (the vendor's no), ``limited``, or ``failed``
        (its fault, or no good answer).
        """
        ...

    def paused(self, vendor: str, seconds: float) -> None:
        """Hear that a vendor asks to be left alone."""
        ...


class Unobserved:
    """An observer that keeps nothing."""

    def called(self, vendor: str, outcome: str, seconds: float) -> None:
        """Keep nothing."""

    def paused(self, vendor: str, seconds: float) -> None:
        """Keep nothing."""


class RateLimits:
    """Which hosts want to be left alone by which account, and for how long; all clients share one:
    one caller's 429 holds for the others.

    ``observer`` hears of every request of every client that shares this.
    """

    def __init__(
        self, now: Callable[[], float] = time.monotonic, *, observer: Observer | None = None
    ) -> None:
        self._now = now
        self.observer = observer or Unobserved()
        self._until: dict[str, float] = {}

    def wait(self, host: str) -> float:
        """Say how many seconds a call to the host has to wait; 0 for now."""
        return max(0.0, self._until.get(host, 0.0) - self._now())

    def leave_alone(self, host: str, seconds: float) -> None:
        """Leave a host alone; a longer pause that is known already stays."""
        self._until[host] = max(
            self._until.get(host, 0.0), self._now() + min(seconds, LONGEST_PAUSE)
        )
