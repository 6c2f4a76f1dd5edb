"""The readiness review: from facts to gates, from gates to a decision.

Facts come from providers and from people; what is not known is never green.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.domain.catalog import Need
from bot.domain.people import Person


class GateState(StrEnum):
    """What a gate says."""

    GREEN = "green"
    OPEN = "open"  # something or somebody still has to act
    UNKNOWN = "unknown"  # no answer from the provider; blocks like OPEN and says so
    WAIVED = "waived"


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate in one review, ready to be shown.

    ``key`` is the automatic gate's kind or ``item:KEY`` for a checklist item; ``sentence`` is what was found, short enough for one line.
    """

    key: str
    title: str
    state: GateState
    sentence: str
    need: Need = Need.REQUIRED
    who: str = ""
    """Who can clear it, as people read it: a role's name or a person's mention key (``T…/U…``); empty when it clears by itself."""
    clears_at: datetime | None = None
    """When it clears by itself, if that is known."""
    by: Person | None = None
    """Who ticked, waived or acknowledged it."""
    at: datetime | None = None
    url: str = ""
    """The evidence."""

    @property
    def blocks(self) -> bool:
        """Tell whether the deployment has to wait for this gate."""
        return self.need is Need.REQUIRED and self.state in {GateState.OPEN, GateState.UNKNOWN}


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
    def is_ready(self) -> bool:
        """Tell whether nothing blocks."""
        return not self.blocking
