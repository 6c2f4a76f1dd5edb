"""The gate of the environment before, in every situation there: what is not proved never passes."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from bot.domain.catalog import GateKind, Need
from bot.domain.deployment import Acceptance
from bot.domain.people import Person
from bot.domain.readiness import Gate, GateState
from bot.domain.staged import Staged, staged_gate, staged_title, told_apart, verified_here_gate

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
ANA = Person("T1", "UANA")
PROVED: dict[str, Any] = {
    "before": "staging", "version": "v2", "live_version": "v2", "is_same": True,
    "verified_at": NOW, "accepted": "", "need": Need.REQUIRED,
}  # fmt: skip
AGAINST: dict[str, dict[str, Any]] = {
    "leaving": {"leaving": True},
    "unclear": {"unclear": "shop-1 failed"},
    "coming": {"coming": "shop-3", "is_same": False, "live_version": "v1"},
    "absent": {"is_same": False, "live_version": "v1"},
    "said": {"said_by": ANA},
    "in trouble": {"in_trouble": True},
    "watched": {"verified_at": None},
    "let go on": {"verified_at": None, "accepted": Acceptance.ON_WORD},
}
EASY = {Acceptance.LITTLE, Acceptance.UNWATCHED, Acceptance.ADOPTED}


def judged(**more: Any) -> Gate:
    return staged_gate(**{**PROVED, **more})


def test_what_is_live_and_verified_before_passes_and_says_since_when() -> None:
    gate = judged()
    assert (gate.state, gate.at) == (GateState.GREEN, NOW)
    assert gate.sentence == "v2 is live and verified on staging"
    assert (gate.key, gate.title) == (GateKind.STAGED, "live and verified on staging")


@pytest.mark.parametrize(
    ("against", "state", "says"),
    [
        ("leaving", GateState.OPEN, "v2 is being rolled back on staging"),
        ("unclear", GateState.UNKNOWN, "it is unclear what runs on staging: shop-1 failed"),
        ("coming", GateState.OPEN, "shop-3 is bringing v2 there"),
        ("absent", GateState.OPEN, "v2 is not live on staging: v1 is live there"),
        ("said", GateState.OPEN, "v2 was verified on staging before, and is only said to be live"),
        ("in trouble", GateState.OPEN, "v2 is live on staging, and its lead decides there first"),
        ("watched", GateState.OPEN, "v2 is live on staging and still being watched"),
        ("let go on", GateState.OPEN, "v2 is live on staging, let go on there on the lead's word"),
    ],
)
def test_one_thing_against_it_keeps_the_gate_shut_and_is_said(
    against: str, state: GateState, says: str
) -> None:
    gate = judged(**AGAINST[against])
    assert gate.state is state
    assert gate.sentence.startswith(says)
    assert gate.title == staged_title("staging")


@pytest.mark.parametrize(("one", "other"), [*product(AGAINST, AGAINST)])
def test_no_two_things_against_it_open_the_gate_together(one: str, other: str) -> None:
    gate = judged(**{**AGAINST[one], **AGAINST[other]})
    assert gate.state in {GateState.OPEN, GateState.UNKNOWN}
    assert gate.blocks
    assert not judged(**AGAINST[one], need=Need.OPTIONAL).blocks


@pytest.mark.parametrize("how", Acceptance)
def test_what_nobody_could_judge_there_passes_and_says_so_and_what_was_let_go_on_does_not(
    how: Acceptance,
) -> None:
    gate = judged(verified_at=None, accepted=how)
    if how in EASY:
        assert gate.state is GateState.GREEN
        assert gate.title == "live on staging, not verified"
        assert gate.sentence == f"v2 is live on staging, accepted without proof: {how}"
    else:
        assert gate.state is GateState.OPEN
        assert gate.sentence.endswith(f"there {how}: not verified")
        assert gate.title == "live and verified on staging"
    assert judged(accepted=how) == judged(), "what was verified since is verified"


@pytest.mark.parametrize(
    ("more", "first"),
    [
        ({"is_same": False, "live_version": "v1"}, "staging"),
        ({"is_same": False, "live_version": ""}, "staging"),
        ({"is_same": False, "live_version": "v1", "kept": "it has a migration"}, ""),
        ({"is_same": False, "coming": "shop-3"}, ""),
        ({"is_same": False, "unclear": "it failed"}, ""),
        ({"is_same": False, "leaving": True}, ""),
        ({"said_by": ANA}, "staging"),
        ({"said_by": ANA, "coming": "shop-3"}, ""),
        ({"in_trouble": True}, ""),
        ({"verified_at": None}, ""),
        ({}, ""),
    ],
)
def test_nobody_is_sent_to_the_environment_before_for_nothing(
    more: dict[str, Any], first: str
) -> None:
    assert judged(**more).first == first


def test_where_nothing_is_live_before_that_is_said_and_what_keeps_it_out() -> None:
    gate = judged(is_same=False, live_version="")
    assert gate.sentence == "v2 is not live on staging: nothing is live there"
    gate = judged(is_same=False, live_version="", kept="it is quarantined")
    assert gate.sentence.endswith(
        "is live there, and it cannot be brought there: it is quarantined"
    )


def test_whoever_said_that_it_is_live_is_named_and_what_was_never_verified_is_said_so() -> None:
    gate = judged(said_by=ANA, verified_at=None)
    assert gate.sentence == "v2 was never verified on staging, only said to be live there"
    assert gate.by == ANA


@pytest.mark.case("ci-and-refs-8")
@pytest.mark.parametrize(
    ("other", "commits", "names"),
    [
        ("v1", ("a" * 40, "b" * 40), ("v2", "v1")),
        ("v2", ("a" * 40, "a" * 40), ("v2", "v2")),
        ("v2", ("", "b" * 40), ("v2", "v2")),
        ("v2", ("a" * 40, "b" * 40),
         ("v2 (aaaaaaa)", "v2 (bbbbbbb; the name has moved since)")),
    ],
)  # fmt: skip
def test_two_commits_of_one_name_are_told_apart_where_both_are_known(
    other: str, commits: tuple[str, str], names: tuple[str, str]
) -> None:
    assert told_apart("v2", other, commits) == names


def test_what_was_verified_in_this_very_place_passes_there_again() -> None:
    gate = verified_here_gate("v2", Need.REQUIRED)
    assert (gate.state, gate.title) == (GateState.GREEN, "verified here before")
    assert gate.sentence.startswith("v2 was verified here and counts as live here")
    assert len({*Staged}) == 3
