"""What is under way of a deployment: its own steps or those of the rollback that undoes it, the
silence of the CI provider that runs them, and the gate of the pipeline at which they wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.domain.deployment import Deployment, Kind, State
from bot.domain.rollout import Step, StepState


class Unanswered(StrEnum):
    """What the CI provider keeps open while it does not answer, or refuses."""

    REF = "ref"  # which commit the typed ref is
    STOP = "stop"  # whether what runs is stopped before the rollback
    START = "start"  # whether a run was started
    WAY_BACK = "way back"  # whether the rollback's run was started
    RUN = "run"  # how the run under way is


@dataclass(frozen=True, slots=True)
class Silence:
    """That the CI provider does not answer, or refuses: what is said of it wherever the deployment
    is shown that depends on it.
    """

    about: Unanswered
    since: datetime
    refusal: str = ""
    """What it says when it refuses; empty when it says nothing at all."""


@dataclass(frozen=True, slots=True)
class UnderWay:
    """The steps of a deployment and of its rollback, in a state."""

    state: State
    steps: tuple[Step, ...] = ()
    way_back: tuple[Step, ...] = ()

    @property
    def silent_since(self) -> datetime | None:
        """Since when the CI provider has not answered, or has refused, if
        something depends on it now.
        """
        return self._silent.silent_since if self._silent else None

    @property
    def refusal(self) -> str:
        """What the CI provider says when it refuses; empty when it says nothing at all."""
        return self._silent.refusal if self._silent else ""

    @property
    def is_start_unknown(self) -> bool:
        """Tell whether it is not known if a run was started; it is looked for
        before anything is started.
        """
        return self._silent is not None and self._silent.is_under_way and not self._silent.run

    @property
    def _silent(self) -> Step | None:
        steps = {State.ROLLING_OUT: self.steps, State.ROLLING_BACK: self.way_back}.get(
            self.state, ()
        )
        asked = [step for step in (self.steps if self.stops_first else steps) if step.is_under_way]
        asked += self.way_back if self.stops_first else ()
        return next((step for step in asked if step.silent_since), None)

    @property
    def stops_first(self) -> bool:
        """Tell whether its rollback has not begun yet: what runs is stopped before."""
        return self.state is State.ROLLING_BACK and all(
            step.state is StepState.PENDING for step in self.way_back
        )

    @property
    def is_stopping(self) -> bool:
        """Tell whether a run of it is stopped before its rollback begins."""
        return self.stops_first and any(step.is_under_way for step in self.steps)

    @property
    def waits_at(self) -> str:
        """Name the stage whose gate can be opened from here."""
        return next((step.passable_stage for step in self._moving if step.passable_stage), "")

    @property
    def is_gated(self) -> bool:
        """Tell whether a gate of the pipeline is shut before one of these steps."""
        return any(step.is_gated for step in self._moving)

    @property
    def gate(self) -> str:
        """Name that gate among all of the deployment (``Step.gate``)."""
        return next((step.gate for step in self._moving if step.gate), "")

    @property
    def _moving(self) -> tuple[Step, ...]:
        """The steps under way: its own, or those of the rollback that undoes it."""
        return self.way_back if self.state is State.ROLLING_BACK else self.steps


def silence_of(deployment: Deployment, under_way: UnderWay) -> Silence | None:
    """Say what a deployment waits for because the CI provider does not answer; None where nothing
    depends on it now.
    """
    if deployment.is_unanswered:
        return Silence(Unanswered.REF, deployment.requested_at)
    since = under_way.silent_since
    if since is None:
        return None
    goes_back = deployment.state is State.ROLLING_BACK or deployment.kind is Kind.ROLLBACK
    about = (
        Unanswered.STOP
        if under_way.is_stopping
        else Unanswered.RUN
        if not under_way.is_start_unknown
        else Unanswered.WAY_BACK
        if goes_back
        else Unanswered.START
    )
    return Silence(about, since, under_way.refusal)
