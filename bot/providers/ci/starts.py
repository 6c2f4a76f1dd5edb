"""What we know of our own starts, for vendors without an idempotency key: the intent is stored
before the vendor is asked.

A start is *open* from the moment it is sent until the vendor's answer is stored. When the answer is
lost, the run is looked for in the vendor's list, which is a moment behind; only after ``SETTLES``
does an absence from it mean anything.
A rollback whose start the vendor itself answered with a fault need not wait so long:
nothing is on its way any more.
It is kept in the store, so that a restart forgets nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http import HTTPStatus

from bot.ports.ci import ROLLBACK, StartRequest, StartState, StartStore, StoredStart
from bot.ports.time import Clock

EARLIER = timedelta(minutes=10)
"""A run is looked for among those since its start was sent, and this much before: its
start may be the second one.
"""
SETTLES = timedelta(minutes=2)
"""After this time a vendor's list shows every run that was started, and the vendor has given up
every request; it usually takes seconds.
"""


AFTER_A_FAULT = timedelta(seconds=10)
"""The same for a rollback after a fault of the vendor's own: its list has to catch up, and no
request is under way any more.
"""
_OWN_FAULTS = frozenset({HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE})
"""A gateway's 502 or 504 says nothing: what is behind it may still be at work."""
LOOK_BACK = timedelta(days=7)
"""A start of which nothing is stored is looked for as far back: the database may have been
restored from before it.
"""


_OPEN = frozenset({StartState.SENT, StartState.TAKEN, StartState.BROKEN})


@dataclass(frozen=True, slots=True)
class Attempt:
    """A start: the run it became, or since when its answer is awaited. Neither: nothing is known
    of it, or it was refused.
    """

    run: str = ""
    open_since: datetime | None = None
    broken: bool = False
    """The vendor answered with a fault of its own."""
    taken: bool = False
    """The vendor took it and did not say which run it became."""
    request: StartRequest | None = None
    sent_at: datetime | None = None
    """When the vendor was asked last, also once the answer is known."""

    @property
    def is_unsent(self) -> bool:
        """Tell whether we know of no question to the vendor, or of a no: a run of it can only be
        one that our database has forgotten.
        """
        return not self.run and self.open_since is None


class Starts:
    """The starts of one service at one vendor."""

    def __init__(
        self,
        vendor: str,
        service: str,
        store: StartStore,
        clock: Clock,
        *,
        settles: timedelta = SETTLES,
    ) -> None:
        self._vendor = vendor
        self._service = service
        self._store = store
        self._clock = clock
        self._settles = settles

    async def of(self, correlation: str) -> Attempt:
        """Tell what is known of an intent."""
        stored = await self._store.get(self._vendor, self._service, correlation)
        if stored is None:
            return Attempt()
        state = stored.state
        return Attempt(
            stored.run, stored.sent_at if state in _OPEN else None,
            broken=state is StartState.BROKEN, taken=state is StartState.TAKEN,
            request=stored.request, sent_at=stored.sent_at,
        )  # fmt: skip

    async def send(self, request: StartRequest) -> None:
        """Store that the vendor is about to be asked."""
        await self._store.save(
            StoredStart(
                self._vendor,
                self._service,
                request.correlation,
                StartState.SENT,
                self._clock.now(),
                request,
            )
        )

    async def became(self, correlation: str, run: str) -> None:
        """Store which run it became; what is known already stays. A run of a start that we know
        nothing of is ours from now on.
        """
        stored = await self._store.get(self._vendor, self._service, correlation)
        if stored is None:
            stored = StoredStart(
                self._vendor, self._service, correlation, StartState.SENT, self._clock.now()
            )
        if not stored.run:
            await self._store.save(replace(stored, state=StartState.KNOWN, run=run))

    async def taken(self, correlation: str) -> None:
        """Store that the vendor took it without saying which run it became."""
        await self._answered(correlation, StartState.TAKEN)

    async def unanswered(self, correlation: str, status: int | None) -> None:
        """Store what a vendor said that gave no good answer; no status
        when it said nothing at all.
        """
        if status in _OWN_FAULTS:
            await self._answered(correlation, StartState.BROKEN, at=self._clock.now())

    async def refused(self, correlation: str) -> None:
        """Store that the vendor certainly started nothing."""
        await self._answered(correlation, StartState.REFUSED)

    async def _answered(
        self, correlation: str, state: StartState, *, at: datetime | None = None
    ) -> None:
        stored = await self._store.get(self._vendor, self._service, correlation)
        if stored is not None and not stored.run:
            await self._store.save(replace(stored, state=state, sent_at=at or stored.sent_at))

    def reach(self, attempt: Attempt) -> timedelta:
        """Tell how far back a run of this start is to be looked for."""
        return LOOK_BACK if attempt.is_unsent else self.age(attempt) + EARLIER

    def age(self, attempt: Attempt) -> timedelta:
        """Tell how long ago a start was sent."""
        return self._clock.now() - attempt.sent_at if attempt.sent_at else timedelta()

    def has_settled(self, attempt: Attempt) -> bool:
        """Tell whether the vendor's list would show the run by now."""
        is_urgent = (
            attempt.broken and attempt.request is not None and attempt.request.action == ROLLBACK
        )
        settles = min(AFTER_A_FAULT, self._settles) if is_urgent else self._settles
        return attempt.open_since is None or self._clock.now() - attempt.open_since >= settles
