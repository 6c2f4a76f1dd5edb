"""Whose card is drawn first: by a table of the states."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.domain.deployment import State
from bot.domain.urgency import Urgency, after_waiting, is_answered, urgency

WAITS, MOVES, RESTS = Urgency.WAITING_FOR_A_PERSON, Urgency.MOVING, Urgency.AT_REST
URGENT = {
    State.REQUESTED: MOVES,
    State.QUEUED: MOVES,
    State.GATED: WAITS,
    State.AWAITING_APPROVAL: WAITS,
    State.ROLLING_OUT: MOVES,
    State.WATCHING: MOVES,
    State.VERIFIED: RESTS,
    State.ACCEPTED: RESTS,
    State.SUPERSEDED: RESTS,
    State.ROLLING_BACK: Urgency.ROLLING_BACK,
    State.ROLLED_BACK: RESTS,
    State.FAILED: Urgency.FAILED,
    State.CANCELLED: RESTS,
    State.REJECTED: RESTS,
    State.EXPIRED: RESTS,
    State.IMPOSSIBLE: RESTS,
}


@pytest.mark.parametrize("state", State)
def test_each_state_is_as_urgent_as_somebody_has_to_act(state: State) -> None:
    assert urgency(state, is_degraded=False) is URGENT[state]
    assert urgency(state, is_degraded=True) is (
        URGENT[state] if URGENT[state] is Urgency.ROLLING_BACK else Urgency.DEGRADED
    )


@pytest.mark.parametrize(("seconds", "then"), [(0, MOVES), (119, MOVES), (120, RESTS)])
def test_what_has_just_ended_is_shown_in_turn_with_what_runs_and_before_what_ended_long_ago(
    seconds: int, then: Urgency
) -> None:
    since = timedelta(seconds=seconds)
    assert urgency(State.VERIFIED, is_degraded=False, since=since) is then
    assert urgency(State.ROLLED_BACK, is_degraded=False, since=since) is then
    assert urgency(State.FAILED, is_degraded=False, since=since) is Urgency.FAILED
    assert urgency(State.ACCEPTED, is_degraded=True, since=since) is Urgency.DEGRADED


def test_fires_come_first_then_who_waits_then_what_moves() -> None:
    order = [
        Urgency.ANSWERED,
        Urgency.ROLLING_BACK,
        Urgency.DEGRADED,
        Urgency.FAILED,
        WAITS,
        MOVES,
        RESTS,
    ]
    assert sorted(Urgency) == order == list(Urgency)


@pytest.mark.parametrize(
    ("seconds", "then"),
    [(0, RESTS), (59, RESTS), (60, MOVES), (119, MOVES), (120, WAITS), (9999, WAITS)],
)
def test_each_minute_of_waiting_moves_a_card_up_to_where_somebody_waits(
    seconds: int, then: Urgency
) -> None:
    assert after_waiting(RESTS, timedelta(seconds=seconds)) is then


@pytest.mark.parametrize(
    ("before", "now", "had_danger", "is_one"),
    [
        (State.FAILED, State.ROLLING_BACK, True, True),
        (State.FAILED, None, True, True),
        (State.ROLLING_BACK, State.ROLLED_BACK, False, True),
        (State.ROLLING_BACK, State.ROLLING_BACK, True, False),
        (State.GATED, State.ROLLING_OUT, False, False),
    ],
)
def test_a_card_that_offers_harm_or_says_that_it_goes_back_is_answered_by_another_state(
    before: State, now: State | None, had_danger: bool, is_one: bool
) -> None:
    assert is_answered(before, now, had_danger=had_danger) is is_one


@pytest.mark.parametrize("found", [Urgency.ROLLING_BACK, Urgency.DEGRADED, Urgency.FAILED, WAITS])
def test_what_burns_or_waits_stays_where_it_is(found: Urgency) -> None:
    assert after_waiting(found, timedelta(hours=1)) is found
