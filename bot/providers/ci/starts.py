"""What we know of our own starts, for vendors without an idempotency key: the intent is stored before the vendor is asked.

A start is *open* from the moment it is sent until the vendor's answer is stored. When the answer is lost, the run is
looked for in the vendor's list, which is a moment behind; only after ``SETTLES`` does an absence from it mean anything.
It is kept in the store, so that a restart forgets nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.ports import CIRun, Clock, LocalRun, RunState, RunStore, StartRequest

EARLIER = timedelta(minutes=10)
"""A run is looked for among those since its start was sent, and this much before: its start may be the second one."""
SETTLES = timedelta(minutes=2)
"""After this time a vendor's list shows every run that was started, and the vendor has given up every request; it usually takes seconds."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A start: the run it became, or since when its answer is awaited. Neither: it was never sent, or refused."""

    run: str = ""
    open_since: datetime | None = None
    taken: bool = False
    """The vendor took it and did not say which run it became."""
    request: StartRequest | None = None
    sent_at: datetime | None = None
    """When the vendor was asked last, also once the answer is known."""

    @property
    def is_unsent(self) -> bool:
        """Tell whether the vendor was never asked, or said no: then no run of it can be anywhere, and none need be looked for."""
        return not self.run and self.open_since is None and not self.taken


class Starts:
    """The starts of one service, in the store that the embedded CI uses; ``LocalRun.log`` holds the vendor's id of the run."""

    def __init__(self, vendor: str, service: str, runs: RunStore, clock: Clock, *, settles: timedelta = SETTLES) -> None:
        self._vendor = vendor
        self._service = service
        self._runs = runs
        self._clock = clock
        self._settles = settles

    async def of(self, correlation: str) -> Attempt:
        """Tell what is known of an intent."""
        stored = await self._runs.by_correlation(self._service, correlation)
        if stored is None:
            return Attempt()
        open_since = None if stored.log else stored.run.started_at
        taken = stored.run.state is RunState.RUNNING
        return Attempt(stored.log, open_since, taken=taken, request=stored.request, sent_at=stored.run.started_at)

    async def send(self, request: StartRequest) -> None:
        """Store that the vendor is about to be asked."""
        now = self._clock.now()
        run = CIRun(f"{self._vendor}:{self._service}:{request.correlation}", RunState.QUEUED, started_at=now)
        stored = await self._runs.add(LocalRun(self._service, request.correlation, request, run))
        if stored.run.started_at != now:
            await self._runs.save(replace(stored, run=replace(stored.run, started_at=now)))

    async def became(self, correlation: str, run: str) -> None:
        """Store which run it became."""
        stored = await self._runs.by_correlation(self._service, correlation)
        if stored is not None and not stored.log:
            await self._runs.save(replace(stored, run=replace(stored.run, state=RunState.SUCCEEDED), log=run))

    async def taken(self, correlation: str) -> None:
        """Store that the vendor took it without saying which run it became."""
        stored = await self._runs.by_correlation(self._service, correlation)
        if stored is not None and not stored.log:
            await self._runs.save(replace(stored, run=replace(stored.run, state=RunState.RUNNING)))

    async def refused(self, correlation: str) -> None:
        """Store that the vendor certainly started nothing."""
        stored = await self._runs.by_correlation(self._service, correlation)
        if stored is not None and not stored.log:
            await self._runs.save(replace(stored, run=replace(stored.run, started_at=None)))

    def age(self, attempt: Attempt) -> timedelta:
        """Tell how long ago a start was sent."""
        return self._clock.now() - attempt.sent_at if attempt.sent_at else timedelta()

    def has_settled(self, attempt: Attempt) -> bool:
        """Tell whether the vendor's list would show the run by now."""
        return attempt.open_since is None or self._clock.now() - attempt.open_since >= self._settles
