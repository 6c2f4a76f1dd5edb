"""What a step and an intent to start it are called, and how long a rollout still takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.catalog import Strategy, StrategyStep, Tier, TooLittleTraffic
from bot.domain.rollout import RunState, Stage, Step, StepState, correlation, time_left

ASKED = datetime(2026, 11, 21, 10, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
STEP = Step(0, "canary-5", 5, timedelta(0))


def test_the_name_tells_the_deployment_and_the_step_and_is_the_same_each_time() -> None:
    assert correlation("shop-42", ASKED, STEP).startswith("shop-42:canary-5:")
    assert correlation("shop-42", ASKED, STEP) == correlation("shop-42", ASKED, STEP)


@pytest.mark.parametrize(
    ("deployment", "asked_at", "step", "smoke"),
    [
        ("shop-43", ASKED, STEP, False),
        ("shop-42", ASKED + timedelta(microseconds=1), STEP, False),
        ("shop-42", ASKED, Step(0, "canary-50", 50, timedelta(0)), False),
        ("shop-42", ASKED, Step(0, "canary-5", 5, timedelta(0), attempt=2), False),
        ("shop-42", ASKED, STEP, True),
    ],
    ids=[
        "another deployment",
        "the same number in another database",
        "another step",
        "another attempt",
        "the smoke test",
    ],
)
def test_every_other_intent_is_called_otherwise(
    deployment: str, asked_at: datetime, step: Step, smoke: bool
) -> None:
    assert correlation(deployment, asked_at, step, smoke=smoke) != correlation(
        "shop-42", ASKED, STEP
    )


CANARY = (StrategyStep(5), StrategyStep(100))


@pytest.mark.case("card-and-people-15")
@pytest.mark.parametrize(
    ("tier", "following", "does"),
    [
        (Tier.PRODUCTION, 25, TooLittleTraffic.GO_ON),
        (Tier.PRODUCTION, 100, TooLittleTraffic.ASK),
        (Tier.PRODUCTION, None, TooLittleTraffic.GO_ON),
        (Tier.STAGING, 100, TooLittleTraffic.GO_ON),
        (Tier.DEVELOPMENT, 100, TooLittleTraffic.GO_ON),
    ],
)
def test_too_little_traffic_asks_before_everybody_in_production_gets_it(
    tier: Tier, following: int | None, does: TooLittleTraffic
) -> None:
    assert (
        Strategy("canary", "canary", CANARY).on_too_little_traffic(tier, following=following)
        is does
    )


@pytest.mark.parametrize("chosen", TooLittleTraffic)
@pytest.mark.parametrize("tier", Tier)
def test_what_a_team_has_chosen_for_too_little_traffic_holds_in_every_tier(
    chosen: TooLittleTraffic, tier: Tier
) -> None:
    strategy = Strategy("canary", "canary", CANARY, too_little_traffic=chosen)
    assert strategy.on_too_little_traffic(tier, following=100) is chosen


def test_the_first_attempt_is_not_counted_and_every_other_one_is() -> None:
    assert correlation("shop-42", ASKED, STEP).split(":")[:-1] == ["shop-42", "canary-5"]
    again = Step(0, "canary-5", 5, timedelta(0), attempt=2)
    assert correlation("shop-42", ASKED, again, smoke=True).split(":")[:-1] == [
        "shop-42",
        "canary-5",
        "smoke",
        "2",
    ]


@pytest.mark.parametrize(
    ("began", "ended", "took"),
    [(ASKED, ASKED + timedelta(1), timedelta(1)), (ASKED, None, None), (None, ASKED, None)],
)
def test_how_long_a_stage_took_is_known_once_it_has_begun_and_ended(
    began: datetime | None, ended: datetime | None, took: timedelta | None
) -> None:
    assert Stage("build", RunState.SUCCEEDED, began, ended).took == took
    assert not Stage("build", RunState.SUCCEEDED, began, ended).passable, (
        "unless its provider says so"
    )


def test_a_step_is_named_by_its_strategy_and_its_percentage() -> None:
    assert Step(1, "blue-green-50", 50, MINUTE).label == "blue 50 %"
    assert Step(0, "canary-5", 5, MINUTE).label == "canary 5 %"


PLANNED = (
    Step(0, "canary-5", 5, 10 * MINUTE),
    Step(1, "canary-50", 50, 4 * MINUTE),
    Step(2, "canary-100", 100, 5 * MINUTE),
)
DONE = replace(PLANNED[0], state=StepState.DONE)
UNDER_WAY = replace(PLANNED[0], state=StepState.RUNNING)
WAITS, RUNS = Stage("release", RunState.WAITING), Stage("release", RunState.RUNNING)
USUAL = {"canary-5": 20 * SECOND, "canary-50": 30 * SECOND}


@pytest.mark.parametrize(
    ("steps", "left"),
    [
        (PLANNED, 20 + 30 + 19 * 60),
        ((DONE, *PLANNED[1:]), 30 + 9 * 60),
        ((DONE, replace(PLANNED[1], state=StepState.SKIPPED), PLANNED[2]), 5 * 60),
        ((DONE, replace(PLANNED[1], state=StepState.FAILED), PLANNED[2]), 5 * 60),
        ((replace(UNDER_WAY, stages=(RUNS,)), *PLANNED[1:]), 20 + 30 + 19 * 60),
        ((replace(UNDER_WAY, stages=(WAITS,)), *PLANNED[1:]), None),
        ((replace(DONE, stages=(WAITS,)), *PLANNED[1:]), 30 + 9 * 60),
        ((DONE, replace(PLANNED[1], state=StepState.HOLDING), PLANNED[2]), 30 + 9 * 60),
        ((DONE,), None),
    ],
    ids=[
        "all",
        "one done",
        "one skipped",
        "one failed",
        "a stage runs",
        "a stage waits",
        "one waited",
        "not deployed",
        "nothing left",
    ],
)
def test_what_a_rollout_still_needs_is_what_its_steps_usually_take_and_the_holds_that_are_to_come(
    steps: Sequence[Step], left: int | None
) -> None:
    assert time_left(steps, USUAL, ASKED) == (None if left is None else left * SECOND)


def test_a_hold_counts_from_when_the_step_was_deployed_and_is_never_less_than_nothing() -> None:
    holding = replace(PLANNED[0], state=StepState.HOLDING, deployed_at=ASKED - 3 * MINUTE)
    late = replace(holding, deployed_at=ASKED - 60 * MINUTE)
    silent = replace(PLANNED[1], silent_since=ASKED)
    left = [
        time_left(steps, USUAL, ASKED)
        for steps in ((holding,), (late, PLANNED[2]), (holding, silent))
    ]
    assert left == [7 * MINUTE, 5 * MINUTE, None]


def test_of_a_run_that_takes_longer_than_usual_nobody_tells_how_much_longer() -> None:
    running = replace(PLANNED[1], state=StepState.RUNNING, started_at=ASKED)
    usual = USUAL[running.key]
    left = [
        time_left((running,), USUAL, ASKED + gone) for gone in (timedelta(0), usual, usual + SECOND)
    ]
    assert [each is None for each in left] == [False, False, True]
    assert time_left((running, PLANNED[2]), {}, ASKED + MINUTE) is not None, (
        "where no usual time is known none is exceeded"
    )
