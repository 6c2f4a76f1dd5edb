"""The audit log: append-only, hash-chained, verifiable offline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
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
