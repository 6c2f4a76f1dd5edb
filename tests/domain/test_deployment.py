"""The table of states."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from bot.domain.deployment import (
    ACTING,
    CAN_ROLL_BACK,
    OPEN,
    OUT_OF_TIME,
    OVER,
    STANDS,
    TRANSITIONS,
    WAITING,
    State,
    Times,
    is_of,
    sources,
    times,
)


def test_every_state_stands_in_the_table() -> None:
    assert set(TRANSITIONS) == set(State)


@pytest.mark.parametrize("state", State)
def test_sources_are_the_table_read_backwards(state: State) -> None:
    assert sources(state) == {origin for origin in State if state in TRANSITIONS[origin]}


ENTERED: dict[State, tuple[set[State], str]] = {
    State.REQUESTED: (set(), "it begins here"),
    State.QUEUED: ({State.REQUESTED}, "its commit is pinned"),
    State.GATED: (
        {State.QUEUED, State.AWAITING_APPROVAL, State.ROLLING_OUT},
        (
            "it has its turn, or a gate has closed again, also after its go and before "
            "anything of it has begun"
        ),
    ),
    State.AWAITING_APPROVAL: ({State.GATED}, "its gates are green"),
    State.ROLLING_OUT: (
        {State.GATED, State.AWAITING_APPROVAL},
        "gates and approvals were asked a moment ago",
    ),
    State.WATCHING: (
        {State.ROLLING_OUT, State.FAILED, State.SUPERSEDED},
        (
            "its last step is healthy, or somebody said that it is live after a rollback that "
            "failed, or a wrong word, had cut its watch off"
        ),
    ),
    State.VERIFIED: (
        {State.WATCHING, State.ROLLING_OUT},
        "its watch is over; a rollback is not watched",
    ),
    State.ACCEPTED: ({State.WATCHING, State.ROLLING_OUT}, "the same, without proof"),
    State.SUPERSEDED: ({State.WATCHING}, "another went live while it was watched"),
    State.ROLLING_BACK: (set(CAN_ROLL_BACK), "the environment was touched"),
    State.ROLLED_BACK: ({State.ROLLING_BACK}, "the run back succeeded"),
    State.FAILED: (set(ACTING), "a run failed: what has landed whole never fails"),
    State.CANCELLED: (
        {*WAITING, State.ROLLING_OUT},
        "nothing was touched, also where it was let go over what is rolled back since",
    ),
    State.REJECTED: ({State.AWAITING_APPROVAL}, "an approver said no"),
    State.EXPIRED: ({State.GATED, State.AWAITING_APPROVAL}, "nobody cleared it in time"),
    State.IMPOSSIBLE: (
        {State.REQUESTED, State.GATED, State.AWAITING_APPROVAL},
        "there is nothing that can be deployed",
    ),
}
"""From where each state is entered, and why; whoever adds an edge says why here."""


@pytest.mark.case("structure-5")
@pytest.mark.parametrize("state", State)
def test_a_state_is_entered_from_these_and_from_no_other(state: State) -> None:
    assert sources(state) == ENTERED[state][0]


@pytest.mark.parametrize("state", sorted(WAITING))
def test_whoever_waits_can_be_cancelled_and_has_touched_nothing(state: State) -> None:
    assert State.CANCELLED in TRANSITIONS[state]
    assert state not in CAN_ROLL_BACK


@pytest.mark.parametrize("state", sorted(CAN_ROLL_BACK))
def test_whatever_touched_the_environment_can_go_back(state: State) -> None:
    assert State.ROLLING_BACK in TRANSITIONS[state]


@pytest.mark.parametrize(
    "state", [State.ROLLED_BACK, State.CANCELLED, State.REJECTED, State.EXPIRED, State.IMPOSSIBLE]
)
def test_an_end_is_an_end(state: State) -> None:
    assert TRANSITIONS[state] == frozenset()


def test_open_and_over_share_nothing_and_leave_nothing_out() -> None:
    assert set(State) == OPEN | OVER
    assert not OPEN & OVER
    assert ACTING < OPEN


KINDS = {
    State.REQUESTED: "waiting open",
    State.QUEUED: "waiting open",
    State.GATED: "waiting open",
    State.AWAITING_APPROVAL: "waiting open",
    State.ROLLING_OUT: "acting can-roll-back open",
    State.WATCHING: "can-roll-back open",
    State.VERIFIED: "can-roll-back over",
    State.ACCEPTED: "can-roll-back over",
    State.SUPERSEDED: "over",
    State.ROLLING_BACK: "acting open",
    State.ROLLED_BACK: "over",
    State.FAILED: "can-roll-back over",
    State.CANCELLED: "over",
    State.REJECTED: "over",
    State.EXPIRED: "over",
    State.IMPOSSIBLE: "over",
}


@pytest.mark.parametrize("state", State)
def test_each_state_waits_acts_is_open_or_over_and_can_go_back_or_not(state: State) -> None:
    sets = {
        "waiting": WAITING,
        "acting": ACTING,
        "open": OPEN,
        "over": OVER,
        "can-roll-back": CAN_ROLL_BACK,
    }
    assert {name for name, states in sets.items() if state in states} == set(KINDS[state].split())


def test_a_sentence_can_say_every_state_and_for_each_that_waits_why_it_waited_for_too_long() -> (
    None
):
    assert set(STANDS) == set(State)
    assert len(set(STANDS.values())) == len(STANDS)
    assert set(OUT_OF_TIME) == WAITING
    assert len(set(OUT_OF_TIME.values())) == len(OUT_OF_TIME)


@pytest.mark.parametrize("state", State)
def test_which_of_its_times_a_deployment_keeps_and_gets_in_a_state(state: State) -> None:
    expected = {
        State.CANCELLED: Times(is_started=False, is_over=True),  # nothing of it was started
        State.WATCHING: Times(is_landed=True),
    }
    assert times(state) == expected.get(state, Times(is_over=state in OVER))


@pytest.mark.parametrize(
    ("of", "id", "is_its"),
    [
        ("shop-1", "shop-1", True),
        ("shop-1", "shop-2", False),
        ("", "shop-1", False),
        ("shop-1", "", False),
        # a doubt that is of no deployment, and one that is only imagined
        ("", "", False),
    ],
)
def test_what_is_of_no_deployment_is_of_none(of: str, id: str, is_its: bool) -> None:
    assert is_of(of, id) is is_its


BOT = Path(__file__).parents[2] / "bot"
NAMES = ({"deployment", "id"}, {"holder", "id"})


@pytest.mark.parametrize("folder", ["domain", "queries", "services"])
def test_nothing_else_compares_whose_a_doubt_a_lock_or_a_run_is(folder: str) -> None:
    compared = [
        f"{path.stem}: {ast.unparse(each)}"
        for path in sorted((BOT / folder).glob("*.py"))
        for each in ast.walk(ast.parse(path.read_text()))
        if isinstance(each, ast.Compare)
        and isinstance(each.ops[0], (ast.Eq, ast.NotEq))
        and {_last(each.left), _last(each.comparators[0])} in NAMES
    ]
    assert compared == []


def _last(of: ast.expr) -> str:
    return of.attr if isinstance(of, ast.Attribute) else of.id if isinstance(of, ast.Name) else ""
