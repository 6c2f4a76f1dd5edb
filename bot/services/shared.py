"""What providers say about a commit, an environment or a schedule, shared by all that wait for it.

One look serves everybody: while a question is under way nobody asks it again, and what was answered
counts for a time: for as long as it has stood before. An answer that has settled counts for at
least 15 seconds and at most 15 minutes; one that will soon be another (tests that run) for at least
5 and at most 30 seconds; a vendor that does not answer is asked again after a minute at the latest,
by one for all. Once it answers anything, whatever it did not answer is asked for anew.

Each provider is asked a limited number of requests a minute. Beyond it an older answer is
given, with the time at which it was asked for; what was never asked gets a turn in a line, and
is told when it is. What a provider answers by itself costs nobody anything: it is asked each
time, and no limit applies.

An answer is forgotten when it may have changed: by a notice about its commit, by a start
of its tests, by the end of a run of ours for it. A shift that is over is asked for anew,
and so is everything by whoever is about to act on it. All this is remembered in memory
alone: a restart asks anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from bot.domain.errors import IntegrationError, NotAskedYet
from bot.ports.ci import Question
from bot.ports.time import Clock

FRESH, LONGEST = timedelta(seconds=15), timedelta(minutes=15)

SOON, UNDER_WAY = timedelta(seconds=5), timedelta(seconds=30)
"""For so long, at least and at most, an answer counts that will soon be another one: tests that
run, or are about to be started.
"""

SILENT = timedelta(minutes=1)
"""For so long at most nobody else asks a vendor that has not answered."""

OLDER = timedelta(minutes=1)
"""An answer that was asked for longer ago than this is given with its time."""

A_MINUTE = 60
"""Requests to one provider in a minute, as the vendor counts them."""

SPARE = A_MINUTE // 3
"""So many of them are left for what was never asked, or has changed for certain."""

MOST_REMEMBERED = 20_000

T = TypeVar("T")

Key = tuple[str, ...]
"""The provider's name, the question, and what it is about."""

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
class Told:
    """What a provider said, or the error it answered with: when it was asked, and since
    when it has said the same.
    """

    value: Any
    error: IntegrationError | None
    at: datetime
    changed: datetime
    settled: bool = True
    forgotten: bool = False

    def is_fresh(self, now: datetime) -> bool:
        """Tell whether it still counts: for as long again as it has stood."""
        shortest, longest = (
            (FRESH, SILENT)
            if self.error
            else (FRESH, LONGEST)
            if self.settled
            else (SOON, UNDER_WAY)
        )
        return not self.forgotten and now - self.at < min(
            max(shortest, self.at - self.changed), longest
        )

    def is_like(self, other: Told) -> bool:
        """Tell whether two answers say the same."""
        return (self.value, str(self.error)) == (other.value, str(other.error))

    def given(self) -> Told:
        """Give it as the provider did: raises IntegrationError."""
        if self.error is not None:
            raise self.error.with_traceback(None)
        return self

    def as_of(self, now: datetime) -> datetime | None:
        """Say when it was asked for, where that is worth saying."""
        return self.at if now - self.at > OLDER else None


class _Line:
    """So many requests a minute: each takes its turn; what must be asked is asked, and
    the next ones wait for it.
    """

    def __init__(self) -> None:
        self._taken_until: datetime | None = None

    def turn(self, now: datetime, requests: int) -> datetime:
        """Say when so many requests may be made; not after ``now`` when
        they may be made at once.
        """
        return self._from(now) + _lasting(requests) - timedelta(minutes=1)

    def take(self, now: datetime, requests: int) -> None:
        """Count requests."""
        self._taken_until = self._from(now) + _lasting(requests)

    def _from(self, now: datetime) -> datetime:
        return max(self._taken_until or now, now)


def _lasting(requests: int) -> timedelta:
    return timedelta(minutes=1) * requests / A_MINUTE


def always(_value: object) -> bool:
    """Take every answer for settled."""
    return True


