"""A request that nobody but its requester could approve is refused before it is
stored, with who there is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.catalog import ApprovalRule, EnvironmentPolicy, Role
from bot.domain.commands import Approve, Deploy, DeployFirst
from bot.domain.deployment import State
from tests.services.conftest import MINUTE, PEOPLE, Team

ONE: dict[str, Any] = {"gates": (), "checklist": (), "after": "", "strategy": "rolling"}
TWO: dict[str, Any] = {**ONE, "approvals": (ApprovalRule("release_manager", 2),)}


def leaves_bo_alone(team: Team) -> None:
    """Have nobody but bo hold the role that approves."""
    team.context.catalog.roles["release_manager"] = Role(  # type: ignore[index]
        "release_manager", frozenset({PEOPLE["bo"]})
    )


async def nothing_is_stored(team: Team) -> bool:
    async with team.database.store.reading() as reader:
        return await reader.deployment("shop-1") is None


async def test_a_request_that_nobody_else_could_approve_is_refused_before_it_is_stored(
    team_with: Any,
) -> None:
    async with team_with(**ONE) as team:
        leaves_bo_alone(team)
        assert await team.says("bo", Deploy("shop", "production", "v2")) == (
            "shop v2 → production could never go: it needs 1 approval by somebody with the role "
            "release manager, and besides you, who ask "
            "for it, nobody could give it. Nothing was stored. Let somebody else ask for it, or "
            "have the role given to one more person in "
            "gonogo.yaml, or in its user group."
        )
        assert await nothing_is_stored(team)
        assert "is asked for as shop-1" in await team.says(
            "ana", Deploy("shop", "production", "v2")
        )


async def test_a_request_that_too_few_others_could_approve_names_them(team_with: Any) -> None:
    async with team_with(**TWO) as team:
        assert (
            "and besides you, who ask for it, only <@UDI> could give one. Nothing was stored"
            in await team.says("bo", Deploy("shop", "production", "v2"))
        )
        assert "is asked for as shop-1" in await team.says(
            "ana", Deploy("shop", "production", "v2")
        )


async def test_where_it_cannot_be_read_who_approves_a_request_is_taken(team_with: Any) -> None:
    async with team_with(**ONE) as team:
        team.workspace.readable = False
        assert "is asked for as shop-1" in await team.says("bo", Deploy("shop", "production", "v2"))


@pytest.mark.parametrize("alone", [True, False])
async def test_whoever_asked_and_would_approve_is_told_when_nobody_else_could(
    team_with: Any, *, alone: bool
) -> None:
    async with team_with(**ONE) as team:
        await team.says("bo", Deploy("shop", "production", "v2"))
        await team.passes(MINUTE)
        assert (await team.deployment("shop-1")).state is State.AWAITING_APPROVAL
        if alone:
            leaves_bo_alone(team)
        told = await team.says("bo", Approve("shop-1"))
        assert (
            "nobody could give it: the role has to be given to one more person." in told
        ) == alone


async def test_the_environment_before_is_asked_for_by_nobody_who_alone_could_approve_it(
    team_with: Any,
) -> None:
    async with team_with(gates=(), checklist=()) as team:
        shop = team.context.catalog.services["shop"]
        staging: EnvironmentPolicy = replace(
            shop.environments["staging"], approvals=(ApprovalRule("release_manager"),)
        )
        team.context.catalog.services["shop"] = replace(
            shop, environments={**shop.environments, "staging": staging}
        )
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(MINUTE)
        leaves_bo_alone(team)
        assert "shop v2 → staging could never go" in await team.says("bo", DeployFirst("shop-1"))
