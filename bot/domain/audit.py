"""The audit log: append-only, hash-chained, signed by keys that may change, verifiable offline
and by programs of others.

Everything that an entry says, its number, its key's id and the format's version are in its hash,
exactly as they are stored.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final, Literal

from bot.domain.people import Person

FORMAT = 1
"""The version of the canonical bytes below; it is in them, so that a later version can
read what this one wrote.
"""
FIRST = "0" * 64
"""What the first entry's hash is linked to."""
UNSIGNED = ""
"""The key id of what was written without a key."""
RESTORED: Final = "restored"
"""The action with which the bot writes down that its database was put back from a copy."""

Audited = Literal[
    "accepted", "acknowledge", "approve", "ask_lead", "blind", "cancel", "confirm_plan",
    "countdown", "countdown off", "degraded", "deploy", "expired", "gate_not_opened", "given up",
    "given up run ended", "given up run untold", "go", "go_now", "hangs", "impossible", "landed",
    "late", "lead", "left", "looked after", "lost", "not started", "not stopped", "open_gate",
    "pinned", "proceed", "quarantine lifted", "quarantined", "recounted", "recovered", "reject",
    "retest", "rollback", "rollback failed", "rolled back", "say_why", "smoke", "smoke failed",
    "started", "step done", "step failed", "stood still", "stop", "stop_countdown", "stuck", "thin",
    "tick", "unlock", "verified", "waits again", "watch", "watched on",
]  # fmt: skip
"""What is written down of a deployment: a command's verb, or what the bot did. Each has its words
in ``templates/slack/parts.md.j2``.
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that a person or the bot did, or was refused. ``facts`` are JSON values
    and never hold a secret.
    """

    at: datetime
    actor: Person
    action: str
    """A command's verb (``deploy``, ``approve``, ``rollback`` …) or what the bot did (``pinned``,
    ``started``, ``verified`` …).
    """
    deployment: str = ""
    outcome: str = "done"
    """``done``, ``refused``, ``failed`` (what was begun came to no good end) or ``incident`` (our
    own fault; nothing was decided).
    """
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Key:
    """A key that signs entries and heads, kept outside the database."""

    secret: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """Name the key without telling it."""
        return hmac.new(self.secret, b"gonogo audit key", sha256).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that are known, the newest first: it signs, the others verify what
    they signed in their time.
    """

    known: tuple[Key, ...] = ()

    @property
    def newest(self) -> Key | None:
        """The key that signs; None where nothing is signed."""
        return self.known[0] if self.known else None


@dataclass(frozen=True, slots=True)
class Link:
    """An entry as it stands in the chain: every field as it is stored, and all of them hashed."""

    n: int
    at: str
    """ISO 8601 in UTC with microseconds, so that texts sort as times do."""
    actor: str
    action: str
    deployment: str
    outcome: str
    facts: str
    """JSON in ASCII with sorted keys. The text itself is hashed, so that no reader can
    take it for something else.
    """
    key: str
    """The id of the key that signed it; empty for none."""
    previous: str
    hash: str = ""
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry's number and hash at a moment. Kept elsewhere, it shows a tail that was cut
    off and a past that was rewritten.
    """

    n: int
    hash: str
    at: str = ""
    key: str = UNSIGNED
    signature: str = ""
    is_given: bool = False
    """Whether a person brings it along and vouches for it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries are asked for; what is empty asks for all."""

    service: str = ""
    deployment: str = ""
    since: datetime | None = None
    until: datetime | None = None
    """The first moment that is not asked for any more."""

    def __contains__(self, link: Link) -> bool:
        if self.deployment not in {"", link.deployment}:
            return False
        if (self.since and link.at < moment(self.since)) or (
            self.until and link.at >= moment(self.until)
        ):
            return False
        return not self.service or self.service in services_of(link)


def services_of(link: Link) -> set[str]:
    """Name the services that an entry is about: its deployment's, and those that its facts or
    the refused command name.
    """
    facts = json.loads(link.facts)
    command = facts.get("command")
    named = {
        link.deployment.rpartition("-")[0],
        facts.get("service"),
        command.get("service") if isinstance(command, dict) else None,
    }
    return {str(name) for name in named if name}


def canonical(link: Link) -> bytes:
    """Write what is hashed as bytes that are the same on every machine: JSON, keys sorted, ASCII,
    no spaces, without the hash itself.
    """
    body = {
        "format": link.format, "n": link.n, "at": link.at, "actor": link.actor,
        "action": link.action, "deployment": link.deployment,
        "outcome": link.outcome, "facts": link.facts, "key": link.key, "previous": link.previous,
    }  # fmt: skip
    return _plain(body).encode()


def digest(link: Link, key: Key | None) -> str:
    """Hash an entry: HMAC-SHA256 with the key that signs it, SHA-256 without one."""
    return _hash(canonical(link), key)


def seal(entry: Entry, after: Head | None, key: Key | None) -> Link:
    """Append an entry to the chain that ends with a head."""
    link = Link(
        n=after.n + 1 if after else 1, at=moment(entry.at),
        actor=str(entry.actor), action=entry.action, deployment=entry.deployment,
        outcome=entry.outcome, facts=_plain(dict(entry.facts)),
        key=key.id if key else UNSIGNED, previous=after.hash if after else FIRST,
    )  # fmt: skip
    return replace(link, hash=digest(link, key))


def entry_of(link: Link) -> Entry:
    """Read an entry as it was before it was sealed."""
    return Entry(
        datetime.fromisoformat(link.at),
        Person.parse(link.actor),
        link.action,
        link.deployment,
        link.outcome,
        json.loads(link.facts),
    )


def sign(head: Head, at: datetime, key: Key | None) -> Head:
    """Say when a head was seen, and sign that."""
    dated = replace(head, at=moment(at), key=key.id if key else UNSIGNED)
    return replace(dated, signature=_hash(_of_head(dated), key) if key else "")


def is_signed(head: Head, key: Key) -> bool:
    """Tell whether a head was signed with a key."""
    return head.signature == _hash(_of_head(head), key)


def moment(at: datetime) -> str:
    """Write a time as the chain does."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _of_head(head: Head) -> bytes:
    return _plain(
        {"head": FORMAT, "n": head.n, "hash": head.hash, "at": head.at, "key": head.key}
    ).encode()


def _hash(message: bytes, key: Key | None) -> str:
    return hmac.new(key.secret, message, sha256).hexdigest() if key else sha256(message).hexdigest()


def _plain(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
