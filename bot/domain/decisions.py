"""What people said about a deployment: approvals, rejections, marks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.domain.deployment import DeploymentId
from bot.domain.people import Person


@dataclass(frozen=True, slots=True)
class Decision:
    """An approval or a rejection of one commit, over what was live then, by one person."""

    deployment: DeploymentId
    by: Person
    roles: tuple[str, ...]
    """The approving roles that they held."""
    approved: bool
    commit: str
    base: str
    """What was live: an approval is of what changes."""
    at: datetime
    reason: str = ""
    why_not: str = ""
    """Why an approval does not count now (its giver has left, or lost the
    role); empty while it does.
    """


@dataclass(frozen=True, slots=True)
class Mark:
    """Something a person said about a deployment once: ``item:KEY`` (ticked), ``on-call``,
    ``watching``, ``proceed:FINDING:STEP``.
    """

    deployment: DeploymentId
    key: str
    by: Person
    at: datetime
    reason: str = ""
