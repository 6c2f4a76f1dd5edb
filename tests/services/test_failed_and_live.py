"""What failed, or could not be rolled back, and is live all the same, because
somebody has looked and said so.
"""

from __future__ import annotations

from typing import Any

from bot.domain.actions import Action
from bot.domain.catalog import AutomaticRollback
from bot.domain.commands import Deploy, RollBack, SayLive
from bot.domain.deployment import State
from bot.domain.rollout import RunState
from tests.services.conftest import MINUTE

PLAIN: dict[str, Any] = {
    "gates": (), "checklist": (), "approvals": (),
    "after": "", "strategy": "rolling", "watch": 20 * MINUTE,
    "automatic_rollback": AutomaticRollback.OFF,
}  # fmt: skip


async def _could_not_go_back(team: Any) -> None:
    """Have v2 end its watch, and its rollback fail."""
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(25 * MINUTE)
    team.ci.ends["rollback"] = RunState.FAILED
    await team.rolls_back("bo", RollBack("shop", "production", reason="errors"))
    await team.passes(5 * MINUTE)
    assert (await team.deployment("shop-1")).state is State.FAILED


async def test_the_card_of_what_could_not_be_rolled_back_says_on_whose_word_it_is_live_all_the_same(
    team_with: Any,
) -> None:
    async with team_with(**PLAIN) as team:
        await _could_not_go_back(team)
        assert "production is unclear until" in await team.shown("shop-1")
        await team.says_live("bo", SayLive("shop", "production", "v2", "I looked at it"))
        await team.passes(MINUTE)
        shown = await team.shown("shop-1")
        assert "unclear" not in shown
        assert "<@UBO> said" in shown
        assert "that v2 is live all the same" in shown
        assert Action.ROLL_BACK in (await team.card("shop-1")).actions


async def test_what_comes_to_its_end_after_a_failure_makes_it_clear_again_what_runs(
    team_with: Any,
) -> None:
    async with team_with(**PLAIN) as team:
        team.ci.ends["deploy"] = RunState.FAILED
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(5 * MINUTE)
        team.ci.ends.clear()
        async with team.database.store.reading() as reader:
            assert await reader.doubt("shop", "production") is not None
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes(5 * MINUTE)
        async with team.database.store.reading() as reader:
            assert (await team.deployment("shop-2")).state is State.WATCHING
            assert await reader.doubt("shop", "production") is None
