"""The highest version: one rule for every provider."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.versions import Tags, highest, nearest
from bot.providers.ci.git import Git


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["v1.9.0", "v1.10.0", "v1.2.0"], "v1.10.0"),
        (["v2.0.0-rc.1", "v2.0.0", "v2.0.0-rc.2"], "v2.0.0"),
        (["v1.9.0", "v2.0.0-rc.1"], "v1.9.0"),
        (["v1.9.0", "20240101-nightly", "2019-archive"], "v1.9.0"),
        (["v2.0.0-rc.9", "v2.0.0-rc.10", "v2.0.0-alpha"], "v2.0.0-rc.10"),
        (["v2.0.0-rc9", "v2.0.0rc10", "v2.0.0.beta1"], "v2.0.0rc10"),
        (["v2.0.0-1", "v2.0.0-alpha"], "v2.0.0-alpha"),
        (["v1.0.0+9", "v1.0.0+10"], "v1.0.0+10"),
        (["nightly", "1.0"], "1.0"),
        (["v1.0", "v1.0.1"], "v1.0.1"),
        (["v1", "v²", "v" + "9" * 5000], "v1"),
        (["v1.2.0.Final", "v1.3.0.RELEASE", "v1.3.1-M1"], "v1.3.0.RELEASE"),
        (["1.0", "1.0.post1", "1.0.post10", "1.1.dev1"], "1.0.post10"),
        (["1.0.post0", "1.0+5", "1.0"], "1.0.post0"),
        (["v" + "9" * 18, "v" + "9" * 19, "v1"], "v" + "9" * 18),
        (["v1.0", "v2.0-".ljust(200, "a")], "v1.0"),
        (["v2.0+".ljust(200, "a"), "v3.0+".ljust(201, "a")], "v2.0+".ljust(200, "a")),
        ([], ""),
    ],
)
def test_the_highest_version_is_the_one_that_people_mean(names: list[str], expected: str) -> None:
    assert {highest(each) for each in permutations(names)} == {expected}


@pytest.mark.case("ci-and-refs-2")
@pytest.mark.parametrize(
    "names",
    [
        ["before-refactoring"],
        ["stable", "nightly"],
        ["release-2", "release-10"],
        ["zeta"],
        ["7", "2019-archive"],
    ],
)
def test_a_tag_that_is_no_version_is_never_the_latest(names: list[str]) -> None:
    assert highest(names) == ""


@pytest.mark.case("ci-and-refs-2")
def test_a_tag_with_a_no_break_space_is_passed_over() -> None:
    assert highest(["v2.0.0\u00a0final", "v1.0.0"]) == "v1.0.0"


@pytest.mark.case("ci-and-refs-2")
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["2015.06.01", "v3.4.0"], "v3.4.0"),
        (["20150601", "3.4"], "3.4"),
        (["2024.05.01", "2024.11.3", "2023.12.31"], "2024.11.3"),
        (["2024-05-01", "2024-05-01.2", "2024-04-30.9"], "2024-05-01.2"),
        (["20240101-nightly", "20230101"], "20230101"),
        (["v3.5.0-rc.1", "2015.06.01"], "2015.06.01"),
        (["v2500.0.0-rc.1", "2015.06.01"], "2015.06.01"),
    ],
)
def test_versions_that_are_dates_count_where_there_are_no_others(
    names: list[str], expected: str
) -> None:
    assert {highest(each) for each in permutations(names)} == {expected}


@pytest.mark.case("ci-and-refs-2")
@pytest.mark.case("adoption-2")
@pytest.mark.parametrize(
    ("service", "names", "expected"),
    [
        ("web", ["api/v10.0.0", "web/v1.2.0"], "web/v1.2.0"),
        ("web", ["@acme/web@1.2.0", "@acme/web@1.10.0", "@acme/api@2.0.0"], "@acme/web@1.10.0"),
        ("web", ["web@1.2.0", "web@1.1.0"], "web@1.2.0"),
        (
            "checkout",
            ["checkout-v1.0.0", "search-v0.1.0", "checkout-v1.1.0", "search-v0.2.0"],
            "checkout-v1.1.0",
        ),
        ("checkout", ["Checkout-1.1.0", "v7.0.0"], "Checkout-1.1.0"),
        ("search", ["checkout-v1.1.0", "v0.3.0"], "v0.3.0"),
        ("search", ["checkout-v1.1.0", "search-refactoring"], ""),
    ],
)
def test_of_several_services_in_one_repository_each_has_its_own_versions(
    service: str, names: list[str], expected: str
) -> None:
    assert {Tags(service).highest(each) for each in permutations(names)} == {expected}


@pytest.mark.case("adoption-2")
@pytest.mark.parametrize(
    ("pattern", "names", "expected"),
    [
        ("release-*", ["release-2", "release-10", "v9.0.0"], "release-10"),
        (
            "services/web/v*",
            ["services/web/v1.2.0", "services/api/v2.0.0", "web-v3.0.0"],
            "services/web/v1.2.0",
        ),
        ("20*", ["2024.05.01", "v3.4.0"], "2024.05.01"),
        ("*-web", ["1.2.0-web", "1.3.0-api"], "1.2.0-web"),
        ("release-*", ["v1.0.0"], ""),
    ],
)
def test_a_pattern_of_the_team_replaces_the_usual_ways(
    pattern: str, names: list[str], expected: str
) -> None:
    assert {Tags("web", pattern).highest(each) for each in permutations(names)} == {expected}


ALL = ("checkout", ""), ("search", "search-v*"), ("board", "v*")
"""Services of one repository, with their patterns."""


@pytest.mark.case("adoption-2")
@pytest.mark.parametrize(
    ("service", "tag", "owner"),
    [
        ("checkout", "search-v0.2.0", "search"),
        ("checkout", "v0.2.0", "board"),
        ("checkout", "checkout-v0.2.0", ""),
        ("checkout", "checkout/v0.2.0", ""),
        ("search", "checkout@0.2.0", "checkout"),
        ("search", "v0.2.0", "board"),
        ("board", "search-v0.2.0", "search"),
        ("board", "v0.2.0", ""),
        ("checkout", "stable", ""),
        ("checkout", "search-refactoring", ""),
    ],
)
def test_a_tag_is_the_version_of_the_service_in_whose_way_it_is_written(
    service: str, tag: str, owner: str
) -> None:
    pattern = dict(ALL)[service]
    tags = Tags(service, pattern, tuple(Tags(*each) for each in ALL if each[0] != service))
    assert tags.owner(tag) == owner
    assert not owner or tags.highest([tag]) == "", (
        "what is another's is no version of this one, and never the latest"
    )


@pytest.mark.case("ci-and-refs-12")
@pytest.mark.parametrize(
    ("typed", "names", "expected"),
    [
        ("V1.1.0", ["v1.1.0", "v1.0.0"], "v1.1.0"),
        ("1.1.0", ["v1.1.0", "v1.1.1"], "v1.1.0"),
        ("v1.1", ["v1.1.0", "v1.1.10", "v1.1.9", "v1.10.0"], "v1.1.10"),
        ("v1.2.0", ["web-v1.2.0", "web-v1.1.0"], "web-v1.2.0"),
        ("mian", ["main", "v1.0.0"], "main"),
    ],
)
def test_the_nearest_name_is_the_one_that_was_meant(
    typed: str, names: list[str], expected: str
) -> None:
    assert nearest(typed, names)[0] == expected


@pytest.mark.parametrize(
    ("service", "name", "is_preview"),
    [
        ("", "v1.0.0", False), ("", "v1.0.0-rc.1", True), ("", "20240101", False),
        ("", "20240101-nightly", True), ("", "stable", False),
        ("", "1.0.post1", False), ("", "1.0.Final", False),
        ("web", "web-v1.0.0-rc.1", True), ("web", "web-v1.0.0", False),
        ("web", "v1.0.0-rc.1", True), ("web", "web-refactoring", False),
    ],
)  # fmt: skip
def test_a_preview_is_told_from_a_release_however_it_is_called(
    service: str, name: str, *, is_preview: bool
) -> None:
    assert Tags(service).is_preview(name) is is_preview
    assert not Tags(service, "release-*").is_preview("v1.0.0-rc.1"), (
        "what the team writes otherwise is none of its versions"
    )


def test_of_names_that_were_begun_the_highest_number_is_the_nearest() -> None:
    assert nearest("a", ["a.b@9", "a.b@10"])[0] == "a.b@10"


@pytest.mark.case("ci-and-refs-12")
def test_nothing_is_near_to_what_looks_like_nothing() -> None:
    assert nearest("xyzzy", ["main", "v1.0.0"]) == ()


@given(
    st.lists(
        st.text() | st.from_regex(r"(web[-@/])?v?[0-9.]{1,9}[-+._]?[a-z0-9.-]{0,6}", fullmatch=True)
    ),
    st.sampled_from(["", "web"]),
)
def test_any_names_can_be_compared(names: list[str], service: str) -> None:
    ranked = Tags(service).ranked(names)
    assert set(ranked) <= set(names)
    assert Tags(service).ranked(reversed(names)) == ranked


@given(st.text(max_size=30), st.lists(st.text(max_size=20), max_size=20))
def test_the_nearest_names_are_always_names_that_are_there(typed: str, names: list[str]) -> None:
    assert set(nearest(typed, names)) <= set(names)


async def test_git_knows_the_same_rule(tmp_path: Path) -> None:
    git = Git(tmp_path)
    await git.run("init", "-q")
    who = ("-c", "user.name=ana", "-c", "user.email=ana@example.com", "-c", "commit.gpgsign=false")
    for tag in ("v1.9.0", "v2.0.0-rc.1", "20240101-nightly"):
        await git.run(*who, "commit", "-q", "--allow-empty", "-m", tag)
        await git.run("tag", tag)
    assert (await git.resolve("latest")).version == "v1.9.0"
    await git.run("tag", "v2.0.0")
    commit = (await git.resolve("latest")).commit
    await git.run("tag", "v2.0.0-rc.2")
    assert (await git.resolve(commit)).version == "v2.0.0"
