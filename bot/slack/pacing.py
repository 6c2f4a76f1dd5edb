"""How fast Slack may be asked: its rate limits, its wishes (Retry-After) and its absences. Plain
arithmetic on a monotonic clock.
"""

from __future__ import annotations

from collections.abc import Callable

POSTS_AT_ONCE = 4
UPDATES_AT_ONCE = 10
SPARE = 1
"""Edits that are kept besides for what is urgent: whoever has answered an
alarm waits for no card.
"""
FIRST_ABSENCE = 1.0
LONGEST_ABSENCE = 30.0

UPDATE = "chat.update"


class _Bucket:
    """A token bucket: so many calls at once, then a steady rate."""

    def __init__(self, *, size: float, per_second: float, at: float) -> None:
        self._size = size
        self._per_second = per_second
        self._tokens = size
        self._at = at

    def wait(self, now: float, *, spare: int = 0) -> float:
        self._tokens = min(self._size, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        return max(0.0, (1 + spare - self._tokens) / self._per_second)

    def take(self, now: float) -> None:
        self.wait(now)
        self._tokens -= 1


class Pacing:
    """Tells how long a call has to wait.

    Edits have one budget for the whole workspace (Slack's tier 3 is 50 a minute), of which the last
    (``SPARE``) is for urgent ones; posts have one per channel (1 a second, with short bursts).
    A 429 closes its method (posts: in its channel) for as long as Slack says; an absence closes
    everything, longer each time.
    """

    def __init__(
        self,
        now: Callable[[], float],
        *,
        updates_per_minute: float = 45.0,
        posts_per_second: float = 1.0,
        patience: float = FIRST_ABSENCE,
    ) -> None:
        self._now = now
        self._patience = patience
        self._posts_per_second = posts_per_second
        self._updates = _Bucket(
            size=UPDATES_AT_ONCE + SPARE, per_second=updates_per_minute / 60, at=now()
        )
        self._posts: dict[str, _Bucket] = {}
        self._closed: dict[tuple[str, str], float] = {}
        self._away_until = 0.0
        self._absence = 0.0

    def wait(self, method: str, channel: str, *, is_urgent: bool = False) -> float:
        """Say how many seconds a call has to wait; 0 for now."""
        now = self._now()
        until = max(self._away_until, self._closed.get(self._scope(method, channel), 0.0))
        spare = SPARE if method == UPDATE and not is_urgent else 0
        return max(until - now, self._bucket(method, channel).wait(now, spare=spare), 0.0)

    def away(self) -> float:
        """Say for how many seconds Slack is left alone because it did not
        answer; 0 when it is there.
        """
        return max(0.0, self._away_until - self._now())

    def called(self, method: str, channel: str) -> None:
        """Count a call that goes out now."""
        self._bucket(method, channel).take(self._now())

    def answered(self) -> None:
        """Slack is there."""
        self._absence = 0.0
        self._away_until = 0.0

    def refused(self, method: str, channel: str, seconds: float) -> None:
        """Obey a 429."""
        self._closed[self._scope(method, channel)] = self._now() + seconds

    def missed(self) -> None:
        """Slack did not answer; leave it alone for a while, longer each time."""
        self._absence = min(LONGEST_ABSENCE, self._absence * 2 or self._patience)
        self._away_until = self._now() + self._absence

    def _bucket(self, method: str, channel: str) -> _Bucket:
        if method == UPDATE:
            return self._updates
        key = f"{method} {channel}"
        if key not in self._posts:
            self._posts[key] = _Bucket(
                size=POSTS_AT_ONCE, per_second=self._posts_per_second, at=self._now()
            )
        return self._posts[key]

    @staticmethod
    def _scope(method: str, channel: str) -> tuple[str, str]:
        return (method, "" if method == UPDATE else channel)
