"""Versions that have parted: what is taken away is said wherever they are compared, and a
migration ahead is no way back.
"""

from __future__ import annotations

from typing import Any

import pytest

from bot.dispatch.doors import Doors
from bot.domain.changes import Change, Changes
from bot.domain.commands import Check, Deploy, RollBack
from bot.services import summaries
from tests.services.conftest import MINUTE, PEOPLE, Quiet, Team

HOTFIX = Changes(
    (Change("c" * 40, "fix the basket", "dora"),), 1, ("dora",), files=("migrations/7.sql",)
)
LIVE = Changes(
    tuple(Change("b" * 40, f"faster {n}", name) for n, name in enumerate(("ana", "cy"))),
    6,
    ("ana", "cy"),
    files=("app.py",),
)


async def parted(team: Team, *, there: Changes = HOTFIX, back: Changes = LIVE) -> None:
    """Have v2 verified in production, and v3 on a branch that has parted from it."""
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(10 * MINUTE)
    team.ci.parted = {"b c": there, "c b": back}


async def test_of_versions_that_have_parted_check_card_and_dialog_say_what_is_taken_away(
    team_with: Any,
) -> None:
    async with team_with(
        checklist=(), approvals=(), after="", strategy="rolling", watch=MINUTE, gates=()
    ) as team:
        await parted(team)
        says = "1 new commit by dora; and 6 commits by ana and cy are taken away"
        assert says in await team.says("ana", Check("shop", "production", "v3"))
        team.rota.person = None
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes()
        assert (
            "1 new commit by 1 person in 1 file, and 6 commits by 2 people in 1 file are taken away"
            in await team.shown("shop-2")
        )
        facts = await Doors(team.context, Quiet()).changes("shop-2", PEOPLE["ana"])
        read = team.words.text("dialogs/changes", facts)
        assert says in read
        assert (
            "*Taken away*\n• bbbbbbb faster 1 (cy)\n• bbbbbbb faster 0 (ana)\nand 4 "
            "more commits not listed here"
        ) in read


@pytest.mark.case("races-3")
async def test_a_migration_that_only_the_new_version_has_is_no_way_back(swift: Team) -> None:
    await parted(swift)
    assert "database fits" not in await swift.says("ana", Check("shop", "production", "v3"))
    await swift.says("ana", Deploy("shop", "production", "v3"))
    await swift.passes(10 * MINUTE)
    assert (await swift.deployment("shop-2")).state == "verified"


@pytest.mark.case("races-3")
async def test_a_migration_that_only_the_live_version_has_holds_one_that_has_parted_from_it(
    swift: Team,
) -> None:
    await parted(swift, there=LIVE, back=HOTFIX)
    said = await swift.says("ana", Check("shop", "production", "v3"))
    assert (
        "database fits: v2 has migrations/7.sql, which v3 has not: deploy a version that has it"
        in said
    )


async def test_a_rollback_of_versions_that_have_parted_says_what_comes_back(swift: Team) -> None:
    await parted(swift, there=Changes(HOTFIX.commits, 1, ("dora",)))
    await swift.says("ana", Deploy("shop", "production", "v3"))
    await swift.passes(10 * MINUTE)
    says = "This undoes 1 commit by dora, and puts 6 commits back."
    assert says in await swift.says("bo", RollBack("shop", "production", reason="errors"))


async def test_where_the_other_way_cannot_be_compared_nothing_is_called_kept(swift: Team) -> None:
    await parted(swift, back=Changes(known=False))
    assert "whether commits are taken away is not known" in await swift.says(
        "ana", Check("shop", "production", "v3")
    )


async def test_the_summary_of_one_that_has_parted_says_what_it_took_away(swift: Team) -> None:
    await parted(swift, there=Changes(HOTFIX.commits, 1, ("dora",)))
    await swift.says("ana", Deploy("shop", "production", "v3"))
    await swift.passes(10 * MINUTE)
    await summaries.after_deployment(swift.context, "shop-2")
    assert (
        "1 new commit by dora; and 6 commits by ana and cy are taken away."
        in (await swift.said("summary"))[-1]
    )
