"""When a rollback hangs: by its usual time, and by ten minutes where none is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.hanging import is_hanging, patience
from bot.domain.rollout import Step, StepState

NOW = datetime(2026, 11, 21, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("usual", "minutes"), [((), 10), ((30.0,), 5), ((60.0, 120.0, 9000.0), 5), ((600.0,), 20)], ids=["unknown", "fast", "median", "slow"]
)
def test_a_rollback_may_take_twice_its_usual_time_and_five_minutes_at_least(usual: tuple[float, ...], minutes: int) -> None:
    assert patience(usual) == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("state", "minutes", "hangs"),
    [
        (StepState.RUNNING, 11, True), (StepState.SMOKE, 11, True), (StepState.RUNNING, 10, False), (StepState.DONE, 11, False),
        (StepState.PENDING, None, False),
    ],
)  # fmt: skip
def test_only_a_run_that_is_under_way_hangs(state: StepState, minutes: int | None, hangs: bool) -> None:
    began = NOW - timedelta(minutes=minutes) if minutes is not None else None
    step = Step(0, "rollback", 100, timedelta(0), state, started_at=began)
    assert is_hanging(step, (), NOW) is hangs
