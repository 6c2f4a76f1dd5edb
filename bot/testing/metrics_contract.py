"""What every source of metrics promises, whoever stands behind it.

A source takes this suite by importing its class into a test module and giving a fixture ``lab``: a
laboratory, opened, with a service that nobody has asked anything yet. Each test is a coroutine, so
pytest-asyncio must run in its mode ``auto``.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

import pytest

from bot.domain.catalog import EnvironmentPolicy, Service
from bot.domain.errors import IntegrationError
from bot.domain.health import Observed
from bot.ports.metrics import Cohort, MetricsSource, Window

__all__ = ["Lab", "TestObserving", "TestSilence"]

OLD, NEW, NEVER = "a" * 40, "b" * 40, "c" * 40
MINUTE = timedelta(minutes=1)
RATIO, LEVEL = "errors", "p95"
"""The metrics that the laboratory's service has: failures of requests, and
a level in milliseconds.
"""
CLOSE = 0.15
"""Sources read at moments of their own: so much of what lies at the edges of a window may
be missing, or too much.
"""


class Lab(Protocol):
    """What a source's own side must be able to do for the contract suite."""

    source: MetricsSource
    service: Service
    """It has a ratio ``errors`` and a level ``p95``."""
    environment: EnvironmentPolicy

    def now(self) -> datetime:
        """Tell the time of the laboratory, as aware UTC."""
        ...

    async def serves(self, span: timedelta, **traffic: tuple[int, int, float]) -> None:
        """Let versions serve for a while, and the source collect what it collects.

        ``old`` and ``new`` give for each version how many requests come in a minute, how many of
        them fail, and how many milliseconds each takes. A version that is not named has no request,
        and its processes are there all the same.
        """
        ...

    async def falls_silent(self) -> None:
        """Let what the source asks answer no more; more than a few minutes pass."""
        ...


async def seen(lab: Lab, start: datetime, cohort: Cohort) -> dict[str, Observed]:
    """Observe from a moment until now."""
    return dict(
        await lab.source.observe(lab.service, lab.environment, Window(start, lab.now()), cohort)
    )


class TestObserving:
    """What is observed of a window, and of whom."""

    async def test_the_requests_of_a_window_and_their_failures_are_counted(self, lab: Lab) -> None:
        await lab.serves(2 * MINUTE, old=(600, 0, 100))
        start = lab.now()
        await lab.serves(5 * MINUTE, old=(600, 60, 100))
        errors = (await seen(lab, start, Cohort()))[RATIO]
        assert errors.denominator == pytest.approx(3_000, rel=CLOSE)
        assert errors.ratio == pytest.approx(0.1, rel=CLOSE)

    async def test_the_instances_of_a_commit_are_told_from_the_others(self, lab: Lab) -> None:
        await lab.serves(MINUTE, old=(600, 0, 100), new=(60, 0, 100))
        start = lab.now()
        await lab.serves(5 * MINUTE, old=(600, 0, 100), new=(60, 30, 100))
        mine, others, everything = [
            (await seen(lab, start, cohort))[RATIO]
            for cohort in (Cohort(NEW), Cohort(NEW, others=True), Cohort())
        ]
        assert mine.ratio == pytest.approx(0.5, rel=CLOSE)
        assert others.ratio == 0
        assert mine.denominator + others.denominator == pytest.approx(
            everything.denominator, rel=CLOSE
        )

    async def test_a_level_is_given_as_values_of_slices(self, lab: Lab) -> None:
        await lab.serves(MINUTE, old=(600, 0, 150))
        start = lab.now()
        await lab.serves(5 * MINUTE, old=(600, 0, 150))
        level = (await seen(lab, start, Cohort()))[LEVEL]
        assert len(level.points) >= 4
        assert all(100 <= point <= 200 for point in level.points)
        assert level.requests == pytest.approx(3_000, rel=CLOSE)

    async def test_where_nobody_asked_anything_no_ratio_is_made_up(self, lab: Lab) -> None:
        await lab.serves(2 * MINUTE, old=(600, 0, 100))
        start = lab.now()
        await lab.serves(3 * MINUTE, old=(0, 0, 0))
        found = await seen(lab, start, Cohort())
        assert RATIO not in found or found[RATIO].ratio is None

    async def test_a_version_that_has_never_been_there_has_no_numbers(self, lab: Lab) -> None:
        start = lab.now()
        await lab.serves(3 * MINUTE, old=(600, 0, 100))
        found = await seen(lab, start, Cohort(NEVER))
        assert RATIO not in found or found[RATIO].ratio is None
        assert LEVEL not in found or not found[LEVEL].points

    async def test_a_window_before_anything_was_collected_has_no_numbers(self, lab: Lab) -> None:
        start = lab.now() - 60 * MINUTE
        found = await lab.source.observe(
            lab.service, lab.environment, Window(start, start + 5 * MINUTE), Cohort()
        )
        assert RATIO not in found or found[RATIO].ratio is None

    async def test_to_ask_again_gives_the_same(self, lab: Lab) -> None:
        start = lab.now()
        await lab.serves(3 * MINUTE, old=(600, 6, 100))
        window = Window(start, lab.now())
        first = await lab.source.observe(lab.service, lab.environment, window, Cohort())
        assert await lab.source.observe(lab.service, lab.environment, window, Cohort()) == first


class TestSilence:
    """A source that does not answer is no good news."""

    async def test_a_source_that_is_silent_says_so_and_gives_no_numbers(self, lab: Lab) -> None:
        await lab.serves(2 * MINUTE, old=(600, 0, 100))
        start = lab.now()
        await lab.falls_silent()
        with pytest.raises(IntegrationError) as refused:
            await seen(lab, start, Cohort(OLD))
        assert str(refused.value).strip()
