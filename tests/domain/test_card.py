"""What a card derives from what is stored: what is judged, what is silent, and
which buttons make sense.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.approvals import ApprovalNeed
from bot.domain.card import Card
from bot.domain.catalog import Need
from bot.domain.changes import Change, Changes, Taken, taken_by
from bot.domain.deployment import WAITING, Deployment, Kind, State
from bot.domain.health import Finding, Snapshot, Verdict
from bot.domain.locks import Lock
from bot.domain.offer import RollbackOffer
from bot.domain.people import GONOGO, Person
from bot.domain.readiness import Gate, GateState, Review
from bot.domain.rollout import RunState, Stage, Step, StepState
from bot.domain.trouble import Sort, Trouble
from bot.domain.watching import Watched
from bot.domain.whys import Deed, Why, why_of

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ANA, BO = Person("T1", "UANA"), Person("T1", "UBO")
DONE, HOLDING, RUNNING, PENDING = (
    StepState.DONE,
    StepState.HOLDING,
    StepState.RUNNING,
    StepState.PENDING,
)
SMOKE, SKIPPED, FAILED = StepState.SMOKE, StepState.SKIPPED, StepState.FAILED
BACK = RollbackOffer("v1", "a" * 40)


def card(state: State, **more: Any) -> Card:
    deployment = Deployment(
        "shop-2",
        Kind.FORWARD,
        "shop",
        "production",
        "v2",
        "v2",
        "b" * 40,
        "canary",
        ANA,
        BO,
        state,
        NOW,
        NOW,
    )
    deployment = replace(deployment, started_at=None if state in WAITING else NOW)
    return Card(deployment, NOW, **more)


def steps(*states: StepState, **more: Any) -> tuple[Step, ...]:
    """Make steps of 5, 10, … per cent; what is given besides is of the
    last one that is under way.
    """
    made = [
        Step(index, f"canary-{index}", 5 * index, MINUTE, state)
        for index, state in enumerate(states, start=1)
    ]
    return tuple(replace(step, **more) if step.is_under_way else step for step in made)


def shot(verdict: Verdict, where: str) -> Snapshot:
    return Snapshot(
        "shop-2",
        "canary",
        NOW,
        verdict,
        (Finding("errors", "errors", "%", verdict, None, None),),
        where=where,
    )


@pytest.mark.parametrize(
    ("state", "done", "where"),
    [
        (State.ROLLING_OUT, (DONE, HOLDING, PENDING), "canary-2"),
        (State.ROLLING_OUT, (SKIPPED, HOLDING), "canary-2"),
        (State.ROLLING_OUT, (HOLDING, PENDING), "canary-1"),
        (State.ROLLING_OUT, (DONE, RUNNING), ""),
        (State.ROLLING_OUT, (DONE, SMOKE, PENDING), ""),
        (State.ROLLING_OUT, (DONE, PENDING), ""),
        (State.ROLLING_OUT, (DONE, DONE), ""),
        (State.ROLLING_OUT, (), ""),
        (State.WATCHING, (DONE, DONE), "watch"),
        (State.ROLLING_BACK, (DONE, HOLDING), ""),
        (State.FAILED, (DONE, HOLDING), ""),
    ],
)
def test_what_is_under_observation_is_the_first_step_that_is_not_over_while_it_holds(
    state: State, done: tuple[StepState, ...], where: str
) -> None:
    assert card(state, steps=steps(*done)).where == where


@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize("where", ["canary-2", "canary-1", ""])
def test_numbers_of_another_step_say_nothing_about_this_one(verdict: Verdict, where: str) -> None:
    shown = card(State.ROLLING_OUT, steps=steps(DONE, HOLDING), snapshot=shot(verdict, where))
    is_mine = where == "canary-2"
    assert shown.is_degraded == (is_mine and verdict is Verdict.DEGRADED)
    assert shown.is_blind == (is_mine and verdict is Verdict.NO_DATA)
    assert (shown.judged is not None) == is_mine


def test_where_no_metric_is_configured_nothing_is_missing() -> None:
    assert not card(
        State.ROLLING_OUT,
        steps=steps(DONE, HOLDING),
        snapshot=replace(shot(Verdict.NO_DATA, "canary-2"), findings=()),
    ).is_blind


def test_without_numbers_or_with_nothing_under_observation_nothing_is_judged() -> None:
    assert card(State.ROLLING_OUT, steps=steps(DONE, HOLDING)).judged is None
    assert (
        card(
            State.ROLLING_OUT, steps=steps(DONE, RUNNING), snapshot=shot(Verdict.DEGRADED, "")
        ).judged
        is None
    )


@pytest.mark.parametrize(
    ("run", "silent", "told"),
    [
        ("run 7", NOW, (NOW, "no", False)),
        ("", NOW, (NOW, "no", True)),
        ("run 7", None, (None, "", False)),
        ("", None, (None, "", False)),
    ],
)
def test_a_provider_that_is_silent_about_a_start_leaves_it_unknown_whether_anything_runs(
    run: str, silent: datetime | None, told: tuple[object, ...]
) -> None:
    refusal = "no" if silent else ""
    asked = steps(DONE, RUNNING, run=run, silent_since=silent, refusal=refusal)
    for shown in (card(State.ROLLING_OUT, steps=asked), card(State.ROLLING_BACK, way_back=asked)):
        way = shown.under_way
        assert (way.silent_since, way.refusal, way.is_start_unknown) == told


def test_silence_about_what_is_over_or_of_another_way_is_not_shown() -> None:
    over = tuple(replace(step, silent_since=NOW) for step in steps(DONE, HOLDING, FAILED))
    assert card(State.ROLLING_OUT, steps=over).under_way.silent_since is None
    asked = steps(RUNNING, silent_since=NOW)
    assert card(State.ROLLING_OUT, way_back=asked).under_way.silent_since is None
    assert (
        card(State.ROLLING_BACK, steps=asked, way_back=steps(RUNNING)).under_way.silent_since
        is None
    )
    assert card(State.FAILED, steps=asked).under_way.silent_since is None


def test_until_a_rollback_begins_its_card_depends_on_what_is_stopped_before() -> None:
    stopping = card(
        State.ROLLING_BACK, steps=steps(RUNNING, silent_since=NOW), way_back=steps(PENDING)
    )
    assert (stopping.under_way.silent_since, stopping.under_way.stops_first) == (NOW, True)
    assert not card(State.ROLLING_OUT, steps=steps(RUNNING), way_back=()).under_way.stops_first
    assert not card(State.ROLLING_BACK, way_back=steps(RUNNING)).under_way.stops_first


def test_the_gate_of_the_pipeline_is_that_of_the_step_that_waits_there() -> None:
    stage = Stage("release", RunState.WAITING, passable=True)
    waits = card(State.ROLLING_OUT, steps=steps(DONE, RUNNING, PENDING, stages=(stage,)))
    assert (waits.under_way.waits_at, waits.under_way.gate) == ("release", waits.steps[1].gate)
    assert waits.under_way.gate
    assert Action.OPEN_GATE in waits.actions
    closed = card(
        State.ROLLING_OUT, steps=steps(DONE, RUNNING, stages=(replace(stage, passable=False),))
    )
    assert (closed.under_way.waits_at, closed.under_way.gate) == ("", "")
    assert Action.OPEN_GATE not in closed.actions


@pytest.mark.parametrize(
    ("where", "is_over", "waits"),
    [
        ("canary-2", False, True),
        ("canary-2", True, False),
        ("canary-1", False, False),
        ("", False, False),
    ],
)
def test_the_leads_word_is_asked_for_while_the_finding_of_this_very_step_is_open(
    where: str, *, is_over: bool, waits: bool
) -> None:
    found = Trouble(1, Sort.BLIND, where, is_over=is_over)
    assert (
        card(State.ROLLING_OUT, steps=steps(DONE, HOLDING), trouble=found).waits_for_word == waits
    )
    assert not card(
        State.ROLLING_OUT, steps=steps(DONE, RUNNING), trouble=replace(found, where="")
    ).waits_for_word


A, CANCEL, CHANGES = Action, Action.CANCEL, Action.SHOW_CHANGES
ALONE: dict[State, list[Action]] = {
    State.REQUESTED: [CANCEL],
    State.QUEUED: [CANCEL],
    State.GATED: [CHANGES, CANCEL],
    State.AWAITING_APPROVAL: [A.APPROVE, A.REJECT, CHANGES, CANCEL],
    State.ROLLING_OUT: [A.ROLL_BACK],
    State.WATCHING: [A.ROLL_BACK, A.WATCH],
    State.VERIFIED: [A.ROLL_BACK],
    State.ACCEPTED: [A.ROLL_BACK],
    State.SUPERSEDED: [],
    State.ROLLING_BACK: [],
    State.ROLLED_BACK: [A.SHOW_TIMELINE],
    State.FAILED: [A.ROLL_BACK, A.SHOW_TIMELINE],
    State.CANCELLED: [],
    State.REJECTED: [],
    State.EXPIRED: [],
    State.IMPOSSIBLE: [],
}
"""What each state offers where there is a way back and something changes."""


@pytest.mark.parametrize("state", State)
def test_each_state_offers_what_can_be_done_in_it_and_nothing_else(state: State) -> None:
    some = Changes(total=1)
    assert list(card(state, rollback=BACK, changes=some).actions) == ALONE[state]
    without_a_way_back = [action for action in ALONE[state] if action is not Action.ROLL_BACK]
    stop = [CANCEL] if state is State.ROLLING_OUT else []
    assert (
        list(card(state, rollback=RollbackOffer(refused="no"), changes=some).actions)
        == without_a_way_back + stop
    )
    with_nothing_to_show = [action for action in ALONE[state] if action is not Action.SHOW_CHANGES]
    assert (
        list(card(state, rollback=BACK, changes=Changes(taken=Taken(total=1))).actions)
        == ALONE[state]
    )
    for nothing in (Changes(), Changes(total=1, known=False)):
        assert list(card(state, rollback=BACK, changes=nothing).actions) == with_nothing_to_show


def test_the_lead_who_watches_is_not_asked_to_watch_and_somebody_else_is_not_counted() -> None:
    assert Action.WATCH not in card(State.WATCHING, watched_by=(ANA, BO)).actions
    assert Action.WATCH in card(State.WATCHING, watched_by=(ANA,)).actions


@pytest.mark.parametrize("state", State)
def test_a_lock_is_taken_away_where_the_rollback_that_set_it_is_over(state: State) -> None:
    lock = Lock("shop", "production", "v2 was rolled back", BO, NOW, deployment="shop-2")
    assert (Action.UNLOCK in card(state, lock=lock).actions) == (state is State.ROLLED_BACK)
    assert Action.UNLOCK not in card(state).actions


def test_a_countdown_can_be_stopped_and_until_then_nothing_is_let_go_on() -> None:
    found = Trouble(1, Sort.DEGRADED, "canary-2")
    stands = card(State.ROLLING_OUT, steps=steps(DONE, HOLDING), trouble=found)
    counts = replace(stands, deployment=replace(stands.deployment, countdown_until=NOW + MINUTE))
    assert (Action.PROCEED in stands.actions, Action.STOP_COUNTDOWN in stands.actions) == (
        True,
        False,
    )
    assert (Action.PROCEED in counts.actions, Action.STOP_COUNTDOWN in counts.actions) == (
        False,
        True,
    )


TESTS = Gate("tests", "tests green", GateState.OPEN, "2 failed", again=True)
STAGED = Gate("staged", "live before", GateState.OPEN, "not there", first="staging")
ITEM = Gate("item:support", "support briefed", GateState.OPEN, "not ticked")
ON_CALL = Gate("on-call", "on-call knows", GateState.OPEN, "not acknowledged")


@pytest.mark.parametrize(
    ("gate", "offered"),
    [
        (TESTS, Action.RETEST),
        (STAGED, Action.DEPLOY_FIRST),
        (ITEM, Action.TICK),
        (ON_CALL, Action.ACKNOWLEDGE),
    ],
    ids=["tests", "staged", "item", "on-call"],
)
@pytest.mark.parametrize("state", GateState)
def test_a_gate_that_is_not_green_offers_what_would_clear_it(
    gate: Gate, offered: Action, state: GateState
) -> None:
    green = Gate("unlocked", "not locked", GateState.GREEN, "no lock")
    found = card(
        State.GATED, review=Review(NOW, (green, replace(gate, state=state, need=Need.OPTIONAL)))
    ).actions
    assert (offered in found) == (
        state not in {GateState.GREEN, GateState.WAIVED} or gate in (TESTS, ITEM)
    )


def test_tests_that_only_a_deployment_starts_are_not_offered_to_be_run_again() -> None:
    offers = card(State.GATED, review=Review(NOW, (replace(TESTS, startable="test:b"),))).actions
    assert Action.RETEST not in offers


@pytest.mark.parametrize(
    ("states", "stands"),
    [
        ((DONE, PENDING), True),
        ((DONE, HOLDING), False),
        ((DONE, RUNNING), False),
        ((SMOKE, PENDING), False),
        ((), True),
    ],
)
def test_a_rollout_stands_still_where_the_rules_keep_it_and_nothing_is_under_way(
    states: tuple[StepState, ...], *, stands: bool
) -> None:
    going = tuple(
        replace(step, deployed_at=NOW) if step.state is HOLDING else step for step in steps(*states)
    )
    kept = card(State.ROLLING_OUT, steps=going, standstill="shop production is locked: fire")
    assert kept.stands_still == stands
    assert not replace(kept, standstill="").stands_still


def test_what_has_been_observed_long_enough_stands_still_unless_it_has_trouble() -> None:
    going = (replace(steps(HOLDING)[0], deployed_at=NOW - MINUTE), *steps(DONE, PENDING)[1:])
    kept = card(State.ROLLING_OUT, steps=going, standstill="shop production is locked: fire")
    assert kept.stands_still
    assert not replace(kept, trouble=Trouble(1, Sort.DEGRADED, "canary-1")).stands_still


WATCHED = Gate("watched", "no watch under way", GateState.OPEN, "shop-1 (v1) is being watched")
SOMEBODYS = Watched("shop-1", "v1", NOW, NOW + MINUTE)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize(
    "gates",
    [(WATCHED,), (WATCHED, TESTS), (TESTS,), ()],
    ids=["watch", "watch and tests", "tests", "none"],
)
@pytest.mark.parametrize("watched", [SOMEBODYS, None])
def test_what_waits_for_a_watch_alone_can_be_let_go(
    state: State, gates: tuple[Gate, ...], watched: Watched | None
) -> None:
    shown = card(state, review=Review(NOW, gates), watched=watched)
    waits = state is State.GATED and gates == (WATCHED,)
    assert shown.waits_for_watch == waits
    assert shown.can_go_now == (waits and watched is not None)
    assert (Action.GO_NOW in shown.actions) == (waits and watched is not None)
    assert shown.watch_comes_after == (
        state is State.AWAITING_APPROVAL and watched is not None and gates != ()
    )
    unlooked = replace(shown, review=None)
    assert [unlooked.waits_for_watch, unlooked.can_go_now, unlooked.watch_comes_after] == [
        False
    ] * 3


@pytest.mark.parametrize("by", [None, GONOGO, BO])
@pytest.mark.parametrize("note", ["", "carts are lost"])
@pytest.mark.parametrize("deed", Deed)
def test_whoever_did_something_without_a_word_is_asked_why(
    deed: Deed, note: str, by: Person | None
) -> None:
    shown = card(State.FAILED, why=Why(deed, by, note) if by else None)
    assert (
        (Action.SAY_WHY in shown.actions)
        == (Action.SAY_WHY in shown.decisions)
        == (by == BO and not note)
    )


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("back", [None, State.ROLLING_OUT, State.FAILED, State.VERIFIED])
@pytest.mark.parametrize("by", [None, BO])
def test_a_rollback_a_stop_and_a_rollback_that_was_given_up_ask_for_a_reason(
    state: State, back: State | None, by: Person | None
) -> None:
    deployment = replace(card(state).deployment, ended_by=by, note="carts are lost")
    undoing = back and replace(
        deployment,
        id="shop-9",
        kind=Kind.ROLLBACK,
        state=back,
        requested_by=ANA,
        note="its runner is gone",
    )
    found = why_of(deployment, undoing or None)
    if state is State.FAILED and by:
        assert found == Why(Deed.STOP, BO, "carts are lost")
    elif undoing and state in {State.ROLLING_BACK, State.ROLLED_BACK}:
        assert found == Why(Deed.ROLLBACK, ANA, "carts are lost", "shop-9")
    elif state in {State.ROLLING_BACK, State.ROLLED_BACK}:
        assert found == Why(Deed.ROLLBACK, GONOGO, "carts are lost")
    else:
        assert found is None
    if undoing and state is State.FAILED:
        given_up = (
            Why(Deed.GIVE_UP, BO, "its runner is gone", "shop-9")
            if back is State.FAILED and by
            else None
        )
        assert why_of(replace(deployment, ended_by=None), undoing) == given_up


@pytest.mark.parametrize("taken", [False, True])
def test_an_alarm_offers_what_can_be_decided_and_the_lead_only_with_it(*, taken: bool) -> None:
    found = Trouble(1, Sort.DEGRADED, "watch")
    watching = card(State.WATCHING, rollback=BACK, trouble=found, can_be_taken_over=taken)
    more = (Action.TAKE_OVER,) if taken else ()
    assert watching.decisions == (Action.ROLL_BACK, Action.PROCEED, Action.WATCH, *more)
    assert replace(watching, besides="locked").decisions == (Action.ROLL_BACK, Action.WATCH, *more)
    counts = replace(watching, deployment=replace(watching.deployment, countdown_until=NOW))
    assert counts.decisions == (Action.ROLL_BACK, Action.STOP_COUNTDOWN, Action.WATCH, *more)
    assert card(State.CANCELLED, can_be_taken_over=taken).decisions == ()


def test_a_plan_for_migrations_is_confirmed_while_its_gate_is_open() -> None:
    plan = Gate(
        "rollback",
        "way back over migrations",
        GateState.OPEN,
        "nobody has confirmed it",
        plan="0123",
    )
    for state in GateState:
        shown = card(State.GATED, review=Review(NOW, (replace(plan, state=state), ON_CALL)))
        assert (Action.CONFIRM_PLAN in shown.actions) == (
            state in {GateState.OPEN, GateState.UNKNOWN}
        )
    assert (
        Action.CONFIRM_PLAN
        not in card(State.GATED, review=Review(NOW, (replace(plan, plan=""),))).actions
    )


@pytest.mark.parametrize(
    ("given", "missing"),
    [((), 2), ((ANA,), 1), ((ANA, BO), 0), ((ANA, BO, Person("T1", "UCY")), 0)],
)
def test_an_approval_rule_never_misses_less_than_nothing(
    given: tuple[Person, ...], missing: int
) -> None:
    assert ApprovalNeed("release_manager", 2, given).missing == missing


@pytest.mark.parametrize(
    ("there", "back", "known"),
    [(False, False, True), (False, False, False), (True, False, True), (False, True, True)],
)
def test_what_is_taken_away_is_what_only_the_old_one_of_two_that_have_parted_has(
    *, there: bool, back: bool, known: bool
) -> None:
    commits = (Change("c" * 40, "faster", "ana"),)
    other = Changes(commits, 7, ("ana",), backwards=back, known=known)
    parted = not there and not back
    assert taken_by(Changes(total=1, backwards=there), other) == (
        Taken(commits, 7, ("ana",), known) if parted else Taken()
    )


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize(
    ("trouble", "is_open"),
    [
        (None, False),
        (Trouble(1, Sort.BLIND, "watch"), True),
        (Trouble(1, Sort.BLIND, "x", is_over=True), False),
    ],
)
def test_a_way_back_is_needed_where_it_failed_or_something_is_the_matter(
    state: State, trouble: Trouble | None, *, is_open: bool
) -> None:
    assert card(state, trouble=trouble).needs_way_back == (state is State.FAILED or is_open)


def test_a_rollout_that_stands_still_shows_the_last_numbers_of_the_step_before() -> None:
    last = shot(Verdict.HEALTHY, "canary-1")
    kept = card(
        State.ROLLING_OUT, steps=steps(DONE, PENDING), standstill="locked",
        snapshot=last, ended_with={"canary-1": Verdict.HEALTHY}
    )  # fmt: skip
    assert kept.stood_with == last
    for other in (
        replace(kept, standstill=""),
        replace(kept, snapshot=None),
        replace(kept, ended_with={}),
        replace(kept, snapshot=shot(Verdict.HEALTHY, "")),
    ):
        assert other.stood_with is None


@pytest.mark.parametrize(
    ("base", "target", "version", "called"),
    [
        (("v1", "a" * 40), ("v1", "a" * 40), "v2", "v1"),
        (("v2", "a" * 40), ("v1", "a" * 40), "v2 (bbbbbbb)", "v1"),
        (("v1", "a" * 40), ("v2", "a" * 40), "v2 (bbbbbbb)", "v2 (aaaaaaa)"),
    ],
)
def test_a_card_tells_two_commits_of_one_name_apart(
    base: tuple[str, str], target: tuple[str, str], version: str, called: str
) -> None:
    shown = card(State.ROLLING_OUT, rollback=RollbackOffer(*target))
    shown = replace(
        shown, deployment=replace(shown.deployment, base_version=base[0], base_commit=base[1])
    )
    assert (shown.version, shown.target) == (version, called)


@pytest.mark.parametrize(
    ("trouble", "states", "is_bad"),
    [
        (None, (DONE, PENDING), False),
        (Trouble(1, Sort.DEGRADED, "canary-1"), (DONE, PENDING), True),
        (Trouble(1, Sort.DEGRADED, "canary-1", is_over=True), (DONE,), True),
        (Trouble(1, Sort.BLIND, "canary-1"), (DONE,), False),
        (None, (DONE, FAILED), True),
    ],
)
def test_bad_numbers_and_a_failed_run_speak_against_a_version(
    trouble: Trouble | None, states: tuple[StepState, ...], *, is_bad: bool
) -> None:
    assert card(State.ROLLING_OUT, trouble=trouble, steps=steps(*states)).is_shown_bad is is_bad


def test_what_a_version_serves_is_what_its_newest_whole_step_gave_it() -> None:
    whole = tuple(replace(step, deployed_at=NOW) for step in steps(DONE, HOLDING))
    assert card(State.ROLLING_OUT, steps=(*whole, *steps(DONE, DONE, RUNNING)[2:])).serving == 10
    assert card(State.ROLLING_OUT, steps=steps(RUNNING)).serving == 0
    assert card(State.ROLLING_OUT).serving == 0


@pytest.mark.parametrize("watched", [SOMEBODYS, None])
def test_what_was_let_go_and_has_begun_nothing_can_be_cancelled_and_what_has_begun_cannot(
    watched: Watched | None,
) -> None:
    begun = card(State.ROLLING_OUT, watched=watched)
    let_go = replace(begun, deployment=replace(begun.deployment, started_at=None))
    goes_back = replace(begun, rollback=BACK)
    assert (Action.CANCEL in let_go.actions, Action.CANCEL in goes_back.actions) == (True, False)
    assert (let_go.can_only_stop, begun.can_only_stop, goes_back.can_only_stop) == (
        False,
        True,
        False,
    )
    assert (let_go.can_go_now, begun.can_go_now) == (watched is not None, False)


@pytest.mark.parametrize("state", [State.GATED, State.AWAITING_APPROVAL])
def test_the_way_back_can_be_confirmed_until_the_rollout_begins(state: State) -> None:
    plan = Gate(
        "rollback", "rollback ready", GateState.OPEN, "a migration", Need.OPTIONAL, plan="m"
    )
    assert Action.CONFIRM_PLAN in card(state, review=Review(NOW, (plan,))).actions
    assert Action.CONFIRM_PLAN not in card(State.ROLLING_OUT, review=Review(NOW, (plan,))).actions
