"""How much there is to do, and what does not get on: the figures of an operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Workload:
    """What is stored and not done, at one moment."""

    open_deployments: Mapping[str, int] = field(default_factory=dict)
    """How many there are, by state."""
    blocked: Mapping[str, str] = field(default_factory=dict)
    """The runbooks that cannot go on without a person, by id, with the reason."""
    outbox: Mapping[str, int] = field(default_factory=dict)
    """Messages to Slack by state: waiting, parked."""
    inbox: int = 0
    """Commands that were accepted and are not answered."""
    oldest_command: timedelta = timedelta(0)
    """For how long the oldest of them waits."""
    database_bytes: int = 0


def named(blocked: Mapping[str, str]) -> str:
    """Name the runbooks that are blocked, with their reasons; "" when none is."""
    said = [
        f"{run}: {why or 'no reason was written down'}"
        for run, why in list(blocked.items())[:MOST_NAMED]
    ]
    more = len(blocked) - len(said)
    return "; ".join([*said, *([f"and {more} more"] if more > 0 else [])])
