"""What lies between two commits, and what one can go back to: unknown is never harmless."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.catalog.paths import path_patterns
from bot.domain.catalog import PathPatterns
from bot.domain.changes import Change, Changes
from bot.domain.errors import NotPossible
from bot.domain.rollback import (
    Bad,
    Flaw,
    Passage,
    Way,
    against,
    back,
    candidates_of,
    chosen,
    is_named,
    none_well,
    offer,
    plan_for,
    ranked,
    refuse_moved,
    target,
    together,
    way,
    with_reason,
)

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
OLD, NEW = "a" * 40, "b" * 40
MIGRATIONS, NONE = path_patterns(["migrations/"]), PathPatterns()
CODE, SCHEMA = Changes(total=1, files=("web.py",)), Changes(total=2, files=("migrations/7.sql",))
BEHIND, AWAY = replace(SCHEMA, backwards=True), Changes(known=False)
FEW = settings(max_examples=40, deadline=None)


@dataclass(frozen=True)
class Release:
    commit: str
    version: str
    verified_at: datetime | None = NOW
    accepted: str = ""


@pytest.mark.parametrize(
    ("undoes", "passage"),
    [
        (CODE, Passage.FREE), (SCHEMA, Passage.MIGRATION), (BEHIND, Passage.FREE),
        (AWAY, Passage.UNKNOWN), (None, Passage.UNKNOWN), (Changes(), Passage.FREE),
    ],
)  # fmt: skip
def test_a_way_is_free_only_where_it_is_known_that_no_migration_is_left_behind(
    undoes: Changes | None, passage: Passage
) -> None:
    found = way(leaving=NEW, to=OLD, undoes=undoes, migrations=MIGRATIONS)
    assert found.passage is passage
    assert found.path == ("migrations/7.sql" if passage is Passage.MIGRATION else "")
    for leaving, patterns in ((NEW, NONE), ("", MIGRATIONS), (OLD, MIGRATIONS)):
        free = way(leaving=leaving, to=OLD, undoes=undoes, migrations=patterns)
        assert free.passage is Passage.FREE


def test_what_is_put_where_it_is_undoes_nothing_and_what_lies_ahead_takes_away_its_commits() -> (
    None
):
    assert way(leaving=OLD, to=OLD, undoes=CODE, migrations=NONE).undoes == Changes()
    ahead = Changes((Change(NEW, "more", "ana"),), 1, ("ana",), backwards=True)
    found = way(leaving=OLD, to=NEW, undoes=ahead, migrations=MIGRATIONS).undoes
    assert (found.total, found.commits) == (0, ())
    assert (found.taken.total, found.taken.authors) == (1, ("ana",))


@pytest.mark.parametrize(
    ("brings", "passage", "ahead"),
    [
        (CODE, Passage.FREE, ()),
        (SCHEMA, Passage.MIGRATION, ("migrations/7.sql",)),
        (BEHIND, Passage.FREE, ()),
        (AWAY, Passage.UNKNOWN, ()),
        (None, Passage.UNKNOWN, ()),
    ],
)
def test_a_rollback_goes_over_no_migration_in_either_direction(
    brings: Changes | None, passage: Passage, ahead: tuple[str, ...]
) -> None:
    there = way(leaving=NEW, to=OLD, undoes=CODE, migrations=MIGRATIONS)
    found = back(there, brings, MIGRATIONS)
    assert (found.passage, found.ahead) == (passage, ahead)
    assert plan_for(found) == "", "no plan takes a step forward"
    left = way(leaving=NEW, to=OLD, undoes=SCHEMA, migrations=MIGRATIONS)
    assert back(left, brings, MIGRATIONS) == left
    for same in (there, replace(there, leaving=""), replace(there, leaving=OLD)):
        patterns = NONE if same is there else MIGRATIONS
        assert back(same, brings, patterns) == same


@pytest.mark.parametrize(("one", "other"), [*product(Passage, Passage)])
def test_leaving_two_commits_is_as_bad_as_the_worse_way_in_whichever_order(
    one: Passage, other: Passage
) -> None:
    order = [Passage.FREE, Passage.UNKNOWN, Passage.MIGRATION]
    undoes = replace(SCHEMA, migrations=SCHEMA.files)
    first, second = (
        Way(each, OLD, passage, undoes=undoes) for each, passage in ((NEW, one), ("c", other))
    )
    for found in (together(first, [second]), together(second, [first])):
        assert found.passage is max(one, other, key=order.index)
    assert together(first, []) == first
    assert together(first, [second]).of == (
        second.leaving if order.index(other) > order.index(one) else ""
    )


RELEASES = st.lists(
    st.builds(
        Release,
        st.sampled_from([letter * 40 for letter in "abcd"]),
        st.sampled_from(["v1", "v2", "v3"]),
        st.sampled_from([NOW, None]),
        st.sampled_from(["", "too little traffic"]),
    ),
    max_size=6,
)


@FEW
@given(RELEASES, st.sampled_from([OLD, NEW]), st.sampled_from(["", OLD, "c" * 40]))
def test_whoever_goes_back_goes_to_what_is_verified_and_of_that_to_what_was_there_before(
    releases: list[Release], leaving: str, base: str
) -> None:
    found = ranked(releases, leaving=leaving, base=base)
    assert sorted(map(str, found)) == sorted(
        str(each) for each in releases if each.commit != leaving
    )
    best = target(releases, leaving=leaving, base=base)
    if best is None:
        assert not found
        return
    verified = [each for each in found if each.verified_at]
    among = verified or found
    assert best in among
    assert best.commit == base or base not in {each.commit for each in among}
    if base not in {each.commit for each in among}:
        assert best == among[0], "the newest comes first"


@FEW
@given(RELEASES, st.sampled_from([OLD, NEW]), st.sampled_from(list(Passage)))
def test_an_offer_that_is_not_known_or_leaves_a_migration_says_so(
    releases: list[Release], leaving: str, passage: Passage
) -> None:
    best = target(releases, leaving=leaving)
    there = Way(leaving, best.commit if best else OLD, passage, "migrations/7.sql", SCHEMA)
    made = offer(releases, way=there, leaving=leaving, seconds=[60, 90, 600])
    if best is None:
        assert not made.is_possible
        return
    assert made.is_possible is (passage is not Passage.MIGRATION)
    assert made.is_known is (passage is not Passage.UNKNOWN)
    assert bool(made.plan) is (passage is Passage.MIGRATION)
    assert made.usual == timedelta(seconds=90)
    unknown = offer(releases, way=None, leaving=leaving, seconds=())
    assert (unknown.is_known, unknown.usual) == (False, None)


def test_a_plan_is_for_its_migrations_in_whatever_order_and_for_no_others() -> None:
    over = Way(NEW, OLD, Passage.MIGRATION, "m/1.sql", Changes(migrations=("m/1.sql", "m/2.sql")))
    turned = replace(over, undoes=Changes(migrations=("m/2.sql", "m/1.sql")), path="m/2.sql")
    assert plan_for(over) == plan_for(turned) != ""
    others = [
        replace(over, to="c" * 40),
        replace(over, undoes=Changes(migrations=("m/1.sql",))),
        replace(over, undoes=Changes(migrations=("m/1.sqlm/2.sql",))),
        replace(over, undoes=Changes(known=False)),
    ]
    assert len({plan_for(each) for each in (over, *others)}) == 4
    assert plan_for(others[1]) == plan_for(others[3]), "one migration is known by its path as well"
    assert plan_for(replace(over, leaving="d" * 40)) == plan_for(over)


V1, V2 = Release("1" * 40, "v1"), Release("2" * 40, "v2@2222222")


@pytest.mark.parametrize(
    ("ref", "is_it"),
    [
        ("v2@2222222", True), ("v2", True), ("2" * 7, True), ("2" * 40, True), ("2" * 6, False),
        ("v", False), ("v1", False), ("", False), ("2" * 41, False), ("V2", False),
    ],
)  # fmt: skip
def test_a_version_is_named_by_its_name_its_tag_or_seven_signs_of_its_commit(
    ref: str, *, is_it: bool
) -> None:
    assert is_named(V2, ref) is is_it
    if is_it:
        assert chosen([V1, V2], ref=ref, leaving="3" * 40) is V2


def test_a_commit_may_be_typed_in_capitals() -> None:
    assert is_named(Release("abcdef0" + "1" * 33, "v1"), "ABCDEF0")


def test_a_whole_commit_that_nobody_deployed_is_refused_in_short() -> None:
    with pytest.raises(NotPossible, match=r"^9999999999 is not among the versions"):
        chosen([V1], ref="9" * 40, leaving=OLD)
    with pytest.raises(NotPossible, match=r"^v9 is not among .* Those are: v1\.$"):
        chosen([V1], ref="v9", leaving=OLD)


@pytest.mark.parametrize(
    ("count", "says"),
    [
        (2, "2 commits here, 0000000000 and 1111111111: it has moved"),
        (3, "3 commits here, 0000000000, 1111111111 and 2222222222: it has moved"),
        (5, "3333333333 and 4444444444: it has moved"),
        (7, "3333333333, 4444444444 and 2 older: it has moved"),
    ],
)
def test_a_name_that_has_moved_is_refused_with_the_newest_five_that_it_meant(
    count: int, says: str
) -> None:
    with pytest.raises(NotPossible) as refused:
        refuse_moved("v1", [str(each) * 40 for each in range(count)])
    assert says in str(refused.value)
    for few in ([], ["1" * 40]):
        refuse_moved("v1", few)


def test_what_one_could_go_back_to_is_called_as_whoever_asks_calls_it() -> None:
    assert candidates_of([V1, V2], leaving="3" * 40, called="There are") == (
        "There are: v1, v2@2222222."
    )
    assert candidates_of([V1], leaving=V1.commit).startswith("There is no other")


def test_what_is_known_against_a_version_is_said_in_full_and_how_it_is_put_back_all_the_same() -> (
    None
):
    bad = [Bad(Flaw.WORSE, "errors 9 %"), Bad(Flaw.SMOKE, "its run failed")]
    said = "was worse itself (errors 9 %), and failed its smoke test (its run failed)"
    assert against(bad) == said
    assert none_well([(V1, bad)], place="shop production") == (
        f"When it was last here, v1 {said}, so no button goes back to it. Its lead can, knowing "
        "that: /rollback shop production to v1 because TEXT."
    )
    assert with_reason("it leaks", "also carts") == "it leaks; also carts"
