"""Log lines about what strangers do: without what they sent, and not one for each of a flood."""

from __future__ import annotations

import time

import structlog

log = structlog.get_logger(__name__)

QUIET = 1.0
"""Seconds between two lines of the same kind."""
KINDS = 100
"""How many kinds are told apart; there are far fewer, unless one is made
of what a stranger sent.
"""


class Notes:
    """Says each kind of thing once a second, and then how often it was not said."""

    def __init__(self, door: str) -> None:
        self._door = door
        self._last: dict[str, float] = {}
        self._silent: dict[str, int] = {}

    def say(self, event: str, *, reason: str, **fields: object) -> None:
        """Note something; ``reason`` is its kind."""
        now = time.monotonic()
        if len(self._last) >= KINDS and reason not in self._last:
            reason = "other"
        if now - self._last.get(reason, -QUIET) < QUIET:
            self._silent[reason] = self._silent.get(reason, 0) + 1
            return
        self._last[reason] = now
        log.warning(
            event, door=self._door, reason=reason, more=self._silent.pop(reason, 0), **fields
        )
