"""Whose turn it is in a place."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

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
