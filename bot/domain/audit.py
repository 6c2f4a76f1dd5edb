"""The audit log: append-only, hash-chained, verifiable offline."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from bot.domain.people import Person


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that a person or the bot did, or was refused. ``facts`` are JSON values and never hold a secret."""

    at: datetime
    actor: Person
    action: str
    """A command's verb (``deploy``, ``approve``, ``rollback`` …) or what the bot did (``pinned``, ``started``, ``verified`` …)."""
    deployment: str = ""
    outcome: str = "done"
    """``done`` or ``refused``."""
    facts: Mapping[str, Any] = field(default_factory=dict)


FIRST = "0" * 64
"""What the first entry's hash is linked to."""


def canonical(entry: Entry) -> bytes:
    """Write an entry as bytes that are the same for the same content on every machine."""
    body = {
        "at": entry.at.astimezone(UTC).isoformat(), "actor": {"team": entry.actor.team, "user": entry.actor.user}, "action": entry.action,
        "deployment": entry.deployment, "outcome": entry.outcome, "facts": json.loads(json.dumps(dict(entry.facts))),
    }  # fmt: skip
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def link(previous: str, entry: Entry, key: bytes | None) -> str:
    """Hash an entry onto the one before it: HMAC-SHA256 with a key kept outside the database, SHA-256 without one."""
    message = previous.encode() + canonical(entry)
    return hmac.new(key, message, sha256).hexdigest() if key else sha256(message).hexdigest()


@dataclass(frozen=True, slots=True)
class Link:
    """An entry as it stands in the chain."""

    n: int
    previous: str
    hash: str
    entry: Entry


def first_broken(links: Iterable[Link], key: bytes | None, *, previous: str = FIRST) -> int | None:
    """Verify a chain; name the first link that does not hold, or None. Edits, insertions, deletions and swaps all break it.

    A tail that was cut off is only seen by comparing the last hash with one kept elsewhere.
    """
    for each in links:
        if each.previous != previous or not hmac.compare_digest(each.hash, link(previous, each.entry, key)):
            return each.n
        previous = each.hash
    return None
