"""What goes first in a place, for the card of whatever is queued behind it."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.deployment import DeploymentId
from bot.domain.people import Person


@dataclass(frozen=True, slots=True)
class Ahead:
    """A deployment that has the environment and has touched nothing yet."""

    deployment: DeploymentId
    version: str
    stands: str
    """Where it stands, as a sentence about it goes on: ``waits for its gates``."""
    people: tuple[Person, ...]
    """Who can cancel it,"""
    roles: tuple[str, ...]
    """and by which right anybody else can, in words."""
