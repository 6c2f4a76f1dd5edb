"""What follows from numbers and from what providers say, and when one looks again: by tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.domain.catalog import Strategy, Tier, TooLittleTraffic
from bot.domain.deployment import Deployment, Kind, State
from bot.domain.errors import IntegrationError, NotAskedYet
from bot.domain.health import Finding, Snapshot, Verdict
from bot.domain.rollout import Step
from bot.domain.trouble import Sort
from bot.ports import Quality, QualityState, Shift
from bot.services import health
from bot.services.board import words_of
from bot.services.house import Pace
from bot.services.readiness import Facts
from tests.services.conftest import CATALOG, PEOPLE, PRODUCTION

Team = Any
"""The fixture ``team``."""
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
V2 = Deployment(
    "shop-2", Kind.FORWARD, "shop", "production", "v2", "v2", "b" * 40, "canary", PEOPLE["ana"], PEOPLE["bo"], State.ROLLING_OUT, NOW, NOW
)
GOOD, BAD, THIN, NONE = Verdict.HEALTHY, Verdict.DEGRADED, Verdict.NOT_ENOUGH_TRAFFIC, Verdict.NO_DATA


def shot(verdict: Verdict, *findings: Finding) -> Snapshot:
    return Snapshot("shop-2", "canary 5 %", NOW, verdict, findings, where="canary-5")


@pytest.mark.parametrize(
    ("deployment", "verdict", "is_over", "following", "sort"),
    [
        (V2, GOOD, True, 100, None),
        (V2, BAD, False, 100, Sort.DEGRADED),
        (V2, BAD, True, None, Sort.DEGRADED),
        (V2, NONE, False, 100, None),
        (V2, NONE, True, 100, Sort.BLIND),
        (V2, NONE, True, None, Sort.BLIND),
        (V2, THIN, False, 100, None),
        (V2, THIN, True, 100, Sort.THIN),
        (V2, THIN, True, 25, None),
        (V2, THIN, True, None, None),
        (replace(V2, strategy="gone"), THIN, True, 100, None),
    ],
)
async def test_what_keeps_a_rollout_by_its_numbers(
    team: Team, deployment: Deployment, verdict: Verdict, following: int | None, sort: Sort | None, *, is_over: bool
) -> None:
    assert health._sort(team.house, deployment, shot(verdict), is_over=is_over, following=following) is sort


@pytest.mark.parametrize(
    ("chosen", "sort"), [(TooLittleTraffic.GO_ON, None), (TooLittleTraffic.WAIT, Sort.THIN), (TooLittleTraffic.ASK, Sort.THIN)]
)
async def test_what_a_team_has_chosen_for_too_little_traffic_is_done(team: Team, chosen: TooLittleTraffic, sort: Sort | None) -> None:
    canary = replace(CATALOG.strategies["canary"], too_little_traffic=chosen)
    catalog = replace(team.house.catalog, strategies={"canary": canary})
    assert health._sort(replace(team.house, catalog=catalog), V2, shot(THIN), is_over=True, following=50) is sort


@pytest.mark.parametrize(
    ("changed", "sorts"),
    [({"is_watched": False}, [Sort.DEGRADED, None, None]), ({"tier": Tier.STAGING}, [Sort.DEGRADED, Sort.BLIND, None])],
)
async def test_where_nothing_is_watched_no_verdict_is_waited_for(team_with: Any, changed: dict[str, Any], sorts: list[Sort | None]) -> None:
    async with team_with(**changed) as team:
        found = [health._sort(team.house, V2, shot(verdict), is_over=True, following=100) for verdict in (BAD, NONE, THIN)]
    assert found == sorts


@pytest.mark.parametrize(
    ("gone", "moment"),
    [
        (0, "live"), (59, "live"), (60, "+1 min"), (299, "+1 min"), (300, "+5 min"), (899, "+10 min"), (1800, "+30 min"), (9999, "+30 min"),
    ],
)  # fmt: skip
def test_numbers_of_the_watch_are_named_by_the_last_moment_that_has_passed(gone: int, moment: str) -> None:
    assert health._moment(PRODUCTION, gone * SECOND) == moment


@pytest.mark.parametrize(("seconds", "moment"), [(30, "+30 s"), (59, "+59 s"), (60, "+1 min"), (90, "+1 min"), (120, "+2 min")])
def test_moments_below_a_minute_are_told_in_seconds(seconds: int, moment: str) -> None:
    assert health._moment(replace(PRODUCTION, snapshots=(seconds * SECOND,)), seconds * SECOND) == moment


def test_a_step_is_named_by_its_strategy_and_its_percentage() -> None:
    assert health._label(Step(1, "blue-green-50", 50, MINUTE)) == "blue 50 %"
    assert health._label(Step(0, "canary-5", 5, MINUTE)) == "canary 5 %"


def test_why_it_is_worse_is_the_first_metric_that_is() -> None:
    fine = Finding("p95", "p95", "ms", GOOD, None, None, sentence="p95 as ever")
    worse, worst = (Finding(key, key, "%", BAD, None, None, sentence=f"{key} rise") for key in ("errors", "timeouts"))
    assert health._why(shot(BAD, fine, worse, worst)) == "errors rise"
    assert health._why(shot(NONE, fine)) == "the verdict at canary 5 % was no data"


@pytest.mark.parametrize(("quiet", "pause"), [(0, 15), (30, 15), (31, 15.5), (60, 30), (1800, 900), (1802, 900), (99_999, 900)])
def test_what_waits_is_looked_at_ever_more_rarely_between_a_quarter_of_a_minute_and_of_an_hour(quiet: float, pause: float) -> None:
    assert Pace().while_waiting(quiet * SECOND) == pause * SECOND
    assert (Pace().run, Pace().hold, Pace().slowest) == (5 * SECOND, 15 * SECOND, 30 * SECOND)


GREEN, RUNS = Quality(QualityState.GREEN, "212 tests"), Quality(QualityState.RUNNING, "212 tests")
STARTABLE = replace(GREEN, state=QualityState.NONE, startable="test:b")
AWAY, REFUSES = IntegrationError("no answer", vendor="the CI"), IntegrationError("no", vendor="the CI", retry=False)
TURN, PAST = NotAskedYet(vendor="the CI", until=NOW + 7 * SECOND), NotAskedYet(vendor="the CI", until=NOW)
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
def test_it_is_looked_again_at_a_turn_at_the_end_of_a_shift_and_soon_where_an_answer_will_not_stay(facts: Facts, again: list[int]) -> None:
    assert facts.again(NOW, 30 * SECOND) == [each * SECOND for each in again]


def test_a_strategy_is_written_for_people() -> None:
    assert words_of(CATALOG.strategies["canary"]) == "canary 5 → 100 %"
    assert words_of(Strategy("slow", "rolling", CATALOG.strategies["rolling"].steps)) == "slow 100 %"