class SharedAnswers:
    """The shared answers, by provider and question."""

    def __init__(
        self, clock: Clock, tests_changed: Callable[[str], None] = lambda _commit: None
    ) -> None:
        """``tests_changed`` is told of a commit of whose tests something else is said than before:
        whoever waits with it looks again.
        """
        self._clock = clock
        self.on_tests_changed = tests_changed
        self._told: dict[Key, Told] = {}
        self._asking: dict[Key, asyncio.Task[Told]] = {}
        self._lines: dict[str, _Line] = {}
        self._turns: dict[Key, datetime] = {}
        self._unanswered: dict[str, set[Key]] = {}
        """Of each provider, what it did not answer and may answer later."""

    async def close(self) -> None:
        """Let go of the questions that are under way."""
        under_way = list(self._asking.values())
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    async def ask(
        self,
        key: Key,
        question: Callable[[], Awaitable[T]],
        *,
        requests: int = 1,
        is_settled: Callable[[T], bool] = always,
    ) -> Told:
        """Answer a question from what is known, or by asking. Raises IntegrationError as the
        provider does, and NotAskedYet.
        """
        now, known = self._clock.now(), self._told.get(key)
        if not requests:
            return Told(await question(), None, now, now)
        if not _afresh.get():
            if known is not None and known.is_fresh(now):
                return known.given()
            if key in self._asking:
                return (await asyncio.shield(self._asking[key])).given()
            if not self._may_ask(key, known, now, requests):
                return self._older(key, known).given()
        else:
            self._line(key).take(now, requests)
        return (await asyncio.shield(self._begin(key, question, is_settled))).given()

    def forget(self, *words: str) -> None:
        """Have every answer asked anew that is about one of these: a commit, a service. One that is
        under way is too old already.
        """
        for key in [key for key in self._asking if not set(words).isdisjoint(key)]:
            self._asking.pop(key)
        for key, told in self._told.items():
            if not set(words).isdisjoint(key):
                self._told[key] = replace(told, forgotten=True)

    def heard(self, provider: str) -> None:
        """Have everything asked anew that a provider did not answer: it answers again."""
        for key in self._unanswered.pop(provider, ()):
            if key in self._told:
                self._told[key] = replace(self._told[key], forgotten=True)

    def _line(self, key: Key) -> _Line:
        return self._lines.setdefault(key[0], _Line())

    def _may_ask(self, key: Key, known: Told | None, now: datetime, requests: int) -> bool:
        """Tell whether it is this question's turn, and take it. What is only older than it should
        be makes way for all others.
        """
        line = self._line(key)
        if known is not None and not known.forgotten and line.turn(now, requests + SPARE) > now:
            return False
        if key not in self._turns:
            self._turns[key] = line.turn(now, requests)
            line.take(now, requests)
        if self._turns[key] > now:
            return False
        del self._turns[key]
        return True

    def _older(self, key: Key, known: Told | None) -> Told:
        if known is None:
            raise NotAskedYet(vendor=key[0], until=self._turns[key])
        return known

    def _begin(
        self, key: Key, question: Callable[[], Awaitable[T]], is_settled: Callable[[T], bool]
    ) -> asyncio.Task[Told]:
        task = asyncio.ensure_future(_learn(question, is_settled, self._clock.now()))
        self._asking[key] = task
        task.add_done_callback(partial(self._learned, key))
        return task

    def _learned(self, key: Key, task: asyncio.Task[Told]) -> None:
        """Remember an answer, unless it was asked for anew or forgotten meanwhile."""
        failed = task.cancelled() or task.exception() is not None
        if self._asking.get(key) is not task:
            return
        del self._asking[key]
        if failed:
            return
        told, before = task.result(), self._told.get(key)
        if before is not None and not before.forgotten and told.is_like(before):
            told = replace(told, changed=before.changed)
        if len(self._told) >= MOST_REMEMBERED:
            self._told.clear()
            self._turns.clear()
        self._told[key] = told
        if told.error is None:
            self.heard(key[0])
        elif told.error.retry:
            self._unanswered.setdefault(key[0], set()).add(key)
        if key[1] == Question.TESTS and before is not None and told.value != before.value:
            self.on_tests_changed(key[-1])


async def _learn(
    question: Callable[[], Awaitable[T]], is_settled: Callable[[T], bool], now: datetime
) -> Told:
    try:
        value = await question()
    except IntegrationError as error:
        return Told(None, error, now, now)
    return Told(value, None, now, now, settled=is_settled(value))
