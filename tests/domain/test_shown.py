"""What each decision is about: when that changes, what was pressed is older than what is; when
anything else does, it is not.
"""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.actions import BINDS, Action
from bot.domain.card import Card
from bot.domain.deployment import Deployment, Kind, State
from bot.domain.locks import Lock
from bot.domain.offer import RollbackOffer
from bot.domain.people import Person
from bot.domain.readiness import Gate, GateState, Review
from bot.domain.rollout import RunState, Stage, Step, StepState
from bot.domain.shown import Seen, finding_of, gates_of, seen_on, token
from bot.domain.trouble import Sort, Trouble
from bot.domain.watching import Watched
from bot.domain.whys import Deed, Why

SEEN = Seen(**{each.name: f"a {each.name}" for each in fields(Seen)})
ABOUT = {
    Action.APPROVE: "commit base strategy gates",
    Action.REJECT: "commit",
    Action.TICK: "commit",
    Action.ACKNOWLEDGE: "commit",
    Action.CONFIRM_PLAN: "commit target plan",
    Action.CANCEL: "commit begun",
    Action.ROLL_BACK: "commit target rest",
    Action.PROCEED: "commit finding",
    Action.STOP_COUNTDOWN: "commit finding",
    Action.SAY_WHY: "commit deed",
    Action.WATCH: "commit",
    Action.UNLOCK: "lock",
    Action.ASK_LEAD: "lead",
    Action.TAKE_OVER: "lead",
    Action.OPEN_GATE: "gate",
    Action.DEPLOY_FIRST: "commit",
    Action.RETEST: "commit",
    Action.SAY_LIVE: "commit named base doubt",
    Action.GO_NOW: "commit watched",
    Action.RUN_CORRECTED: "",
    Action.SHOW_CHANGES: "",
    Action.SHOW_TIMELINE: "",
}


@pytest.mark.parametrize("action", BINDS)
def test_a_decision_is_about_what_it_binds_and_about_nothing_else(action: Action) -> None:
    told = token(action, SEEN)
    changed = {
        each.name
        for each in fields(Seen)
        if token(action, replace(SEEN, **{each.name: "another"})) != told
    }
    assert changed == set(ABOUT[action].split())


NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
BO = Person("T1", "UBO")
V2 = Deployment(
    "shop-2",
    Kind.FORWARD,
    "shop",
    "production",
    "v2",
    "v2",
    "b" * 40,
    "rolling",
    BO,
    BO,
    State.ROLLING_OUT,
    NOW,
    NOW,
    base_commit="a" * 40,
)
CARD = Card(V2, NOW)
STEP = Step(
    0,
    "canary-5",
    5,
    timedelta(0),
    StepState.RUNNING,
    stages=(Stage("release", RunState.WAITING, passable=True),),
)
BEGUN = replace(CARD, deployment=replace(V2, started_at=NOW))
BEFORE = {"rest": BEGUN}
OTHERWISE: dict[str, Card] = {
    "commit": replace(CARD, deployment=replace(V2, commit="c" * 40)),
    "base": replace(CARD, deployment=replace(V2, base_commit="0" * 40)),
    "strategy": replace(CARD, deployment=replace(V2, strategy="canary")),
    "lead": replace(CARD, deployment=replace(V2, lead=Person("T1", "UCY"))),
    "gates": replace(
        CARD, review=Review(NOW, (Gate("tests", "tests green", GateState.GREEN, ""),))
    ),
    "target": replace(CARD, rollback=RollbackOffer("v1", "a" * 40)),
    "finding": replace(CARD, trouble=Trouble(1, Sort.DEGRADED, "canary-5")),
    "lock": replace(CARD, lock=Lock("shop", "production", "incident 7", BO, NOW)),
    "gate": replace(CARD, steps=(STEP,)),
    "plan": replace(CARD, rollback=replace(CARD.rollback, plan="0123")),
    "begun": BEGUN,
    "rest": replace(CARD, deployment=replace(V2, started_at=NOW, state=State.VERIFIED)),
    "deed": replace(CARD, why=Why(Deed.STOP, BO)),
    "watched": replace(CARD, watched=Watched("shop-1", "v1", NOW, None)),
}


ELSEWHERE = {"doubt", "named"}
"""What a dialog shows, and no card decides about."""


@pytest.mark.parametrize("name", [each.name for each in fields(Seen) if each.name not in ELSEWHERE])
def test_a_card_that_shows_another_fact_is_another_thing_to_decide_about(name: str) -> None:
    before, after = seen_on(BEFORE.get(name, CARD)), seen_on(OTHERWISE[name])
    assert {
        each.name
        for each in fields(Seen)
        if getattr(before, each.name) != getattr(after, each.name)
    } == {name}


def test_each_gate_that_says_something_else_and_each_new_finding_is_another_thing_to_decide_about() -> (
    None
):
    gate, found = (
        Gate("tests", "tests green", GateState.GREEN, ""),
        Trouble(1, Sort.DEGRADED, "canary-5"),
    )
    gates = [
        Review(NOW, each)
        for each in (
            (gate,),
            (replace(gate, state=GateState.OPEN),),
            (replace(gate, key="staged"),),
            (gate, gate),
            (),
        )
    ]
    assert len({gates_of(each) for each in gates}) == len(gates)
    findings = (
        None,
        found,
        replace(found, number=2),
        replace(found, where="watch"),
        replace(found, bad=(("errors", 2.0),)),
    )
    assert len({finding_of(each) for each in findings}) == len(findings)


def test_without_a_lead_a_card_shows_none() -> None:
    assert seen_on(replace(CARD, deployment=replace(V2, lead=None))).lead == ""


def test_every_decision_has_its_own_digest() -> None:
    assert set(BINDS) == set(ABOUT)
    assert len({token(action, SEEN) for action in BINDS}) == len(BINDS)
    assert all(len(token(action, SEEN)) == 8 for action in BINDS)
