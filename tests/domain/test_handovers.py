"""The rota at its edges: who hands over to whom, in every zone, on the days of clock changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.people import Person
from bot.domain.rota import DAYS, Duty, Hours, Override, Rota, duty_at, parse_hours, parse_weekday

ANA, BO, CY = (Person("T1", name) for name in ("ana", "bo", "cy"))
PEOPLE = (ANA, BO, CY)
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
TICK = timedelta(microseconds=1)
FEW = settings(max_examples=30, deadline=None)
INSTANTS = st.datetimes(
    datetime(2026, 1, 20),  # noqa: DTZ001 - the zone is beside it
    datetime(2027, 12, 31),  # noqa: DTZ001
    timezones=st.just(UTC),
)
ROTAS = st.builds(
    Rota,
    name=st.just("shop"),
    people=st.sampled_from([PEOPLE[:1], PEOPLE[:2], PEOPLE]),
    start=st.dates(date(2026, 1, 1), date(2026, 1, 15)),
    timezone=st.sampled_from(ZONES),
    handover=st.sampled_from([time(0), time(2, 30), time(9), time(23, 59)]),
    length=st.sampled_from([12 * HOUR, DAY, WEEK, 2 * WEEK]),
)


def duty(rota: Rota, at: datetime) -> Duty:
    found = duty_at(rota, at)
    assert found is not None
    return found


@FEW
@given(ROTAS, INSTANTS)
def test_once_it_has_begun_somebody_is_always_on_call_and_hands_over_to_the_next(
    rota: Rota, at: datetime
) -> None:
    now = duty(rota, at)
    after, before = duty(rota, now.end), duty_at(rota, now.start - TICK)
    assert after.start == now.end
    turn = rota.people.index(now.person)
    assert after.person == rota.people[(turn + 1) % len(rota.people)]
    if before is not None:
        assert before.end == now.start
        assert before.person == rota.people[turn - 1]


@FEW
@given(ROTAS, INSTANTS)
def test_a_shift_is_as_long_as_it_is_called_but_for_the_hour_of_the_clocks(
    rota: Rota, at: datetime
) -> None:
    now = duty(rota, at)
    if now.start > datetime.combine(rota.start, rota.handover, UTC) + 2 * DAY:
        assert abs((now.end - now.start) - rota.length) <= HOUR
        zone = ZoneInfo(rota.timezone)
        local = now.start.astimezone(zone).replace(tzinfo=None)
        skipped = local.replace(tzinfo=zone).astimezone(UTC) != now.start
        is_half = rota.length == 12 * HOUR and local.hour != rota.handover.hour
        if rota.handover != time(2, 30) and not skipped and not is_half:
            assert local.time() == rota.handover


@FEW
@given(ROTAS, INSTANTS, st.sampled_from(ZONES))
def test_in_which_zone_somebody_asks_decides_nothing(
    rota: Rota, at: datetime, asked_in: str
) -> None:
    assert duty_at(rota, at.astimezone(ZoneInfo(asked_in))) == duty_at(rota, at)


@FEW
@given(ROTAS, INSTANTS, st.integers(1, 400), st.none() | st.sampled_from(PEOPLE))
def test_an_override_is_on_call_for_its_span_and_not_a_moment_longer(
    rota: Rota, start: datetime, hours: int, person: Person | None
) -> None:
    end = start + hours * HOUR
    instead = replace(rota, overrides=(Override(person, start, end),))
    for at in (start, start + (end - start) / 2, end - TICK):
        found = duty_at(instead, at)
        assert (found.person if found else None) == person
    for at in (start - TICK, end):
        assert duty(instead, at).person == duty(rota, at).person
    assert duty(instead, end).start == max(end, duty(rota, end).start)
    assert duty(instead, start - TICK).end == min(start, duty(rota, start - TICK).end)


@FEW
@given(INSTANTS, st.lists(st.sampled_from(PEOPLE), min_size=2, max_size=4))
def test_of_overrides_for_one_span_the_last_in_the_list_counts(
    start: datetime, people: list[Person]
) -> None:
    rota = Rota(
        "shop", (ANA,), date(2026, 1, 5),
        overrides=tuple(Override(person, start, start + DAY) for person in people),
    )  # fmt: skip
    assert duty(rota, start + HOUR).person == people[-1]


@FEW
@given(ROTAS, INSTANTS, st.frozensets(st.integers(0, 6)), st.sampled_from([18, 8, 6, 0]))
def test_outside_the_hours_nobody_is_on_call_and_within_them_whoever_has_the_turn(
    rota: Rota, at: datetime, weekdays: frozenset[int], ends: int
) -> None:
    zone = ZoneInfo(rota.timezone)
    local = at.astimezone(zone)
    within = replace(rota, hours=Hours(weekdays, time(8), time(ends)))
    found = duty_at(within, at)
    today, clock = local.weekday(), local.time()
    if ends > 8:
        is_in = today in weekdays and time(8) <= clock < time(ends)
    else:
        is_in = (today in weekdays and clock >= time(8)) or (
            (today - 1) % 7 in weekdays and clock < time(ends)
        )
    assert (found is not None) == is_in
    if found is not None:
        assert found.person == duty(rota, at).person
        assert found.end <= duty(rota, at).end


@pytest.mark.parametrize(
    ("zone", "night", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 28), 23), ("Europe/Berlin", date(2026, 10, 24), 25),
        ("Europe/Berlin", date(2026, 6, 1), 24), ("America/New_York", date(2026, 3, 7), 23),
        ("America/New_York", date(2026, 10, 31), 25), ("UTC", date(2026, 3, 28), 24),
        ("Australia/Lord_Howe", date(2026, 4, 4), 24.5),
        ("Australia/Lord_Howe", date(2026, 10, 3), 23.5),
    ],
)  # fmt: skip
def test_the_day_on_which_the_clocks_change_is_a_longer_or_shorter_shift(
    zone: str, night: date, hours: float
) -> None:
    rota = Rota("shop", PEOPLE, date(2026, 1, 1), zone, length=DAY)
    evening = datetime.combine(night, time(20), ZoneInfo(zone))
    found = duty(rota, evening.astimezone(UTC))
    assert found.end - found.start == hours * HOUR
    assert found.end.astimezone(ZoneInfo(zone)).time() == time(9)


@pytest.mark.parametrize(("zone", "hours"), [("Europe/Berlin", 9), ("UTC", 10)])
def test_a_night_watch_over_the_change_of_the_clocks_is_an_hour_shorter(
    zone: str, hours: int
) -> None:
    nights = parse_hours("Mon-Sun 20:00-06:00")
    rota = Rota("shop", (ANA,), date(2026, 1, 1), zone, hours=nights)
    found = duty(rota, datetime(2026, 3, 29, 1, tzinfo=UTC))
    assert found.end - found.start == hours * HOUR


@pytest.mark.parametrize("weekday", range(7))
def test_with_a_weekday_each_later_handover_is_on_it(weekday: int) -> None:
    for first in range(7):
        begin = date(2026, 1, 5) + first * DAY
        rota = Rota("shop", PEOPLE, begin, weekday=weekday, length=2 * WEEK)
        now = duty(rota, datetime.combine(begin, time(9), UTC))
        assert now.start == datetime.combine(begin, time(9), UTC)
        assert timedelta(0) < now.end - now.start <= 2 * WEEK
        assert now.person == ANA
        for _ in range(3):
            now = duty(rota, now.end)
            assert now.start.weekday() == weekday
            assert now.end - now.start == 2 * WEEK


@pytest.mark.parametrize("number", range(7))
def test_a_weekday_is_read_in_full_and_in_short_however_it_is_written(number: int) -> None:
    name = f"{date(2026, 1, 5) + number * DAY:%A}"
    for written in (name, name.upper(), name.lower(), f"  {name[:3]} ", DAYS[number]):
        assert parse_weekday(written) == number


@pytest.mark.parametrize(
    ("text", "start", "end", "days"),
    [
        ("Mon 0:00-24:00", time(0), time(0), {0}),
        ("Sat,Sun 10:00 - 16:30", time(10), time(16, 30), {5, 6}),
        ("fri-mon 9:05-09:06", time(9, 5), time(9, 6), {4, 5, 6, 0}),
        (" Sun-Sun 23:59-00:00 ", time(23, 59), time(0), {6}),
    ],
)
def test_hours_are_read_as_people_write_them(
    text: str, start: time, end: time, days: set[int]
) -> None:
    assert parse_hours(text) == Hours(frozenset(days), start, end)
