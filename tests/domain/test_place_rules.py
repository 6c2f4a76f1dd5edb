"""The rules of a place under any circumstances: no door is open that another one shuts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.deployment import Deployment, Kind, State
from bot.domain.locks import Lock
from bot.domain.people import Person
from bot.domain.places import (
    Doubt,
    Ground,
    Obstacle,
    Quarantined,
    Stray,
    Unclear,
    graver,
    is_answer_to,
    is_left,
    may_be_answered,
    obstacles,
)
from bot.domain.rollback import Passage, Way

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ANA, BO = Person("T1", "UANA"), Person("T1", "UBO")
V2 = Deployment(
    "shop-2", Kind.FORWARD, "shop", "production", "v2", "v2",
    "b" * 40, "rolling", ANA, BO, State.GATED, NOW, NOW,
)  # fmt: skip
CLEAR = Ground("shop-2", "a" * 40, "v1")
STRAY = Stray("shop", "production", "run 7", "shop-1", "5", NOW)
FEW = settings(max_examples=50, deadline=None)
DOUBTS = st.builds(
    Doubt,
    st.sampled_from(Unclear),
    st.sampled_from(["it failed", "it was seen"]),
    st.integers(-5, 5).map(lambda minutes: NOW + minutes * MINUTE),
    st.sampled_from(["", "shop-1", "shop-2"]),
    st.lists(st.sampled_from(["c", "d", "e"]), unique=True, max_size=2).map(tuple),
)
LOCKS = st.builds(
    Lock,
    st.sampled_from(["", "shop"]),
    st.just("production"),
    st.just("quarter end"),
    st.just(BO),
    st.just(NOW - HOUR),
    st.sampled_from([None, NOW - MINUTE, NOW, NOW + MINUTE]),
)
GROUNDS = st.builds(
    Ground,
    st.just("shop-2"),
    st.sampled_from(["", "a" * 40]),
    st.just("v1"),
    st.lists(LOCKS, max_size=2).map(tuple),
    st.sampled_from(["", "it loses carts"]),
    doubt=st.none() | DOUBTS,
    strays=st.sampled_from([(), (STRAY,), (replace(STRAY, deployment="shop-2"),)]),
)
WAYS = st.none() | st.builds(
    Way, st.just("a" * 40), st.just("b" * 40), st.sampled_from(Passage), st.just("m/7.sql")
)


def kinds(
    deployment: Deployment, ground: Ground, way: Way | None, at: datetime = NOW
) -> list[Obstacle]:
    return [each.kind for each in obstacles(deployment, ground, way, at)]


@FEW
@given(GROUNDS, WAYS)
def test_each_obstacle_is_there_for_its_own_reason_and_hides_no_other(
    ground: Ground, way: Way | None
) -> None:
    alone = [
        *kinds(V2, replace(CLEAR, doubt=ground.doubt, strays=ground.strays), None),
        *kinds(V2, replace(CLEAR, locks=ground.locks), None),
        *kinds(V2, replace(CLEAR, quarantine=ground.quarantine), None),
        *kinds(V2, replace(CLEAR, live_commit=ground.live_commit), way),
    ]
    assert kinds(V2, ground, way) == alone


@FEW
@given(GROUNDS, WAYS, DOUBTS)
def test_whatever_comes_to_make_it_unclear_opens_no_door(
    ground: Ground, way: Way | None, more: Doubt
) -> None:
    before = {*kinds(V2, ground, way)}
    worse = replace(ground, doubt=graver(ground.doubt, replace(more, deployment="")))
    assert before <= {*kinds(V2, worse, way)}


@FEW
@given(GROUNDS, WAYS, st.integers(1, 90))
def test_time_alone_takes_nothing_away_but_a_lock_that_ends(
    ground: Ground, way: Way | None, minutes: int
) -> None:
    now, later = kinds(V2, ground, way), kinds(V2, ground, way, NOW + minutes * MINUTE)
    assert {*now} - {*later} <= {Obstacle.LOCKED}
    assert {*later} <= {*now}


@FEW
@given(DOUBTS, DOUBTS)
def test_of_two_doubts_the_graver_stays_since_the_later_and_nothing_seen_is_forgotten(
    old: Doubt, new: Doubt
) -> None:
    found = graver(old, new)
    gravity = [Unclear.SEEN, Unclear.FAILED, Unclear.STRAY, Unclear.RESTORED]
    assert found.kind is max(old.kind, new.kind, key=gravity.index)
    assert found.since == max(old.since, new.since)
    assert {*found.seen} == {*old.seen, *new.seen}
    assert graver(None, new) == new


@FEW
@given(DOUBTS, DOUBTS, st.integers(-6, 6))
def test_whoever_asks_answers_two_doubts_only_by_knowing_of_both(
    old: Doubt, new: Doubt, minutes: int
) -> None:
    asked = replace(V2, requested_at=NOW + minutes * MINUTE)
    if is_answer_to(asked, graver(old, new)):
        assert is_answer_to(asked, old)
        assert is_answer_to(asked, new)


@pytest.mark.parametrize("kind", Unclear)
def test_somebodys_next_deployment_answers_what_failed_or_was_seen_and_nothing_else(
    kind: Unclear,
) -> None:
    asked = replace(V2, requested_at=NOW - HOUR, asked_anew_at=NOW + MINUTE)
    answers = kind in {Unclear.FAILED, Unclear.SEEN}
    doubt = Doubt(kind, "it failed", NOW)
    assert may_be_answered(doubt) is answers
    assert is_answer_to(asked, doubt) is answers
    assert not is_answer_to(replace(asked, asked_anew_at=None), doubt)


@pytest.mark.parametrize(
    ("ground", "words", "way_on"),
    [
        (CLEAR, "", ""),
        (replace(CLEAR, doubt=Doubt(Unclear.FAILED, "it failed", NOW)), "it failed", ""),
        (
            replace(CLEAR, strays=(STRAY,), doubt=Doubt(Unclear.FAILED, "it failed", NOW)),
            "a run of shop-1 that was cut off has not been seen to end",
            "; if it hangs, end it at the CI provider",
        ),
        (
            replace(CLEAR, strays=(replace(STRAY, unanswered=True),)),
            "whether a run of shop-1 was started before it was stopped is not known yet",
            "",
        ),
    ],
)
def test_why_it_is_unclear_what_runs_and_what_helps_against_it(
    ground: Ground, words: str, way_on: str
) -> None:
    assert (ground.in_words, ground.way_on) == (words, way_on)
    assert ground.is_clear is (not words)


@pytest.mark.parametrize(
    ("state", "kind", "started", "says"),
    [
        (State.GATED, Unclear.FAILED, False,
         "its card says whether it goes back; if this is the answer to it, ask for it anew: "),
        (State.GATED, Unclear.SEEN, False, "seen; if this is the answer to it, ask for it anew: "),
        (State.ROLLING_OUT, Unclear.FAILED, False, "cancel it and ask for it anew: "),
        (State.ROLLING_OUT, Unclear.FAILED, True, "its card says whether it goes back; or say"),
        (State.ROLLING_OUT, Unclear.SEEN, True, "seen; deploy what should be there, or say what"),
        (State.GATED, Unclear.STRAY, False, "seen; say what is live: /deploy live shop production"),
        (State.GATED, Unclear.RESTORED, False, "seen; say what is live: /deploy live shop "),
    ],
)  # fmt: skip
def test_what_helps_against_a_doubt_depends_on_what_it_is_and_on_who_waits(
    state: State, kind: Unclear, says: str, *, started: bool
) -> None:
    waits = replace(V2, state=state, started_at=NOW if started else None)
    doubt = Doubt(kind, "another was seen", NOW + MINUTE)
    (found,) = obstacles(waits, replace(CLEAR, doubt=doubt), None, NOW)
    assert says in found.sentence


def test_a_quarantine_names_who_said_so_and_the_command_that_lifts_it() -> None:
    known = Quarantined("it leaks", BO, NOW - HOUR)
    (found,) = obstacles(V2, replace(CLEAR, quarantine="it leaks", quarantined=known), None, NOW)
    assert found.sentence == "v2 is quarantined: it leaks"
    assert (found.by, found.at) == (BO, NOW - HOUR)
    assert found.how == "/deploy unquarantine shop v2 because TEXT"


@pytest.mark.parametrize(
    ("way", "says"),
    [
        (Way("a" * 40, "b" * 40, Passage.MIGRATION, "m/7.sql"), "v1 has m/7.sql, which v2 has not"),
        (Way("a" * 40, "b" * 40, Passage.MIGRATION), "v1 has a migration, which v2 has not"),
        (Way("a" * 40, "b" * 40, Passage.MIGRATION, "m/7.sql", of="c" * 40),
         "what failed here has m/7.sql"),
        (Way("a" * 40, "b" * 40, Passage.MIGRATION, "m/7.sql", of="a" * 40), "v1 has m/7.sql"),
        (Way("a" * 40, "b" * 40, Passage.MIGRATION, "m/7.sql", brought_by="v0"),
         "v0 brought m/7.sql, which v2 has not"),
    ],
)  # fmt: skip
def test_whoever_would_leave_a_migration_behind_is_told_which_and_of_what(
    way: Way, says: str
) -> None:
    (found,) = obstacles(V2, CLEAR, way, NOW)
    assert found.sentence.startswith(says)
    assert found.sentence.endswith(": deploy a version that has it")


@pytest.mark.parametrize(("state", "kind"), [*product(State, Kind)])
def test_what_is_said_to_be_live_ends_a_watch_of_another_commit_and_no_rollback(
    state: State, kind: Kind
) -> None:
    shown = replace(V2, state=state, kind=kind)
    watched = state is State.WATCHING and kind is Kind.FORWARD
    assert is_left(shown, None, "a" * 40) is watched
    assert not is_left(shown, None, V2.commit)


@pytest.mark.parametrize(
    ("doubt", "ends"),
    [
        (None, False),
        (Doubt(Unclear.FAILED, "", NOW, "shop-2"), True),
        (Doubt(Unclear.FAILED, "", NOW, "shop-1"), False),
        (Doubt(Unclear.RESTORED, "", NOW, "shop-1"), True),
        (Doubt(Unclear.RESTORED, "", NOW - MINUTE, ""), False),
        (Doubt(Unclear.SEEN, "", NOW, ""), False),
    ],
)
def test_a_rollout_ends_by_a_word_only_where_it_is_the_doubt_or_older_than_a_restored_copy(
    doubt: Doubt | None, *, ends: bool
) -> None:
    shown = replace(V2, state=State.ROLLING_OUT, started_at=NOW)
    assert is_left(shown, doubt, "a" * 40) is ends
