"""The readiness review: from facts to gates, from gates to a decision.

Facts come from providers and from people; what is not known is never green.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bot.domain.catalog import Need
from bot.domain.people import Person

REQUESTER = "requester"
"""The key of the gate that is there while whoever asked for a deployment
could not ask for it now.
"""
WATCHED = "watched"
"""The key of the gate that is there for as long as an earlier deployment is being watched
(``bot.domain.watching``).
"""


class GateState(StrEnum):
    """What a gate says."""

    GREEN = "green"
    OPEN = "open"  # something or somebody still has to act
    UNKNOWN = "unknown"  # no answer from the provider; blocks like OPEN and says so
    WAIVED = "waived"


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate in one review, ready to be shown.

    ``key`` is the automatic gate's kind or ``item:KEY`` for a checklist item; ``sentence`` is what
    was found, short enough for one line.
    """

    key: str
    title: str
    state: GateState
    sentence: str
    need: Need = Need.REQUIRED
    who: str = ""
    """Who can clear it, as people read it: a role's name or a person's mention key (``T…/U…``);
    empty when it clears by itself.
    """
    clears_at: datetime | None = None
    """When it clears by itself, if that is known."""
    by: Person | None = None
    """Who ticked, waived or acknowledged it."""
    at: datetime | None = None
    url: str = ""
    """The evidence."""
    again: bool = False
    """Whether what it judges can be asked for once more: tests that have failed, or
    of which nothing is heard.
    """
    first: str = ""
    """The environment to which the same commit can be deployed first, so that it opens; empty where
    that would be for nothing.
    """
    startable: str = ""
    """The correlation id of the test run that would answer it and that nobody
    but a deployment starts.
    """
    plan: str = ""
    """The plan that somebody has to confirm, or has confirmed, so that it opens
    (``rollback.plan_for``).
    """
    how: str = ""
    """The command that clears it, for whoever is named."""
    as_of: datetime | None = field(default=None, compare=False)
    """When the provider said so, where that was a while before the review. An answer that was asked
    for again says nothing new.
    """

    @property
    def blocks(self) -> bool:
        """Tell whether the deployment has to wait for this gate."""
        return self.need is Need.REQUIRED and self.state in {GateState.OPEN, GateState.UNKNOWN}


@dataclass(frozen=True, slots=True)
class Tally:
    """How many gates a deployment has to pass: what every door says of them."""

    open: int
    """Of those that have to hold."""
    required: int
    optional: int


@dataclass(frozen=True, slots=True)
class Review:
    """All gates at one moment."""

    at: datetime
    gates: tuple[Gate, ...]

    @property
    def blocking(self) -> tuple[Gate, ...]:
        """Name the gates that the deployment waits for."""
        return tuple(gate for gate in self.gates if gate.blocks)

    @property
    def tally(self) -> Tally:
        """Count the gates that have to hold, and apart from them those that need not."""
        required = sum(gate.need is Need.REQUIRED for gate in self.gates)
        return Tally(len(self.blocking), required, len(self.gates) - required)

    @property
    def is_ready(self) -> bool:
        """Tell whether nothing blocks."""
        return not self.blocking

    @property
    def is_ready_to_approve(self) -> bool:
        """Tell whether nothing blocks but the end of the watch before it:
        people can decide meanwhile.
        """
        return all(gate.key == WATCHED for gate in self.blocking)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """That somebody has confirmed the migrations' own plan, and in which words."""

    by: Person
    at: datetime
    reason: str
