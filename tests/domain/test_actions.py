"""Which button is there when: by tables, and for every card that there can be."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from typing import Any

import pytest

from bot.domain.actions import (
    BINDS,
    DECISIONS,
    Action,
    harmful,
    helping,
    on_an_alarm,
    possible,
)
from bot.domain.card import Card
from bot.domain.catalog import Need
from bot.domain.changes import Change, Changes, Taken
from bot.domain.deployment import CAN_ROLL_BACK, WAITING, Deployment, Kind, State
from bot.domain.hanging import Hanging
from bot.domain.locks import Lock
from bot.domain.offer import RollbackOffer
from bot.domain.people import GONOGO, Person
from bot.domain.readiness import WATCHED, Gate, GateState, Review
from bot.domain.rollout import RunState, Stage, Step, StepState
from bot.domain.trouble import Sort, Trouble
from bot.domain.watching import Watched
from bot.domain.whys import Deed, Why

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ANA, BO = Person("T1", "UANA"), Person("T1", "UBO")
V2 = Deployment(
    "shop-2", Kind.FORWARD, "shop", "production", "v2", "v2", "b" * 40, "canary",
    ANA, BO, State.GATED, NOW, NOW, base_commit="a" * 40, base_version="v1",
)  # fmt: skip
BACK, NO_WAY = RollbackOffer("v1", "a" * 40), RollbackOffer(refused="There is none.")
LOCK = Lock("shop", "production", "v2 was rolled back", BO, NOW, deployment="shop-2")
BAD = Trouble(1, Sort.DEGRADED, "canary-5", (("errors", 9.0),))
WATCH = Watched("shop-1", "v1", NOW, NOW + MINUTE)
HANGS = Hanging("shop-3", "v1", "a" * 40, NOW)
NEVER_BEGAN = [
    State.REQUESTED, State.QUEUED, State.CANCELLED, State.REJECTED,
    State.EXPIRED, State.IMPOSSIBLE, State.SUPERSEDED,
]  # fmt: skip


def gate(key: str, state: GateState = GateState.OPEN, **more: Any) -> Gate:
    return Gate(key, key, state, "as it was found", **more)


def step(state: StepState, *, gated: bool = False, percent: int = 5) -> Step:
    stages = (Stage("approve", RunState.WAITING, passable=True),) if gated else ()
    serves = {StepState.HOLDING, StepState.DONE}
    deployed = NOW if state in serves else None
    return Step(
        0, f"canary-{percent}", percent, MINUTE, state, "7", stages=stages, deployed_at=deployed
    )


def card(state: State, *, started: bool = True, **more: Any) -> Card:
    is_started = started and state not in WAITING
    here = replace(
        V2,
        state=state,
        started_at=NOW if is_started else None,
        countdown_until=more.pop("countdown", None),
    )
    more.setdefault("rollback", BACK)
    return Card(here, NOW, **more)


@cache
def cards() -> tuple[Card, ...]:
    """Draw cards from everything that one can hold, the same ones each time."""
    draw = Random(7)  # noqa: S311 - no secret
    keys = ["on-call", "item:docs", "tests", "staged", "rollback", WATCHED]

    def some_gate() -> Gate:
        return gate(
            draw.choice(keys),
            draw.choice([*GateState]),
            need=draw.choice([*Need]),
            again=draw.random() < 0.5,
            first=draw.choice(["", "staging"]),
            startable=draw.choice(["", "shop-2:tests"]),
            plan=draw.choice(["", "0a1b"]),
        )

    def some_steps() -> tuple[Step, ...]:
        found = step(draw.choice([*StepState]), gated=draw.random() < 0.5)
        return draw.choice([(), (found,)])

    def drawn(state: State) -> Card:
        review = Review(NOW, tuple(some_gate() for _ in range(draw.randrange(5))))
        return card(
            state,
            started=draw.random() < 0.7,
            countdown=draw.choice([None, NOW + MINUTE]),
            review=draw.choice([None, review]),
            steps=some_steps(),
            way_back=some_steps(),
            trouble=draw.choice([None, BAD, BAD, replace(BAD, is_over=True)]),
            besides=draw.choice(["", "the environment is locked"]),
            rollback=draw.choice([BACK, NO_WAY]),
            changes=draw.choice([Changes(), Changes(total=3), Changes(total=3, known=False)]),
            hangs=draw.choice([None, None, HANGS]),
            lock=draw.choice([None, LOCK]),
            why=draw.choice([None, Why(Deed.STOP, BO), Why(Deed.ROLLBACK, GONOGO)]),
            watched=draw.choice([None, WATCH]),
            watched_by=draw.choice([(), (BO,), (ANA,)]),
            can_be_taken_over=draw.random() < 0.5,
        )

    return tuple(drawn(state) for state in State for _ in range(60))


def test_no_button_is_there_twice_and_each_says_what_it_decides_about() -> None:
    for shown in cards():
        for buttons in (possible(shown), on_an_alarm(shown)):
            assert len(buttons) == len(set(buttons))
            assert set(buttons) <= set(BINDS)


def test_what_only_a_refusal_or_a_dialog_offers_is_on_no_card() -> None:
    for shown in cards():
        assert not {Action.ASK_LEAD, Action.SAY_LIVE, Action.TAKE_OVER, Action.RUN_CORRECTED} & {
            *possible(shown)
        }


def test_an_alarm_has_no_button_that_the_card_has_not_but_the_lead() -> None:
    for shown in cards():
        mine = {*on_an_alarm(shown)} - {Action.TAKE_OVER}
        assert mine <= {*possible(shown)}
        assert {*possible(shown)} & DECISIONS <= mine


def test_the_lead_is_offered_only_where_there_is_something_to_decide() -> None:
    for shown in cards():
        mine = on_an_alarm(shown)
        offered = Action.TAKE_OVER in mine
        decides = bool({*mine} - {Action.TAKE_OVER, Action.SAY_WHY})
        assert offered == (decides and shown.can_be_taken_over)


def test_a_countdown_is_stopped_or_the_rollout_let_go_on_never_both() -> None:
    for shown in cards():
        buttons = {*possible(shown)}
        assert not {Action.STOP_COUNTDOWN, Action.PROCEED} <= buttons
        counts = shown.deployment.countdown_until is not None
        assert (Action.STOP_COUNTDOWN in buttons) == counts


def test_what_is_in_part_there_goes_back_or_where_nothing_can_is_stopped() -> None:
    for shown in cards():
        if shown.deployment.is_in_part_there and shown.hangs is None:
            ways = {Action.ROLL_BACK, Action.CANCEL} & {*possible(shown)}
            assert ways == ({Action.ROLL_BACK} if shown.rollback.is_possible else {Action.CANCEL})


def test_whatever_has_touched_nothing_can_be_cancelled_and_that_is_no_danger() -> None:
    for shown in cards():
        if shown.deployment.has_touched_nothing:
            assert possible(shown)[-1] is Action.CANCEL
            assert Action.CANCEL not in harmful(shown)


def test_red_is_what_goes_back_or_stops_and_nothing_else() -> None:
    for shown in cards():
        assert Action.ROLL_BACK in harmful(shown)
        assert harmful(shown) <= {Action.ROLL_BACK, Action.CANCEL}
        assert (Action.CANCEL in harmful(shown)) == (
            shown.deployment.is_in_part_there and not shown.rollback.is_possible
        )


def test_nobody_rolls_back_what_was_never_there_or_is_on_its_way_back() -> None:
    for shown in cards():
        if Action.ROLL_BACK in possible(shown) and shown.hangs is None:
            assert shown.deployment.state in CAN_ROLL_BACK
            assert shown.rollback.is_possible


def test_a_gate_of_the_pipeline_that_stays_shut_has_no_button() -> None:
    for shown in cards():
        has = Action.OPEN_GATE in possible(shown)
        assert not (has and shown.is_gate_kept)
        assert not has or shown.deployment.state in {State.ROLLING_OUT, State.ROLLING_BACK}


def test_people_approve_and_reject_together_and_only_while_they_are_asked() -> None:
    for shown in cards():
        buttons = {*possible(shown)} & {Action.APPROVE, Action.REJECT}
        asked = shown.deployment.state is State.AWAITING_APPROVAL
        assert buttons == ({Action.APPROVE, Action.REJECT} if asked else set())


def test_to_read_of_a_deployment_there_is_what_would_change_or_what_happened() -> None:
    for shown in cards():
        reads = {*possible(shown)} & {Action.SHOW_CHANGES, Action.SHOW_TIMELINE}
        assert len(reads) <= 1
        if Action.SHOW_CHANGES in reads:
            assert shown.deployment.state in {State.GATED, State.AWAITING_APPROVAL}
        ended = shown.deployment.state in {State.ROLLED_BACK, State.FAILED}
        assert (Action.SHOW_TIMELINE in reads) == ended


@pytest.mark.parametrize("state", NEVER_BEGAN)
def test_what_never_began_or_was_replaced_offers_at_most_to_be_cancelled(state: State) -> None:
    offered = (Action.CANCEL,) if state in WAITING else ()
    shown = card(state, lock=LOCK, trouble=BAD, changes=Changes(total=3))
    assert possible(shown) == offered


@pytest.mark.parametrize(
    ("state", "with_changes", "offered"),
    [
        (State.GATED, Changes(total=3), True),
        (State.AWAITING_APPROVAL, Changes(total=3), True),
        (State.GATED, Changes(taken=Taken((Change("c", "s", "a"),), 1)), True),
        (State.GATED, Changes(), False),
        (State.GATED, Changes(total=3, known=False), False),
        (State.QUEUED, Changes(total=3), False),
        (State.ROLLING_OUT, Changes(total=3), False),
    ],
)
def test_what_would_change_is_shown_before_it_changes_where_it_is_known(
    state: State, with_changes: Changes, *, offered: bool
) -> None:
    assert (Action.SHOW_CHANGES in possible(card(state, changes=with_changes))) is offered


@pytest.mark.parametrize(
    ("blocking", "helps"),
    [
        (gate("on-call"), Action.ACKNOWLEDGE),
        (gate("item:docs"), Action.TICK),
        (gate("rollback", plan="0a1b"), Action.CONFIRM_PLAN),
        (gate("staged", first="staging"), Action.DEPLOY_FIRST),
        (gate("tests", again=True), Action.RETEST),
    ],
)
def test_what_opens_a_gate_that_blocks_is_what_helps_and_no_gate_that_does_not(
    blocking: Gate, helps: Action
) -> None:
    always = (Action.APPROVE, Action.WATCH, Action.OPEN_GATE)
    for state in GateState:
        review = Review(NOW, (replace(blocking, state=state),))
        blocks = state in {GateState.OPEN, GateState.UNKNOWN}
        with_it = (Action.APPROVE, Action.WATCH, helps, Action.OPEN_GATE)
        assert helping(card(State.GATED, review=review)) == (with_it if blocks else always)
    optional = Review(NOW, (replace(blocking, need=Need.OPTIONAL),))
    assert helping(card(State.GATED, review=optional)) == always


def test_of_what_helps_the_nearest_comes_first() -> None:
    review = Review(
        NOW,
        (
            gate("tests", again=True), gate("staged", first="staging"),
            gate("rollback", plan="0a1b"), gate("item:docs"), gate("on-call"),
        ),
    )  # fmt: skip
    assert helping(card(State.GATED, review=review)) == (
        Action.APPROVE, Action.WATCH, Action.ACKNOWLEDGE, Action.TICK, Action.CONFIRM_PLAN,
        Action.DEPLOY_FIRST, Action.RETEST, Action.OPEN_GATE,
    )  # fmt: skip
    assert helping(card(State.QUEUED)) == (Action.APPROVE, Action.WATCH, Action.OPEN_GATE)


@pytest.mark.parametrize(
    ("state", "step_state", "trouble", "offered"),
    [
        (State.ROLLING_OUT, StepState.RUNNING, None, True),
        (State.ROLLING_OUT, StepState.SMOKE, None, True),
        (State.ROLLING_OUT, StepState.RUNNING, BAD, False),
        (State.ROLLING_OUT, StepState.SMOKE, BAD, True),  # a smoke test changes nothing
        (State.ROLLING_OUT, StepState.HOLDING, None, False),
        (State.WATCHING, StepState.RUNNING, None, False),
        (State.FAILED, StepState.RUNNING, None, False),
    ],
)
def test_the_pipelines_own_gate_is_opened_from_the_card_while_nothing_keeps_it_shut(
    state: State, step_state: StepState, trouble: Trouble | None, *, offered: bool
) -> None:
    waits = replace(step(step_state, gated=True, percent=100), index=1)
    shown = card(state, steps=(step(StepState.DONE), waits), trouble=trouble)
    assert (Action.OPEN_GATE in possible(shown)) is offered


@pytest.mark.parametrize("state", [State.FAILED, State.ROLLING_BACK, State.ROLLED_BACK])
def test_a_rollback_that_hangs_can_be_given_up_whatever_there_is_to_go_back_to(
    state: State,
) -> None:
    assert Action.ROLL_BACK in possible(card(state, rollback=NO_WAY, hangs=HANGS))
    assert Action.ROLL_BACK not in possible(card(state, rollback=NO_WAY))


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (State.FAILED, {Action.ROLL_BACK, Action.SAY_WHY}),
        (State.ROLLED_BACK, set()),
        (State.ROLLING_BACK, {Action.OPEN_GATE}),
        (State.WATCHING, {Action.ROLL_BACK, Action.WATCH}),
        (State.VERIFIED, {Action.ROLL_BACK}),
    ],
)
def test_an_alarm_asks_for_decisions_and_for_the_reason_where_it_has_failed(
    state: State, expected: set[Action]
) -> None:
    shown = card(
        state,
        lock=LOCK,
        way_back=(step(StepState.RUNNING, gated=True),),
        why=Why(Deed.ROLLBACK, BO),
    )
    assert {*on_an_alarm(shown)} == expected


def test_a_stop_is_on_the_alarm_where_there_is_nothing_to_go_back_to() -> None:
    shown = card(State.ROLLING_OUT, rollback=NO_WAY, steps=(step(StepState.HOLDING),), trouble=BAD)
    assert on_an_alarm(shown) == (Action.CANCEL, Action.PROCEED)
    kept = replace(shown, besides="the environment is locked")
    assert on_an_alarm(kept) == (Action.CANCEL,)
