"""The rollback offer tells the truth, and never names a version that is not verified good."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.catalog.paths import path_patterns
from bot.domain.catalog import PathPatterns
from bot.domain.changes import Changes
from bot.domain.errors import NotPossible
from bot.domain.rollback import (
    KeptOutBy,
    Passage,
    Way,
    chosen,
    migrations_in,
    none_left,
    offer,
    plan_for,
    target,
    together,
    way,
    why_locked,
    why_quarantined,
)

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Release:
    commit: str
    version: str
    verified_at: datetime | None = NOW
    accepted: str = ""


V1, V2, V3 = Release("1" * 40, "v1"), Release("2" * 40, "v2"), Release("3" * 40, "v3")


def test_the_target_is_the_newest_verified_version_other_than_the_one_that_is_left() -> None:
    found = offer([V3, V2, V1], leaving=V3.commit, way=None, seconds=())
    assert (found.version, found.commit, found.is_possible) == ("v2", V2.commit, True)


@pytest.mark.parametrize("verified", [[], [V3]])
def test_with_nothing_verified_there_is_nothing_to_go_back_to(verified: list[Release]) -> None:
    found = offer(verified, leaving=V3.commit, way=None, seconds=())
    assert not found.is_possible
    assert "nothing to go back to" in found.refused


SQL = path_patterns(["migrations/*"])
MIGRATES = Changes(files=("app.py", "migrations/0007_orders.sql"), total=1)


def test_a_migration_in_between_refuses_and_names_the_file() -> None:
    there = way(leaving=V3.commit, to=V2.commit, undoes=MIGRATES, migrations=SQL)
    found = offer([V2], leaving=V3.commit, way=there, seconds=())
    assert "migrations/0007_orders.sql" in found.refused
    assert migrations_in(MIGRATES, path_patterns(["*.sql"])) == ("migrations/0007_orders.sql",)
    assert migrations_in(MIGRATES, path_patterns(["db/*"])) == ()


@pytest.mark.case("structure-9")
@pytest.mark.parametrize(
    ("leaving", "to", "undoes", "migrations", "passage"),
    [
        ("b", "a", MIGRATES, SQL, Passage.MIGRATION),
        ("b", "a", Changes(total=1), SQL, Passage.FREE),
        ("b", "a", None, SQL, Passage.UNKNOWN),
        ("b", "a", Changes(known=False), SQL, Passage.UNKNOWN),
        # a service without migrations leaves none behind
        ("b", "a", None, PathPatterns(), Passage.FREE),
        # what is left lies behind: nothing is undone
        ("a", "b", Changes(files=MIGRATES.files, backwards=True), SQL, Passage.FREE),
        ("b", "b", None, SQL, Passage.FREE),
        ("", "b", None, SQL, Passage.FREE),  # nothing is there
    ],
)
def test_unknown_is_never_harmless_and_a_migration_is_never_left_behind(
    leaving: str, to: str, undoes: Changes | None, migrations: PathPatterns, passage: Passage
) -> None:
    assert way(leaving=leaving, to=to, undoes=undoes, migrations=migrations).passage is passage


def test_a_comparison_with_another_version_says_nothing_about_this_way() -> None:
    free = Way(V3.commit, V1.commit, Passage.FREE)
    assert not offer([V2, V1], leaving=V3.commit, way=free, seconds=()).is_known
    assert offer([V1], leaving=V3.commit, way=free, seconds=()).is_known


@pytest.mark.case("card-and-people-2")
def test_what_was_only_accepted_is_gone_back_to_where_nothing_was_ever_verified_and_it_says_so() -> (
    None
):
    accepted = Release("4" * 40, "v4", None, "too little traffic")
    assert target([accepted, V1], leaving=V3.commit) is V1
    found = offer([accepted], leaving=V3.commit, way=None, seconds=())
    assert (found.version, found.verified_at, found.accepted) == ("v4", None, "too little traffic")


def test_the_usual_time_is_the_median_of_what_was_seen() -> None:
    assert offer([V2], leaving=V3.commit, way=None, seconds=(40, 44, 300)).usual == timedelta(
        seconds=44
    )
    assert offer([V2], leaving=V3.commit, way=None, seconds=()).usual is None


@pytest.mark.parametrize("ref", ["v1", "1111111", "1" * 40])
def test_a_person_can_name_another_verified_version(ref: str) -> None:
    assert chosen([V2, V1], ref=ref, leaving=V3.commit) is V1


@pytest.mark.parametrize("ref", ["v3", "v9", "111111", ""])
def test_a_version_that_is_not_verified_is_refused_with_the_list(ref: str) -> None:
    with pytest.raises(NotPossible, match="Those are: v2, v1"):
        chosen([V2, V1], ref=ref, leaving=V3.commit)


def test_the_version_that_is_left_is_refused_as_what_is_there_already() -> None:
    with pytest.raises(NotPossible, match=r"^v3 is what is there already\.$"):
        chosen([V3, V2, V1], ref="v3", leaving=V3.commit)


@pytest.mark.parametrize(
    ("older", "told"),
    [
        (4, "v2, o1, o2, o3, o4"),
        (5, "v2, o1, o2, o3, o4 and 1 older one"),
        (6, "v2, o1, o2, o3, o4 and 2 older ones"),
    ],
)
def test_a_refusal_lists_five_versions_and_says_how_many_more_there_are(
    older: int, told: str
) -> None:
    releases = [
        V3,
        V2,
        *(Release(f"{number}0" * 20, f"o{number}") for number in range(1, older + 1)),
    ]
    with pytest.raises(NotPossible, match=rf"Those are: .*{told}\.$"):
        chosen(releases, ref="v9", leaving=V3.commit)


def test_with_nothing_to_choose_from_none_is_listed() -> None:
    with pytest.raises(NotPossible, match=r"There is no other that one could go back to\.$"):
        chosen([V3], ref="v9", leaving=V3.commit)


@given(st.lists(st.sampled_from([V1, V2, V3])), st.sampled_from([V1, V2, V3]))
def test_the_version_that_is_left_is_never_the_target(
    verified: list[Release], leaving: Release
) -> None:
    assert offer(verified, leaving=leaving.commit, way=None, seconds=()).commit != leaving.commit


@pytest.mark.case("structure-2")
@pytest.mark.parametrize(
    ("because", "why"),
    [
        ("", ""),
        ("carts (all) are lost", ": carts (all) are lost"),
        ("errors up (a lot)", ": errors up (a lot)"),
        ("errors 17.9 % (baseline 0.55 %)", ": errors 17.9 % (baseline 0.55 %)"),
    ],
)
def test_a_quarantine_says_since_when_and_why(because: str, why: str) -> None:
    back = why_quarantined("production", at=NOW, because=because, how=KeptOutBy.ROLLBACK)
    stop = why_quarantined("production", at=NOW, because=because, how=KeptOutBy.STOP)
    assert back == f"its rollback from production began 2026-11-21 02:00 UTC{why}"
    assert stop == f"it was stopped in production 2026-11-21 02:00 UTC{why}"


@pytest.mark.case("ci-and-refs-8")
def test_a_version_that_was_the_name_of_two_commits_is_not_gone_back_to_by_its_name() -> None:
    moved = [Release("2" * 40, "v1"), V1]
    with pytest.raises(
        NotPossible,
        match="v1 was the name of 2 commits here, 2222222222 and 1111111111: it has moved",
    ):
        chosen(moved, ref="v1", leaving=V3.commit)
    assert chosen(moved, ref="1" * 10, leaving=V3.commit) is V1
    assert chosen(moved, ref="v1", leaving="2" * 40) is V1


FREE = Way("b", "a", Passage.FREE, undoes=Changes(total=1))
OVER = replace(
    FREE,
    passage=Passage.MIGRATION,
    path="m/7.sql",
    undoes=Changes(migrations=("m/7.sql", "m/8.sql")),
)
FAILED = Way("c", "a", Passage.MIGRATION, "m/9.sql", Changes(migrations=("m/8.sql", "m/9.sql")))
NOBODY_KNOWS = Way("d", "a", Passage.UNKNOWN)


@pytest.mark.parametrize(
    ("first", "others", "passage", "migrations"),
    [
        (FREE, [], Passage.FREE, ()),
        (FREE, [replace(FREE, leaving="c")], Passage.FREE, ()),
        (FREE, [NOBODY_KNOWS], Passage.UNKNOWN, ()),
        (FREE, [NOBODY_KNOWS, FAILED], Passage.MIGRATION, ("m/8.sql", "m/9.sql")),
        (NOBODY_KNOWS, [FREE], Passage.UNKNOWN, ()),
        (OVER, [FREE], Passage.MIGRATION, ("m/7.sql", "m/8.sql")),
        (OVER, [FAILED, NOBODY_KNOWS], Passage.MIGRATION, ("m/7.sql", "m/8.sql", "m/9.sql")),
        (
            replace(FREE, leaving="e"),
            [replace(FAILED, undoes=Changes(known=False))],
            Passage.MIGRATION,
            ("m/9.sql",),
        ),
    ],
)
def test_leaving_several_commits_at_once_is_as_bad_as_the_worst_of_them(
    first: Way, others: list[Way], passage: Passage, migrations: tuple[str, ...]
) -> None:
    found = together(first, others)
    assert (found.passage, found.undoes.migrations) == (passage, migrations)
    assert (found.leaving, found.to, found.beside) == (
        first.leaving,
        "a",
        tuple(other.leaving for other in others),
    )
    assert found.path == next(
        (each.path for each in (first, *others) if each.passage is passage), ""
    )
    assert found.undoes.total == first.undoes.total


def test_a_plan_is_for_a_target_and_its_migrations_and_what_needs_none_has_none() -> None:
    assert plan_for(FREE) == plan_for(NOBODY_KNOWS) == ""
    plans = [
        OVER,
        replace(OVER, to="z"),
        replace(OVER, undoes=Changes(migrations=("m/7.sql",))),
        replace(OVER, undoes=Changes(), path="m/1"),
    ]
    assert len({plan_for(each) for each in plans}) == len(plans)
    turned = replace(OVER, undoes=Changes(migrations=("m/8.sql", "m/7.sql")), leaving="x")
    assert plan_for(turned) == plan_for(OVER)
    assert len(plan_for(OVER)) == 16


def test_an_offer_says_what_it_was_told_about_the_way_and_about_the_version() -> None:
    there = replace(OVER, leaving=V3.commit, to=V2.commit)
    found = offer(
        [replace(V2, accepted="too little traffic")], leaving=V3.commit, way=there, seconds=()
    )
    assert (found.plan, found.is_known, found.undoes, found.accepted) == (
        plan_for(there),
        True,
        there.undoes,
        "too little traffic",
    )
    unknown = offer([V2], leaving=V3.commit, way=None, seconds=())
    assert (unknown.plan, unknown.is_known, unknown.refused) == ("", False, "")


@pytest.mark.parametrize(
    ("passage", "says"),
    [
        (Passage.FREE, ""),
        (
            Passage.MIGRATION,
            (
                "A database migration lies between (m/7.sql). Going back needs the "
                "migration's own plan, not a button."
            ),
        ),
        (
            Passage.UNKNOWN,
            (
                "Whether a database migration lies between v3 and v2 is not known: the "
                "two could not be compared."
            ),
        ),
    ],
)
def test_why_a_way_is_not_gone_by_itself_is_said_with_the_versions(
    passage: Passage, says: str
) -> None:
    assert replace(OVER, passage=passage).sentence("v3", "v2") == says


@pytest.mark.parametrize(
    ("because", "why"),
    [("", "v2 was rolled back"), ("carts are lost", "v2 was rolled back: carts are lost")],
)
def test_a_lock_says_what_was_rolled_back_and_why(because: str, why: str) -> None:
    assert why_locked("v2", because) == why


@pytest.mark.parametrize(("verified_at", "ended"), [(NOW, "verified"), (None, "accepted")])
def test_what_would_be_gone_back_to_were_it_not_quarantined_is_named(
    verified_at: datetime | None, ended: str
) -> None:
    assert none_left([replace(V2, verified_at=verified_at), V1]) == (
        f"v2 was {ended} here and is quarantined, and there is no other version, so there "
        "is nothing to go back to."
    )
