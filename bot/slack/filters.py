"""The filters of the templates: whatever they print is made harmless, and only they make markup."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jinja2 import Undefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from bot.domain.people import GONOGO, Person

LONGEST = 300
"""A printed value is cut here."""


LOOKED_AT = 4
"""Of a value that is far too long only so many times of what can be shown is looked at:
it may come from anybody.
"""


BARS = "▁▂▃▄▅▆▇█"


SECONDS_PER = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


_RIGHT_TO_LEFT = frozenset({"R", "AL"})


SPACES = re.compile(r"\s+")


_FORMATTING = re.compile(r"(?<!\w)([*_~])(?=\S)|(?<=\S)([*_~])(?!\w)")


_USER = re.compile(r"&lt;@([UW][A-Z0-9]{1,20})&gt;")


_MOMENT = re.compile(r"(?:\bon )?\b(\d{4}-\d\d-\d\d) (?:at )?(\d\d:\d\d) UTC\b", re.ASCII)
"""What ``plain.moment`` writes, and an older way in which it was stored."""


_TOKEN = re.compile(r"<!date\^\d+\^[^|<>]*\|([^|<>]*)>")


_ID = re.compile(r"[A-Z0-9]{1,20}")


def plain(value: object, longest: int = LONGEST) -> str:
    """Make a value one harmless line of plain text: nothing invisible, nothing that turns the
    reading direction, not too long.
    """
    whole = "" if value is None else str(value)
    looked_at = whole[: LOOKED_AT * longest]
    seen = "".join(
        sign for sign in SPACES.sub(" ", looked_at) if unicodedata.category(sign) not in _INVISIBLE
    )
    if len(seen) > longest or len(looked_at) < len(whole):
        seen = seen[: longest - 1].rstrip() + "…"
    if any(unicodedata.bidirectional(character) in _RIGHT_TO_LEFT for character in seen):
        # an isolate: the text keeps its direction and its neighbours keep theirs
        return f"\u2068{seen}\u2069"
    return seen


def escape(text: str) -> Markup:
    """Escape a text for mrkdwn, and take the effect from characters that
    would format what follows.
    """
    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("`", "'")
    return Markup(_FORMATTING.sub("\u2060\\g<0>\u2060", safe))  # noqa: S704 - this is the escaping


def shown(value: object) -> Markup:
    """Make any value printable; what our filters made stays as it is."""
    if isinstance(value, Undefined):
        str(value)  # raises, and names what is missing
    if isinstance(value, Markup):
        return value
    return _with_moments(escape(plain(value)))


def _with_moments(text: str) -> Markup:
    """Have Slack show a moment that stands in a sentence (``plain.moment``) as it shows any other:
    in the reader's own time zone, and without a date where it is of today.
    """
    return Markup(_MOMENT.sub(_as_moment, text))  # noqa: S704 - escaped before; a moment is made of numbers


def _as_moment(found: re.Match[str]) -> str:
    try:
        at = datetime.strptime(f"{found[1]} {found[2]} +0000", "%Y-%m-%d %H:%M %z")
    except ValueError:  # 2026-02-31 is none
        return found[0]
    return str(when(at))


def untranslated(text: str) -> str:
    """Write the moments of a text for a place where Slack reads no markup."""
    return _TOKEN.sub(r"\1", text)


def mention(who: Person | str | None) -> Markup:
    """Mention a person (a Person, or ``T…/U…``); the bot itself and people
    of the terminal are named.
    """
    person = who if isinstance(who, Person) else Person.parse(str(who)) if who else None
    if person is None:
        return Markup("nobody")
    if person == GONOGO:
        return Markup("Go/No-Go")
    if person.team and _ID.fullmatch(person.user):
        return Markup("<@{}>").format(Markup(person.user))  # noqa: S704 - matched against _ID
    return shown(person.user or person.team)


@pass_context
def name(context: Context, who: Person | str | None) -> Markup:
    """Name a person without notifying them: what the message's ``names`` call them,
    else what the user id says.
    """
    person = who if isinstance(who, Person) else Person.parse(str(who or ""))
    known: Mapping[str, str] = context.get("names") or {}
    return shown(known.get(str(person)) or person.user) if person != GONOGO else mention(person)


def link(label: object, url: str = "") -> Markup:
    """Link a label to an address; without a web address it is only the label."""
    if not url.startswith(("https://", "http://")) or any(
        character in url for character in "<>|\"' \n"
    ):
        return shown(label)
    # no moment is translated in a link: Slack has no date there
    text = label if isinstance(label, Markup) else escape(plain(label))
    return Markup(f"<{url.replace('&', '&amp;')}|{text.replace('|', '/')}>")  # noqa: S704 - address checked, label escaped


def channel(id: str) -> Markup:
    """Mention a channel by its id."""
    return Markup(f"<#{id}>") if _ID.fullmatch(id) else shown(id)  # noqa: S704 - matched against _ID


def moment(value: datetime | str) -> datetime:
    """Read a time: an aware datetime, or ISO 8601."""
    at = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return at.astimezone(UTC)


def when(value: datetime | str) -> Markup:
    """Show a date and time in the reader's own time zone."""
    return _date(moment(value), "{date_short_pretty} {time}", "%Y-%m-%d %H:%M UTC")


