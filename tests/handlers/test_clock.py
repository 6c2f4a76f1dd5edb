"""The clock starts each slot once, and catches up the last one that was missed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.catalog import Catalog
from handlers.schedule.clock import Clockwork


class Clock:
    """A clock that is set."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now


class Starts:
    """What was started; an id is started once."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    async def start(self, runbook: str, id: str, *args: object) -> bool:
        assert id.startswith(runbook)
        assert args
        if id in self.ids:
            return False
        self.ids.append(id)
        return True


async def _due() -> tuple[str, ...]:
    return ("storefront-7",)


def clockwork(
    now: datetime, starts: Starts, *, timezone: str = "Europe/Berlin", morning: str = "09:00"
) -> Clockwork:
    return Clockwork(
        Catalog("T1", {}, {}, {}, {}, (), timezone, morning),
        Clock(now),
        starts.start,
        _due,
        timedelta(hours=1),
    )


@pytest.mark.parametrize(
    ("now", "slot"),
    [
        (datetime(2026, 11, 21, 7, 59, tzinfo=UTC), None),
        (datetime(2026, 11, 21, 8, 0, tzinfo=UTC), "2026-11-21T09:00:00+01:00"),
        (datetime(2026, 11, 21, 19, 59, tzinfo=UTC), "2026-11-21T09:00:00+01:00"),
        (datetime(2026, 11, 21, 20, 1, tzinfo=UTC), None),
        (datetime(2026, 7, 1, 7, 0, tzinfo=UTC), "2026-07-01T09:00:00+02:00"),
        (datetime(2026, 7, 1, 6, 59, tzinfo=UTC), None),
    ],
)  # fmt: skip
def test_the_last_morning_is_reckoned_in_the_teams_own_time(
    now: datetime, slot: str | None
) -> None:
    found = clockwork(now, Starts()).last_slot(now)
    assert (found.isoformat() if found else None) == slot


@pytest.mark.parametrize(
    "day", [datetime(2026, 3, 29, 5, tzinfo=UTC), datetime(2026, 10, 25, 5, tzinfo=UTC)]
)
def test_when_the_clocks_change_a_morning_happens_once(day: datetime) -> None:
    found = clockwork(day, Starts(), morning="02:30").last_slot(day)
    assert found is not None
    assert found.date() == day.date()


async def test_what_nobody_needs_any_more_is_forgotten_by_the_clocks_own_time() -> None:
    now, tidied = datetime(2026, 11, 21, 8, 30, tzinfo=UTC), list[datetime]()

    async def tidy(at: datetime) -> None:
        tidied.append(at)

    clock = Clockwork(
        Catalog("T1", {}, {}, {}, {}),
        Clock(now),
        Starts().start,
        _due,
        timedelta(hours=1),
        tidy=tidy,
    )
    await clock.tidy()
    assert tidied == [now]
    await clockwork(now, Starts()).tidy()  # nothing to tidy is nothing


async def test_a_missed_slot_is_caught_up_once_also_by_a_second_process() -> None:
    now, starts = datetime(2026, 11, 21, 8, 30, tzinfo=UTC), Starts()
    for _ in range(2):
        clock = clockwork(now, starts)
        await clock.open()
        await clock.close()
    assert starts.ids == ["summary:storefront-7", "morning@2026-11-21T09:00:00+01:00"]


async def test_what_the_clock_has_begun_is_done_before_it_stops() -> None:
    now, begun, goes_on, said = (
        datetime(2026, 11, 21, 3, tzinfo=UTC),
        asyncio.Event(),
        asyncio.Event(),
        list[str](),
    )

    async def due() -> tuple[str, ...]:
        if said:
            begun.set()
            await goes_on.wait()
        said.append("looked")
        return ()

    clock = Clockwork(
        Catalog("T1", {}, {}, {}, {}), Clock(now), Starts().start, due, timedelta(seconds=1)
    )
    await clock.open()
    await asyncio.wait_for(begun.wait(), 10)
    closing = asyncio.create_task(clock.close())
    await asyncio.sleep(0)
    assert not closing.done()
    goes_on.set()
    await closing
    assert said == ["looked", "looked"]
