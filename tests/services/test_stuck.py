"""A runbook that cannot go on is never stuck in silence: the channel is told what is not looked at
any more, and what to do.
"""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.catalog import AutomaticRollback
from bot.domain.commands import Deploy, RollBack
from bot.domain.live import Live
from bot.domain.rollout import RunState
from bot.ports.engine import RunRecord
from bot.services.stuck import stuck
from tests.services.conftest import COMMITS, MINUTE, PEOPLE

ALONE: dict[str, Any] = {
    "gates": (), "checklist": (), "approvals": (), "after": "",
    "strategy": "canary", "automatic_rollback": AutomaticRollback.OFF,
}  # fmt: skip


@pytest.mark.case("reliability-5")
async def test_what_looks_at_the_numbers_beside_a_run_and_cannot_go_on_is_told_in_the_channel(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(3 * MINUTE)
        team.ci.ends["deploy"] = RunState.RUNNING
        await team.passes(9 * MINUTE)
        team.numbers.breaks = ValueError("odd number")
        await team.passes(10 * MINUTE)
        assert [run.name for run, _ in team.blocked] == ["observe"]
        for run, why in team.blocked:
            await stuck(team.context, run, why)
        (told,) = await team.said("stuck")
        assert told.startswith(
            "The numbers of *shop v2 → production* are looked at no more beside its run since"
        )
        assert "odd number" in told
        assert "<@UBO> can roll it back" in told
        assert "stuck" in await team.said_to("channel")
        assert "stuck" in await team.audited("shop-1")


@pytest.mark.case("reliability-5")
async def test_what_looks_at_what_serves_while_it_goes_back_and_cannot_go_on_is_told_in_the_channel(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(3 * MINUTE)
        team.ci.ends["rollback"] = RunState.RUNNING
        await team.says("bo", RollBack(deployment="shop-1"))
        team.numbers.breaks = ValueError("odd number")
        await team.passes(10 * MINUTE)
        assert [run.name for run, _ in team.blocked] == ["observe_back"]
        for run, why in team.blocked:
            await stuck(team.context, run, why)
        (told,) = await team.said("stuck")
        assert told.startswith(
            "What serves in shop in production until the rollback to *v1* has ended "
            "is looked at no more since"
        )
        assert "The rollback goes on" in told


@pytest.mark.case("reliability-5")
async def test_a_run_that_was_given_up_and_is_followed_no_more_is_told_with_what_to_do(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        team.ci.deaf = True
        team.ci.ends["deploy"] = RunState.RUNNING
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(2 * MINUTE)
        await team.says("bo", RollBack(deployment="shop-1"))
        await team.passes(MINUTE)
        async with team.database.store.reading() as reader:
            (stray,) = await reader.strays("shop")
        await stuck(
            team.context, RunRecord("chase", "chase", 1, ("shop", stray.run), 0), "odd answer"
        )
        (told,) = await team.said("stuck")
        assert (
            "The run of *shop v2 → production* that was cut off is followed no more since" in told
        )
        assert "/deploy live shop production is REF because TEXT" in told


@pytest.mark.case("reliability-5")
async def test_a_place_that_is_looked_at_no_more_is_told_in_the_channel_of_its_service(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        async with team.database.store.transaction() as tx:
            await tx.set_live(
                Live(
                    "shop", "production", COMMITS["v2"], "v2", team.context.now(), "", PEOPLE["ana"]
                )
            )
        await stuck(
            team.context,
            RunRecord("unseen", "unseen", 1, ("shop", "production", "", [COMMITS["v1"]]), 0),
            "odd answer",
        )
        (message,) = [each for each in await team.outbox() if each.template == "stuck"]
        assert (message.to, message.channel) == ("channel", "C1")
        (told,) = await team.said("stuck")
        assert told.startswith(
            "Whether another version than *v2* still gets requests in shop in production "
            "is looked at no more since"
        )
