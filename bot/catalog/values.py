"""The small values of gonogo.yaml: durations, times of day, names and ids, each with a remedy in
its error and a pattern for editors.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from bot.domain.validation import NAME, RESERVED_NAMES

LONGEST_DURATION = timedelta(days=366)
_PARTS = re.compile(r"([0-9]{1,6})(w|d|h|m|s)")
_DURATION = re.compile(r"(?:[0-9]{1,6}[wdhms])+")
_UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_ROLE = re.compile(r"[a-z][a-z0-9_-]{0,39}")


def read_duration(value: object) -> timedelta:
    """Read ``45s``, ``10m``, ``1h30m``, ``2d`` or ``1w``."""
    compact = str(value).replace(" ", "")
    if compact == "0":
        return timedelta(0)
    if isinstance(value, bool) or not _DURATION.fullmatch(compact):
        raise ValueError(f'"{value}" is no duration. Write 45s, 10m, 1h30m, 2d or 1w.')
    seconds = sum(int(number) * _UNITS[unit] for number, unit in _PARTS.findall(compact))
    if seconds > LONGEST_DURATION.total_seconds():
        raise ValueError(f'"{value}" is longer than a year. Write a shorter one, for example 52w.')
    return timedelta(seconds=seconds)


def write_duration(value: timedelta | None) -> str:
    """Write what ``read_duration`` reads."""
    if value is None:
        return "off"
    seconds = int(value.total_seconds())
    unit = next((unit for unit, size in _UNITS.items() if seconds and seconds % size == 0), "s")
    return f"{seconds // _UNITS[unit]}{unit}" if seconds else "0"


def read_duration_or_off(value: object) -> timedelta | None:
    """Read a duration, or ``off``."""
    return None if value == "off" or value is False else read_duration(value)


def read_clock(value: object) -> time:
    """Read a time of day: ``09:00``."""
    match = _CLOCK.fullmatch(str(value))
    if match is None:
        raise ValueError(f'"{value}" is no time of day. Write it as 09:00.')
    return time(int(match[1]), int(match[2]))


def read_timezone(value: str) -> str:
    """Check the name of a time zone."""
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f'there is no time zone "{value}". Write it as Europe/Berlin or UTC.'
        ) from None
    return value


def local_time(text: str, timezone: str, *, last: bool = False) -> datetime:
    """Read ``2026-12-20 18:00`` (or a date, or a time with its own offset) on the
    clocks of a time zone, as UTC.

    Of a time that the clocks show twice it is the first, or the ``last``. Raises
    ValueError for one that they skip.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f'"{text}" is no time. Write it as 2026-12-20 18:00.') from None
    if at.tzinfo:
        return at.astimezone(UTC)
    zone = ZoneInfo(timezone)
    instant = at.replace(tzinfo=zone, fold=int(last)).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None, fold=0) != at:
        later = at.replace(tzinfo=zone).astimezone(UTC).astimezone(zone)
        raise ValueError(
            f'"{text}" does not exist in {timezone}: the clocks skip it. '
            f"Write {later:%Y-%m-%d %H:%M}."
        )
    return instant


def _text_time(value: object) -> str:
    local_time(str(value), "UTC")
    return str(value)


def _clock_text(value: object) -> str:
    return f"{read_clock(value):%H:%M}"


def read_name(value: str) -> str:
    """Check a name that people type after /deploy."""
    if value in RESERVED_NAMES:
        raise ValueError(f'"{value}" has a meaning of its own in commands. Choose another name.')
    if not NAME.fullmatch(value):
        raise ValueError(
            f'"{value}" cannot be a name. Use lower-case letters, digits and . _ - only.'
        )
    return value


def _role_name(value: str) -> str:
    if not _ROLE.fullmatch(value):
        raise ValueError(
            f'"{value}" cannot be a role. Use lower-case letters, digits, _ and - only.'
        )
    return value


def _slack_id(letters: str, what: str, where: str) -> Any:
    pattern = re.compile(rf"[{letters}][A-Z0-9]{{1,20}}")

    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(f'"{value}" is no {what}. {where}')
        return value

    return AfterValidator(check)


_DURATION_SCHEMA = {
    "type": "string",
    "pattern": r"^([0-9]{1,6}[wdhms] ?)+$|^0$",
    "examples": ["45s", "10m", "1h30m", "2d"],
}

Duration = Annotated[timedelta, BeforeValidator(read_duration), WithJsonSchema(_DURATION_SCHEMA)]
DurationOrOff = Annotated[
    timedelta | None,
    BeforeValidator(read_duration_or_off),
    WithJsonSchema({"anyOf": [_DURATION_SCHEMA, {"const": "off"}]}),
]
Clock = Annotated[
    str,
    BeforeValidator(_clock_text),
    WithJsonSchema({"type": "string", "pattern": r"^[0-2]?[0-9]:[0-5][0-9]$"}),
]
Timezone = Annotated[str, AfterValidator(read_timezone)]
LocalTime = Annotated[
    str,
    BeforeValidator(_text_time),
    WithJsonSchema({"type": "string", "examples": ["2026-12-20 18:00", "2026-12-20"]}),
]
Name = Annotated[str, AfterValidator(read_name)]
RoleName = Annotated[str, AfterValidator(_role_name)]
ChannelId = Annotated[
    str,
    _slack_id(
        "CG",
        "channel id",
        "It begins with C, and is no name: it stands at the end of the channel's details in Slack.",
    ),
]
TeamId = Annotated[
    str,
    _slack_id(
        "TE", "workspace id", "It begins with T; it stands in the address of Slack in a browser."
    ),
]
UserId = Annotated[
    str,
    _slack_id(
        "UW",
        "user id",
        'It begins with U; a person\'s profile has "Copy member ID" under the three dots.',
    ),
]
GroupId = Annotated[
    str,
    _slack_id(
        "S",
        "user group id",
        "It begins with S; it stands in the address of the group in a browser.",
    ),
]
