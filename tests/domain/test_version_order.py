"""The order of versions: an order indeed, as people count and as semver.org has it."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bot.domain.versions import Tags, highest, nearest

FEW = settings(max_examples=30, deadline=None)
NUMBER = st.integers(0, 30)
NUMBERS = st.tuples(NUMBER, NUMBER, NUMBER)
SEMVER = [f"1.0.0-{each}" for each in ("a", "a.1", "a.beta", "beta", "beta.2", "beta.11")]


def written(numbers: tuple[int, ...], preview: str = "") -> str:
    return "v" + ".".join(map(str, numbers)) + (f"-{preview}" if preview else "")


def test_previews_are_ordered_as_semver_org_says_and_below_their_release() -> None:
    ordered = [*SEMVER, "1.0.0-rc.1"]
    assert Tags().ranked(ordered) == tuple(reversed(ordered))
    for one, other in pairwise(ordered):
        assert highest([other, one]) == highest([one, other]) == other
        assert highest([one, "1.0.0"]) == "1.0.0"


@FEW
@given(st.lists(NUMBERS, min_size=1, max_size=8, unique=True), st.randoms())
def test_releases_are_ordered_by_their_numbers_in_whatever_order_they_come(
    numbers: list[tuple[int, int, int]], random: Random
) -> None:
    names = [written(each) for each in numbers]
    random.shuffle(names)
    assert Tags().ranked(names) == tuple(map(written, sorted(numbers, reverse=True)))


@FEW
@given(NUMBERS, NUMBERS, st.sampled_from(["rc.1", "beta", "alpha.7", "0", "x-y"]))
def test_no_preview_is_the_latest_while_there_is_a_release(
    released: tuple[int, int, int], coming: tuple[int, int, int], preview: str
) -> None:
    names = [written(coming, preview), written(released)]
    assert highest(names) == written(released)
    assert highest(names[:1]) == names[0]
    assert Tags().is_preview(names[0])
    assert not Tags().is_preview(names[1])


@FEW
@given(NUMBERS, NUMBERS, st.integers(1, 20), st.integers(1, 20))
def test_of_previews_the_numbers_of_the_release_come_first_and_then_those_of_the_preview(
    one: tuple[int, int, int], other: tuple[int, int, int], first: int, second: int
) -> None:
    assume((one, first) != (other, second))
    names = {
        (one, first): written(one, f"rc.{first}"),
        (other, second): written(other, f"rc.{second}"),
    }
    assert highest(names.values()) == names[max(names)]


@FEW
@given(st.lists(NUMBERS, min_size=1, max_size=6, unique=True), NUMBERS)
def test_a_service_of_a_shared_repository_is_not_moved_by_the_tags_of_another(
    mine: list[tuple[int, int, int]], theirs: tuple[int, int, int]
) -> None:
    both = Tags("web", others=(Tags("api"),))
    own = [f"web-{written(each)}" for each in mine]
    foreign = [f"api-{written(theirs)}", f"api@{'.'.join(map(str, theirs))}"]
    assert both.ranked([*own, *foreign]) == both.ranked(own) == Tags("web").ranked(own)
    assert both.ranked(foreign) == ()
    assert {both.owner(name) for name in foreign} == {"api"}
    assert {both.owner(name) for name in own} == {""}


@FEW
@given(st.lists(NUMBERS, min_size=1, max_size=6, unique=True), NUMBERS)
def test_while_a_service_has_tags_of_its_own_name_plain_ones_do_not_count(
    mine: list[tuple[int, int, int]], plain: tuple[int, int, int]
) -> None:
    own = [f"web/{written(each)}" for each in mine]
    assert Tags("web").highest([*own, written(plain)]) == Tags("web").highest(own)
    assert Tags("web").highest([written(plain)]) == written(plain)


@FEW
@given(st.lists(NUMBERS, min_size=1, max_size=6, unique=True), NUMBERS)
def test_a_pattern_of_the_team_is_the_only_way_to_write_a_version(
    mine: list[tuple[int, int, int]], plain: tuple[int, int, int]
) -> None:
    tags = Tags("web", "release-*-final")
    own = [f"release-{'.'.join(map(str, each))}-final" for each in mine]
    others = [written(plain), f"web-{written(plain)}", f"release-{written(plain)}"]
    assert tags.highest([*own, *others]) == tags.highest(own)
    assert tags.ranked(others) == ()
    assert not any(tags.is_preview(name) for name in (*own, *others))


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("v1.9", "v1.10"), ("v1.2.3", "v1.2.10"), ("v9", "v10"), ("v1.2", "v1.2.0"),
        ("v1.0.0", "v1.0.0.post1"), ("v1.0.0.post1", "v1.0.0.post2"), ("v1.0.0-rc1", "v1.0.0-rc2"),
        ("v1.0.0-rc9", "v1.0.0-rc10"), ("v1.0.0-1", "v1.0.0-alpha"), ("v1.0.0+4", "v1.0.0+5"),
        ("v1.0.0+9", "v1.0.0+10"), ("v1.0.0", "v1.0.0+1"), ("v2.0.0-rc.1", "v1.0.0"),
        ("2026.11.28", "v1.0.0"), ("v2.0.0-rc.1", "2026.11.28"), ("2026.11.27", "2026.11.28"),
        ("2026-11-28", "2026-11-28.1"), ("2026.11.28-nightly", "v1.0.0-rc.1"),
        ("v1.0.0-RC1", "v1.0.0"), ("v1.0.0-SNAPSHOT", "v1.0.0.Final"), ("v1.0.0", "v1.0.1-ga"),
    ],
)  # fmt: skip
def test_of_two_versions_this_one_is_the_higher(lower: str, higher: str) -> None:
    assert Tags().ranked([lower, higher]) == Tags().ranked([higher, lower]) == (higher, lower)


@pytest.mark.parametrize(
    "name",
    [
        "7", "2026", "v", "v1.2.3.4.5", "stable", "v1.", "v.1", "1.0 ", "v1.0.0\n", "x1.0",
        "v" + "1" * 19, "v1." + "0" * 200, "v\u0661.\u0662", "20261328x", "before-v1.0.0",
    ],
)  # fmt: skip
def test_what_is_no_version_is_ranked_nowhere(name: str) -> None:
    assert highest([name]) == ""
    assert not Tags().is_preview(name)


@FEW
@given(NUMBERS)
def test_whoever_leaves_out_the_v_or_shouts_finds_the_tag_that_is_there(
    numbers: tuple[int, int, int],
) -> None:
    there = written(numbers)
    for typed in (there.removeprefix("v"), there.upper(), there):
        assert nearest(typed, [there, "stable"])[0] == there
    assert nearest(there.removeprefix("v"), [f"web-{there}", "stable"]) == (f"web-{there}",)


def test_of_names_that_may_have_been_meant_each_is_offered_once_and_the_highest_first() -> None:
    names = [f"v1.2.{number}" for number in range(9)]
    found = nearest("v1.2", [*names, *names])
    assert found[:3] == ("v1.2.8", "v1.2.7", "v1.2.6")
    assert len(set(found)) == len(found)
