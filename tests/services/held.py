"""Providers whose calls park until the state machine answers them, and
the truth about what runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.domain.catalog import EnvironmentPolicy, Freeze, Service
from bot.domain.changes import Change, Changes
from bot.domain.errors import IntegrationError
from bot.domain.health import Observed
from bot.domain.people import Person
from bot.domain.quality import QualityState
from bot.domain.rollout import RunState, Stage
from bot.ports.ci import CIRun, GateAnswer, Quality, Resolved, RunHint, StartRequest
from bot.ports.metrics import Cohort, Window
from bot.ports.people import Profile, Shift
from tests.services.conftest import PEOPLE
from tests.services.process import How, Process

VERSIONS = ("v0", "v1", "v2", "v3")
COMMITS = {version: letter * 40 for version, letter in zip(VERSIONS, "abcd", strict=True)}
KINDS = ("find", "start", "look", "cancel", "compare", "quality", "who", "directory")
"""Every kind of call that can be held."""


BEHIND = timedelta(seconds=30)
"""How far a provider's list is behind."""


def away(vendor: str) -> IntegrationError:
    """Say that a vendor does not answer."""
    return IntegrationError("no answer", vendor=vendor)


@dataclass
class Truth:
    """A run at the provider, as it is."""

    request: StartRequest
    run: str = ""
    state: RunState = RunState.QUEUED
    has_begun: bool = False
    shows_at: datetime | None = None
    """From when on the provider's list shows it; a moment behind where
    its start was not answered.
    """
    was_seen: bool = False
    """Whether the process that lives now has seen it."""

    def seen(self, at: datetime) -> CIRun:
        """Give it as the provider shows it."""
        self.was_seen = True
        stages = (Stage("deploy", self.state, started_at=at),) if self.has_begun else ()
        return CIRun(self.run, self.state, stages=stages)

    def moves(self, to: RunState) -> None:
        """Move on; what has ended stays as it is."""
        if self.state.is_final:
            return
        self.state = to
        self.has_begun = self.has_begun or to in {
            RunState.RUNNING,
            RunState.SUCCEEDED,
            RunState.FAILED,
        }


