"""What every on-call schedule promises, whoever stands behind it.

A schedule takes this suite by importing its class into a test module and giving a fixture
``lab``: a laboratory with nobody on call. Each test is a coroutine, so pytest-asyncio must
run in its mode ``auto``.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Protocol

from bot.domain.catalog import Service
from bot.domain.people import Person
from bot.ports.people import OnCallSchedule, Shift

__all__ = ["Lab", "TestOnCall"]

ANA, BO = Person("T1", "UANA"), Person("T1", "UBO")
NINE = datetime(2026, 11, 21, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


class Lab(Protocol):
    """What a schedule's own side must be able to do for the contract suite."""

    schedule: OnCallSchedule
    service: Service
    """A service of that schedule."""

    def duty(self, person: Person, start: datetime, end: datetime) -> None:
        """Put somebody on call for the service, from ``start`` until before
        ``end``; nobody else is then.
        """
        ...


class TestOnCall:
    """Who is on call, until when, and that nobody is."""

    async def test_whoever_has_the_shift_is_named_until_its_end(self, lab: Lab) -> None:
        lab.duty(ANA, NINE, NINE + HOUR)
        for at in (NINE, NINE + HOUR / 2, NINE + HOUR - SECOND):
            shift = await lab.schedule.who(lab.service, at)
            assert shift is not None
            assert (shift.person, shift.until) == (ANA, NINE + HOUR)

    async def test_before_a_shift_and_from_its_end_on_nobody_is_named(self, lab: Lab) -> None:
        lab.duty(ANA, NINE, NINE + HOUR)
        assert [await lab.schedule.who(lab.service, at) for at in (NINE - SECOND, NINE + HOUR)] == [
            None,
            None,
        ]

    async def test_at_the_very_moment_of_a_handover_the_next_one_is_named(self, lab: Lab) -> None:
        lab.duty(ANA, NINE, NINE + HOUR)
        lab.duty(BO, NINE + HOUR, NINE + 2 * HOUR)
        before, after = (
            await lab.schedule.who(lab.service, NINE + HOUR - SECOND),
            await lab.schedule.who(lab.service, NINE + HOUR),
        )
        assert before is not None
        assert after is not None
        assert (before.person, after.person, after.until) == (ANA, BO, NINE + 2 * HOUR)

    async def test_a_gap_between_two_shifts_is_a_gap(self, lab: Lab) -> None:
        lab.duty(ANA, NINE, NINE + HOUR)
        lab.duty(BO, NINE + 2 * HOUR, NINE + 3 * HOUR)
        assert await lab.schedule.who(lab.service, NINE + HOUR + HOUR / 2) is None

    async def test_a_moment_is_the_same_in_every_time_zone(self, lab: Lab) -> None:
        lab.duty(ANA, NINE, NINE + HOUR)
        there = timezone(timedelta(hours=5, minutes=30))
        assert await lab.schedule.who(
            lab.service, NINE.astimezone(there)
        ) == await lab.schedule.who(lab.service, NINE)
        assert await lab.schedule.who(lab.service, (NINE + HOUR).astimezone(there)) is None

    async def test_a_shift_says_where_it_was_read_and_ends_in_a_time_that_has_a_zone(
        self, lab: Lab
    ) -> None:
        lab.duty(ANA, NINE, NINE + HOUR)
        shift = await lab.schedule.who(lab.service, NINE)
        assert isinstance(shift, Shift)
        assert shift.source.strip()
        assert shift.until is None or shift.until.tzinfo is not None
        assert shift.as_of is None or shift.as_of.tzinfo is not None

    async def test_to_ask_changes_nothing_also_about_another_time(self, lab: Lab) -> None:
        lab.duty(ANA, NINE, NINE + HOUR)
        first = await lab.schedule.who(lab.service, NINE)
        await lab.schedule.who(lab.service, NINE + 30 * 24 * HOUR)
        await lab.schedule.who(lab.service, NINE - 30 * 24 * HOUR)
        assert await lab.schedule.who(lab.service, NINE) == first
