"""Each sentence of the card in every situation in which it can be said: nothing false, nothing that
has been, nothing that is not known.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.approvals import ApprovalNeed
from bot.domain.card import Card
from bot.domain.catalog import Need
from bot.domain.deployment import State
from bot.domain.health import Finding, Snapshot, Verdict
from bot.domain.keeping import LetGo
from bot.domain.readiness import Gate, GateState, Review
from bot.domain.rollout import Step
from bot.domain.staged import staged_gate
from bot.domain.trouble import Sort
from bot.slack.card_buttons import rollback_truth
from bot.slack.cards import deployment_card
from bot.slack.render import Words
from tests.slack.test_cards import (
    BACK,
    BLIND,
    BO,
    CASES,
    CHANGES,
    DEGRADED,
    FOUND,
    HEALTHY,
    LANDED,
    LOCK,
    MINUTE,
    NOW,
    RUNS,
    RUNS_NOW,
    THIN,
    D,
    H,
    P,
    buttons,
    card,
    read,
    steps,
    texts,
)

WORDS = Words(now=lambda: NOW)


def shown(which: Card, *, at: datetime = NOW) -> str:
    blocks = deployment_card(replace(which, now=at), Words(now=lambda: at)).blocks
    return read("\n".join(texts(blocks)))


def metric(
    verdict: Verdict,
    current: float | None,
    baseline: float | None,
    *,
    critical: bool = True,
    sentence: str = "",
) -> Finding:
    return Finding("orders", "orders", "%", verdict, current, baseline, critical, sentence=sentence)


@pytest.mark.case("card-and-people-3")
@pytest.mark.parametrize(
    ("finding", "says"),
    [
        (metric(Verdict.HEALTHY, 0.26, 0.26), "orders 26 % (baseline 26 %)"),
        (metric(Verdict.HEALTHY, 0.255, 0.26), "orders 25.5 % (baseline 26 %)"),
        (
            metric(Verdict.HEALTHY, 0.128, 0.26),
            "orders 12.8 % (baseline 26 %), not shown to be worse",
        ),
        (metric(Verdict.HEALTHY, 0.02, 0.0), "orders 2 % (baseline 0 %), not shown to be worse"),
        (metric(Verdict.HEALTHY, 0.0, 0.0), "orders 0 % (baseline 0 %)"),
        (
            metric(Verdict.NOT_ENOUGH_TRAFFIC, 0.128, 0.26),
            "orders 12.8 % (baseline 26 %), too little traffic to tell",
        ),
        (metric(Verdict.NO_DATA, None, 0.26), "orders: no data"),
        (metric(Verdict.NO_DATA, 0.128, None), "orders 12.8 %, nothing to compare it with"),
        (
            metric(Verdict.DEGRADED, 0.128, 0.26, sentence="orders 12.8 % (2 times lower)"),
            "worse: orders 12.8 % (2 times lower)",
        ),
        (
            metric(Verdict.DEGRADED, 0.128, 0.26, critical=False),
            "worse: orders 12.8 % (baseline 26 %), which does not decide",
        ),
    ],
)
@pytest.mark.parametrize("state", [State.ROLLING_OUT, State.WATCHING, State.VERIFIED])
def test_a_number_is_said_with_what_is_known_of_it(
    state: State, finding: Finding, says: str
) -> None:
    snapshot = Snapshot("storefront-42", "canary 25 %", NOW, finding.verdict, (finding,))
    lines = shown(card(state, RUNS, steps=steps(D, H, P), snapshot=snapshot)).split("\n")
    assert says in lines


@pytest.mark.case("card-and-people-3")
@pytest.mark.parametrize("verdict", Verdict)
def test_also_the_metrics_that_are_not_listed_are_said_with_their_numbers(verdict: Verdict) -> None:
    few = tuple(replace(DEGRADED.findings[0], key=f"errors {n}") for n in range(3))
    last = replace(
        metric(verdict, None if verdict is Verdict.NO_DATA else 0.128, 0.26, critical=False),
        trend=(),
    )
    text = shown(
        card(
            State.ROLLING_OUT,
            RUNS,
            steps=steps(D, H, P),
            snapshot=replace(DEGRADED, findings=(*few, last)),
        )
    )
    assert "unchanged" not in text
    assert ("orders: no data" if verdict is Verdict.NO_DATA else "orders 12.8 % (26 %)") in text


@pytest.mark.case("card-and-people-16")
def test_each_metric_keeps_its_place_from_edit_to_edit() -> None:
    orders = []
    for first, second in [
        (Verdict.HEALTHY, Verdict.HEALTHY),
        (Verdict.HEALTHY, Verdict.DEGRADED),
        (Verdict.DEGRADED, Verdict.NO_DATA),
    ]:
        findings = tuple(
            replace(old, verdict=now, sentence="")
            for old, now in zip(HEALTHY.findings, (first, second), strict=True)
        )
        text = shown(
            card(
                State.ROLLING_OUT,
                RUNS,
                steps=steps(D, H, P),
                snapshot=replace(HEALTHY, findings=findings),
            )
        )
        orders.append(text.index("errors") < text.index("p95"))
    assert orders == [True, True, True]


@pytest.mark.case("card-and-people-12")
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("later", [timedelta(hours=1), timedelta(days=400)])
def test_a_card_announces_nothing_that_has_been(name: str, later: timedelta) -> None:
    at = NOW + later
    blocks = deployment_card(replace(CASES[name][0], now=at), Words(now=lambda: at)).blocks
    announced = re.findall(
        r"(?:until|expires|back to \S+ at) <!date\^(\d+)\^", "\n".join(texts(blocks))
    )
    assert [moment for moment in announced if int(moment) <= at.timestamp()] == []


@pytest.mark.case("card-and-people-12")
@pytest.mark.parametrize(
    ("snapshot", "at", "says"),
    [
        (HEALTHY, NOW, "▶ 25 % observed until 10:12 UTC"),
        (HEALTHY, NOW + 11 * MINUTE, "▶ 25 % observed   ○"),
        (DEGRADED, NOW, "▶ 25 % stands still"),
        (BLIND, NOW + 11 * MINUTE, "▶ 25 % stands still"),
        (None, NOW, "▶ 25 % observed until 10:12 UTC"),
    ],
)
def test_a_step_is_observed_until_a_time_that_is_still_to_come(
    snapshot: Snapshot | None, at: datetime, says: str
) -> None:
    held: tuple[Step, ...] = steps(D, H, P)
    trouble = replace(FOUND, sort=Sort.BLIND) if snapshot is BLIND else None
    assert says in shown(
        card(State.ROLLING_OUT, RUNS, steps=held, snapshot=snapshot, trouble=trouble), at=at
    )


LOCKED = Gate(
    "unlocked",
    "not locked",
    GateState.OPEN,
    "storefront in production is locked: load test",
    who=str(BO),
    by=BO,
    at=NOW,
)
FROZEN = Gate(
    "unfrozen",
    "not frozen",
    GateState.OPEN,
    "production is frozen: quarter end",
    at=NOW,
    clears_at=NOW + 90 * MINUTE,
)


@pytest.mark.case("card-and-people-12")
@pytest.mark.parametrize(
    ("gate", "says"),
    [
        (LOCKED, "load test · @UBO locked it"),
        (
            replace(LOCKED, clears_at=NOW + 90 * MINUTE),
            "load test · @UBO locked it · it ends by itself 2026-11-21 11:32 UTC",
        ),
        (replace(LOCKED, clears_at=NOW - MINUTE), "load test · @UBO locked it"),
        (
            FROZEN,
            "quarter end · it began 2026-11-21 10:02 UTC · it ends by itself 2026-11-21 11:32 UTC",
        ),
        (
            Gate("on-call", "on-call knows", GateState.OPEN, "not acknowledged", who=str(BO)),
            "· the lead is asked to acknowledge",
        ),
        (
            Gate("item:uat", "UAT", GateState.OPEN, "not ticked", who="qa_team"),
            "· qa team can tick it",
        ),
        (Gate("tests", "tests green", GateState.OPEN, "red"), "tests green: red"),
    ],
)
def test_what_holds_a_gate_is_a_sentence_with_a_verb(gate: Gate, says: str) -> None:
    lines = shown(card(State.GATED, review=Review(NOW, (gate,)))).split("\n")
    assert [line for line in lines if line.endswith(says)] != []


@pytest.mark.parametrize(
    ("commits", "roles", "listed", "says"),
    [
        (0, 1, 0, ""),
        (3, 1, 3, ""),
        (4, 1, 2, "and 2 earlier commits"),
        (7, 1, 2, "and 5 earlier commits"),
        (3, 2, 1, "and 2 earlier commits"),
        (2, 2, 2, ""),
    ],
)
def test_whoever_approves_reads_the_gates_who_ticked_and_as_many_commits_as_fit(
    commits: int, roles: int, listed: int, says: str
) -> None:
    changes = replace(CHANGES, commits=CHANGES.commits[:commits], total=commits)
    ticked = Gate("item:uat", "UAT", GateState.GREEN, "ticked", by=BO)
    optional = Gate("item:docs", "docs", GateState.OPEN, "not ticked", Need.OPTIONAL)
    needs = tuple(ApprovalNeed(f"role {number}", 1) for number in range(roles))
    review = Review(
        NOW, (Gate("tests", "tests green", GateState.GREEN, "all green"), ticked, optional)
    )
    text = shown(card(State.AWAITING_APPROVAL, review=review, approvals=needs, changes=changes))
    assert "✓ tests green   ✓ UAT (the lead)\n○ docs (optional)" in text
    assert text.count("Fix the cart") == listed
    assert ("earlier commit" in text) == bool(says)
    assert says in text
    assert len(text.split("\n")) <= 12


@pytest.mark.parametrize(
    ("states", "says"),
    [
        ((D, H, P), "v1.2.0 has 25 % of the traffic."),
        ((H, P, P), "v1.2.0 has 5 % of the traffic."),
        ((RUNS_NOW, P, P), "v1.2.0 is being deployed to its first 5 %."),
        ((D, RUNS_NOW, P), "v1.2.0 has at least 5 % of the traffic, 25 % is being deployed."),
    ],
)
def test_the_button_that_goes_back_says_how_much_of_the_traffic_the_version_has(
    states: Any, says: str
) -> None:
    asked = tuple(
        replace(each, asked_at=NOW) if each.state is RUNS_NOW else each for each in steps(*states)
    )
    text = rollback_truth(card(State.ROLLING_OUT, RUNS, steps=asked), WORDS)
    assert says in text
    whole = rollback_truth(card(State.WATCHING, LANDED, steps=steps(D, D, D)), WORDS)
    assert "of the traffic" not in whole
    assert "is being deployed" not in whole


def test_who_is_named_at_the_begin_of_a_line_is_written_large() -> None:
    text = shown(
        card(
            State.ROLLING_OUT, RUNS, steps=steps(D, H, P), let_go=replace(BO_SAID, where="canary-5")
        )
    )
    assert "\nThe lead let it go on from 25 %: known noise" in text


BO_SAID = LetGo(BO, "known noise", "canary-25", 25)


@pytest.mark.parametrize("snapshot", [DEGRADED, BLIND, THIN])
@pytest.mark.parametrize(
    ("let_go", "says"),
    [
        (None, "the rollout stands still until the lead decides"),
        (BO_SAID, "goes on, on the lead's word, at 10:12 UTC"),
        (replace(BO_SAID, is_outdated=True), "the rollout stands still until the lead decides"),
        (replace(BO_SAID, where="canary-5"), "the rollout stands still until the lead decides"),
    ],
)
def test_a_rollout_stands_still_or_goes_on_and_never_both(
    snapshot: Snapshot, let_go: LetGo | None, says: str
) -> None:
    which = card(
        State.ROLLING_OUT,
        RUNS,
        steps=steps(D, H, P),
        snapshot=snapshot,
        trouble=FOUND,
        let_go=let_go,
    )
    text = shown(which)
    assert says in text
    assert ("stands still until" in text) != ("goes on, on the lead's word" in text)
    assert (Action.PROCEED in which.actions) == ("stands still until" in text)
    assert ("▶ 25 % stands still" in text) == ("stands still until" in text)


@pytest.mark.parametrize("state", [State.ROLLING_OUT, State.WATCHING])
def test_what_begins_shows_no_numbers_of_what_was_before(state: State) -> None:
    before = card(State.ROLLING_OUT, LANDED, steps=steps(D, D, H), snapshot=DEGRADED)
    began = replace(
        before,
        deployment=replace(before.deployment, state=state),
        steps=steps(D, D, D if state is State.WATCHING else P),
    )
    assert "errors" not in shown(began)


def test_a_step_that_failed_under_observation_is_not_under_way() -> None:
    text = shown(card(State.FAILED, RUNS, steps=steps(H, P, P)))
    assert "5 % was observed" in text
    assert "▶" not in text


GONE = {**RUNS, "note": "errors are up"}


@pytest.mark.case("card-and-people-9", "ci-and-refs-10")
@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            {"live": "v1.1.0", "live_since": NOW},
            (
                "v1.1.0 is live again since 2026-11-21 10:02 UTC · its numbers "
                "have not been looked at yet"
            ),
        ),
        (
            {"live": "v1.1.0", "live_since": NOW, "after": HEALTHY},
            (
                "· healthy at 10:02 UTC: errors 0.31 % (0.28 %), not shown to be "
                "worse, p95 212 ms (205 ms)"
            ),
        ),
        (
            {"live": "v1.3.0", "live_since": NOW},
            "v1.3.0 is live since 2026-11-21 10:02 UTC · its numbers have not been looked at yet",
        ),
        ({}, "What is live in production is not known"),
        ({"lock": LOCK}, "production is locked: v1.2.0 was rolled back: errors are up"),
        ({}, "Reason: errors are up"),
    ],
)
@pytest.mark.parametrize("snapshot", [None, HEALTHY, DEGRADED])
def test_after_a_rollback_the_card_shows_the_cure(
    snapshot: Snapshot | None, more: dict[str, Any], says: str
) -> None:
    text = shown(card(State.ROLLED_BACK, GONE, snapshot=snapshot, **{**BACK, **more}))
    assert says in text


@pytest.mark.case("card-and-people-9")
@pytest.mark.parametrize("state", [State.ROLLING_BACK, State.ROLLED_BACK])
def test_what_a_version_that_is_gone_did_wrong_is_told_in_the_past(state: State) -> None:
    text = shown(card(state, GONE, snapshot=DEGRADED, **BACK))
    assert "Before the rollback (canary 25 %, 10:02 UTC) v1.2.0 had:\nworse: errors 2.9 %" in text


@pytest.mark.case("card-and-people-13")
@pytest.mark.parametrize(
    ("coming", "is_same", "verified_at", "offered"),
    [
        ("", False, None, True),
        ("storefront-41", False, None, False),
        ("", True, None, False),
        ("", True, NOW, False),
    ],
)
def test_deploying_to_the_environment_before_is_offered_only_where_it_helps(
    *, coming: str, is_same: bool, verified_at: datetime | None, offered: bool
) -> None:
    gate = staged_gate(
        before="staging",
        coming=coming,
        version="v1.2.0",
        live_version="v1.1.0",
        is_same=is_same,
        verified_at=verified_at,
        accepted="",
        need=Need.REQUIRED,
    )
    waits = card(State.GATED, review=Review(NOW, (gate,)))
    assert (Action.DEPLOY_FIRST in waits.actions) == offered
    labels = [button["text"]["text"] for button in buttons(deployment_card(waits, WORDS).blocks)]
    assert ("Deploy to staging first" in labels) == offered


@pytest.mark.case("card-and-people-14", "ci-and-refs-8")
@pytest.mark.parametrize(
    ("ref", "version", "says"),
    [
        ("main", "ccccccc", " · main at ccccccc · "),
        ("heads/hot", "ccccccc", " · heads/hot at ccccccc · "),
        ("v1.2.0", "v1.2.0", ""),
        ("latest", "v1.2.0", ""),
        ("ccccccccc", "ccccccc", ""),
    ],
)
def test_a_branch_is_shown_by_its_name_and_the_commit_that_it_meant_with_how_much_changes(
    ref: str, version: str, says: str
) -> None:
    changes = replace(CHANGES, files=("cart.py", "migrations/7.sql"))
    text = shown(card(State.GATED, {"ref": ref, "version": version}, changes=changes))
    assert "7 commits by 3 people in 2 files" in text
    assert (says in text) if says else (" at ccccccc" not in text)
