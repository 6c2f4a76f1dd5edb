"""What providers say about a commit, an environment or a schedule, shared by all that wait for it.

One look serves everybody: while a question is under way nobody asks it again, and an answer counts for as long as it has stood before, but
at least 15 seconds and at most 15 minutes. Every provider has a budget of questions a minute; beyond it the older answer is given. Answers
are forgotten when they may have changed: a notice about a commit, a shift that is over. Whatever is about to act asks afresh.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from bot.domain.catalog import Freeze, Service
from bot.domain.errors import IntegrationError
from bot.ports import CIProvider, Clock, OnCallSchedule, Providers, Quality, Shift

FRESH, LONGEST = timedelta(seconds=15), timedelta(minutes=15)
A_MINUTE = 60.0
"""Requests to one provider in a minute, as the vendor counts them."""
TESTS = 3
"""Requests that one look at a commit's tests takes."""
MOST_REMEMBERED = 20_000

T = TypeVar("T")
_afresh: ContextVar[bool] = ContextVar("afresh", default=False)


@contextmanager
def afresh() -> Iterator[None]:
    """Ask every question past what is remembered: for what is about to act on the answers."""
    token = _afresh.set(True)
    try:
        yield
    finally:
        _afresh.reset(token)


@dataclass(frozen=True, slots=True)
class Fact:
    """An answer: when it was given, and since when it has been the same."""

    value: Any
    at: datetime
    changed: datetime

    def is_fresh(self, now: datetime) -> bool:
        """Tell whether it still counts: for as long again as it has stood."""
        return now - self.at < min(max(FRESH, self.at - self.changed), LONGEST)


class _Budget:
    """So many questions a minute; what must be asked is asked, and counts against the next ones."""

    def __init__(self, at: datetime) -> None:
        self._left = A_MINUTE
        self._at = at

    def allows(self, now: datetime) -> bool:
        self._left = min(A_MINUTE, self._left + (now - self._at).total_seconds() * A_MINUTE / 60)
        self._at = now
        return self._left >= 1

    def spend(self, requests: int) -> None:
        self._left -= requests


class SharedAnswers:
    """The shared answers, by provider and question. They are remembered in memory alone: a restart asks anew."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._facts: dict[tuple[str, ...], Fact] = {}
        self._asking: dict[tuple[str, ...], asyncio.Task[Any]] = {}
        self._budgets: dict[str, _Budget] = {}

    async def ask(self, provider: str, key: tuple[str, ...], question: Callable[[], Awaitable[T]], *, requests: int = 1) -> T:
        """Answer a question from what is known, or by asking. Raises IntegrationError as the provider does."""
        now, known = self._clock.now(), self._facts.get((provider, *key))
        budget = self._budgets.setdefault(provider, _Budget(now))
        is_urgent = _afresh.get()
        if known is not None and not is_urgent and (known.is_fresh(now) or not budget.allows(now)):
            return cast("T", known.value)
        if known is None and not is_urgent and not budget.allows(now):
            raise IntegrationError("not asked yet: many wait, and each is asked for in turn", vendor=provider, retry=False)
        asked = None if is_urgent else self._asking.get((provider, *key))
        if asked is None:
            budget.allows(now)
            budget.spend(requests)
            asked = asyncio.ensure_future(self._learn((provider, *key), question))
            self._asking[provider, *key] = asked
        return cast("T", await asyncio.shield(asked))

    def forget(self, *words: str) -> None:
        """Have every answer asked anew that is about one of these: a commit, a service."""
        for key, fact in self._facts.items():
            if not words or any(word in key for word in words):
                self._facts[key] = replace(fact, at=fact.at - LONGEST, changed=fact.at - LONGEST)

    async def _learn(self, key: tuple[str, ...], question: Callable[[], Awaitable[Any]]) -> Any:
        try:
            value = await question()
        finally:
            self._asking.pop(key, None)
        now, before = self._clock.now(), self._facts.get(key)
        if len(self._facts) >= MOST_REMEMBERED:
            self._facts.clear()
        self._facts[key] = Fact(value, now, before.changed if before is not None and before.value == value else now)
        return value


class _Shared:
    """A provider of which some questions are shared; everything else is the provider's own."""

    def __init__(self, provider: object, answers: SharedAnswers, name: str, service: str) -> None:
        self._provider = provider
        self._answers = answers
        self._name = name
        self._service = service

    def __getattr__(self, name: str) -> Any:
        return getattr(self._provider, name)


class _SharedCI(_Shared):
    _provider: CIProvider

    async def quality(self, commit: str) -> Quality:
        return await self._answers.ask(
            self._name, ("quality", self._service, commit), lambda: self._provider.quality(commit), requests=TESTS
        )

    async def freezes(self, environment: str) -> tuple[Freeze, ...]:
        return await self._answers.ask(self._name, ("freezes", self._service, environment), lambda: self._provider.freezes(environment))


class _SharedSchedule(_Shared):
    _provider: OnCallSchedule

    async def who(self, service: Service, at: datetime) -> Shift | None:
        shift = await self._answers.ask(self._name, ("who", service.name), lambda: self._provider.who(service, at))
        if shift is None or shift.until is None or at < shift.until:
            return shift
        with afresh():  # the shift is over: what is known is known to be old
            return await self._answers.ask(self._name, ("who", service.name), lambda: self._provider.who(service, at))


def shared(providers: Providers, service: Service, answers: SharedAnswers) -> Providers:
    """Give a service's providers with their questions shared."""
    ci = _SharedCI(providers.ci, answers, service.ci.provider, service.name)
    on_call = _SharedSchedule(providers.on_call, answers, service.on_call.provider, service.name)
    return replace(providers, ci=cast("CIProvider", ci), on_call=cast("OnCallSchedule", on_call))
