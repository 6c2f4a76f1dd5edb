"""What stops something waits for no CI provider where the bot knows itself what is meant."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.catalog import AutomaticRollback
from bot.domain.commands import Deploy, Quarantine, Unquarantine
from bot.domain.errors import IntegrationError
from bot.domain.rollout import RunState
from tests.services.conftest import MINUTE

Team = Any
ALONE: dict[str, Any] = {
    "gates": (), "checklist": (), "approvals": (),
    "after": "", "strategy": "canary", "watch": 10 * MINUTE,
    "automatic_rollback": AutomaticRollback.OFF,
}  # fmt: skip


async def quarantined(team: Team, commit: str) -> bool:
    async with team.database.store.reading() as reader:
        return bool(await reader.quarantine("shop", commit))


@pytest.mark.case("reliability-1")
@pytest.mark.parametrize("ref", ["v2", "b" * 40, "bbbbbbb", "BBBBBBBBBB"])
async def test_what_is_under_way_is_quarantined_at_once_while_the_provider_does_not_answer(
    team_with: Any, ref: str
) -> None:
    async with team_with(**ALONE) as team:
        team.ci.ends["deploy"] = RunState.RUNNING
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(MINUTE)
        team.ci.away = True
        said = await team.says("bo", Quarantine("shop", ref, "it loses parcels"))
        assert (
            "is quarantined: it loses parcels. The CI provider does not tell what that is now; "
            "it is the commit bbbbbbbbbb"
        ) in said.replace("*", "")
        assert await quarantined(team, "b" * 40)
        assert "quarantined" in await team.shown("shop-1")


@pytest.mark.case("reliability-1")
async def test_what_was_live_here_once_is_quarantined_at_once_also_where_the_provider_answers_too_late(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(40 * MINUTE)
        team.ci.during["resolve v2"] = _answers_too_late
        assert "The CI provider does not tell what that is now" in await team.says(
            "bo", Quarantine("shop", "v2", "it loses parcels")
        )
        assert await quarantined(team, "b" * 40)
        assert "is not quarantined" not in await team.says(
            "bo", Unquarantine("shop", "v2", "it was the network")
        )
        assert not await quarantined(team, "b" * 40)


async def _answers_too_late() -> None:
    raise TimeoutError


async def _is_gone() -> None:
    raise IntegrationError("there is no v2", vendor="the CI", retry=False)


async def test_what_has_never_been_here_waits_for_the_provider(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        team.ci.away = True
        with pytest.raises(IntegrationError):
            # the command is kept, and carried out once it answers
            await team.says("bo", Quarantine("shop", "v3", "it loses parcels"))
        assert not await quarantined(team, "c" * 40)


async def test_what_is_quarantined_outlives_its_tag_and_is_let_in_again_by_its_name(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(3 * MINUTE)
        team.ci.during["resolve v2"] = _is_gone
        said = (await team.says("bo", Quarantine("shop", "v2", "it loses parcels"))).replace(
            "*", ""
        )
        assert (
            "The CI provider says about that name now: there is no v2. It is the commit "
            "bbbbbbbbbb, as it was known here."
        ) in said
        assert "does not tell" not in said
        assert "Lift it with /deploy unquarantine shop v2 because TEXT" in said
        await team.says("bo", Unquarantine("shop", "v2", "it was the network"))
        assert not await quarantined(team, "b" * 40)


async def test_what_was_pinned_is_let_in_again_while_the_provider_does_not_answer(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(3 * MINUTE)
        await team.says("bo", Quarantine("shop", "v2", "it loses parcels"))
        team.ci.away = True
        await team.says("bo", Unquarantine("shop", "bbbbbbb", "it was the network"))
        assert not await quarantined(team, "b" * 40)
