"""How a rollback came about: one duration has one beginning."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.deployment import Deployment, Kind, State
from bot.domain.people import GONOGO, Person
from bot.domain.wentback import went_back

NOW, BO = datetime(2026, 11, 21, 10, 2, tzinfo=UTC), Person("T1", "UBO")


def back(minute: int, state: State, by: Person = BO, ended_by: Person | None = None) -> Deployment:
    at = NOW + timedelta(minutes=minute)
    return Deployment(
        f"shop-{minute}",
        Kind.ROLLBACK,
        "shop",
        "production",
        "v1",
        "v1",
        "a" * 40,
        "rolling",
        by,
        BO,
        state,
        at,
        at,
        ended_by=ended_by,
    )


GIVEN_UP, FAILED = back(0, State.FAILED, ended_by=BO), back(5, State.FAILED)


@pytest.mark.parametrize("by", [BO, GONOGO])
def test_it_counts_from_the_first_rollback_and_says_what_came_to_nothing(by: Person) -> None:
    found = went_back([back(9, State.VERIFIED), FAILED, back(0, State.FAILED, by, BO)])
    assert found is not None
    assert (found.asked_at, found.given_up, found.failed, found.before) == (NOW, 1, 1, 2)
    assert found.by_itself is (by == GONOGO)


def test_what_was_before_a_watch_that_was_taken_up_again_is_another_story() -> None:
    found = went_back([GIVEN_UP, back(9, State.VERIFIED)], since=NOW + timedelta(minutes=1))
    assert found is not None
    assert (found.asked_at, found.before) == (NOW + timedelta(minutes=9), 0)
    assert went_back([]) is None