@dataclass
class HeldCI:
    """A CI provider; ``starting`` and ``cancelling`` hear of every such call at its very moment."""

    process: Process
    starting: Callable[[StartRequest], None]
    cancelling: Callable[[str], None]
    migration: str = ""
    """The version that came with a database migration; empty for none."""
    is_deaf: bool = False
    """Whether it takes a request to stop and goes on all the same."""
    is_behind: bool = False
    """Whether its list does not show at once what it has started."""
    runs: dict[str, Truth] = field(default_factory=dict)

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def _ask(self, kind: str, about: str) -> How:
        how = await self.process.hold(kind, about)
        if how is How.NO:
            raise away("the CI")
        return how

    def lies_between(self, one: str, other: str) -> bool:
        """Tell whether the migration lies between two commits."""
        low, high = sorted((one, other))
        return bool(self.migration) and low < COMMITS[self.migration] <= high

    async def resolve(self, ref: str) -> Resolved:
        return Resolved(COMMITS[ref], ref)

    async def compare(self, base: str, head: str) -> Changes:
        if await self._ask("compare", f"{base[0]} {head[0]}") is How.LOST:
            raise away("the CI")
        if base == head:
            return Changes()
        files = ("migrations/7.sql",) if self.lies_between(base, head) else ("basket.py",)
        return Changes(
            (Change(head, "faster basket", "cy"),), 1, ("cy",), files=files, backwards=head < base
        )

    async def quality(self, commit: str) -> Quality:
        how = await self._ask("quality", commit[0])
        if how is How.LOST:
            raise away("the CI")
        return Quality(QualityState.RED if how is How.FAILED else QualityState.GREEN, "212 tests")

    async def test_again(self, commit: str) -> CIRun:
        return CIRun(f"test:{commit}", RunState.QUEUED)

    async def freezes(self, environment: str) -> tuple[Freeze, ...]:
        assert environment
        return ()

    async def find(self, correlation: str) -> CIRun | None:
        if await self._ask("find", correlation) is How.LOST:
            raise away("the CI")
        found = [run for run in self.runs.values() if run.request.correlation == correlation]
        now = self.process.clock.now()
        if any(run.shows_at and run.shows_at > now for run in found):
            raise away("the CI")  # its list is behind: that there is none is not certain
        going = [run for run in found if not run.state.is_final]
        if len(going) > 1:
            raise away("the CI")  # which one is ours cannot be told
        return [*found, *going][-1].seen(now) if found else None

    async def start(self, request: StartRequest) -> CIRun:
        self.starting(request)
        try:
            how = await self._ask("start", request.correlation)
        except asyncio.CancelledError:
            if self.process.arrives:
                self._begins(request)
            raise
        run = self._begins(request)
        if how is How.LOST:
            run.shows_at = self.process.clock.now() + BEHIND if self.is_behind else None
            raise away("the CI")
        return run.seen(self.process.clock.now())

    def _begins(self, request: StartRequest) -> Truth:
        """Begin a run. A provider that is asked twice begins two."""
        name, twins = (
            request.correlation,
            [run for run in self.runs if run.partition("#")[0] == request.correlation],
        )
        run = Truth(request, f"{name}#{len(twins) + 1}" if twins else name)
        self.runs[run.run] = run
        return run

    async def look(self, run: str) -> CIRun:
        how = await self._ask("look", run)
        if run not in self.runs:
            raise IntegrationError(
                f"there is no run {run}", vendor="the CI", status=404, retry=False
            )
        states = {How.DONE: RunState.SUCCEEDED, How.FAILED: RunState.FAILED}
        self.runs[run].moves(states.get(how, RunState.RUNNING))
        if how is How.LOST:
            raise away("the CI")
        return self.runs[run].seen(self.process.clock.now())

    async def cancel(self, run: str) -> None:
        self.cancelling(run)
        how = await self._ask("cancel", run)
        if run in self.runs and not self.is_deaf:
            self.runs[run].moves(RunState.CANCELLED)
        if how is How.LOST:
            raise away("the CI")

    async def open_gate(self, run: str, environment: str) -> GateAnswer:
        raise AssertionError(run, environment)

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> RunHint:
        raise AssertionError(headers, body)


@dataclass
class TurningNumbers:
    """Errors of the new version, in a thousand requests; None for no data. The old one has two."""

    new: int | None = 2

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def observe(
        self, service: Service, environment: EnvironmentPolicy, window: Window, cohort: Cohort
    ) -> Mapping[str, Observed]:
        assert environment.name in service.environments
        assert window.end >= window.start
        errors = self.new if cohort.commit and not cohort.others else 2
        return {} if errors is None else {"errors": Observed(errors, 1000, requests=1000)}


@dataclass
class HeldRota:
    """Bo is on call; an answer may say that it is di, or nobody."""

    process: Process

    async def who(self, service: Service, at: datetime) -> Shift | None:
        how = await self.process.hold("who")
        if how in {How.NO, How.LOST}:
            raise away("the rota")
        if how is How.FAILED:
            return None
        return Shift(
            PEOPLE["di" if how is How.OK and "who" in self.process.holds else "bo"],
            at + timedelta(hours=8),
            f'rota "{service.name}"',
        )


@dataclass
class HeldDirectory:
    """The people of the workspace."""

    process: Process

    async def profile(self, person: Person, **_: bool) -> Profile:
        if await self.process.hold("directory", person.user) in {How.NO, How.LOST}:
            raise away("Slack")
        return Profile(person, person.user.removeprefix("U").lower(), is_member=True)

    def remembered(self, person: Person) -> Profile | None:
        return Profile(person, person.user.removeprefix("U").lower(), is_member=True)

    async def members(self, group: str, **_: bool) -> frozenset[Person]:
        if await self.process.hold("directory", group) in {How.NO, How.LOST}:
            raise away("Slack")
        return frozenset({PEOPLE["di"]})
