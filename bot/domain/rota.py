"""Who is on call by a rota: people in order, shifts by the local clock, hours,
overrides and honest gaps.

Shifts are counted on the wall clock of the rota's time zone, so a handover at 09:00 stays at 09:00
when the clocks change; a shift over such a night is an hour shorter or longer. All spans are
half-open: whoever takes over at 09:00 is on call at 09:00.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bot.domain.errors import ConfigurationError
from bot.domain.people import Person

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY = timedelta(days=1)
_SHORTEST = timedelta(hours=1)
_HOURS = re.compile(r"(?P<days>\S+)\s+(?P<start>\d{1,2}:\d\d)\s*-\s*(?P<end>\d{1,2}:\d\d)")


@dataclass(frozen=True, slots=True)
class Hours:
    """The hours in which somebody is on call; outside them nobody is. An end not after the
    start is on the next day.
    """

    weekdays: frozenset[int]
    """On which the hours begin; Monday is 0."""
    start: time
    end: time


@dataclass(frozen=True, slots=True)
class Override:
    """Somebody else, or nobody, for a span of time; also outside the rota's hours. Of two that
    overlap the later in the list counts.
    """

    person: Person | None
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Rota:
    """A rota as configured.

    The first shift begins on ``start`` at ``handover``. With ``weekday`` (Monday is 0) the later
    handovers fall on that day, and the first shift is as short as that makes it. ``length`` is
    wall-clock time: 7 days, 1 day, 12 hours.
    """

    name: str
    people: tuple[Person, ...]
    start: date
    timezone: str = "UTC"
    handover: time = time(9)
    length: timedelta = timedelta(days=7)
    weekday: int | None = None
    hours: Hours | None = None
    overrides: tuple[Override, ...] = ()

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            raise ConfigurationError(f'rota "{self.name}": {problem}')


@dataclass(frozen=True, slots=True)
class Duty:
    """One person's time on call, half-open, in UTC."""

    person: Person
    start: datetime
    end: datetime


def parse_hours(text: str) -> Hours:
    """Read hours as people write them: ``Mon-Fri 08:00-18:00``, ``Sat,Sun 10:00-16:00``,
    ``Mon-Sun 20:00-06:00``.
    """
    match = _HOURS.fullmatch(text.strip())
    if match is None:
        raise ConfigurationError(f'"{text}" are no hours; write them as "Mon-Fri 08:00-18:00"')
    weekdays = frozenset(day for part in match["days"].split(",") for day in _weekdays(part, text))
    return Hours(weekdays, _clock_time(match["start"], text), _clock_time(match["end"], text))


def parse_weekday(text: str) -> int:
    """Read a weekday (``Mon`` or ``monday``); Monday is 0."""
    for number, day in enumerate(DAYS):
        if text.strip()[:3].title() == day:
            return number
    raise ConfigurationError(f'"{text}" is no weekday; write one of {", ".join(DAYS)}')


def duty_at(rota: Rota, at: datetime) -> Duty | None:
    """Name the person on call at an instant with the span for which this answer
    holds, or None in a gap.
    """
    held = _override_at(rota, at)
    if held is not None:
        index, override = held
        if override.person is None:
            return None
        return _cut(
            Duty(override.person, override.start, override.end), rota.overrides[index + 1 :], at
        )
    duty = _turn_at(rota, at)
    if duty is None or rota.hours is None:
        return None if duty is None else _cut(duty, rota.overrides, at)
    for start, end in _hours_around(rota.hours, ZoneInfo(rota.timezone), at):
        if start <= at < end:
            within = Duty(duty.person, max(duty.start, start), min(duty.end, end))
            return _cut(within, rota.overrides, at)
    return None


def _problem(rota: Rota) -> str:
    if not rota.people:
        return "nobody is named; list at least one person"
    if rota.length < _SHORTEST:
        return f"a shift of {rota.length} is too short; an hour is the least"
    if rota.weekday is not None and rota.length % timedelta(days=7):
        return "a handover weekday needs shifts of whole weeks"
    try:
        ZoneInfo(rota.timezone)
    except (KeyError, ValueError, OSError):
        return f'"{rota.timezone}" is no time zone; write one as in "Europe/Berlin"'
    return next((problem for problem in map(_override_problem, rota.overrides) if problem), "")


def _override_problem(override: Override) -> str:
    if override.start.tzinfo is None or override.end.tzinfo is None:
        return f"the override from {override.start:%Y-%m-%d %H:%M} has no time zone"
    if override.end <= override.start:
        return f"the override from {override.start:%Y-%m-%d %H:%M} ends before it begins"
    return ""


def _weekdays(part: str, text: str) -> Iterator[int]:
    first, dash, last = part.partition("-")
    try:
        start = parse_weekday(first)
        end = parse_weekday(last) if dash else start
    except ConfigurationError as error:
        raise ConfigurationError(f'"{text}": {error}') from error
    yield from ((start + step) % 7 for step in range((end - start) % 7 + 1))


def _clock_time(text: str, whole: str) -> time:
    hour, minute = (int(part) for part in text.split(":"))
    try:
        return time(hour % 24 if hour == 24 and not minute else hour, minute)  # noqa: PLR2004 - 24:00 is midnight
    except ValueError as error:
        raise ConfigurationError(f'"{whole}": "{text}" is no time of day') from error


def _instant(local: datetime, zone: ZoneInfo) -> datetime:
    """Turn a wall-clock time into an instant; one that the clocks skip is an hour later, of one
    that they repeat it is the first.
    """
    return local.replace(tzinfo=zone).astimezone(UTC)


def _turn_at(rota: Rota, at: datetime) -> Duty | None:
    zone = ZoneInfo(rota.timezone)
    begin = datetime.combine(rota.start, rota.handover)
    first = _instant(begin, zone)
    if at < first:
        return None
    anchor = (
        begin if rota.weekday is None else begin - _DAY * ((begin.weekday() - rota.weekday) % 7)
    )
    turn = (at.astimezone(zone).replace(tzinfo=None) - anchor) // rota.length
    while _instant(anchor + turn * rota.length, zone) > at:
        turn -= 1
    while _instant(anchor + (turn + 1) * rota.length, zone) <= at:
        turn += 1
    start, end = (_instant(anchor + number * rota.length, zone) for number in (turn, turn + 1))
    return Duty(rota.people[turn % len(rota.people)], max(start, first), end)


def _hours_around(
    hours: Hours, zone: ZoneInfo, at: datetime
) -> Iterator[tuple[datetime, datetime]]:
    today = at.astimezone(zone).date()
    for day in (today - _DAY, today):
        if day.weekday() in hours.weekdays:
            last = day if hours.end > hours.start else day + _DAY
            yield (
                _instant(datetime.combine(day, hours.start), zone),
                _instant(datetime.combine(last, hours.end), zone),
            )


def _override_at(rota: Rota, at: datetime) -> tuple[int, Override] | None:
    holding = (
        (index, override)
        for index, override in enumerate(rota.overrides)
        if override.start <= at < override.end
    )
    return max(holding, key=lambda pair: pair[0], default=None)


def _cut(duty: Duty, overrides: tuple[Override, ...], at: datetime) -> Duty:
    """End a duty where an override takes over and begin it where the last one ended."""
    start = max([duty.start, *(override.end for override in overrides if override.end <= at)])
    end = min([duty.end, *(override.start for override in overrides if override.start > at)])
    return Duty(duty.person, start.astimezone(UTC), end.astimezone(UTC))
