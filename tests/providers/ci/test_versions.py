"""The highest version: one rule for every provider."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.providers.ci.git import Git
from bot.providers.ci.versions import highest


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
        (["release-2", "release-10"], "release-10"),
        (["v1.0", "v1.0.1"], "v1.0.1"),
        (["v1", "v²", "v" + "9" * 5000], "v1"),
        (["zeta", "alpha"], "zeta"),
        ([], ""),
    ],
)
def test_the_highest_version_is_the_one_that_people_mean(names: list[str], expected: str) -> None:
    assert {highest(each) for each in permutations(names)} == {expected}


@given(st.lists(st.text() | st.from_regex(r"v?[0-9.]{1,9}[-+._]?[a-z0-9.-]{0,6}", fullmatch=True)))
def test_any_names_can_be_compared(names: list[str]) -> None:
    assert highest(names) in {*names, ""}


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
