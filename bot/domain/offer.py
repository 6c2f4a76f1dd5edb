"""The offer of a rollback: what its button would do, in full, or why it cannot."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.domain.changes import Changes
from bot.domain.passed import Passed
from bot.domain.readiness import Confirmed


@dataclass(frozen=True, slots=True)
class RollbackOffer:
    """What the rollback button would do, in full; or why it cannot
    (``refused`` is then a sentence).
    """

    version: str = ""
    commit: str = ""
    verified_at: datetime | None = None
    undoes: Changes = field(default_factory=Changes)
    """The commits that the rollback takes away."""
    usual: timedelta | None = None
    """How long a rollback usually takes here; None when none has been seen."""
    refused: str = ""
    accepted: str = ""
    """How the target was accepted, if it was never verified; the dialog says so."""
    is_known: bool = True
    """Whether it is known what lies between. Where it is not, nothing goes back by itself."""
    plan: str = ""
    """What a confirmed plan is for (``rollback.plan_for``): migrations that would be left behind;
    empty where there are none.
    """
    is_own: bool = True
    """Whether these migrations are of this version itself, and not of
    what failed there before it.
    """
    confirmed: Confirmed | None = None
    """Who has confirmed that plan, and in which words."""
    passed: Passed | None = None
    """What was there before, where it goes back to another version."""
    cancels: str = ""
    """What was let go over it and has begun nothing: rolling back cancels that."""

    @property
    def is_possible(self) -> bool:
        """Tell whether the button can be offered."""
        return not self.refused
