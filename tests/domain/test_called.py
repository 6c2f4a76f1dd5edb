"""What a commit is called where another one has the same name."""

from __future__ import annotations

import pytest

from bot.domain.called import called, is_moved

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
def test_two_commits_of_one_name_are_told_apart_by_their_commits(beside: list[tuple[str, str]], name: str) -> None:
    assert called("v1.1.0", A, beside=beside) == name


def test_what_is_not_known_has_not_moved() -> None:
    assert not is_moved(("", A), ("", B))
    assert not is_moved(("v1", A), ("v1", ""))
    assert not is_moved(("v1", ""), ("v1", B))
    assert not is_moved(("v1", A), ("v1", A))
    assert is_moved(("v1", A), ("v1", B))