def day(value: datetime | str) -> Markup:
    """Show a day as the reader's calendar has it."""
    return _date(moment(value), "{date_short_pretty}", "%Y-%m-%d")


def clock(value: datetime | str) -> Markup:
    """Show only the time of day in the reader's own time zone."""
    return _date(moment(value), "{time}", "%H:%M UTC")


def clock_seconds(value: datetime | str) -> Markup:
    """Show the time of day with seconds."""
    return _date(moment(value), "{time_secs}", "%H:%M:%S UTC")


@pass_context
def is_past(context: Context, value: datetime | str) -> bool:
    """Tell whether a moment is over by now, so that nothing is announced that has been."""
    return moment(value) <= moment(context["now"])


@pass_context
def local(context: Context, value: datetime | str, zone: str = "", *, stays: bool = False) -> str:
    """Show a moment as plain text, where Slack cannot translate it, in a person's time zone and
    with its name; in UTC where that is not known. Of today only the time is said, unless the text
    stays as it is for days.
    """
    at, now = moment(value), moment(context["now"])
    with suppress(ZoneInfoNotFoundError, ValueError, OSError):
        at = at.astimezone(ZoneInfo(zone)) if zone else at
    name = f"{at:%Z}"
    is_today = not stays and at.date() == now.astimezone(at.tzinfo).date()
    day = "" if is_today else f"{at:%Y-%m-%d} "
    return f"{day}{at:%H:%M} {f'UTC{name}' if name[:1] in {'+', '-'} else name}"


def _date(at: datetime, tokens: str, fallback: str) -> Markup:
    return Markup(f"<!date^{int(at.timestamp())}^{tokens}|{at.strftime(fallback)}>")  # noqa: S704 - made of numbers


def duration(value: timedelta | float) -> str:
    """Say how long: ``6 min 12 s``, ``19 h``, ``2 d 4 h``. Two units at most."""
    left = max(0, round(value.total_seconds() if isinstance(value, timedelta) else value))
    counts: list[tuple[int, str]] = []
    for unit, size in SECONDS_PER:
        count, left = divmod(left, size)
        counts.append((count, unit))
    first = next((at for at, (count, _) in enumerate(counts) if count), len(counts))
    return (
        " ".join(f"{count} {unit}" for count, unit in counts[first : first + 2] if count) or "0 s"
    )


def roughly(value: timedelta | float) -> str:
    """Say about how long, in whole minutes (seconds below one minute and a half)."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    return duration(seconds if seconds < 90 else round(seconds / 60) * 60)  # noqa: PLR2004 - a minute and a half


JUST_NOW = 15
"""Seconds that are no time ago."""


@pass_context
def ago(context: Context, value: datetime | str) -> str:
    """Say how long ago something was. Not for cards: they would change by themselves."""
    seconds = (moment(context["now"]) - moment(value)).total_seconds()
    if seconds < JUST_NOW:
        return "just now"
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{int(seconds)} s ago"
    count, unit, *_ = roughly(seconds).split(" ")
    return f"{count} {unit} ago"


def plural(count: float, one: str, many: str = "") -> str:
    """Count things: ``1 commit``, ``7 commits``."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def number(value: float) -> str:
    """Write a number with thousands separated and no more digits than matter."""
    if float(value).is_integer() or abs(value) >= 100:  # noqa: PLR2004 - three digits are enough
        return f"{value:,.0f}"
    if abs(value) < 0.01:  # noqa: PLR2004 - then two digits are what there is to see
        return f"{value:.2g}"
    return f"{value:.{1 if abs(value) >= 10 else 2}f}".rstrip("0").rstrip(".")  # noqa: PLR2004


def percent(value: float) -> str:
    """Write a ratio 0..1 as per cent: ``0.31 %``."""
    return f"{number(value * 100)} %"


