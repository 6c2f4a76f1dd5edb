"""The same version again: whoever asks for it, ticks, approves or checks is told how it
ended here the time before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bot.domain.commands import Cancel, Check, Deploy, RollBack, SayWhy, Unlock, Unquarantine
from bot.domain.deployment import State
from bot.domain.rollout import RunState
from tests.services.conftest import BAD, GOOD, MINUTE
from tests.services.test_stopping import OPEN, goes_bad_with_no_way_back

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from tests.services.conftest import Team

    TeamWith = Callable[..., AbstractAsyncContextManager[Team]]


async def _is_told(team: Team, again: str) -> None:
    """Ask for the same version, check it, and read its card and its thread."""
    assert again in await team.says("ana", Check("shop", "production", "v2"))
    said = await team.says("ana", Deploy("shop", "production", "v2"))
    assert again in said
    await team.passes()
    async with team.database.store.reading() as reader:
        newest = (await reader.history("shop", "production"))[0]
    assert again in await team.shown(newest.id)
    assert again in (await team.said("gates"))[-1]


async def _rolled_back(team: Team, reason: str) -> str:
    v2 = await team.rolls_out_v2()
    team.numbers.new = BAD
    await team.passes(2 * MINUTE)
    await team.says("bo", RollBack(deployment=v2, reason=reason))
    await team.passes(5 * MINUTE)
    assert (await team.deployment(v2)).state is State.ROLLED_BACK
    await team.says("bo", Unquarantine("shop", "v2", "it was the database"))
    await team.says("bo", Unlock("shop", "production"))
    return v2


@pytest.mark.parametrize("reason", ["", "carts are lost"])
async def test_a_version_that_was_rolled_back_is_said_to_be_the_same(
    team: Team, reason: str
) -> None:
    v2 = await _rolled_back(team, reason)
    at = (await team.deployment(v2)).state_since
    told = f": {reason}" if reason else ""
    again = (
        f"*The same version* ({v2}) was rolled back here by <@UBO>, "
        f"{at:%Y-%m-%d %H:%M} UTC, with errors"
    )
    await _is_told(team, again)
    assert f"p &lt; 0.0001){told}" in (await team.said("gates"))[-1] or not reason


async def test_a_version_whose_run_failed_is_said_to_be_the_same(team_with: TeamWith) -> None:
    async with team_with(**OPEN) as team:
        team.ci.ends["deploy"] = RunState.FAILED
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(2 * MINUTE)
        failed = await team.deployment("shop-1")
        assert failed.state is State.FAILED
        team.ci.ends.clear()
        await _is_told(
            team,
            (
                "*The same version* (shop-1) failed here, "
                f"{failed.state_since:%Y-%m-%d %H:%M} UTC, at 5 %:"
            ),
        )


async def test_a_version_that_was_stopped_is_said_to_be_so_also_once_it_is_known_what_runs(
    team_with: TeamWith,
) -> None:
    async with team_with(**OPEN) as team:
        await goes_bad_with_no_way_back(team)
        await team.says("bo", Cancel("shop-1"))
        await team.says("bo", SayWhy("shop-1", "carts are lost"))
        await team.says("bo", Unquarantine("shop", "v2", "it was the database"))
        await team.says("bo", Unquarantine("shop", "v1", "it has no holes"))
        await _is_told(
            team,
            (
                "*The same version* (shop-1) was stopped here by <@UBO>, 2026-11-21 02:12 UTC, "
                "at 5 %, with errors 6.0 %"
            ),
        )


async def test_a_version_that_did_well_is_called_no_same_version(team_with: Any) -> None:
    async with team_with(**OPEN) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        team.numbers.new = GOOD
        await team.passes(90 * MINUTE)
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes(90 * MINUTE)
        assert "same version" not in await team.says("ana", Deploy("shop", "production", "v2"))
