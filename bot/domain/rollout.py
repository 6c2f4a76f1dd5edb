"""The rollout: a strategy's steps made concrete for one deployment, and where each one stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from bot.domain import plain
from bot.domain.catalog import Strategy


class RunState(StrEnum):
    """Where a CI run, or a stage of one, stands. The last five are final and sticky."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"  # at a gate of the provider's own
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    LOST = "lost"  # the provider cannot say any more what became of it

    @property
    def is_final(self) -> bool:
        """Tell whether it can still change."""
        return self not in {RunState.QUEUED, RunState.RUNNING, RunState.WAITING}


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a run."""

    name: str
    state: RunState
    started_at: datetime | None = None
    finished_at: datetime | None = None
    sentence: str = ""
    passable: bool = False
    """Whether it waits at a gate that can be opened from here."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", plain.line(self.name, plain.LONGEST_NAME))
        object.__setattr__(self, "sentence", plain.line(self.sentence))

    @property
    def took(self) -> timedelta | None:
        """How long it took, once it is over."""
        return self.finished_at - self.started_at if self.started_at and self.finished_at else None


class StepState(StrEnum):
    """Where a step stands."""

    PENDING = "pending"
    RUNNING = "running"  # the CI run is under way
    SMOKE = "smoke"  # the smoke run is under way
    # deployed; under observation until the hold time is over and the verdict allows to go on
    HOLDING = "holding"
    DONE = "done"
    FAILED = "failed"
    # a person's word has ended it, which says nothing about the version; a run
    # that was going is given up
    STOPPED = "stopped"
    SKIPPED = "skipped"  # the rollout ended before this step


@dataclass(frozen=True, slots=True)
class Step:
    """One step of one deployment, as it is stored. ``key`` is ``canary-5``,
    ``rolling-50`` or ``rollback``.
    """

    index: int
    key: str
    percent: int
    hold: timedelta
    state: StepState = StepState.PENDING
    run: str = ""
    """The CI provider's id of the run."""
    run_url: str = ""
    started_at: datetime | None = None
    """When the intent to start was stored."""
    asked_at: datetime | None = None
    """When the CI provider was last asked to start its run, where it has not told the run
    since: one may be on its way.
    """
    asked_under: int = 0
    """Under which permit of the place that was: an answer to another asking does not say what
    became of it.
    """
    served_at: datetime | None = None
    """When the CI run had succeeded, where a smoke test follows."""
    deployed_at: datetime | None = None
    """When the CI run (and the smoke run) had succeeded: the hold begins."""
    finished_at: datetime | None = None
    attempt: int = 1
    """A run that the provider has lost for certain is started again under the next
    attempt's correlation id.
    """
    sentence: str = ""
    """What the run said when it failed, or what is odd about it while it runs."""
    stages: tuple[Stage, ...] = ()
    """The stages of the run, as they were seen last."""
    deploying_stages: tuple[Stage, ...] = ()
    """The stages of the run that deployed, once the smoke run is under way."""
    moved_at: datetime | None = None
    """When the run was last seen to get on."""
    let_on_at: datetime | None = None
    """When it was last seen to have gone on from a gate of its pipeline."""
    silent_since: datetime | None = None
    """Since when the CI provider has not answered a question about this step, or has refused to."""
    refusal: str = ""
    """What it says when it refuses."""

    @property
    def label(self) -> str:
        """Name it by its strategy and its share: ``canary 5 %``."""
        return f"{self.key.split('-')[0]} {self.percent} %"

    @property
    def is_under_way(self) -> bool:
        """Tell whether a run of it is under way."""
        return self.state in {StepState.RUNNING, StepState.SMOKE}

    @property
    def is_on_its_way(self) -> bool:
        """Tell whether nothing that is found keeps it any more: its smoke test has begun, or its
        run is there or was asked for.
        """
        return self.state is StepState.SMOKE or (
            self.state is StepState.RUNNING and (bool(self.run) or self.asked_at is not None)
        )

    @property
    def goes_since(self) -> datetime | None:
        """Since when its run, or its smoke test, has been going without waiting at a gate: that is
        the time that it takes itself.
        """
        began = self.served_at if self.state is StepState.SMOKE else self.started_at
        return max((at for at in (began, self.let_on_at) if at is not None), default=None)

    @property
    def serves_since(self) -> datetime | None:
        """Since when the version has had this share of the requests; None while
        its run has not succeeded.
        """
        return self.served_at or self.deployed_at

    def is_held(self, now: datetime) -> bool:
        """Tell whether it is still to be observed for a time."""
        return (
            self.state is StepState.HOLDING
            and self.deployed_at is not None
            and now < self.deployed_at + self.hold
        )

    @property
    def is_to_start(self) -> bool:
        """Tell whether no run of it has been started yet."""
        return self.state is StepState.PENDING or (self.state is StepState.RUNNING and not self.run)

    @property
    def is_untouched(self) -> bool:
        """Tell whether no run of it has ever been there, and nobody has been asked for
        one: it may be taken back.
        """
        return (
            self.attempt == 1
            and not self.run
            and self.asked_at is None
            and self.serves_since is None
        )

    @property
    def passable_stage(self) -> str:
        """Name the stage that waits at a gate that can be opened from here."""
        return next(
            (stage.name for stage in self.stages if stage.passable and self.is_under_way), ""
        )

    @property
    def waiting_stage(self) -> str:
        """Name the stage that waits at a gate, wherever that is opened; empty for none."""
        waits = next(
            (
                stage.name
                for stage in self.stages
                if stage.state is RunState.WAITING and self.is_under_way
            ),
            "",
        )
        return self.passable_stage or waits

    @property
    def is_gated(self) -> bool:
        """Tell whether what deploys waits at such a gate. A smoke test changes nothing,
        so nothing keeps its gate.
        """
        return self.state is StepState.RUNNING and bool(self.passable_stage)

    @property
    def gate(self) -> str:
        """Name that gate among all of the deployment, so that a click means this one and no
        later one; empty for none.
        """
        name = f"{self.key}:{self.attempt}:{self.state}:{self.passable_stage}"
        return sha256(name.encode(errors="replace")).hexdigest()[:16] if self.passable_stage else ""

    @property
    def hold_until(self) -> datetime | None:
        """When the hold is over, once it has begun."""
        return self.deployed_at + self.hold if self.deployed_at else None


