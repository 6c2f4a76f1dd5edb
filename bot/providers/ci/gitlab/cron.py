"""When a cron expression of a freeze period comes: before a moment and after it, in
its own time zone. No I/O.

A freeze needs the last time as well as the next one, the rule of cron for days, and weekdays that
begin with Sunday as in cron. APScheduler's CronTrigger looks only forward, wants both the day and
the weekday to match, and counts weekdays from Monday; that is why it serves only as the second
opinion in the tests. GitLab reads the expressions with the Ruby library Fugit
(lib/gitlab/ci/cron_parser.rb).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_ITEM = re.compile(
    r"(?:\*|(?P<first>[0-9a-z]{1,3})(?:-(?P<last>[0-9a-z]{1,3}))?)(?:/(?P<step>\d{1,2}))?", re.ASCII
)
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True)
class _Field:
    """One of the five fields: its bounds, and the names that stand for numbers."""

    title: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    @property
    def all(self) -> frozenset[int]:
        return frozenset(range(self.low, self.high + 1))

    def read(self, text: str) -> frozenset[int]:
        """Read a list of numbers, names, ranges and steps. Raises ValueError."""
        return frozenset(number for item in text.lower().split(",") for number in self._item(item))

    def _item(self, item: str) -> Sequence[int]:
        found = _ITEM.fullmatch(item)
        step = int(found["step"] or 1) if found else 0
        if found is None or not step:
            raise self._wrong(item)
        if found["first"] is None:
            return range(self.low, self.high + 1, step)
        first = self._number(found["first"])
        last = (
            self._number(found["last"]) if found["last"] else self.high if found["step"] else first
        )
        if first <= last:
            return range(first, last + 1, step)
        # 22-4 goes over the end, as in Fugit
        return [*range(first, self.high + 1), *range(self.low, last + 1)][::step]

    def _number(self, word: str) -> int:
        number = (
            int(word)
            if word.isdigit()
            else self.low + self.names.index(word)
            if word in self.names
            else -1
        )
        if not self.low <= number <= self.high:
            raise self._wrong(word)
        return number

    def _wrong(self, item: str) -> ValueError:
        return ValueError(f'"{item[:20]}" is no {self.title}')


_MINUTE, _HOUR, _MONTHDAY = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of a month", 1, 31),
)
_MONTH = _Field(
    "month",
    1,
    12,
    ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
)
_WEEKDAY = _Field("weekday", 0, 6, ("sun", "mon", "tue", "wed", "thu", "fri", "sat"))
_SUNDAY_AS_7 = _Field("weekday", 0, 7, _WEEKDAY.names)


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression in a time zone. Every one comes again and again: ``read``
    refuses those that never come.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """Sunday is 0."""
    zone: ZoneInfo

    def latest(self, at: datetime) -> datetime:
        """Give the last time that is not after ``at``, as aware UTC."""
        day = at.astimezone(self.zone).date() + _DAY
        while not (found := [moment for moment in self._moments(day) if moment <= at]):
            day -= _DAY
        return found[-1]

    def following(self, at: datetime) -> datetime:
        """Give the first time after ``at``, as aware UTC."""
        day = at.astimezone(self.zone).date() - _DAY
        while not (found := [moment for moment in self._moments(day) if moment > at]):
            day += _DAY
        return found[0]

    def _moments(self, day: date) -> list[datetime]:
        """List the times of a day of the zone in their order."""
        if not self._falls_on(day):
            return []
        readings = (
            datetime.combine(day, time(hour, minute), self.zone)
            for hour in self.hours
            for minute in self.minutes
        )
        return sorted({moment for reading in readings for moment in _shown(reading)})

    def _falls_on(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        by_day, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        if self.days != _MONTHDAY.all and self.weekdays != _WEEKDAY.all:
            return by_day or by_weekday  # crontab(5): where both are restricted, either is enough
        return by_day and by_weekday


def read(expression: str, zone: str) -> Cron:
    """Read five fields and the IANA name of a time zone. Raises ValueError with what is wrong."""
    fields = expression.split()
    if len(fields) != 5:  # noqa: PLR2004 - minute, hour, day, month, weekday
        raise ValueError(f'"{expression[:40]}" has not the five fields of cron')
    minutes, hours = _MINUTE.read(fields[0]), _HOUR.read(fields[1])
    days, months, weekdays = _MONTHDAY.read(fields[2]), _MONTH.read(fields[3]), _weekdays(fields[4])
    if weekdays == _WEEKDAY.all and not _comes(days, months):
        raise ValueError(f'"{expression[:40]}" never comes')
    return Cron(tuple(sorted(minutes)), tuple(sorted(hours)), days, months, weekdays, _zone(zone))


def _weekdays(text: str) -> frozenset[int]:
    """Read weekdays; Sunday is 0 and 7. ``*/2`` and ``5/2`` end with Saturday."""
    has_7 = re.search(r"(?<![0-9/])7(?![0-9])", text) is not None
    return frozenset(number % 7 for number in (_SUNDAY_AS_7 if has_7 else _WEEKDAY).read(text))


def _comes(days: Iterable[int], months: Iterable[int]) -> bool:
    return min(days) <= max(_LONGEST[month - 1] for month in months)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, LookupError, OSError) as error:
        raise ValueError(f'"{name[:40]}" is no IANA time zone') from error


def _shown(reading: datetime) -> tuple[datetime, ...]:
    """Give the moments at which clocks show a local time: two when they are put back.

    A time that is skipped when they are put forward comes as much later as they are put forward, so
    that no freeze is left out.
    """
    first, second = reading.astimezone(UTC), reading.replace(fold=1).astimezone(UTC)
    return (first, second) if second > first else (first,)
