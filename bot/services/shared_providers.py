"""A service's providers with their questions shared: which are, and when an answer is forgotten."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from bot.domain.catalog import Freeze, Service
from bot.domain.changes import Changes
from bot.domain.quality import QualityState
from bot.ports.ci import TEST, CIProvider, CIRun, Costs, Quality, Question, StartRequest
from bot.ports.people import OnCallSchedule, Shift
from bot.ports.providers import Providers
from bot.ports.time import Clock
from bot.services.shared import SharedAnswers, T, Told, afresh, always

MOST_RUNS = 1_000

MOST_COMPARED = 4_000

WHOLE = 40
"""Signs of a commit's whole id."""


class _Shared:
    """A provider of which some questions are shared; everything else is the provider's own."""

    def __init__(
        self,
        provider: object,
        answers: SharedAnswers,
        clock: Clock,
        costs: Costs,
        *,
        name: str,
        service: str,
    ) -> None:
        self._provider = provider
        self._answers = answers
        self._clock = clock
        self._costs = costs
        self._name = name
        self._service = service

    def __getattr__(self, name: str) -> Any:
        return getattr(self._provider, name)

    async def _ask(
        self,
        question: Question,
        about: str,
        ask: Callable[[], Awaitable[T]],
        *,
        is_settled: Callable[[T], bool] = always,
    ) -> Told:
        key = (self._name, str(question), self._service, about)
        return await self._answers.ask(
            key, ask, requests=self._costs.get(question, 1), is_settled=is_settled
        )


class _SharedCI(_Shared):
    _provider: CIProvider

    def __init__(
        self,
        provider: object,
        answers: SharedAnswers,
        clock: Clock,
        costs: Costs,
        *,
        name: str,
        service: str,
    ) -> None:
        super().__init__(provider, answers, clock, costs, name=name, service=service)
        self._commits: OrderedDict[str, str] = OrderedDict()
        """Of the runs that were started here and have not been seen to end."""
        self._between: OrderedDict[tuple[str, str], Changes] = OrderedDict()

    async def compare(self, base: str, head: str) -> Changes:
        """List what lies between two commits: it never changes, so it is asked for once."""
        known = self._between.get((base, head))
        if known is None:
            known = await self._provider.compare(base, head)
            if known.known and len(base) == len(head) == WHOLE:
                self._between[base, head] = known
                while len(self._between) > MOST_COMPARED:
                    self._between.popitem(last=False)
        return known

    async def quality(self, commit: str) -> Quality:
        told = await self._ask(
            Question.TESTS, commit, lambda: self._provider.quality(commit), is_settled=_is_settled
        )
        return replace(cast("Quality", told.value), as_of=told.as_of(self._clock.now()))

    async def freezes(self, environment: str) -> tuple[Freeze, ...]:
        told = await self._ask(
            Question.FREEZES, environment, lambda: self._provider.freezes(environment)
        )
        return cast("tuple[Freeze, ...]", told.value)

    async def test_again(self, commit: str) -> CIRun:
        try:
            return await self._provider.test_again(commit)
        finally:
            self._answers.forget(commit)

    async def start(self, request: StartRequest) -> CIRun:
        try:
            run = await self._provider.start(request)
        finally:
            if request.action == TEST:
                self._answers.forget(request.commit)
        self._commits[run.id] = request.commit
        while len(self._commits) > MOST_RUNS:
            self._commits.popitem(last=False)
        return run

    async def look(self, run: str) -> CIRun:
        seen = await self._provider.look(run)
        self._answers.heard(self._name)
        if seen.state.is_final and run in self._commits:
            self._answers.forget(self._commits.pop(run))
        return seen


def _is_settled(quality: Quality) -> bool:
    return quality.state is not QualityState.RUNNING and not quality.startable


class _SharedSchedule(_Shared):
    _provider: OnCallSchedule

    async def who(self, service: Service, at: datetime) -> Shift | None:
        shift = await self._who(service, at)
        if shift is None or shift.until is None or at < shift.until:
            return shift
        with afresh():  # the shift is over: what is known is known to be old
            return await self._who(service, at)

    async def _who(self, service: Service, at: datetime) -> Shift | None:
        told = await self._ask(Question.SHIFT, "", lambda: self._provider.who(service, at))
        shift = cast("Shift | None", told.value)
        return replace(shift, as_of=told.as_of(self._clock.now())) if shift else None


def shared(
    providers: Providers, service: Service, answers: SharedAnswers, clock: Clock, costs: Costs
) -> Providers:
    """Give a service's providers with their questions shared; ``costs`` are its
    kinds' (``Kind.costs``).
    """
    ci = _SharedCI(
        providers.ci, answers, clock, costs, name=service.ci.provider, service=service.name
    )
    on_call = _SharedSchedule(
        providers.on_call,
        answers,
        clock,
        costs,
        name=service.on_call.provider,
        service=service.name,
    )
    return replace(providers, ci=cast("CIProvider", ci), on_call=cast("OnCallSchedule", on_call))
