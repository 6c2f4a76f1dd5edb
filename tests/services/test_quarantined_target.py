"""A version that is quarantined while a rollback puts it back: that goes on, everybody hears of it,
and what was proved stays proved.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bot.domain.catalog import AutomaticRollback
from bot.domain.commands import Deploy, Quarantine, RollBack, SayLive, Status, Unquarantine
from bot.domain.deployment import State
from bot.domain.errors import IntegrationError
from bot.domain.rollout import RunState

MINUTE = timedelta(minutes=1)
PLAIN: dict[str, Any] = {
    "gates": (), "checklist": (), "approvals": (),
    "after": "", "strategy": "rolling", "watch": 20 * MINUTE,
    "automatic_rollback": AutomaticRollback.OFF,
}  # fmt: skip


async def _goes_back(team: Any) -> None:
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(5 * MINUTE)
    team.ci.ends["rollback"] = RunState.RUNNING
    await team.rolls_back("bo", RollBack("shop", "production", reason="errors"))
    await team.passes(2 * MINUTE)


async def test_quarantining_what_a_rollback_is_putting_back_says_that_the_rollback_goes_on_and_tells_its_lead(
    team_with: Any,
) -> None:
    async with team_with(**PLAIN) as team:
        await _goes_back(team)
        said = await team.says("bo", Quarantine("shop", "v1", "holes"))
        assert "nothing goes back to it besides what puts it back already." in said
        assert (
            "*shop v2 → production* is being rolled back to it as shop-2, which goes on. "
            "<@UBO>, its lead, is told."
        ) in said
        assert "It is live in production" not in said, (
            "v2 has its requests until the rollback has ended"
        )
        (told,) = await team.said("way_back_lost")
        assert told.startswith(
            "<@UBO> put *v1* in quarantine, which *shop v2 → production* is being "
            "rolled back to. shop-2 goes on"
        )
        assert "to have another version there after it: /deploy shop REF to production" in told


async def test_quarantining_what_is_being_rolled_back_says_that_it_stays_until_the_rollback_has_ended(
    team_with: Any,
) -> None:
    async with team_with(**PLAIN) as team:
        await _goes_back(team)
        said = await team.says("bo", Quarantine("shop", "v2", "holes"))
        assert (
            "It is live in production and stays there until shop-2, the rollback "
            "under way, has taken it away."
        ) in said
        assert await team.said("way_back_lost") == []


async def test_what_was_verified_and_is_put_back_is_verified_though_it_was_quarantined_meanwhile(
    team_with: Any,
) -> None:
    async with team_with(**PLAIN) as team:
        await _goes_back(team)
        await team.says("bo", Quarantine("shop", "v1", "holes"))
        team.ci.ends.clear()
        await team.passes(5 * MINUTE)
        assert (await team.deployment("shop-2")).state is State.VERIFIED
        assert (
            "v1 is *quarantined*: holes. It stays live until another version is deployed"
            in await team.says("bo", Status())
        )
        await team.says("bo", Unquarantine("shop", "v1", "fine"))
        async with team.context.store.reading() as reader:
            live = await reader.live("shop", "production")
        assert (live.version, live.accepted, live.verified_at is not None) == ("v1", "", True)


async def test_who_would_have_gone_back_to_what_a_rollback_elsewhere_quarantines_is_told(
    team_with: Any,
) -> None:
    async with team_with(**PLAIN) as team:
        for version, minutes in (("v2", 25), ("v3", 5)):
            await team.says("ana", Deploy("shop", "production", version))
            await team.passes(minutes * MINUTE)
        assert (await team.card("shop-2")).rollback.version == "v2"
        team.ci.ends["deploy"] = RunState.FAILED
        await team.says("ana", Deploy("shop", "staging", "v2"))
        await team.passes(2 * MINUTE)
        await team.rolls_back("bo", RollBack("shop", "staging", reason="it loses carts"))
        await team.passes(2 * MINUTE)
        assert (await team.deployment("shop-3")).state is State.ROLLED_BACK
        (told,) = await team.said("way_back_lost")
        assert told.startswith(
            "<@UBO> put *v2* in quarantine, which *shop v3 → production* would have gone back to."
        )
        assert "A rollback leads to v1 now." in told


async def test_the_lead_of_what_is_being_rolled_back_already_is_not_called_when_a_rollback_elsewhere_quarantines_it(
    team_with: Any,
) -> None:
    async with team_with(**PLAIN) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(5 * MINUTE)
        team.ci.ends["deploy"] = RunState.FAILED
        await team.says("ana", Deploy("shop", "staging", "v2"))
        await team.passes(2 * MINUTE)
        team.ci.refuses["find shop-3"] = IntegrationError("no answer", vendor="the CI")
        await team.rolls_back("bo", RollBack("shop", "production", reason="errors"))
        await team.rolls_back("bo", RollBack("shop", "staging", reason="it failed"))
        await team.passes(3 * MINUTE)
        assert [(await team.deployment(each)).state for each in ("shop-1", "shop-2")] == [
            State.ROLLING_BACK,
            State.ROLLED_BACK,
        ]
        assert await team.said("quarantined") == []


async def test_a_verified_version_that_is_quarantined_and_said_to_be_live_keeps_its_proof(
    team_with: Any,
) -> None:
    async with team_with(**PLAIN) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(5 * MINUTE)
        team.ci.ends["rollback"] = RunState.FAILED
        await team.rolls_back("bo", RollBack("shop", "production", reason="errors"))
        await team.passes(5 * MINUTE)
        await team.says("bo", Quarantine("shop", "v1", "holes"))
        assert (
            "live"
            in (await team.says_live("bo", SayLive("shop", "production", "v1", "by hand")))[1]
        )
        async with team.database.store.reading() as reader:
            live = await reader.live("shop", "production")
        assert live.verified_at is not None


async def test_a_rollback_of_what_a_rollback_has_put_back_says_so_and_what_helps_where_it_is_unclear(
    team_with: Any,
) -> None:
    async with team_with(**{**PLAIN, "lock_after_rollback": False}) as team:
        team.ci.ends["deploy"] = RunState.RUNNING
        team.ci.deaf = True
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(3 * MINUTE)
        await team.rolls_back("bo", RollBack("shop", "production", reason="errors"))
        await team.passes(5 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.ROLLED_BACK
        for ref in ("", "v1"):
            said = await team.says("bo", RollBack("shop", "production", ref=ref, reason="again"))
            assert said.startswith(
                "shop v2 → production is rolled back already: shop-2 has put v1 back. It is "
                "unclear what runs: a run"
            )
            assert (
                "if it hangs, end it at the CI provider. Say what is live: /deploy live shop "
                "production is REF because TEXT."
            ) in said
        assert "if it hangs, end it at the CI provider" in await team.says("bo", Status())
