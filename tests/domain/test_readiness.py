"""The gates: each answered from facts, and what is not known is never green."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.catalog import ChecklistItem, Freeze, GateKind, Need
from bot.domain.changes import Changes
from bot.domain.deployment import Acceptance
from bot.domain.gates import (
    frozen_by,
    item_gate,
    on_call_gate,
    plan_gate,
    quality_gate,
    rollback_gate,
    unfrozen_gate,
    unknown_gate,
    unlocked_gate,
)
from bot.domain.locks import Lock
from bot.domain.offer import RollbackOffer
from bot.domain.people import Person
from bot.domain.quality import QualityState
from bot.domain.readiness import Confirmed, Gate, GateState, Review
from bot.domain.staged import staged_gate
from bot.ports.ci import Quality

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
ANA, BO = Person("T1", "UANA"), Person("T1", "UBO")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("green", GateState.GREEN),
        ("red", GateState.OPEN),
        ("running", GateState.OPEN),
        ("none", GateState.OPEN),
        ("", GateState.UNKNOWN),
        ("GREEN", GateState.UNKNOWN),
    ],
)
def test_only_a_provider_that_says_green_makes_the_tests_green(
    said: str, expected: GateState
) -> None:
    assert quality_gate(said, "41 passed", "", Need.REQUIRED).state is expected


@pytest.mark.parametrize(
    ("live", "is_same", "verified_at", "accepted", "expected"),
    [
        ("", False, None, "", GateState.OPEN),
        ("v1.0.0", False, NOW, "", GateState.OPEN),
        ("v1.1.0", True, None, "", GateState.OPEN),
        ("v1.1.0", True, NOW, "", GateState.GREEN),
        ("v1.1.0", True, None, Acceptance.LITTLE, GateState.GREEN),
        ("v1.1.0", True, None, Acceptance.UNWATCHED, GateState.GREEN),
        ("v1.1.0", True, None, Acceptance.ADOPTED, GateState.GREEN),
        ("v1.1.0", True, None, Acceptance.ON_WORD, GateState.OPEN),
        ("v1.1.0", True, None, Acceptance.SAID, GateState.OPEN),
    ],
)
def test_only_the_same_commit_verified_on_staging_opens_production(
    live: str, is_same: bool, verified_at: datetime | None, accepted: str, expected: GateState
) -> None:
    gate = staged_gate(
        before="staging", version="v1.1.0", live_version=live,
        is_same=is_same, verified_at=verified_at, accepted=accepted,
        need=Need.REQUIRED,
    )  # fmt: skip
    assert gate.state is expected
    assert "staging" in gate.sentence


def test_what_is_kept_out_of_the_environment_before_is_sent_nowhere_and_says_by_what() -> None:
    gate = staged_gate(
        before="staging", version="v1.1.0", live_version="v1.4.0",
        is_same=False, verified_at=None, accepted="", need=Need.REQUIRED,
        kept="v1.4.0 has a migration, which v1.1.0 has not",
    )  # fmt: skip
    assert (gate.state, gate.first) == (GateState.OPEN, "")
    assert gate.sentence.endswith(
        "and it cannot be brought there: v1.4.0 has a migration, which v1.1.0 has not"
    )


@pytest.mark.parametrize(
    ("verified_at", "accepted", "said_by", "title"),
    [
        (NOW, "", None, "live and verified on staging"),
        (None, Acceptance.LITTLE, None, "live on staging, not verified"),
        (None, Acceptance.UNWATCHED, None, "live on staging, not verified"),
        (None, Acceptance.ADOPTED, None, "live on staging, not verified"),
        (NOW, "", BO, "live and verified on staging"),
        (None, Acceptance.ON_WORD, None, "live and verified on staging"),
    ],
)
def test_the_title_of_the_environment_before_says_no_more_than_is_true(
    verified_at: datetime | None, accepted: str, said_by: Person | None, title: str
) -> None:
    gate = staged_gate(
        before="staging", version="v1.1.0", live_version="v1.1.0",
        is_same=True, verified_at=verified_at, accepted=accepted,
        need=Need.REQUIRED, said_by=said_by,
    )  # fmt: skip
    assert gate.title == title
    assert ("verified on" in title) == (gate.state is GateState.OPEN or verified_at is not None)
    assert said_by is None or (gate.state, gate.first) == (GateState.OPEN, "staging")


def test_a_release_that_is_on_its_way_to_the_environment_before_is_named() -> None:
    gate = staged_gate(
        before="staging",
        coming="api-7",
        version="v1.1.0",
        live_version="v1.0.0",
        is_same=False,
        verified_at=None,
        accepted="",
        need=Need.REQUIRED,
    )
    assert (gate.state, gate.sentence) == (GateState.OPEN, "api-7 is bringing v1.1.0 there")


def test_a_release_that_is_to_come_and_waits_itself_is_named_with_what_it_waits_for() -> None:
    gate = staged_gate(
        before="staging", coming="api-7", waits="waits for its gates (not locked)",
        version="v1.1.0", live_version="v1.0.0", is_same=False,
        verified_at=None, accepted="", need=Need.REQUIRED,
    )  # fmt: skip
    assert (gate.state, gate.sentence) == (
        GateState.OPEN,
        "api-7 is to bring v1.1.0 there, and waits for its gates (not locked)",
    )


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("said", ["green", "running", "red", "none", "unknown", ""])
def test_a_gate_says_whether_its_tests_can_be_run_again(said: str, *, again: bool) -> None:
    gate = quality_gate(
        said,
        "41 passed",
        "https://ci.example.com/7",
        Need.OPTIONAL,
        startable="test:b",
        again=again,
        since=NOW,
    )
    assert (gate.again, gate.url, gate.need, gate.startable) == (
        again,
        "https://ci.example.com/7",
        Need.OPTIONAL,
        "test:b",
    )
    assert gate.at == NOW


@pytest.mark.parametrize(
    ("said", "has_run", "again"),
    [
        ("green", True, False),
        ("running", True, False),
        ("red", False, True),
        ("unknown", False, True),
        ("none", False, False),
        ("none", True, True),
    ],
)
def test_tests_are_run_again_that_failed_or_of_which_nothing_is_heard_and_never_those_that_did_not_run(
    said: str, *, has_run: bool, again: bool
) -> None:
    assert Quality(QualityState(said), "41 passed", has_run=has_run).is_repeatable is again


def test_a_release_that_is_being_taken_back_before_opens_nothing_and_offers_nothing() -> None:
    gate = staged_gate(
        before="staging",
        version="v2",
        live_version="v2",
        is_same=True,
        verified_at=NOW,
        accepted="",
        need=Need.REQUIRED,
        leaving=True,
    )
    assert (gate.state, gate.sentence, gate.first) == (
        GateState.OPEN,
        "v2 is being rolled back on staging",
        "",
    )


@pytest.mark.parametrize(("live", "first"), [("", "staging"), ("v1", "staging")])
def test_what_is_not_live_before_can_be_deployed_there_first(live: str, first: str) -> None:
    gate = staged_gate(
        before="staging", version="v2", live_version=live,
        is_same=False, verified_at=None, accepted="", need=Need.REQUIRED
    )  # fmt: skip
    assert gate.first == first


WAY_BACK = RollbackOffer("v1", "a" * 40, NOW)
PLAN = replace(
    WAY_BACK,
    plan="0123",
    refused="not by a button",
    undoes=Changes(migrations=("migrations/7.sql", "migrations/8.sql")),
)


@pytest.mark.parametrize(
    ("offer", "state", "says"),
    [
        (RollbackOffer(refused="nothing to go back to"), GateState.OPEN, "nothing to go back to"),
        (WAY_BACK, GateState.GREEN, "v1 is verified and can be put back"),
        (
            replace(WAY_BACK, is_known=False),
            GateState.UNKNOWN,
            "whether a database migration lies between this version and v1 is not known",
        ),
        (
            replace(WAY_BACK, verified_at=None, accepted="no metrics"),
            GateState.GREEN,
            "v1 was accepted (no metrics), never verified; it can be put back",
        ),
    ],
)
def test_without_a_way_back_there_is_no_way_forward_and_what_is_not_known_is_none(
    offer: RollbackOffer, state: GateState, says: str
) -> None:
    gate = rollback_gate(offer, Need.REQUIRED)
    assert (gate.state, gate.sentence) == (state, says)
    assert gate.blocks == (state is not GateState.GREEN)
    assert ("not verified" in gate.title) == bool(offer.accepted)


def test_a_way_back_over_migrations_waits_for_a_word_and_is_never_called_a_rollback_that_is_ready() -> (
    None
):
    asked = plan_gate(PLAN, Need.REQUIRED, who="release_manager", confirmed=None)
    assert (asked.blocks, asked.who, asked.plan) == (True, "release_manager", "0123")
    assert "leaves migrations/7.sql and 1 more behind" in asked.sentence
    given = plan_gate(
        PLAN, Need.REQUIRED, who="release_manager", confirmed=Confirmed(BO, NOW, "expand only")
    )
    assert (given.state, given.by, given.at) == (GateState.GREEN, BO, NOW)
    assert (
        given.sentence
        == "going back over migrations/7.sql and 1 more takes its own plan, confirmed: expand only"
    )
    assert "ready" not in asked.title + given.title


def test_a_lock_blocks_until_it_ends_and_says_who_set_it() -> None:
    lock = Lock("api", "production", "quarter end", BO, NOW, until=NOW + HOUR)
    gate = unlocked_gate([lock], NOW, Need.REQUIRED)
    assert gate.blocks
    assert gate.by == BO
    assert gate.who == str(BO)
    assert gate.clears_at == NOW + HOUR
    assert "quarter end" in gate.sentence
    assert unlocked_gate([lock], NOW + HOUR, Need.REQUIRED).state is GateState.GREEN


def test_of_several_locks_the_longest_is_named_and_the_others_are_counted() -> None:
    short = Lock("api", "production", "quarter end", BO, NOW, until=NOW + HOUR)
    long = Lock("", "production", "incident 7", BO, NOW, until=NOW + 2 * HOUR)
    both = unlocked_gate([short, long], NOW, Need.REQUIRED)
    assert both.sentence == "everything in production is locked: incident 7 (and 1 more lock)"
    assert both.clears_at == NOW + 2 * HOUR
    endless = replace(short, until=None)
    three = unlocked_gate([long, endless, short], NOW, Need.REQUIRED)
    assert three.sentence == "api in production is locked: quarter end (and 2 more locks)"
    assert three.clears_at is None
    assert unlocked_gate([short, long], NOW + HOUR, Need.REQUIRED).sentence.endswith("incident 7")


def test_a_freeze_is_half_open_and_the_longest_one_counts() -> None:
    short = Freeze("production", NOW, NOW + HOUR, "release")
    long = Freeze("production", NOW, NOW + 2 * HOUR, "quarter end")
    assert frozen_by([short, long], "production", NOW) is long
    assert frozen_by([short], "production", NOW + HOUR) is None
    assert frozen_by([short], "production", NOW - timedelta(microseconds=1)) is None
    assert frozen_by([short, long], "staging", NOW) is None
    gate = unfrozen_gate([long], "production", NOW, Need.REQUIRED)
    assert (gate.blocks, gate.at, gate.clears_at) == (True, NOW, NOW + 2 * HOUR)
    assert unfrozen_gate([], "production", NOW, Need.REQUIRED).state is GateState.GREEN


@pytest.mark.parametrize(
    ("on_call", "acknowledged_by", "expected"),
    [
        (None, None, GateState.OPEN),
        (BO, None, GateState.OPEN),
        (BO, ANA, GateState.OPEN),
        (BO, BO, GateState.GREEN),
    ],
)
def test_the_person_on_call_now_has_to_know(
    on_call: Person | None, acknowledged_by: Person | None, expected: GateState
) -> None:
    gate = on_call_gate(
        on_call, until=NOW + HOUR, acknowledged_by=acknowledged_by, at=NOW, need=Need.REQUIRED
    )
    assert gate.state is expected


def test_an_item_is_ticked_by_somebody_with_a_name_and_a_time() -> None:
    item = ChecklistItem("support", "support briefed", "support")
    assert item_gate(item, by=None, at=None).blocks
    ticked = item_gate(item, by=ANA, at=NOW)
    assert (ticked.state, ticked.by, ticked.at) == (GateState.GREEN, ANA, NOW)


def test_a_silent_provider_blocks_but_an_optional_gate_does_not() -> None:
    assert unknown_gate(GateKind.TESTS, "local CI does not answer", Need.REQUIRED).blocks
    assert not unknown_gate(GateKind.TESTS, "local CI does not answer", Need.OPTIONAL).blocks


@pytest.mark.parametrize("state", GateState)
def test_a_review_is_ready_when_no_required_gate_is_open_or_unknown(state: GateState) -> None:
    review = Review(
        NOW, (Gate("x", "x", state, "x"), Gate("y", "y", GateState.OPEN, "y", Need.OPTIONAL))
    )
    assert review.is_ready is (state in {GateState.GREEN, GateState.WAIVED})


@pytest.mark.case("ci-and-refs-8")
@pytest.mark.parametrize(
    ("live", "commit", "says"),
    [
        (
            "v1.1.0",
            "b" * 40,
            (
                "v1.1.0 (aaaaaaa) is not live on staging: v1.1.0 (bbbbbbb; the name has "
                "moved since) is live there"
            ),
        ),
        ("v1.0.0", "b" * 40, "v1.1.0 is not live on staging: v1.0.0 is live there"),
        ("", "", "v1.1.0 is not live on staging: nothing is live there"),
    ],
)
def test_two_commits_of_one_name_are_told_apart(live: str, commit: str, says: str) -> None:
    gate = staged_gate(
        before="staging", version="v1.1.0", live_version=live,
        is_same=False, verified_at=None, accepted="", need=Need.REQUIRED,
        commits=("a" * 40, commit),
    )  # fmt: skip
    assert gate.sentence == says


@pytest.mark.parametrize(
    ("verified_at", "accepted", "says"),
    [
        (NOW, "", "v2 is live and verified on staging"),
        (None, "", "v2 is live on staging and still being watched"),
        (
            None,
            Acceptance.LITTLE,
            f"v2 is live on staging, accepted without proof: {Acceptance.LITTLE}",
        ),
        (
            None,
            Acceptance.ON_WORD,
            f"v2 is live on staging, let go on there {Acceptance.ON_WORD}: not verified",
        ),
        (
            None,
            Acceptance.SAID,
            f"v2 is live on staging, accepted there {Acceptance.SAID}: not verified",
        ),
    ],
)
def test_how_the_same_commit_ended_its_watch_there_is_said(
    verified_at: datetime | None, accepted: str, says: str
) -> None:
    gate = staged_gate(
        before="staging",
        version="v2",
        live_version="v2",
        is_same=True,
        verified_at=verified_at,
        accepted=accepted,
        need=Need.REQUIRED,
    )
    assert (gate.sentence, gate.at) == (says, verified_at)


def test_whoever_knows_is_shown_with_the_end_of_their_shift() -> None:
    gate = on_call_gate(BO, until=NOW + HOUR, acknowledged_by=BO, at=NOW, need=Need.OPTIONAL)
    assert (gate.by, gate.at, gate.clears_at, gate.need) == (BO, NOW, NOW + HOUR, Need.OPTIONAL)


def test_that_a_provider_said_the_same_later_makes_no_other_gate_of_it() -> None:
    gate = quality_gate("green", "41 passed", "", Need.REQUIRED)
    assert replace(gate, as_of=NOW) == gate
    assert replace(gate, sentence="42 passed") != gate
