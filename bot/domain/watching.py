"""What is still being watched in a place, and what that means for the
deployment that comes after it.

A version becomes verified by the end of its watch. Whoever replaces it before takes that away,
and with it what could be gone back to; so the next deployment waits for the end, unless
somebody lets it go now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.domain.catalog import Need
from bot.domain.deployment import DeploymentId, State
from bot.domain.people import Person
from bot.domain.readiness import WATCHED, Gate, GateState, Review
from bot.domain.trouble import Trouble

CAN_GO = frozenset({State.GATED, State.AWAITING_APPROVAL})
"""Where a deployment has its turn, and nothing but gates and approvals before it."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A deployment that is live in a place and has not been watched to its end."""

    deployment: DeploymentId
    version: str
    since: datetime | None
    until: datetime | None
    lead: Person | None = None
    is_in_trouble: bool = False
    """Whether its numbers keep the watch from its end until its lead decides."""
    finding: int = 0
    """The number of that trouble; 0 for none."""
    waiting: tuple[DeploymentId, ...] = ()
    """The deployments that wait for it to be verified here."""
    picture: int = 0
    """How often that trouble has been shown worse."""

    @property
    def mark(self) -> str:
        """Name what would be cut short: the watch of a healthy version is another
        thing than one in trouble.
        """
        return mark_of(self.deployment, self.finding)

    @property
    def shown(self) -> str:
        """Name what somebody sees who lets another go: the same trouble, once it is
        worse, is another picture.
        """
        return f"{self.mark}:{self.picture}"

    @property
    def sentence(self) -> str:
        """Say what is waited for."""
        named = f"{self.deployment} ({self.version})"
        return (
            f"{named} is worse or unclear, and its lead decides first"
            if self.is_in_trouble
            else f"{named} is being watched"
        )


def mark_of(deployment: DeploymentId, finding: int) -> str:
    """Name the watch of a deployment as it stands."""
    return f"{deployment}:{finding}"


def finding_in(trouble: Trouble | None) -> int:
    """Give the number of what is the matter now; 0 for nothing."""
    return trouble.number if trouble is not None and trouble.is_open else 0


def picture_in(trouble: Trouble | None) -> int:
    """Say how often what is the matter now has been shown worse; 0 for nothing."""
    return len(trouble.bad) if trouble is not None and trouble.is_open else 0


def is_all_that_keeps(state: State, review: Review | None) -> bool:
    """Tell whether a deployment would go but for the watch of the one before: only then is it for
    somebody to let it go now.
    """
    return (
        state is State.GATED
        and review is not None
        and [gate.key for gate in review.blocking] == [WATCHED]
    )


def watched_gate(watched: Watched, *, by: Person | None, at: datetime | None) -> Gate:
    """Judge the watch of another deployment; ``by`` has let this one go
    without waiting for its end.
    """
    title = "no watch under way"
    if by is not None:
        return Gate(
            WATCHED, title, GateState.WAIVED, f"{watched.sentence}; not waited for", by=by, at=at
        )
    until = None if watched.is_in_trouble else watched.until
    return Gate(
        WATCHED,
        title,
        GateState.OPEN,
        watched.sentence,
        Need.REQUIRED,
        clears_at=until,
        at=watched.since,
    )
