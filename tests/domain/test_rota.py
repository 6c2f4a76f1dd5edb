"""Who is on call: by tables, over clock changes, and for every instant."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import ConfigurationError
from bot.domain.people import Person
from bot.domain.rota import Duty, Hours, Override, Rota, duty_at, parse_hours, parse_weekday

ANA, BO, CY = (Person("T1", name) for name in ("ana", "bo", "cy"))
BERLIN = ZoneInfo("Europe/Berlin")
WEEK, DAY, HOUR = timedelta(days=7), timedelta(days=1), timedelta(hours=1)
# 5 January 2026 is a Monday
WEEKLY = Rota("storefront", (ANA, BO), date(2026, 1, 5), "Europe/Berlin")
DAILY = Rota("daily", (ANA, BO, CY), date(2026, 3, 27), "Europe/Berlin", length=DAY)


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


def on_call(rota: Rota, text: str) -> Person | None:
    duty = duty_at(rota, berlin(text))
    return duty.person if duty else None


def until(rota: Rota, text: str) -> datetime:
    duty = duty_at(rota, berlin(text))
    assert duty is not None
    return duty.end.astimezone(BERLIN)


@pytest.mark.parametrize(
    ("at", "person"),
    [
        ("2026-01-05 08:59:59", None),  # the rota has not begun
        ("2026-01-05 09:00", ANA),
        ("2026-01-12 08:59:59", ANA),
        ("2026-01-12 09:00", BO),
        ("2026-01-19 09:00", ANA),
        ("2026-07-06 08:59", BO),
        ("2026-07-06 09:00", ANA),  # 26 weeks later, in summer time, still at nine
    ],
)
def test_people_take_turns_by_the_week(at: str, person: Person | None) -> None:
    assert on_call(WEEKLY, at) == person


def test_the_end_of_the_shift_is_told() -> None:
    assert duty_at(WEEKLY, berlin("2026-01-07 12:00")) == Duty(
        ANA, datetime(2026, 1, 5, 8, tzinfo=UTC), datetime(2026, 1, 12, 8, tzinfo=UTC)
    )  # fmt: skip


def test_the_handover_stays_at_nine_when_the_clocks_change() -> None:
    short, long = (
        duty_at(DAILY, berlin("2026-03-28 12:00")),
        duty_at(DAILY, berlin("2026-10-24 12:00")),
    )
    assert short is not None
    assert long is not None
    assert short.end - short.start == 23 * HOUR
    assert long.end - long.start == 25 * HOUR
    assert short.end.astimezone(BERLIN).hour == long.end.astimezone(BERLIN).hour == 9


def test_a_handover_that_the_clocks_skip_is_an_hour_later_by_the_wall() -> None:
    night = Rota("night", (ANA, BO), date(2026, 3, 28), "Europe/Berlin", time(2, 30), DAY)
    assert until(night, "2026-03-28 12:00") == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert on_call(night, "2026-03-29 03:29") == ANA
    assert on_call(night, "2026-03-29 03:30") == BO


def test_a_handover_that_the_clocks_repeat_happens_the_first_time() -> None:
    night = Rota("night", (ANA, BO), date(2026, 10, 24), "Europe/Berlin", time(2, 30), DAY)
    first, second = (
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
    )
    between = second - timedelta(minutes=15)  # a quarter past two again, by the wall
    assert [
        duty.person for at in (first - HOUR, first, between, second) if (duty := duty_at(night, at))
    ] == [ANA, BO, BO, BO]


def test_twelve_hour_shifts_follow_the_wall_clock() -> None:
    rota = Rota("halves", (ANA, BO), date(2026, 3, 28), "Europe/Berlin", time(8), 12 * HOUR)
    assert [
        on_call(rota, f"2026-03-{at}") for at in ("28 08:00", "28 20:00", "29 08:00", "29 20:00")
    ] == [ANA, BO, ANA, BO]


def test_with_a_weekday_the_first_shift_is_short() -> None:
    rota = Rota(
        "fridays", (ANA, BO), date(2026, 1, 7), "Europe/Berlin", weekday=parse_weekday("Fri")
    )
    assert on_call(rota, "2026-01-07 08:59") is None
    assert on_call(rota, "2026-01-07 09:00") == ANA
    assert until(rota, "2026-01-07 09:00") == berlin("2026-01-09 09:00")
    assert on_call(rota, "2026-01-09 09:00") == BO
    assert on_call(rota, "2026-01-16 09:00") == ANA


@pytest.mark.parametrize(
    ("hours", "at", "end"),
    [
        ("Mon-Fri 08:00-18:00", "2026-01-06 07:59", None),
        ("Mon-Fri 08:00-18:00", "2026-01-06 08:00", "2026-01-06 18:00"),
        ("Mon-Fri 08:00-18:00", "2026-01-06 18:00", None),
        ("Mon-Fri 08:00-18:00", "2026-01-10 12:00", None),
        ("Sat,Sun 10:00-16:00", "2026-01-10 12:00", "2026-01-10 16:00"),
        ("Sat-Mon 10:00-16:00", "2026-01-12 12:00", "2026-01-12 16:00"),
        ("Mon-Sun 06:00-24:00", "2026-01-06 23:59", "2026-01-07 00:00"),
        ("Mon-Sun 06:00-24:00", "2026-01-07 00:00", None),
        ("Mon 20:00-06:00", "2026-01-06 05:59", "2026-01-06 06:00"),
        ("Mon 20:00-06:00", "2026-01-06 20:30", None),
    ],
)
def test_outside_the_hours_there_is_a_gap(hours: str, at: str, end: str | None) -> None:
    rota = Rota("hours", (ANA, BO), date(2026, 1, 5), "Europe/Berlin", hours=parse_hours(hours))
    duty = duty_at(rota, berlin(at))
    assert (duty.end if duty else None) == (berlin(end) if end else None)


def test_a_handover_within_the_hours_ends_the_duty() -> None:
    rota = Rota(
        "hours",
        (ANA, BO),
        date(2026, 1, 5),
        "Europe/Berlin",
        time(12),
        DAY,
        hours=parse_hours("Mon-Fri 08:00-18:00"),
    )
    assert until(rota, "2026-01-06 09:00") == berlin("2026-01-06 12:00")
    assert on_call(rota, "2026-01-06 12:00") == BO


OVERRIDDEN = Rota(
    "overridden", (ANA, BO), date(2026, 1, 5),
    "Europe/Berlin", hours=parse_hours("Mon-Fri 08:00-18:00"),
    overrides=(
        Override(CY, berlin("2026-01-06 12:00"), berlin("2026-01-06 22:00")),
        Override(None, berlin("2026-01-07 10:00"), berlin("2026-01-07 11:00")),
        Override(BO, berlin("2026-01-06 13:00"), berlin("2026-01-06 14:00")),
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("at", "person", "end"),
    [
        ("2026-01-06 11:59", ANA, "2026-01-06 12:00"),
        ("2026-01-06 12:00", CY, "2026-01-06 13:00"),
        ("2026-01-06 13:30", BO, "2026-01-06 14:00"),
        ("2026-01-06 14:00", CY, "2026-01-06 22:00"),
        ("2026-01-06 21:59", CY, "2026-01-06 22:00"),  # an override reaches over the hours
        ("2026-01-06 22:00", None, None),
        ("2026-01-07 09:59", ANA, "2026-01-07 10:00"),
        ("2026-01-07 10:30", None, None),  # nobody, on purpose
        ("2026-01-07 11:00", ANA, "2026-01-07 18:00"),
    ],
)
def test_overrides_take_over_and_give_back(at: str, person: Person | None, end: str | None) -> None:
    duty = duty_at(OVERRIDDEN, berlin(at))
    assert (duty.person if duty else None) == person
    assert (duty.end if duty else None) == (berlin(end) if end else None)


ROTAS = st.builds(
    Rota,
    name=st.just("any"),
    people=st.lists(st.sampled_from([ANA, BO, CY]), min_size=1, max_size=4).map(tuple),
    start=st.dates(date(2025, 12, 1), date(2026, 2, 1)),
    timezone=st.sampled_from(
        ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]
    ),
    handover=st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    length=st.sampled_from([HOUR, 8 * HOUR, 12 * HOUR, DAY, 3 * DAY, WEEK, 2 * WEEK]),
    hours=st.none()
    | st.builds(
        Hours,
        st.frozensets(st.integers(0, 6)),
        st.just(time(8)),
        st.sampled_from([time(18), time(6), time(0)]),
    ),
    overrides=st.lists(
        st.builds(
            lambda person, start, hours: Override(person, start, start + hours * HOUR),
            st.none() | st.sampled_from([ANA, BO]),
            st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001 - the zone is beside it
            st.integers(1, 200),
        ),
        max_size=3,
    ).map(tuple),
)
CLOCK_CHANGES = [
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 3, 8, 7, tzinfo=UTC),
]
INSTANTS = st.datetimes(
    datetime(2025, 12, 1),  # noqa: DTZ001
    datetime(2026, 12, 31),  # noqa: DTZ001
    timezones=st.just(UTC),
) | st.builds(
    lambda change, minutes: change + timedelta(minutes=minutes),
    st.sampled_from(CLOCK_CHANGES),
    st.integers(-180, 180),
)


@given(ROTAS, INSTANTS)
def test_an_answer_holds_for_its_whole_span_and_not_at_its_end(rota: Rota, at: datetime) -> None:
    duty = duty_at(rota, at)
    if duty is None:
        return
    assert duty.start <= at < duty.end
    middle = duty.start + (duty.end - duty.start) / 2
    for inside in (duty.start, middle, duty.end - timedelta(microseconds=1)):
        assert duty_at(rota, inside) == duty
    after = duty_at(rota, duty.end)
    assert after is None or after.start == duty.end


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"people": ()}, "nobody is named"),
        ({"timezone": "Europe/Atlantis"}, '"Europe/Atlantis" is no time zone'),
        ({"timezone": "../../etc/passwd"}, "is no time zone"),
        ({"length": timedelta(minutes=5)}, "too short"),
        ({"length": DAY, "weekday": 0}, "whole weeks"),
        (
            {"overrides": (Override(ANA, berlin("2026-01-06 12:00"), berlin("2026-01-06 12:00")),)},
            "ends before it begins",
        ),
        (
            {"overrides": (Override(ANA, datetime(2026, 1, 6), datetime(2026, 1, 7)),)},  # noqa: DTZ001  # noqa: DTZ001  # noqa: DTZ001
            "has no time zone",
        ),
        (
            {"overrides": (Override(ANA, datetime(2026, 1, 6), datetime(2026, 1, 7, tzinfo=UTC)),)},  # noqa: DTZ001  # noqa: DTZ001  # noqa: DTZ001
            "has no time zone",
        ),
        (
            {"overrides": (Override(ANA, datetime(2026, 1, 6, tzinfo=UTC), datetime(2026, 1, 7)),)},  # noqa: DTZ001  # noqa: DTZ001  # noqa: DTZ001
            "has no time zone",
        ),
    ],
)
def test_a_rota_that_cannot_work_is_refused(change: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=f'rota "broken".*{problem}'):
        Rota(**{"name": "broken", "people": (ANA,), "start": date(2026, 1, 5), **change})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "always",
        "08:00-18:00",
        "Mon-Fri",
        "Foo 08:00-18:00",
        "Mon 25:00-26:00",
        "Mon 08:00-24:30",
    ],
)
def test_hours_that_cannot_be_read_are_refused_with_their_text(text: str) -> None:
    with pytest.raises(ConfigurationError, match=f'"{text}"'):
        parse_hours(text)


def test_an_hour_is_the_shortest_shift() -> None:
    assert duty_at(replace(DAILY, length=HOUR), berlin("2026-03-28 12:30")) is not None
    with pytest.raises(ConfigurationError, match="too short"):
        replace(DAILY, length=HOUR - timedelta(microseconds=1))


@pytest.mark.parametrize(
    ("days", "numbers"),
    [("Mon-Fri", {0, 1, 2, 3, 4}), ("Sat-Mon", {5, 6, 0}), ("Sun-Sun", {6}), ("Tue", {1})],
)
def test_days_run_over_the_end_of_the_week(days: str, numbers: set[int]) -> None:
    assert parse_hours(f"{days} 08:00-18:00").weekdays == numbers


def test_a_later_override_cuts_an_earlier_one_and_is_not_cut_by_it() -> None:
    long = Override(CY, berlin("2026-01-06 12:00"), berlin("2026-01-06 22:00"))
    short = Override(BO, berlin("2026-01-06 13:00"), berlin("2026-01-06 14:00"))
    assert until(replace(WEEKLY, overrides=(long, short)), "2026-01-06 12:30") == berlin(
        "2026-01-06 13:00"
    )
    assert until(replace(WEEKLY, overrides=(short, long)), "2026-01-06 12:30") == berlin(
        "2026-01-06 22:00"
    )
