"""When one looks again: by tables; and how a strategy is written."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.catalog import Strategy
from bot.domain.errors import IntegrationError, NotAskedYet
from bot.domain.quality import QualityState
from bot.ports.ci import Quality
from bot.ports.people import Shift
from bot.queries.card import words_of
from bot.services.context import PollIntervals
from bot.services.provider_facts import Facts
from tests.services.conftest import CATALOG, PEOPLE

SECOND = timedelta(seconds=1)
NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("quiet", "pause"),
    [(0, 15), (30, 15), (31, 15.5), (60, 30), (1800, 900), (1802, 900), (99_999, 900)],
)
def test_what_waits_is_looked_at_ever_more_rarely_between_a_quarter_of_a_minute_and_of_an_hour(
    quiet: float, pause: float
) -> None:
    assert PollIntervals().while_waiting(quiet * SECOND) == pause * SECOND
    assert (PollIntervals().run, PollIntervals().hold, PollIntervals().slowest) == (
        5 * SECOND,
        15 * SECOND,
        30 * SECOND,
    )


GREEN, RUNS = Quality(QualityState.GREEN, "212 tests"), Quality(QualityState.RUNNING, "212 tests")
STARTABLE = replace(GREEN, state=QualityState.NONE, startable="test:b")
AWAY, REFUSES = (
    IntegrationError("no answer", vendor="the CI"),
    IntegrationError("no", vendor="the CI", retry=False),
)
TURN, PAST = (
    NotAskedYet(vendor="the CI", until=NOW + 7 * SECOND),
    NotAskedYet(vendor="the CI", until=NOW),
)
SHIFT = Shift(PEOPLE["bo"], NOW + 9 * SECOND, "rota")


@pytest.mark.parametrize(
    ("facts", "again"),
    [
        (Facts("b", GREEN, (), None), []),
        (Facts("b", None, (), replace(SHIFT, until=None)), []),
        (Facts("b", GREEN, (), SHIFT), [9]),
        (Facts("b", GREEN, (), replace(SHIFT, until=NOW)), []),
        (Facts("b", RUNS, (), None), [30]),
        (Facts("b", STARTABLE, (), None), [30]),
        (Facts("b", RUNS, AWAY, None), [30]),
        (Facts("b", AWAY, (), None), [30]),
        (Facts("b", GREEN, REFUSES, None), [30]),
        (Facts("b", GREEN, (), AWAY), [30]),
        (Facts("b", TURN, (), SHIFT), [7, 9]),
        (Facts("b", TURN, TURN, AWAY), [7, 7, 30]),
        (Facts("b", PAST, (), None), []),
    ],
)
def test_it_is_looked_again_at_a_turn_at_the_end_of_a_shift_and_soon_where_an_answer_will_not_stay(
    facts: Facts, again: list[int]
) -> None:
    assert facts.again(NOW, 30 * SECOND) == [each * SECOND for each in again]


def test_a_strategy_is_written_for_people() -> None:
    assert words_of(CATALOG.strategies["canary"]) == "canary 5 → 100 %"
    assert (
        words_of(Strategy("slow", "rolling", CATALOG.strategies["rolling"].steps)) == "slow 100 %"
    )
