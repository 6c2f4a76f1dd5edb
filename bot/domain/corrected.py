"""The button with the corrected command: to one person, good once and for a while. What it carries
is the line as it would be typed, so that it is read, allowed and carried out like one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from bot.domain.actions import Action
from bot.domain.errors import NotAllowed, NotPossible, Offer
from bot.domain.people import Person

GOOD_FOR = timedelta(minutes=15)
"""How long the button is good: as long as a command that is typed is meant."""
LONGEST_LINE = 1500
"""Characters that a button of Slack's has room for beside what binds it."""
_CARRIED = re.compile(r"(?P<once>[0-9a-f]{16}) (?P<by>\S+) (?P<at>[0-9]{1,12}) (?P<line>/.+)")


@dataclass(frozen=True, slots=True)
class Corrected:
    """A corrected command, offered to one person at one moment."""

    line: str
    """``/deploy storefront v1.2.0 to production``, as Slack sends it."""
    by: Person
    at: datetime
    once: str
    """Names the offer: whoever takes it twice takes it once."""

    @property
    def key(self) -> str:
        """Name the command that comes of it."""
        return f"corrected {self.once}"


def offered(line: str, by: Person, at: datetime, key: str) -> tuple[Offer, ...]:
    """Offer a corrected command in the answer to the command ``key``; nothing where there is no
    line, or more than a button carries.
    """
    if not line or len(line) > LONGEST_LINE:
        return ()
    once = sha256(f"{key}\n{by}\n{line}".encode(errors="replace")).hexdigest()[:16]
    carries = f"{by} {int(at.timestamp())} {line}"
    return (Offer(Action.RUN_CORRECTED, as_read(line), once, carries),)


def taken(carried: str, by: Person, now: datetime) -> Corrected:
    """Read what the pressed button carries. Raises NotAllowed for anybody else than to whom it was
    offered, NotPossible once it is old.
    """
    found = _CARRIED.fullmatch(carried)
    if found is None:
        raise NotPossible("This button is not one of ours. Type the command.")
    at = datetime.fromtimestamp(int(found["at"]), UTC)
    read = Corrected(found["line"], Person.parse(found["by"]), at, found["once"])
    if read.by != by:
        raise NotAllowed("This was offered to somebody else. Type the command yourself.")
    if now - at > GOOD_FOR:
        raise NotPossible(
            f"This was offered {_long_ago(now - at)} ago; nothing was done. If you still mean it, "
            f"type it: {as_read(read.line)}"
        )
    return read


def as_read(line: str) -> str:
    """Write a line as people see it."""
    return line.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _long_ago(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    hours = minutes // 60
    return f"{hours} hours" if hours > 1 else f"{minutes} minutes"
