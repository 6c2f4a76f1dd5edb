"""The table of states."""

from __future__ import annotations

import pytest

from bot.domain.deployment import ACTING, CAN_ROLL_BACK, OPEN, OVER, TRANSITIONS, WAITING, State, sources


def test_every_state_stands_in_the_table() -> None:
    assert set(TRANSITIONS) == set(State)


@pytest.mark.parametrize("state", State)
def test_sources_are_the_table_read_backwards(state: State) -> None:
    assert sources(state) == {origin for origin in State if state in TRANSITIONS[origin]}


@pytest.mark.parametrize("state", sorted(WAITING))
def test_whoever_waits_can_be_cancelled_and_has_touched_nothing(state: State) -> None:
    assert State.CANCELLED in TRANSITIONS[state]
    assert state not in CAN_ROLL_BACK


@pytest.mark.parametrize("state", sorted(CAN_ROLL_BACK))
def test_whatever_touched_the_environment_can_go_back(state: State) -> None:
    assert State.ROLLING_BACK in TRANSITIONS[state]


@pytest.mark.parametrize("state", [State.ROLLED_BACK, State.SUPERSEDED, State.CANCELLED, State.REJECTED, State.EXPIRED, State.IMPOSSIBLE])
def test_an_end_is_an_end(state: State) -> None:
    assert TRANSITIONS[state] == frozenset()


def test_open_and_over_share_nothing_and_leave_nothing_out() -> None:
    assert set(State) == OPEN | OVER
    assert not OPEN & OVER
    assert ACTING < OPEN
