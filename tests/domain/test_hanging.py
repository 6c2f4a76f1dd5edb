"""When a rollback hangs: by its usual time, and by ten minutes where none is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.domain.hanging import Basis, Patience, is_hanging, late, patience
from bot.domain.rollout import RunState, Stage, Step, StepState

NOW = datetime(2026, 11, 21, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("usual", "minutes"),
    [((), 10), ((30.0,), 5), ((60.0, 120.0, 9000.0), 5), ((600.0,), 20)],
    ids=["unknown", "fast", "median", "slow"],
)
def test_a_rollback_may_take_twice_its_usual_time_and_five_minutes_at_least(
    usual: tuple[float, ...], minutes: int
) -> None:
    assert patience(usual).time == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("usual", "others", "basis", "seconds", "minutes"),
    [
        ((60.0, 300.0, 301.0), (9000.0,), Basis.USUAL, 300, 10),
        ((), (60.0, 400.0), Basis.SLOWEST, 400, 800 / 60),
        ((), (), Basis.NOTHING, 0, 10),
    ],
    ids=str,
)  # fmt: skip
def test_where_it_has_not_been_seen_to_end_a_run_may_take_twice_the_slowest_of_its_service(
    usual: tuple[float, ...],
    others: tuple[float, ...],
    basis: Basis,
    seconds: float,
    minutes: float,
) -> None:
    assert patience(usual, others) == Patience(
        timedelta(minutes=minutes), basis, timedelta(seconds=seconds)
    )


WAITS = (Stage("approve", RunState.WAITING),)


@pytest.mark.parametrize(
    ("changes", "since"),
    [
        ({}, 11), ({"started_at": NOW - timedelta(minutes=10)}, None),
        ({"state": StepState.DONE}, None), ({"stages": WAITS}, None),
        ({"run": ""}, None), ({"run": "", "asked_at": NOW}, 11),
        ({"refusal": "no"}, None), ({"let_on_at": NOW}, None),
        ({"state": StepState.SMOKE, "served_at": NOW}, None),
        ({"state": StepState.SMOKE, "served_at": NOW - timedelta(minutes=12), "run": ""}, 12),
    ],
    ids=str,
)  # fmt: skip
def test_a_run_of_a_rollout_is_late_for_the_time_that_it_takes_itself(
    changes: dict[str, Any], since: int | None
) -> None:
    step = Step(
        0,
        "canary-5",
        5,
        timedelta(0),
        StepState.RUNNING,
        "run-1",
        started_at=NOW - timedelta(minutes=11),
    )
    found = late(replace(step, **changes), patience(()), NOW)
    assert (found.since if found else None) == (NOW - timedelta(minutes=since) if since else None)


@pytest.mark.parametrize(
    ("state", "minutes", "hangs"),
    [
        (StepState.RUNNING, 11, True), (StepState.SMOKE, 11, True),
        (StepState.RUNNING, 10, False), (StepState.DONE, 11, False),
        (StepState.PENDING, None, False),
    ],
)  # fmt: skip
def test_only_a_run_that_is_under_way_hangs(
    state: StepState, minutes: int | None, hangs: bool
) -> None:
    began = NOW - timedelta(minutes=minutes) if minutes is not None else None
    step = Step(0, "rollback", 100, timedelta(0), state, started_at=began)
    assert is_hanging(step, (), NOW) is hangs
