"""From the file's rotas to the domain's."""

from __future__ import annotations

from datetime import time

from bot.catalog.document import Document, Loc
from bot.catalog.shape import OverrideShape, RotaShape
from bot.catalog.values import local_time, read_clock
from bot.domain.errors import ConfigurationError
from bot.domain.people import Person
from bot.domain.rota import Override, Rota, parse_hours, parse_weekday


def build_rota(document: Document, name: str, it: RotaShape, team: str) -> Rota | None:
    """Build one rota; None when something in it is wrong, which is then noted in the document."""
    loc: Loc = ("rotas", name)
    try:
        weekday, handover = _handover(it.handover)
    except (ConfigurationError, ValueError) as error:
        document.problem((*loc, "handover"), _ended(error))
        return None
    try:
        hours = parse_hours(it.hours) if it.hours else None
    except ConfigurationError as error:
        document.problem((*loc, "hours"), _ended(error))
        return None
    try:
        return Rota(
            name=name, people=tuple(Person(team, user) for user in it.people),
            start=local_time(it.start, "UTC").date(),
            timezone=it.timezone, handover=handover, length=it.shift, weekday=weekday, hours=hours,
            overrides=tuple(_override(each, it.timezone, team) for each in it.overrides),
        )  # fmt: skip
    except (ConfigurationError, ValueError) as error:
        document.problem(loc, _ended(error).removeprefix(f'rota "{name}": '))
        return None


def _handover(text: str) -> tuple[int | None, time]:
    day, _, clock = text.strip().rpartition(" ")
    return (parse_weekday(day) if day else None), read_clock(clock)


def _override(it: OverrideShape, timezone: str, team: str) -> Override:
    person = None if it.person == "nobody" else Person(team, it.person)
    return Override(person, local_time(it.start, timezone), local_time(it.end, timezone, last=True))


def _ended(error: Exception) -> str:
    return str(error) if str(error).endswith((".", "?")) else f"{error}."
