"""Whose turn it is in a place."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.deployment import OPEN, Deployment, Kind, State
from bot.domain.people import Person
from bot.domain.queue import is_next, number

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
ANA = Person("T1", "UANA")


def deployment(id: str, state: State = State.QUEUED, kind: Kind = Kind.FORWARD) -> Deployment:
    return Deployment(
        id, kind, "shop", "production", "v1", "v1", "", "", ANA, None, state, NOW, NOW
    )


MINE = deployment("shop-10")


@pytest.mark.parametrize("state", sorted(OPEN))
def test_what_was_asked_for_earlier_comes_first_until_it_is_only_watched(state: State) -> None:
    assert is_next("shop-10", "", [deployment("shop-9", state), MINE]) is (state is State.WATCHING)


@pytest.mark.parametrize("state", sorted(OPEN))
def test_whoever_has_the_claim_comes_first_even_if_asked_for_later(state: State) -> None:
    assert is_next("shop-10", "shop-11", [MINE, deployment("shop-11", state)]) is (
        state is State.WATCHING
    )
    assert is_next("shop-10", "shop-11", [MINE, deployment("shop-11", state, Kind.ROLLBACK)]) is (
        state is State.WATCHING
    )


@pytest.mark.parametrize(
    ("holder", "others", "passing", "is_mine"),
    [
        ("shop-10", [deployment("shop-9")], (), True),
        ("", [], (), True),
        ("shop-3", [], (), True),
        ("", [deployment("shop-11")], (), True),
        ("", [deployment("shop-9")], ("shop-9",), True),
        ("", [deployment("shop-8"), deployment("shop-9")], ("shop-9",), False),
        ("shop-9", [deployment("shop-9")], ("shop-9",), True),
        ("", [deployment("shop-9", State.ROLLING_OUT, Kind.ROLLBACK)], (), True),
        ("shop-9", [deployment("shop-9", State.ROLLING_OUT, Kind.ROLLBACK)], (), False),
    ],
    ids=[
        "it has the claim", "nobody is there", "the claim is left over",
        "what was asked for later waits", "what is passed by",
        "another one is not passed by", "the holder is passed by",
        "a rollback without the claim", "a rollback with the claim",
    ],
)  # fmt: skip
def test_whose_turn_it_is(
    holder: str, others: list[Deployment], passing: tuple[str, ...], *, is_mine: bool
) -> None:
    assert is_next("shop-10", holder, [*others, MINE], passing) is is_mine


def test_numbers_are_compared_as_numbers_also_where_the_service_has_a_dash() -> None:
    assert number("my-shop-9") == 9
    assert not is_next("my-shop-10", "", [deployment("my-shop-9")])


QUEUES = st.lists(
    st.builds(
        lambda at, state, kind: deployment(f"shop-{at}", state, kind),
        st.integers(1, 12),
        st.sampled_from(sorted(OPEN)),
        st.sampled_from(Kind),
    ),
    max_size=6,
    unique_by=lambda each: each.id,
)


@settings(max_examples=50)
@given(QUEUES)
def test_of_those_that_wait_for_their_turn_one_may_go_and_it_was_asked_for_first(
    there: list[Deployment],
) -> None:
    waiting = [
        each for each in there if each.kind is Kind.FORWARD and each.state is not State.WATCHING
    ]
    may_go = [each for each in waiting if is_next(each.id, "", there)]
    assert may_go == sorted(waiting, key=lambda each: number(each.id))[:1]


@settings(max_examples=50)
@given(QUEUES, st.integers(1, 12), st.integers(1, 12))
def test_while_somebody_has_the_place_and_needs_it_nobody_else_may_go(
    there: list[Deployment], mine: int, holds: int
) -> None:
    holder = deployment(f"shop-{holds}", State.ROLLING_OUT)
    others = [each for each in there if each.id != holder.id]
    assert is_next(f"shop-{mine}", holder.id, [*others, holder]) is (mine == holds)


@settings(max_examples=50)
@given(QUEUES, st.integers(1, 12), st.sets(st.integers(1, 12)), st.randoms())
def test_whoever_is_passed_by_keeps_nobody_and_the_order_of_asking_about_them_decides_nothing(
    there: list[Deployment], mine: int, passed: set[int], random: Random
) -> None:
    asks, passing = f"shop-{mine}", [f"shop-{each}" for each in passed]
    without = [each for each in there if each.id not in passing]
    assert is_next(asks, "", there, passing) is is_next(asks, "", without)
    shuffled = [*there]
    random.shuffle(shuffled)
    assert is_next(asks, "", there) is is_next(asks, "", shuffled)
