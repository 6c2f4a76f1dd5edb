"""Cron expressions of freeze periods: when they come, and which are refused."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta

import pytest
from apscheduler.triggers.cron import CronTrigger

from bot.providers.ci.gitlab.cron import read

NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


NOW = utc("2026-11-21 12:00")
"""A Saturday."""


@pytest.mark.parametrize(
    ("expression", "latest", "following"),
    [
        ("0 23 * * 5", "2026-11-20 23:00", "2026-11-27 23:00"),
        ("0 23 * * fri", "2026-11-20 23:00", "2026-11-27 23:00"),
        ("0 8 * * 0", "2026-11-15 08:00", "2026-11-22 08:00"),
        ("0 8 * * 7", "2026-11-15 08:00", "2026-11-22 08:00"),
        ("0 8 * * SUN", "2026-11-15 08:00", "2026-11-22 08:00"),
        ("0 8 * * 1", "2026-11-16 08:00", "2026-11-23 08:00"),
        ("0 8 * * 1-5", "2026-11-20 08:00", "2026-11-23 08:00"),
        ("0 8 * * 5-7", "2026-11-21 08:00", "2026-11-22 08:00"),
        ("0 8 * * 6-1", "2026-11-21 08:00", "2026-11-22 08:00"),
        ("0 8 * * fri-mon", "2026-11-21 08:00", "2026-11-22 08:00"),
        ("0 8 * * 0,3", "2026-11-18 08:00", "2026-11-22 08:00"),
        ("0 8 * * */2", "2026-11-21 08:00", "2026-11-22 08:00"),
        ("0 8 * * 1/2", "2026-11-20 08:00", "2026-11-23 08:00"),
        ("0 12 * * *", "2026-11-21 12:00", "2026-11-22 12:00"),
        ("*/20 * * * *", "2026-11-21 12:00", "2026-11-21 12:20"),
        ("50/5 * * * *", "2026-11-21 11:55", "2026-11-21 12:50"),
        ("0 22-2 * * *", "2026-11-21 02:00", "2026-11-21 22:00"),
        ("30 9 1,15 * *", "2026-11-15 09:30", "2026-12-01 09:30"),
        ("0 0 23 12 *", "2025-12-23 00:00", "2026-12-23 00:00"),
        ("0 0 * dec-jan *", "2026-01-31 00:00", "2026-12-01 00:00"),
        ("0 0 31 * *", "2026-10-31 00:00", "2026-12-31 00:00"),
        ("0 0 29 2 *", "2024-02-29 00:00", "2028-02-29 00:00"),
        ("0 0 13 * 5", "2026-11-20 00:00", "2026-11-27 00:00"),
        ("0 0 20 * 1", "2026-11-20 00:00", "2026-11-23 00:00"),
        ("0 0 1-31 * 1", "2026-11-16 00:00", "2026-11-23 00:00"),
    ],
)
def test_an_expression_comes_before_and_after_a_moment(
    expression: str, latest: str, following: str
) -> None:
    cron = read(expression, "UTC")
    assert cron.latest(NOW) == utc(latest)
    assert cron.following(NOW) == utc(following)


@pytest.mark.parametrize(
    ("expression", "zone", "latest", "following"),
    [
        ("0 18 * * 5", "Europe/Berlin", "2026-11-20 17:00", "2026-11-27 17:00"),
        ("0 18 * * 5", "America/New_York", "2026-11-20 23:00", "2026-11-27 23:00"),
        ("0 18 * * 6", "Pacific/Auckland", "2026-11-21 05:00", "2026-11-28 05:00"),
        ("0 1 * * 0", "Asia/Tokyo", "2026-11-14 16:00", "2026-11-21 16:00"),
        ("0 0 * * *", "Asia/Kathmandu", "2026-11-20 18:15", "2026-11-21 18:15"),
    ],
)
def test_an_expression_is_read_in_its_own_time_zone(
    expression: str, zone: str, latest: str, following: str
) -> None:
    cron = read(expression, zone)
    assert cron.latest(NOW) == utc(latest)
    assert cron.following(NOW) == utc(following)


@pytest.mark.parametrize(
    ("expression", "after", "comes"),
    [
        # Berlin puts its clocks forward on 2026-03-29 (02:00 becomes 03:00) and back on
        # 2026-10-25 (03:00 becomes 02:00).
        (
            "0 8 * * *",
            "2026-03-28 00:00",
            ["2026-03-28 07:00", "2026-03-29 06:00", "2026-03-30 06:00"],
        ),
        (
            "30 2 * * *",
            "2026-03-28 00:00",
            ["2026-03-28 01:30", "2026-03-29 01:30", "2026-03-30 00:30"],
        ),
        (
            "30 2 * * *",
            "2026-10-24 00:00",
            ["2026-10-24 00:30", "2026-10-25 00:30", "2026-10-25 01:30", "2026-10-26 01:30"],
        ),
        (
            "0 8 * * *",
            "2026-10-24 00:00",
            ["2026-10-24 06:00", "2026-10-25 07:00", "2026-10-26 07:00"],
        ),
    ],
)
def test_no_time_is_left_out_when_the_clocks_are_changed(
    expression: str, after: str, comes: list[str]
) -> None:
    cron, at, found = read(expression, "Europe/Berlin"), utc(after), []
    for _ in comes:
        at = cron.following(at)
        found.append(at)
        assert cron.latest(at) == at
    assert found == [utc(each) for each in comes]


@pytest.mark.parametrize(
    ("expression", "zone", "says"),
    [
        ("", "UTC", '"" has not the five fields of cron'),
        ("@daily", "UTC", "five fields"),
        ("0 0 0 * * *", "UTC", "five fields"),
        ("60 * * * *", "UTC", '"60" is no minute'),
        ("* 24 * * *", "UTC", '"24" is no hour'),
        ("* * 0 * *", "UTC", '"0" is no day of a month'),
        ("* * 32 * *", "UTC", '"32" is no day of a month'),
        ("* * L * *", "UTC", '"l" is no day of a month'),
        ("* * -1 * *", "UTC", '"-1" is no day of a month'),
        ("* * * 13 *", "UTC", '"13" is no month'),
        ("* * * * 8", "UTC", '"8" is no weekday'),
        ("* * * * 17", "UTC", '"17" is no weekday'),
        ("* * * * mon#2", "UTC", '"mon#2" is no weekday'),
        ("* * * * son", "UTC", '"son" is no weekday'),
        ("*/0 * * * *", "UTC", '"*/0" is no minute'),
        ("1, * * * *", "UTC", '"" is no minute'),
        ("\u0661 * * * *", "UTC", "is no minute"),
        ("0 0 31 2,4 *", "UTC", '"0 0 31 2,4 *" never comes'),
        ("* * * * *", "Mars/Olympus", '"Mars/Olympus" is no IANA time zone'),
        ("* * * * *", "Pacific Time (US & Canada)", "is no IANA time zone"),
        ("* * * * *", "../secrets", "is no IANA time zone"),
        ("* * * * *", "Europe", "is no IANA time zone"),
        ("* * * * *", "", "is no IANA time zone"),
    ],
)
def test_what_cannot_be_read_is_refused_and_named(expression: str, zone: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        read(expression, zone)


def test_where_a_weekday_is_named_a_day_that_never_comes_does_no_harm() -> None:
    assert read("0 0 31 2 1", "UTC").following(NOW) == utc("2027-02-01 00:00")


@pytest.mark.parametrize("seed", range(40))
def test_a_well_kept_library_agrees_wherever_it_means_the_same(seed: int) -> None:
    """APScheduler wants day and weekday both, so only one of them is restricted;
    weekdays are told to it by name.
    """
    dice = random.Random(seed)  # noqa: S311 - a dice for tests
    minute, hour, month = (
        dice.choice(["0", "*/7", "5-55/10"]),
        dice.choice(["*", "3,17", "9-16"]),
        dice.choice(["*", "2", "6-11"]),
    )
    day, weekdays = (
        ("*", dice.sample(range(7), 2))
        if dice.random() < 0.5
        else (dice.choice(["*", "1", "13,29"]), [])
    )
    ours = read(
        f"{minute} {hour} {day} {month} {','.join(map(str, weekdays)) or '*'}", "America/New_York"
    )
    theirs = CronTrigger(
        minute=minute, hour=hour, day=day, month=month,
        day_of_week=",".join(NAMES[each] for each in weekdays) or "*",
        timezone="America/New_York",
    )  # fmt: skip
    at = NOW + timedelta(minutes=dice.randrange(60 * 24 * 100))
    for _ in range(20):
        expected = theirs.get_next_fire_time(None, at + timedelta(seconds=1))
        at, before = ours.following(at), at
        assert at == expected, f"after {before}"
