"""What keeps a deployment from going forward, by a table: each obstacle alone, and
all of them in their order.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.deployment import Deployment, Kind, State
from bot.domain.locks import Lock
from bot.domain.people import Person
from bot.domain.places import (
    Doubt,
    Ground,
    Hindrance,
    Obstacle,
    Stray,
    Unclear,
    graver,
    is_answer_to,
    obstacles,
)
from bot.domain.rollback import Passage, Way

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
ANA, BO = Person("T1", "UANA"), Person("T1", "UBO")
V2 = Deployment(
    "shop-2", Kind.FORWARD, "shop", "production", "v2", "v2",
    "b" * 40, "rolling", ANA, BO, State.GATED, NOW, NOW,
)  # fmt: skip
CLEAR = Ground("shop-2", "a" * 40, "v1")
LOCK = Lock("shop", "production", "quarter end", BO, NOW - HOUR, NOW + HOUR)
STRAY = Stray("shop", "production", "run 7", "shop-1", "5", NOW - HOUR)
MIGRATES = Way("a" * 40, "b" * 40, Passage.MIGRATION, "migrations/7.sql")
UNKNOWN, FREE = replace(MIGRATES, passage=Passage.UNKNOWN), replace(MIGRATES, passage=Passage.FREE)


def doubt(
    kind: Unclear = Unclear.FAILED, since: datetime = NOW + HOUR, deployment: str = "shop-1"
) -> Doubt:
    return Doubt(kind, "shop-1 failed", since, deployment)


@pytest.mark.parametrize(
    ("ground", "way", "kinds"),
    [
        (CLEAR, None, []),
        (CLEAR, FREE, []),
        (CLEAR, MIGRATES, [Obstacle.BACKWARDS]),
        (CLEAR, UNKNOWN, [Obstacle.UNKNOWN_WAY]),
        # nothing is left behind where nothing is live
        (replace(CLEAR, live_commit="", live_version=""), MIGRATES, []),
        (
            replace(CLEAR, live_commit="", live_version=""),
            replace(MIGRATES, beside=("c" * 40,)),
            [Obstacle.BACKWARDS],
        ),  # of what failed
        (replace(CLEAR, locks=(LOCK,)), None, [Obstacle.LOCKED]),
        (replace(CLEAR, locks=(replace(LOCK, until=NOW),)), None, []),
        (replace(CLEAR, locks=(replace(LOCK, until=None),)), None, [Obstacle.LOCKED]),
        (replace(CLEAR, locks=(replace(LOCK, until=NOW), LOCK)), None, [Obstacle.LOCKED]),
        (replace(CLEAR, quarantine="it loses carts"), None, [Obstacle.QUARANTINED]),
        (replace(CLEAR, strays=(STRAY,)), None, [Obstacle.UNCLEAR]),
        # its own run keeps it from nothing
        (replace(CLEAR, strays=(replace(STRAY, deployment="shop-2"),)), None, []),
        (replace(CLEAR, doubt=doubt()), None, [Obstacle.UNCLEAR]),
        (replace(CLEAR, doubt=doubt(since=NOW)), None, [Obstacle.UNCLEAR]),
        # asked for since: the answer to the failure
        (replace(CLEAR, doubt=doubt(since=NOW - HOUR)), None, []),
        (replace(CLEAR, doubt=doubt(Unclear.RESTORED, NOW - HOUR)), None, [Obstacle.UNCLEAR]),
        (replace(CLEAR, doubt=doubt(Unclear.STRAY, NOW - HOUR)), None, [Obstacle.UNCLEAR]),
        (replace(CLEAR, doubt=doubt(deployment="shop-2")), None, []),
        (
            replace(CLEAR, doubt=doubt(), locks=(LOCK,), quarantine="it loses carts"),
            MIGRATES,
            [Obstacle.UNCLEAR, Obstacle.LOCKED, Obstacle.QUARANTINED, Obstacle.BACKWARDS],
        ),
    ],
)
def test_what_keeps_a_deployment_from_going_forward(
    ground: Ground, way: Way | None, kinds: list[Obstacle]
) -> None:
    assert [each.kind for each in obstacles(V2, ground, way, NOW)] == kinds


@pytest.mark.parametrize("kind", Unclear)
@pytest.mark.parametrize("id", ["", "shop-2"], ids=["imagined", "asked for"])
@pytest.mark.parametrize("of", ["", "shop-1"], ids=["of none", "of another"])
def test_what_is_unclear_keeps_what_is_only_imagined_as_it_keeps_what_was_asked_for(
    kind: Unclear, id: str, of: str
) -> None:
    one = replace(V2, id=id)
    for ground in (
        replace(CLEAR, doubt=doubt(kind, deployment=of)),
        replace(CLEAR, strays=(replace(STRAY, deployment=of),)),
    ):
        assert [each.kind for each in obstacles(one, ground, None, NOW)] == [Obstacle.UNCLEAR]


@pytest.mark.parametrize(
    ("service", "place"), [("shop", "shop in production"), ("", "everything in production")]
)
def test_a_lock_says_what_is_locked_by_whom_since_when_and_until_when(
    service: str, place: str
) -> None:
    found = obstacles(V2, replace(CLEAR, locks=(replace(LOCK, service=service),)), None, NOW)
    how = f"/deploy unlock {service or 'all'} production"
    assert found == (
        Hindrance(
            Obstacle.LOCKED, f"{place} is locked: quarter end", BO, NOW - HOUR, NOW + HOUR, how
        ),
    )


def test_what_is_unclear_says_why_since_when_and_what_to_do() -> None:
    found = obstacles(V2, replace(CLEAR, doubt=doubt()), None, NOW)
    answer = (
        "its card says whether it goes back; if this is the answer to it, ask for it anew: "
        "/deploy shop v2 to production"
    )
    how = f"{answer}; or say what is live: /deploy live shop production is REF because TEXT"
    sentence = f"it is unclear what runs: shop-1 failed; {how}"
    assert found == (Hindrance(Obstacle.UNCLEAR, sentence, at=NOW + HOUR),)
    stray = obstacles(V2, replace(CLEAR, doubt=doubt(), strays=(STRAY,)), None, NOW)
    sentence = (
        "it is unclear what runs: a run of shop-1 that was cut off has not been "
        "seen to end; if it hangs, "
    )
    sentence += "end it at the CI provider"
    assert stray == (Hindrance(Obstacle.UNCLEAR, sentence, at=NOW - HOUR),)


@pytest.mark.parametrize(
    "ground", [replace(CLEAR, failed_commit=V2.commit), replace(CLEAR, quarantine="it leaks")]
)
def test_what_failed_or_is_quarantined_is_not_offered_as_the_answer_to_its_own_failure(
    ground: Ground,
) -> None:
    found = obstacles(V2, replace(ground, doubt=doubt()), None, NOW)[0]
    assert (
        "shop-1 failed; its card says whether it goes back; deploy another "
        "version, or say what is live: "
    ) in found.sentence


def test_a_place_is_clear_without_doubts_and_strays_only() -> None:
    assert CLEAR.is_clear
    assert CLEAR.in_words == ""
    assert not replace(CLEAR, doubt=doubt()).is_clear
    assert not replace(CLEAR, strays=(STRAY,)).is_clear


@pytest.mark.parametrize(
    ("kind", "since", "is_answer"),
    [
        (Unclear.FAILED, NOW - HOUR, True),
        (Unclear.FAILED, NOW, False),
        (Unclear.RESTORED, NOW - HOUR, False),
        (Unclear.STRAY, NOW - HOUR, False),
    ],
)
def test_only_what_was_asked_for_after_a_failure_is_an_answer_to_it(
    kind: Unclear, since: datetime, *, is_answer: bool
) -> None:
    assert is_answer_to(V2, doubt(kind, since)) is is_answer


FAILED, STRAYED, RESTORED = doubt(), doubt(Unclear.STRAY, NOW), doubt(Unclear.RESTORED, NOW)


@pytest.mark.case("races-15")
@pytest.mark.parametrize(
    ("old", "new", "stays"),
    [
        (None, FAILED, FAILED),
        (FAILED, replace(FAILED, why="shop-2 failed"), replace(FAILED, why="shop-2 failed")),
        (FAILED, STRAYED, replace(STRAYED, since=FAILED.since)),
        (FAILED, RESTORED, replace(RESTORED, since=FAILED.since)),
        (STRAYED, RESTORED, RESTORED),
        (STRAYED, FAILED, replace(STRAYED, since=FAILED.since)),
        (RESTORED, FAILED, replace(RESTORED, since=FAILED.since)),
        (RESTORED, replace(STRAYED, since=NOW - HOUR), RESTORED),
    ],
)
def test_the_graver_doubt_stays_and_what_began_before_the_later_one_does_not_end_it(
    old: Doubt | None, new: Doubt, stays: Doubt
) -> None:
    assert graver(old, new) == stays


@pytest.mark.parametrize(
    ("old", "new"),
    [(Unclear.SEEN, Unclear.FAILED), (Unclear.FAILED, Unclear.SEEN), (Unclear.SEEN, Unclear.SEEN)],
)
def test_what_was_seen_to_get_requests_is_forgotten_by_no_other_doubt(
    old: Unclear, new: Unclear
) -> None:
    first, second = Doubt(old, "a", NOW, seen=("b",)), Doubt(new, "b", NOW, seen=("c", "b"))
    assert graver(first, second).seen == ("b", "c")


def test_what_is_not_known_of_a_way_is_said_with_what_is_left_also_where_nothing_is_live() -> None:
    nowhere = replace(CLEAR, live_commit="", live_version="")
    for ground, left in ((CLEAR, "v1"), (nowhere, "what failed here")):
        (found,) = obstacles(V2, ground, replace(UNKNOWN, beside=("c" * 40,)), NOW)
        assert f"between {left} and v2 is not known" in found.sentence