def serves(steps: Sequence[Step]) -> Step | None:
    """Give the step that serves: the newest whose run has succeeded, until the run of the next one
    has. None before the first.
    """
    return next((step for step in reversed(steps) if step.serves_since is not None), None)


def serving(steps: Sequence[Step]) -> int:
    """Say how many percent of the traffic the steps that are whole have given to a version."""
    return max((step.percent for step in steps if step.serves_since is not None), default=0)


def plan(strategy: Strategy) -> tuple[Step, ...]:
    """Make a strategy's steps concrete."""
    return tuple(
        Step(index=i, key=f"{strategy.kind}-{step.percent}", percent=step.percent, hold=step.hold)
        for i, step in enumerate(strategy.steps)
    )


def is_overrun(step: Step, usual: Mapping[str, timedelta], now: datetime) -> bool:
    """Tell whether a run under way has taken longer than usual, so that nobody
    can tell how much longer.
    """
    began = step.started_at if step.is_under_way else None
    return began is not None and now - began > (usual.get(step.key) or timedelta.max)


@dataclass(frozen=True, slots=True)
class Overrun:
    """A run under way that takes longer than such runs did before: since when it runs, and how long
    they took.
    """

    since: datetime
    before: timedelta


def overrun(steps: Sequence[Step], usual: Mapping[str, timedelta], now: datetime) -> Overrun | None:
    """Find the run under way that takes longer than usual; None where none does."""
    return next(
        (
            Overrun(step.started_at, usual[step.key])
            for step in steps
            if step.started_at is not None and is_overrun(step, usual, now)
        ),
        None,
    )


_ENDED = frozenset({StepState.DONE, StepState.FAILED, StepState.STOPPED, StepState.SKIPPED})


def time_left(
    steps: Sequence[Step], usual: Mapping[str, timedelta], now: datetime
) -> timedelta | None:
    """Estimate what a rollout still needs: the usual time of the steps to come, by their keys, and
    the holds that are not over.

    None while CI is silent or waits for somebody, where a run takes longer than usual already,
    and where nothing is left.
    """
    waits = any(
        stage.state is RunState.WAITING
        for step in steps
        if step.is_under_way
        for stage in step.stages
    )
    if waits or any(step.silent_since or is_overrun(step, usual, now) for step in steps):
        return None
    to_come = [step for step in steps if step.state not in _ENDED]
    runs = [usual.get(step.key, timedelta(0)) for step in to_come if step.deployed_at is None]
    holds = [
        step.hold - (now - step.deployed_at if step.deployed_at else timedelta(0))
        for step in to_come
    ]
    return sum([*runs, *(max(hold, timedelta(0)) for hold in holds)], timedelta(0)) or None


def correlation(deployment: str, asked_at: datetime, step: Step, *, smoke: bool = False) -> str:
    """Name the intent to run a step; the name travels into the CI run and finds it again.

    It ends with a mark of this very request: numbers begin again in a new or restored database, and
    CI remembers the runs of the old one.
    """
    mark = sha256(f"{deployment} {asked_at.isoformat()}".encode()).hexdigest()[:6]
    attempt = f":{step.attempt}" if step.attempt > 1 else ""
    return f"{deployment}:{step.key}{':smoke' if smoke else ''}{attempt}:{mark}"