def metric(value: float | None, unit: str = "") -> str:
    """Write a metric's value in its unit; ratios are 0..1."""
    if value is None:
        return "no data"
    return percent(value) if unit == "%" else f"{number(value)} {unit}".strip()


def spark(values: Iterable[float], baseline: float | None = None) -> str:
    """Draw values over time as small bars: how far each is from the baseline (from the first
    one, where there is none).

    A full bar is the farthest of them, or as far as the baseline itself is from nothing: what does
    not change is a low line.
    """
    known = list(values)[-12:]
    if len(known) < 2:  # noqa: PLR2004 - one point is no line
        return ""
    normal = known[0] if baseline is None else baseline
    far = [abs(value - normal) for value in known]
    full = max(*far, abs(normal))
    return "".join(
        BARS[int(each / full * (len(BARS) - 1) + 0.5)] if full > 0 else BARS[0] for each in far
    )


def listed(values: Iterable[object], most: int = 5) -> Markup:
    """List things: ``ana, cy and di``; of many the first few."""
    items = [shown(value) for value in values]
    if len(items) > most:
        items = [*items[:most], Markup(f"{len(items) - most} more")]  # noqa: S704 - a number
    head, last = items[:-1], items[-1:]
    return Markup(" and ").join([Markup(", ").join(head), *last]) if head else Markup("").join(last)


def mentions(people: Iterable[Person | str], most: int = 5) -> Markup:
    """List people."""
    return listed([mention(person) for person in people], most)


def sentence(value: object) -> Markup:
    """Print a sentence of the bot's own for one person alone: mentions of users in it stay mentions
    (they notify nobody there).
    """
    return Markup(_USER.sub(r"<@\1>", _unformatted(value)))  # noqa: S704 - escaped first


def note(value: object) -> Markup:
    """Print what may be a few sentences long, such as a deployment's note.
    Nobody is mentioned by it.
    """
    return Markup(_unformatted(value))  # noqa: S704 - escaped


def _unformatted(value: object) -> str:
    return str(_with_moments(escape(plain(value, 600))))


def role(name: str) -> str:
    """Write a role's name as people say it."""
    return name.replace("_", " ")


def who(value: str) -> Markup:
    """Print who can clear a gate: a person as a mention, a role by its name."""
    return mention(value) if "/" in value else shown(role(value))


def one_line(value: object) -> Markup:
    """Join what a part has made into one line; it is escaped already."""
    return Markup(SPACES.sub(" ", shown(value)).rstrip())  # noqa: S704 - escaped by what made it, or by shown


def cut(value: object, longest: int) -> str:
    """Shorten a value."""
    return plain(value, longest)


HELP = 160
"""How long the last part of a sentence may be that says what helps."""


SHORTEST = 40
"""So much is left of what comes before it."""


def cut_before_help(value: object, longest: int) -> str:
    """Shorten a sentence by what comes before its last part: what helps stands there, after a
    semicolon, and is never cut.
    """
    text = plain(value, LOOKED_AT * LONGEST)
    told, _, helps = text.rpartition("; ")
    if len(text) <= longest or not told or len(helps) > HELP:
        return plain(text, longest)
    return f"{plain(told, max(longest - len(helps) - 2, SHORTEST))}; {helps}"


def ended(value: object) -> str:
    """End with a full stop what a vendor said, or what a part has made, so that a sentence can
    follow; nothing stays nothing.
    """
    text = value.rstrip() if isinstance(value, Markup) else plain(value).rstrip()
    return text if not text or text.endswith((".", "…", "?")) else text + "."


def bold(value: object) -> Markup:
    """Make a value bold; what is in it cannot end that."""
    text = shown(value)
    return Markup(f"*{text.replace('*', '∗')}*") if text else text  # noqa: S704, RUF001 - escaped; the other asterisk formats nothing


FILTERS: Mapping[str, Callable[..., object]] = {
    "mention": mention, "name": name, "mentions": mentions, "link": link,
    "channel": channel, "when": when, "day": day, "clock": clock,
    "clock_seconds": clock_seconds, "utc": local, "local": local, "ago": ago, "duration": duration,
    "roughly": roughly, "plural": plural, "percent": percent,
    "number": number, "metric": metric, "spark": spark, "listed": listed,
    "join": listed, "sentence": sentence, "note": note, "role": role,
    "who": who, "cut": cut, "cut_before_help": cut_before_help, "ended": ended, "bold": bold,
    "is_past": is_past, "one_line": one_line,
}  # fmt: skip
