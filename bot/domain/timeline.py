"""What happened to a deployment, retold for people: one line for what was found again and again,
and of very much the least left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.domain.audit import Entry

MOST = 25
"""So many lines are told."""
EDGE = 5
"""So many of its begin and of its end are told in any case."""

_FOUND = frozenset({"degraded", "blind", "thin", "countdown"})
"""What is noted again for the same while it gets no better."""
_ANSWERS = frozenset({"recovered", "proceed", "stop_countdown", "countdown off", "rollback"})
"""After these the same is found anew."""
_HELD_UP = frozenset({"hangs", "late", "stuck"})
"""What did not get on, or is looked at by nobody."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: an entry, and how often and until when the same was noted."""

    entry: Entry
    times: int = 1
    until: datetime | None = None
    at_last: str = ""
    """What was found the last time."""
    left_out: int = 0
    """How many entries are left out before it."""


def retold(begin: Sequence[Entry], left_out: int, end: Sequence[Entry]) -> tuple[Line, ...]:
    """Retell what happened; ``left_out`` entries are missing between begin and end."""
    lines = [Line(entry) for entry in begin] + [
        Line(entry, left_out=0 if at else left_out) for at, entry in enumerate(end)
    ]
    return _shortened(_folded(lines))


def _folded(lines: Iterable[Line]) -> list[Line]:
    """Tell one finding in one line, with its span: not over what is left out, where it may have
    been answered.
    """
    told: list[Line] = []
    open_ones: dict[tuple[str, object], int] = {}
    for line in lines:
        entry = line.entry
        if entry.action in _ANSWERS or line.left_out:
            open_ones.clear()
        key = (entry.action, entry.facts.get("where"))
        at = open_ones.get(key)
        if at is not None:
            told[at] = replace(
                told[at],
                times=told[at].times + 1,
                until=entry.at,
                at_last=str(entry.facts.get("why") or ""),
            )
            continue
        if entry.action in _FOUND:
            open_ones[key] = len(told)
        told.append(line)
    return told


def _shortened(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Leave the least out of the middle: what the bot did by itself before what it found, and that
    before what people decided.
    """
    middle = range(EDGE, len(lines) - EDGE)
    least = set(
        sorted(middle, key=lambda at: (_weight(lines[at].entry), at))[: max(0, len(lines) - MOST)]
    )
    told: list[Line] = []
    missing = 0
    for at, line in enumerate(lines):
        missing += line.left_out + (at in least)
        if at not in least:
            told.append(replace(line, left_out=missing))
            missing = 0
    return tuple(told)


def _weight(entry: Entry) -> int:
    if entry.actor.team:
        return 2
    return 1 if entry.action in _FOUND | _ANSWERS | _HELD_UP or entry.outcome == "failed" else 0
