"""What a ref was taken for: said where it could have meant something else,
and where a tag has moved.
"""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.commands import Check, Deploy, RollBack, Status
from bot.domain.live import Live
from bot.ports.ci import Latest, RefKind, Resolved

Team = Any
"""The fixture ``team``."""


async def is_live_elsewhere(team: Team) -> None:
    """Let v2 be another commit than the one that the provider names now."""
    now = team.context.now()
    async with team.database.store.transaction() as tx:
        before = await tx.live("shop", "production")
        await tx.set_live(Live("shop", "production", "d" * 40, "v2", now, "", before.by, now))


@pytest.mark.case("ci-and-refs-2")
@pytest.mark.parametrize(
    ("ref", "means", "says"),
    [
        (
            "latest",
            Resolved("", "", RefKind.TAG, "v3", Latest.RELEASE),
            "at commit ccccccc: latest is v3, the newest release.",
        ),
        (
            "latest",
            Resolved("", "", RefKind.TAG, "v3", Latest.PREVIEW),
            "latest is v3, the newest preview: there is no release.",
        ),
        (
            "latest",
            Resolved("", "", RefKind.BRANCH, "main", Latest.NEWEST),
            "there is no release tag: the newest commit of main was taken.",
        ),
        (
            "v3",
            Resolved("", "", RefKind.TAG, "v3", also=RefKind.BRANCH),
            "v3 is a tag and a branch; the tag is meant, the branch is heads/v3.",
        ),
    ],
)
async def test_whoever_asks_is_told_what_was_taken_where_it_could_have_been_something_else(
    team: Team, ref: str, means: Resolved, says: str
) -> None:
    team.ci.means = means
    assert says in await team.says("ana", Deploy("shop", "production", ref), key="command")
    assert says in await team.says("ana", Deploy("shop", "production", ref), key="command"), (
        "one that comes again is answered as it was"
    )


@pytest.mark.case("ci-and-refs-11")
@pytest.mark.parametrize(
    ("means", "says"),
    [
        (Resolved("", "", RefKind.TAG, "v3"), "v3 is the tag v3, commit ccccccc"),
        (
            Resolved("", "", RefKind.TAG, "v3", also=RefKind.BRANCH),
            "v3 is a tag and a branch; the tag is meant, the branch is heads/v3",
        ),
        (
            Resolved("", "", RefKind.TAG, "v3", Latest.RELEASE),
            "v3 is the tag v3, commit ccccccc · the newest release\n",
        ),
        (Resolved("", "", RefKind.BRANCH, "v3"), "v3 is the branch v3, commit ccccccc"),
        (Resolved("", ""), "v3 is the commit ccccccc"),
        (
            Resolved("", "", RefKind.BRANCH, "main", Latest.NEWEST),
            "there is no release tag: the newest commit of main was taken",
        ),
    ],
)
async def test_a_check_says_what_a_ref_was_taken_for(
    team: Team, means: Resolved, says: str
) -> None:
    team.ci.means = means
    assert says in await team.says("ana", Check("shop", "production", "v3"))


async def test_what_can_mean_only_one_thing_is_not_explained(team: Team) -> None:
    assert (
        await team.says("ana", Deploy("shop", "production", "v3"))
        == "*shop v3 → production* is asked for as shop-1, at commit ccccccc."
    )


@pytest.mark.case("ci-and-refs-8")
async def test_a_tag_that_has_moved_since_it_was_live_is_said_to_have(team: Team) -> None:
    await is_live_elsewhere(team)
    said = await team.says("ana", Deploy("shop", "production", "v2"))
    assert "the tag v2 has moved since it was live here, at commit ddddddd" in said


@pytest.mark.case("ci-and-refs-8")
async def test_one_name_of_two_commits_is_shown_with_both_on_the_board_and_before_going_back(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2()
    await is_live_elsewhere(team)
    status = await team.says("ana", Status("shop"))
    assert "v2 (ddddddd) live since" in status
    assert f"v2 (bbbbbbb) ({v2})" in status
    said = await team.says("bo", RollBack("shop", "production", "d" * 40))
    assert "back from v2 (bbbbbbb) to *v2 (ddddddd)*?" in said


@pytest.mark.case("ci-and-refs-12")
@pytest.mark.parametrize("ref", ["", "v1", "v2"])
async def test_a_rollback_that_is_asked_for_again_while_it_goes_back_is_told_where_to(
    team: Team, ref: str
) -> None:
    v2 = await team.rolls_out_v2()
    await team.says("bo", RollBack(deployment=v2))
    assert "is rolling back to v1 already, as shop-3" in await team.says(
        "bo", RollBack("shop", "production", ref)
    )
