"""What people are asked the reason of afterwards: what is done with one click, when
there is no time for words.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bot.domain.deployment import Deployment, DeploymentId, State
from bot.domain.people import GONOGO, Person


class Deed(StrEnum):
    """What somebody has done to a deployment."""

    ROLLBACK = "rollback"  # it is, or was, rolled back
    STOP = "stop"  # it was stopped where it was
    GIVE_UP = "give up"  # its rollback, which hung, was given up


@dataclass(frozen=True, slots=True)
class Why:
    """A deed, by whom, and the reason that they gave, if they gave one."""

    deed: Deed
    by: Person
    reason: str = ""
    back: DeploymentId = ""
    """The rollback, where there is one."""

    @property
    def is_asked(self) -> bool:
        """Tell whether somebody is still to say why."""
        return self.by != GONOGO and not self.reason

    @property
    def mark(self) -> str:
        """Name the deed: an older one has had a reason of its own."""
        return f"{self.deed} {self.back}"


def why_of(deployment: Deployment, back: Deployment | None) -> Why | None:
    """Give what was done to a deployment that asks for a reason; None where nothing was.
    ``back`` is its newest rollback.
    """
    if deployment.was_stopped and deployment.ended_by is not None:
        return Why(Deed.STOP, deployment.ended_by, deployment.note)
    if deployment.state in {State.ROLLING_BACK, State.ROLLED_BACK}:
        return Why(
            Deed.ROLLBACK,
            back.requested_by if back else GONOGO,
            deployment.note,
            back.id if back else "",
        )
    if (
        deployment.state is State.FAILED
        and back is not None
        and back.was_given_up
        and back.ended_by is not None
    ):
        return Why(Deed.GIVE_UP, back.ended_by, back.note, back.id)
    return None
