"""What a deployment has brought so far, and who has which share: no request is counted twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from bot.domain.deployment import WAITING, Deployment, Kind, State
from bot.domain.health import Finding, Snapshot, Verdict
from bot.domain.observation import is_shown_bad, is_silent_about_the_run, numbers_of
from bot.domain.people import Person
from bot.domain.rollout import Step, StepState, serves, serving
from bot.domain.share import Brought, Holds, Share, beside, brought_by_now, share_of
from bot.domain.trouble import Sort, Trouble

NOW, ANA = datetime(2026, 11, 21, 2, tzinfo=UTC), Person("T1", "UANA")
MINUTE = timedelta(minutes=1)
V2 = Deployment(
    "shop-2", Kind.FORWARD, "shop", "production", "v2", "v2", "b" * 40, "canary",
    ANA, ANA, State.ROLLING_OUT, NOW, NOW, started_at=NOW,
)  # fmt: skip
BACK = replace(V2, id="shop-3", kind=Kind.ROLLBACK, version="v1", commit="a" * 40)
WHOLE = {StepState.HOLDING, StepState.DONE}


def steps(*states: StepState) -> tuple[Step, ...]:
    """Give a canary of 5, 50 and 100 percent."""
    return tuple(
        Step(
            at, f"canary-{percent}", percent, MINUTE, state,
            deployed_at=NOW if state in WHOLE else None,
            served_at=NOW if state is StepState.SMOKE else None,
        )
        for at, (percent, state) in enumerate(zip((5, 50, 100), states, strict=False))
    )  # fmt: skip


ROLLOUTS = [
    *((), *(steps(each) for each in StepState)),
    *(steps(*each) for each in product([StepState.DONE], [*StepState])),
    *(steps(*each) for each in product([StepState.DONE], [StepState.DONE], [*StepState])),
]


@pytest.mark.parametrize("state", State)
def test_what_has_touched_nothing_has_brought_nothing_and_what_is_watched_everything(
    state: State,
) -> None:
    for along in ROLLOUTS:
        found = brought_by_now(replace(V2, state=state, started_at=None), along)
        if state in WAITING | {State.ROLLING_OUT}:
            assert found == Brought(is_begun=False, percent=0, coming=0)
        else:
            assert found.is_begun
            assert found.percent == (100 if state is State.WATCHING else serving(along))


@pytest.mark.parametrize("along", ROLLOUTS, ids=range(len(ROLLOUTS)))
def test_what_comes_is_more_than_what_is_there_or_nothing(along: tuple[Step, ...]) -> None:
    found = brought_by_now(V2, along)
    assert found.coming == 0 or found.coming > found.percent
    runs = any(step.state is StepState.RUNNING for step in along)
    assert bool(found.coming) is runs, "a smoke test brings nothing more"


@pytest.mark.parametrize("along", ROLLOUTS, ids=range(len(ROLLOUTS)))
@pytest.mark.parametrize("state", State)
def test_the_shares_of_what_is_live_and_of_what_serves_beside_it_are_never_more_than_all(
    state: State, along: tuple[Step, ...]
) -> None:
    over = replace(V2, state=state)
    for back in (None, BACK):
        mine = share_of("a" * 40, over, along, back)
        other = beside("a" * 40, over, along, back, ())
        if mine is not None and other is not None:
            assert mine.percent + other.percent == 100
        if mine is not None and mine.holds is Holds.NONE:
            assert (mine.percent, serving(along)) == (0, 100)
            assert not mine.has_requests


@pytest.mark.parametrize("along", ROLLOUTS, ids=range(len(ROLLOUTS)))
def test_what_serves_is_the_newest_step_whose_run_has_succeeded(along: tuple[Step, ...]) -> None:
    found = serves(along)
    assert (found.percent if found else 0) == serving(along)
    assert found is None or found.state in WHOLE | {StepState.SMOKE}


def test_what_gets_no_requests_says_who_has_them_all() -> None:
    share = Share(Holds.NONE, 0, "shop-2", "v2")
    assert share.has_them_all == "it gets no requests there now: v2 (shop-2) has them all"


def shot(where: str, verdict: Verdict, at: datetime = NOW, silence: str = "") -> Snapshot:
    found = Finding("errors", "errors", "%", verdict, None, None)
    return Snapshot("shop-2", where, at, verdict, (found,), where=where, silence=silence)


@pytest.mark.parametrize(
    ("verdict", "before", "counts"),
    [
        (Verdict.HEALTHY, timedelta(0), True),
        (Verdict.HEALTHY, MINUTE, False),
        (Verdict.NO_DATA, MINUTE, False),
        (Verdict.UNPROVED, MINUTE, False),
        (Verdict.DEGRADED, MINUTE, True),
    ],
)
def test_that_a_step_was_well_before_it_was_wholly_there_is_no_number_of_it(
    verdict: Verdict, before: timedelta, *, counts: bool
) -> None:
    newest = shot("canary-5", verdict, NOW - before)
    found = numbers_of("canary-5", newest, steps(StepState.HOLDING))
    assert found == (newest if counts else None)
    assert numbers_of("canary-5", newest, steps(StepState.RUNNING)) == newest
    assert numbers_of("canary-50", newest, steps(StepState.HOLDING)) is None
    assert numbers_of("", newest, ()) is None
    assert numbers_of("canary-5", None, ()) is None


@pytest.mark.parametrize(
    ("state", "where", "silence", "is_silent"),
    [
        (StepState.RUNNING, "canary-5", "it times out", True),
        (StepState.SMOKE, "canary-5", "it times out", True),
        (StepState.RUNNING, "canary-5", "", False),
        (StepState.RUNNING, "canary-50", "it times out", False),
        (StepState.HOLDING, "canary-5", "it times out", False),
        (StepState.PENDING, "canary-5", "it times out", False),
    ],
)
def test_a_source_is_silent_about_a_run_while_it_says_nothing_of_what_that_brings(
    state: StepState, where: str, silence: str, *, is_silent: bool
) -> None:
    newest = shot(where, Verdict.NO_DATA, silence=silence)
    assert is_silent_about_the_run(newest, steps(state)) is is_silent
    assert not is_silent_about_the_run(None, steps(state))


@pytest.mark.parametrize("state", StepState)
@pytest.mark.parametrize("sort", [None, *Sort])
def test_worse_numbers_or_a_failed_run_speak_against_a_version_until_it_is_verified(
    state: StepState, sort: Sort | None
) -> None:
    trouble = Trouble(1, sort, "canary-5") if sort else None
    is_bad = sort is Sort.DEGRADED or state is StepState.FAILED
    for found in (trouble, replace(trouble, is_over=True) if trouble else None):
        assert is_shown_bad(found, steps(state), is_verified=False) is is_bad
        assert not is_shown_bad(found, steps(state), is_verified=True)


@pytest.mark.parametrize(
    ("kind", "state", "ended", "says"),
    [
        (Kind.FORWARD, State.FAILED, False, "has failed"),
        (Kind.FORWARD, State.FAILED, True, "was stopped by its lead"),
        (Kind.ROLLBACK, State.FAILED, True, "has failed"),
        (Kind.FORWARD, State.SUPERSEDED, True,
         "was being watched when somebody said that something else is live"),
        (Kind.FORWARD, State.SUPERSEDED, False, "was replaced before it was verified"),
        (Kind.FORWARD, State.CANCELLED, True, "was cancelled"),
    ],
)  # fmt: skip
def test_how_a_deployment_stands_says_whose_word_ended_it(
    kind: Kind, state: State, says: str, *, ended: bool
) -> None:
    over = replace(V2, kind=kind, state=state, ended_by=ANA if ended else None)
    assert over.stands == f"shop v2 → production {says}"
    assert over.is_over_already == f"{over.stands} already"
    assert over.was_given_up is (kind is Kind.ROLLBACK and ended)
    assert over.was_left is (state is State.SUPERSEDED and ended)


@pytest.mark.parametrize("commit", ["", "b" * 40])
@pytest.mark.parametrize("state", State)
def test_what_was_never_looked_up_was_never_anything_to_deploy(state: State, commit: str) -> None:
    asked = replace(V2, state=state, commit=commit)
    assert asked.is_unanswered is (state is State.REQUESTED and not commit)
    assert asked.never_was is (state is State.IMPOSSIBLE and not commit)
    if state is State.IMPOSSIBLE:
        assert asked.is_over_already == asked.stands, "it never was, so it is not over already"


def test_who_asked_anew_has_asked_then() -> None:
    assert V2.asked_at == NOW
    assert replace(V2, asked_anew_at=NOW + MINUTE).asked_at == NOW + MINUTE
