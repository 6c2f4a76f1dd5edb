"""A version that is quarantined while a rollback puts it back: that goes on, everybody hears of it, and what was proved stays proved."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bot.domain.catalog import AutomaticRollback
from bot.domain.commands import Deploy, Quarantine, RollBack, Status, Unquarantine
from bot.domain.deployment import State
from bot.ports import RunState

MINUTE = timedelta(minutes=1)
PLAIN: dict[str, Any] = {
    "gates": (), "checklist": (), "approvals": (), "after": "", "strategy": "rolling", "watch": 20 * MINUTE,
    "automatic_rollback": AutomaticRollback.OFF,
}  # fmt: skip


async def _goes_back(team: Any) -> None:
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(5 * MINUTE)
    team.ci.ends["rollback"] = RunState.RUNNING
    await team.rolls_back("bo", RollBack("shop", "production", reason="errors"))
    await team.passes(2 * MINUTE)


async def test_quarantining_what_a_rollback_is_putting_back_says_that_the_rollback_goes_on_and_tells_its_lead(team_with: Any) -> None:
    async with team_with(**PLAIN) as team:
        await _goes_back(team)
        said = await team.says("bo", Quarantine("shop", "v1", "holes"))
        assert "nothing goes back to it besides shop-2, which is putting it back already and goes on." in said
        assert "*shop v2 → production* is being rolled back to it as shop-2, which is not stopped. <@UBO>, its lead, is told." in said
        assert "It is live in production" not in said, "v2 has its requests until the rollback has ended"
        (told,) = await team.said("way_back_lost")
        assert told.startswith("<@UBO> put *v1* in quarantine, which *shop v2 → production* is being rolled back to. shop-2 goes on")
        assert "to have another version there after it: /deploy shop REF to production" in told


async def test_quarantining_what_is_being_rolled_back_says_that_it_stays_until_the_rollback_has_ended(team_with: Any) -> None:
    async with team_with(**PLAIN) as team:
        await _goes_back(team)
        said = await team.says("bo", Quarantine("shop", "v2", "holes"))
        assert "It is live in production and stays there until shop-2, the rollback under way, has taken it away." in said
        assert await team.said("way_back_lost") == []


async def test_what_was_verified_and_is_put_back_is_verified_though_it_was_quarantined_meanwhile(team_with: Any) -> None:
    async with team_with(**PLAIN) as team:
        await _goes_back(team)
        await team.says("bo", Quarantine("shop", "v1", "holes"))
        team.ci.ends.clear()
        await team.passes(5 * MINUTE)
        assert (await team.deployment("shop-2")).state is State.VERIFIED
        assert "v1 is *quarantined*: holes. It stays live until another version is deployed" in await team.says("bo", Status())
        await team.says("bo", Unquarantine("shop", "v1", "fine"))
        async with team.house.store.reading() as reader:
            live = await reader.live("shop", "production")
        assert (live.version, live.accepted, live.verified_at is not None) == ("v1", "", True)
