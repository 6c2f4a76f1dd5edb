"""APScheduler is the clock, not the memory: its jobs only start a runbook under an id that names
the slot, so a slot happens once.

Every process runs its own scheduler in memory. A slot that passed while the bot was away is caught
up when it starts, the last one only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from bot.domain.catalog import Catalog
from bot.ports.time import Clock

log = structlog.get_logger(__name__)

Start = Callable[..., Awaitable[bool]]
"""``engine.start(runbook, id, *args)``."""
LATE = timedelta(hours=12)
"""A morning summary that is later than this is not posted any more."""
TIDYING = timedelta(days=1)

Tidy = Callable[[datetime], Awaitable[None]]
"""Forgets what nobody needs any more at this moment."""


class Clockwork:
    """The scheduled work: summaries that are due, the morning summary,
    and tidying up once a day.
    """

    def __init__(
        self,
        catalog: Catalog,
        clock: Clock,
        start: Start,
        due: Callable[[], Awaitable[tuple[str, ...]]],
        every: timedelta,
        *,
        tidy: Tidy | None = None,
    ) -> None:
        self._clock = clock
        self._start = start
        self._due = due
        self._tidy = tidy
        self._at_work = asyncio.Lock()
        hour, minute = catalog.morning.split(":")
        self._morning = CronTrigger(hour=int(hour), minute=int(minute), timezone=catalog.timezone)
        self._scheduler = AsyncIOScheduler(
            timezone=catalog.timezone,
            job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1},
        )
        self._scheduler.add_job(
            self._whole,
            IntervalTrigger(seconds=max(1, int(every.total_seconds()))),
            [self.summaries],
            id="summaries",
        )
        self._scheduler.add_job(self._whole, self._morning, [self.morning], id="morning")
        self._scheduler.add_job(
            self._whole,
            IntervalTrigger(seconds=int(TIDYING.total_seconds())),
            [self.tidy],
            id="tidy",
        )

    async def open(self) -> None:
        """Start the clock, after what was missed."""
        self._scheduler.start()
        await self.summaries()
        await self.morning()

    async def close(self) -> None:
        """Stop the clock, after what it is doing just now: the scheduler would
        break that off in the middle.
        """
        self._scheduler.pause()
        async with self._at_work:
            self._scheduler.shutdown(wait=False)

    async def _whole(self, work: Callable[[], Awaitable[None]]) -> None:
        async with self._at_work:
            await work()

    async def summaries(self) -> None:
        """Start a summary for each deployment whose time has come; the id makes it happen once."""
        for deployment in await self._due():
            await self._start("summary", f"summary:{deployment}", deployment)

    async def morning(self) -> None:
        """Start the newest morning summary, unless it is too late for it."""
        slot = self.last_slot(self._clock.now())
        if slot is not None and await self._start(
            "morning", f"morning@{slot.isoformat()}", slot.isoformat()
        ):
            log.info("morning summary", slot=slot.isoformat())

    async def tidy(self) -> None:
        """Forget what nobody needs any more; the database does the same when it is opened."""
        if self._tidy is not None:
            await self._tidy(self._clock.now())

    def last_slot(self, now: datetime) -> datetime | None:
        """Find the newest morning that has passed, by the trigger's own reckoning (also
        over changes of the clocks).
        """
        last, probe = None, (now - LATE).astimezone(UTC)
        while (
            candidate := self._morning.get_next_fire_time(None, probe)
        ) is not None and candidate.astimezone(UTC) <= now:
            last = candidate
            # always onwards, also through an hour that comes twice
            probe = max(probe, candidate.astimezone(UTC)) + timedelta(minutes=1)
        return last
