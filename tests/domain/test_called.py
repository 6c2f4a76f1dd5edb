"""What a commit is called where another one has the same name."""

from __future__ import annotations

import pytest

from bot.domain.called import apart, called, is_moved, name_of

A, B = "a" * 40, "b" * 40


@pytest.mark.case("ci-and-refs-8")
@pytest.mark.parametrize(
    ("beside", "name"),
    [
        ([], "v1.1.0"),
        ([("v1.1.0", A)], "v1.1.0"),
        ([("v1.0.0", B)], "v1.1.0"),
        ([("v1.0.0", B), ("v1.1.0", B)], "v1.1.0 (aaaaaaa)"),
        ([("v1.1.0", "")], "v1.1.0"),
    ],
)
def test_two_commits_of_one_name_are_told_apart_by_their_commits(
    beside: list[tuple[str, str]], name: str
) -> None:
    assert called("v1.1.0", A, beside=beside) == name


def test_what_is_not_known_has_not_moved() -> None:
    assert not is_moved(("", A), ("", B))
    assert not is_moved(("v1", A), ("v1", ""))
    assert not is_moved(("v1", ""), ("v1", B))
    assert not is_moved(("v1", A), ("v1", A))
    assert is_moved(("v1", A), ("v1", B))


@pytest.mark.case("ci-and-refs-8")
@pytest.mark.parametrize(
    ("version", "known", "name"),
    [
        ("v1.1.0", [], "v1.1.0"),
        ("v1.1.0", [A], "v1.1.0"),
        ("v1.1.0", [B], "v1.1.0@aaaaaaa"),
        ("v1.1.0", [B, A], "v1.1.0"),  # it had the name as well, and keeps it
        ("aaaaaaa", [B], "aaaaaaa"),
        ("@acme/web@1.0.0", [B], "@acme/web@1.0.0@aaaaaaa"),
    ],
)
def test_a_commit_whose_name_was_that_of_another_has_a_name_of_its_own(
    version: str, known: list[str], name: str
) -> None:
    assert apart(version, A, known=known) == name
    assert name_of(name) == version


def test_a_name_that_only_looks_so_is_left_alone() -> None:
    assert [
        name_of(each) for each in ("v1", "@acme/web@1.0.0", "v1@aaaaaa", "v1@AAAAAAA", "@aaaaaaa")
    ] == [
        "v1",
        "@acme/web@1.0.0",
        "v1@aaaaaa",
        "v1@AAAAAAA",
        "@aaaaaaa",
    ]
