"""What a place stands on: what is there, what may be there in part, and what
has brought what is live.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.declared import Declared, Origin
from bot.domain.deployment import Deployment, Kind, State
from bot.domain.live import Live, is_there, stands_on
from bot.domain.people import Person

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ANA = Person("T1", "UANA")
OLD, NEW = "a" * 40, "b" * 40
LIVE = Live("shop", "production", OLD, "v1", NOW, "shop-1", ANA)
WORD = replace(
    LIVE, declared=Declared("shop", "production", OLD, "v1", Origin.SAID, ANA, NOW, "I looked")
)
ADOPTED = replace(
    LIVE,
    deployment="",
    declared=Declared("shop", "production", OLD, "v1", Origin.ADOPTED, ANA, NOW, ""),
)


def deployment(
    state: State,
    *,
    commit: str = NEW,
    since: datetime = NOW,
    started: datetime | None = NOW,
    number: int = 2,
) -> Deployment:
    return Deployment(
        f"shop-{number}", Kind.FORWARD, "shop", "production", "v2", "v2",
        commit, "canary", ANA, ANA, state, since, NOW, started_at=started
    )  # fmt: skip


@pytest.mark.parametrize("state", State)
def test_while_something_of_it_moves_it_is_there_and_at_rest_only_while_it_is_what_is_live(
    state: State,
) -> None:
    moving = state in {State.ROLLING_OUT, State.WATCHING, State.ROLLING_BACK}
    at_rest = state in {State.VERIFIED, State.ACCEPTED}
    for live in (None, LIVE, WORD, ADOPTED):
        assert is_there(deployment(state, since=NOW + SECOND), live) is (
            moving or state is State.FAILED
        )
        mine = deployment(state, commit=OLD, since=NOW + SECOND)
        is_brought = live is not None and bool(live.deployment)
        assert is_there(mine, live) is (moving or state is State.FAILED or (at_rest and is_brought))
        assert not is_there(replace(mine, kind=Kind.ROLLBACK), live)


@pytest.mark.parametrize("state", [State.ROLLING_OUT, State.WATCHING, State.ROLLING_BACK])
def test_what_was_let_go_and_has_begun_nothing_is_not_there(state: State) -> None:
    assert is_there(deployment(state, started=None), LIVE) is (state is not State.ROLLING_OUT)


@pytest.mark.parametrize(
    ("live", "since", "is_still_there"),
    [
        (None, NOW, True),
        (LIVE, NOW - SECOND, False),
        (LIVE, NOW, True),
        (LIVE, NOW + SECOND, True),
        (WORD, NOW, False),  # the word was about it
        (WORD, NOW + SECOND, True),
        (ADOPTED, NOW, True),
    ],
)
def test_what_failed_is_there_until_something_else_has_become_live(
    live: Live | None, since: datetime, *, is_still_there: bool
) -> None:
    assert is_there(deployment(State.FAILED, since=since), live) is is_still_there


def test_of_several_the_newest_is_what_a_place_stands_on() -> None:
    coming, failed, brought = (
        deployment(State.QUEUED, number=4), deployment(State.FAILED, number=3),
        deployment(State.VERIFIED, commit=OLD, number=1),
    )  # fmt: skip
    assert stands_on([coming, failed, brought], LIVE) is failed
    assert stands_on([coming, replace(failed, state_since=NOW - SECOND), brought], LIVE) is brought
    assert stands_on([coming, brought], ADOPTED) is None
    assert stands_on([], None) is None


def test_a_commit_that_nobody_has_pinned_is_never_what_was_brought() -> None:
    assert not is_there(deployment(State.VERIFIED, commit=""), replace(LIVE, commit=""))
