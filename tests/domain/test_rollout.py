"""What an intent to start is called."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.rollout import Step, correlation

ASKED = datetime(2026, 11, 21, 10, tzinfo=UTC)
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
    ids=["another deployment", "the same number in another database", "another step", "another attempt", "the smoke test"],
)
def test_every_other_intent_is_called_otherwise(deployment: str, asked_at: datetime, step: Step, smoke: bool) -> None:
    assert correlation(deployment, asked_at, step, smoke=smoke) != correlation("shop-42", ASKED, STEP)
