"""A deployment: moving one pinned commit to one environment, and the states it can be in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.domain.people import Person

DeploymentId = str
"""For example ``storefront-42``: the service and a number that people can say aloud. It is empty
for one that is only imagined, and where something is of none.
"""


def is_of(of: DeploymentId, id: DeploymentId) -> bool:
    """Tell whether what names a deployment (a doubt, a lock, a run) is of this one: what names none
    is of none, and nothing is of one that is only imagined.
    """
    return bool(id) and of == id


class Kind(StrEnum):
    """A rollback is itself a deployment, of the last verified commit."""

    FORWARD = "forward"
    ROLLBACK = "rollback"


class Acceptance(StrEnum):
    """Why a deployment that ended its watch counts as accepted and not as verified."""

    ON_WORD = "on the lead's word"  # the lead let it go on when the numbers were worse or missing
    LITTLE = "too little traffic"
    UNWATCHED = "no metrics"
    COMPARED = "compared only with a version that was worse itself"
    ADOPTED = "on an operator's word"  # it was live before the bot came, and an operator said so
    CUT_SHORT = "live before, its watch not ended"  # it was replaced while nothing spoke against it
    SAID = "on somebody's word"  # nobody could know what is live, and somebody said it


class State(StrEnum):
    """Where a deployment stands."""

    REQUESTED = "requested"  # the ref is being resolved to a commit
    QUEUED = "queued"  # another deployment has the environment
    GATED = "gated"  # waiting for readiness gates
    AWAITING_APPROVAL = "awaiting approval"
    ROLLING_OUT = "rolling out"
    WATCHING = "watching"  # live everywhere; watched before it counts as verified
    VERIFIED = "verified"  # earned: it ended its watch with numbers that say healthy
    ACCEPTED = "accepted"  # it ended its watch without that (see Acceptance)
    # live and fine, but somebody let the next deployment go before it was verified
    SUPERSEDED = "superseded"
    ROLLING_BACK = "rolling back"
    ROLLED_BACK = "rolled back"
    FAILED = "failed"  # stopped in the middle: the environment is unknown until somebody rolls back
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    # never began: the ref or the commit does not allow it, or it has become live meanwhile
    IMPOSSIBLE = "impossible"


# cancelled, or back before its gates, only before anything of it was started: that costs nothing
TRANSITIONS: dict[State, frozenset[State]] = {
    State.REQUESTED: frozenset({State.QUEUED, State.CANCELLED, State.IMPOSSIBLE}),
    State.QUEUED: frozenset({State.GATED, State.CANCELLED}),
    State.GATED: frozenset(
        {
            State.AWAITING_APPROVAL,
            State.ROLLING_OUT,
            State.CANCELLED,
            State.EXPIRED,
            State.IMPOSSIBLE,
        }
    ),
    State.AWAITING_APPROVAL: frozenset(
        {
            State.GATED,
            State.ROLLING_OUT,
            State.CANCELLED,
            State.REJECTED,
            State.EXPIRED,
            State.IMPOSSIBLE,
        }
    ),
    State.ROLLING_OUT: frozenset(
        {
            State.GATED,
            State.WATCHING,
            State.VERIFIED,
            State.ACCEPTED,
            State.ROLLING_BACK,
            State.FAILED,
            State.CANCELLED,
        }
    ),
    State.WATCHING: frozenset(
        {State.VERIFIED, State.ACCEPTED, State.SUPERSEDED, State.ROLLING_BACK}
    ),
    State.VERIFIED: frozenset({State.ROLLING_BACK}),
    State.ACCEPTED: frozenset({State.ROLLING_BACK}),
    # watched on: somebody's word had ended its watch, and another word corrects that
    State.SUPERSEDED: frozenset({State.WATCHING}),
    State.ROLLING_BACK: frozenset({State.ROLLED_BACK, State.FAILED}),
    State.ROLLED_BACK: frozenset(),
    # watched on: its rollback failed, and somebody said that it is live
    State.FAILED: frozenset({State.ROLLING_BACK, State.WATCHING}),
    State.CANCELLED: frozenset(),
    State.REJECTED: frozenset(),
    State.EXPIRED: frozenset(),
    State.IMPOSSIBLE: frozenset(),
}
"""Every move that is allowed; any other is refused by the database's
conditional update, whoever asks.
"""

STANDS: dict[State, str] = {
    State.REQUESTED: "is being looked up",
    State.QUEUED: "waits in the queue",
    State.GATED: "waits for its gates",
    State.AWAITING_APPROVAL: "waits for approval",
    State.ROLLING_OUT: "is rolling out",
    State.WATCHING: "is live and being watched",
    State.VERIFIED: "has been verified",
    State.ACCEPTED: "has been accepted",
    State.SUPERSEDED: "was replaced before it was verified",
    State.ROLLING_BACK: "is rolling back",
    State.ROLLED_BACK: "is rolled back",
    State.FAILED: "has failed",
    State.CANCELLED: "was cancelled",
    State.REJECTED: "was rejected",
    State.EXPIRED: "has expired",
    State.IMPOSSIBLE: "was not possible",
}
"""How a sentence about a deployment says its state."""
OUT_OF_TIME: dict[State, str] = {
    State.REQUESTED: "it was looked up for too long",
    State.QUEUED: "its turn did not come in time",
    State.GATED: "its gates did not open in time",
    State.AWAITING_APPROVAL: "it was not approved in time",
}
"""Why what has waited for too long is over, for each state that waits."""

WAITING = frozenset({State.REQUESTED, State.QUEUED, State.GATED, State.AWAITING_APPROVAL})
"""Nothing has been touched yet: cancelling costs nothing."""
ACTING = frozenset({State.ROLLING_OUT, State.ROLLING_BACK})
"""Something runs at the CI provider."""
MOVING = ACTING | {State.WATCHING}
"""Something of it is in its place, and not at rest there."""
OPEN = WAITING | MOVING
"""The runbook still has work to do."""
BEFORE_TURN = WAITING | ACTING
"""It needs its place to itself: whoever was asked for later waits."""
AT_REST = frozenset({State.VERIFIED, State.ACCEPTED})
"""It has ended its watch."""
CAN_ROLL_BACK = frozenset(
    {State.ROLLING_OUT, State.WATCHING, State.VERIFIED, State.ACCEPTED, State.FAILED}
)
"""The environment was touched and the deployment is not on its way back already."""
OVER = frozenset(State) - OPEN


@dataclass(frozen=True, slots=True)
class Times:
    """What a move does to the times of a deployment."""

    is_started: bool = True
    """Whether what was started is still counted as started."""
    is_landed: bool = False
    """Whether it is live whole, from now on where it was not before."""
    is_over: bool = False
    """Whether it has ended; what moves on again has not."""


def times(target: State) -> Times:
    """Say which of its times a deployment keeps and gets when it enters a state."""
    return Times(
        is_started=target is not State.CANCELLED,
        is_landed=target is State.WATCHING,
        is_over=target in OVER,
    )


def sources(target: State) -> frozenset[State]:
    """Name the states from which ``target`` may be entered."""
    return frozenset(state for state, targets in TRANSITIONS.items() if target in targets)


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment as it is stored. Times are aware UTC."""

    id: DeploymentId
    kind: Kind
    service: str
    environment: str
    ref: str
    """What the person typed: a tag, branch, commit, ``latest`` or ``previous``."""
    version: str
    """What people call it: the tag if there is one, else the short commit; the typed
    ref until it is resolved.
    """
    commit: str
    """The pinned commit, 40 hex digits; empty until the ref is resolved,
    never changed afterwards.
    """
    strategy: str
    requested_by: Person
    lead: Person | None
    """The deployment lead; None until the runbook has asked the on-call schedule."""
    state: State
    state_since: datetime
    requested_at: datetime
    asked_anew_at: datetime | None = None
    """When somebody asked for the same again, which waited and was no answer yet to what
    had failed in its place.
    """
    reason: str = ""
    note: str = ""
    """One sentence on the state: why it is impossible, what it waits for, the
    reason of whoever ended it.
    """
    ended_by: Person | None = None
    """Who cancelled, rejected or stopped it, or said that something else is live instead."""
    channel: str = ""
    """Where its card lives."""
    base_commit: str = ""
    """What was live in the environment when the rollout began; empty if nothing was."""
    base_version: str = ""
    undoes: DeploymentId = ""
    """For a rollback: the deployment that it undoes."""
    started_at: datetime | None = None
    """When its first run was asked for; None as long as nothing of it can be there."""
    landed_at: datetime | None = None
    finished_at: datetime | None = None
    countdown_until: datetime | None = None
    """When the automatic rollback begins, while one is counting down."""
    accepted: str = ""
    """How it was accepted (``Acceptance``), in the state ACCEPTED."""

    @property
    def asked_at(self) -> datetime:
        """Tell when it was asked for last: it is an answer to what had failed before."""
        return self.asked_anew_at or self.requested_at

    @property
    def title(self) -> str:
        """Name it for a person: ``storefront v1.2.0 → production``."""
        return f"{self.service} {self.version} → {self.environment}"

    @property
    def is_only_let_go(self) -> bool:
        """Tell whether it may begin, and no run of it has been asked for yet."""
        return self.state is State.ROLLING_OUT and self.started_at is None

    @property
    def is_in_part_there(self) -> bool:
        """Tell whether it rolls out and something of it may be there: where nothing can be gone
        back to, it can only be stopped.
        """
        return (
            self.kind is Kind.FORWARD
            and self.state is State.ROLLING_OUT
            and not self.is_only_let_go
        )

    @property
    def has_touched_nothing(self) -> bool:
        """Tell whether cancelling it costs nothing."""
        return self.state in WAITING or self.is_only_let_go

    @property
    def is_unanswered(self) -> bool:
        """Tell whether its ref could not be looked up when it was asked
        for, and has not been since.
        """
        return self.state is State.REQUESTED and not self.commit

    @property
    def never_was(self) -> bool:
        """Tell whether it was refused as soon as its ref could be looked up: it has never
        been anything to deploy.
        """
        return self.state is State.IMPOSSIBLE and not self.commit

    @property
    def was_stopped(self) -> bool:
        """Tell whether its lead has stopped it in the middle: that is no failure."""
        return (
            self.kind is Kind.FORWARD and self.state is State.FAILED and self.ended_by is not None
        )

    @property
    def was_given_up(self) -> bool:
        """Tell whether it is a rollback that hung, and that its lead has given up."""
        return (
            self.kind is Kind.ROLLBACK and self.state is State.FAILED and self.ended_by is not None
        )

    @property
    def was_left(self) -> bool:
        """Tell whether somebody's word that something else is live has ended its
        watch, and no deployment.
        """
        return self.state is State.SUPERSEDED and self.ended_by is not None

    @property
    def is_over_already(self) -> str:
        """Say that somebody comes too late: ``storefront v1.2.0 → production
        was cancelled already``.
        """
        return self.stands if self.state is State.IMPOSSIBLE else f"{self.stands} already"

    @property
    def stands(self) -> str:
        """Begin a sentence with it and where it stands: ``storefront v1.2.0 →
        production waits for its gates``.
        """
        if self.was_left:
            return f"{self.title} was being watched when somebody said that something else is live"
        if self.is_unanswered:
            return f"{self.title} is being looked up: the CI provider has not answered yet"
        return (
            f"{self.title} {'was stopped by its lead' if self.was_stopped else STANDS[self.state]}"
        )
