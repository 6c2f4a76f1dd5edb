"""What has become of a rollback, who is called by whom, and what a retrospective and a summary
count are said as they were.
"""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.catalog import AutomaticRollback
from bot.domain.commands import (
    Cancel,
    Deploy,
    HandOver,
    History,
    Proceed,
    RollBack,
    SayLive,
    TakeOver,
)
from bot.domain.deployment import State
from bot.domain.health import Observed
from bot.domain.people import Person
from bot.domain.rollout import RunState
from bot.services import timely
from bot.services.summaries import facts_of_summary
from tests.services.conftest import BAD, GOOD, MINUTE
from tests.services.test_hanging import ALONE, TYPED, gives_up, hangs, rolls_back

LITTLE = Observed(0, 3, requests=3)


@pytest.mark.case("card-and-people-12")
async def test_cancelling_a_rollback_says_what_it_put_back_and_never_that_what_is_live_was_replaced(
    team_with: Any,
) -> None:
    async with team_with(**ALONE, lock_after_rollback=False) as team:
        await rolls_back(team, RunState.SUCCEEDED)
        await team.passes(MINUTE)
        said = await team.says("ana", Cancel("shop-2"))
        assert said == (
            "shop-2, the rollback of shop-1, has put v1 back already; there is nothing to "
            "cancel. v1 is live there now. "
            "To put another version there: /deploy shop REF to production."
        )
        team.numbers.new = GOOD
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes(4 * MINUTE)
        assert "v3 is live there now." in await team.says("ana", Cancel("shop-2"))


@pytest.mark.case("card-and-people-12")
async def test_cancelling_a_rollback_that_failed_or_is_late_says_that(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        await rolls_back(team)
        assert (
            "goes on. Once it takes longer than it should, the channel is told; then <@UBO>, "
            "its lead, can give it up: /rollback shop"
        ) in await team.says("ana", Cancel("shop-2"))
        await team.passes(12 * MINUTE)
        assert "shop-2, the rollback of shop-1, takes longer than it should." in await team.says(
            "ana", Cancel("shop-2")
        )
        await gives_up(team)
        assert await team.says("ana", Cancel("shop-2")) == (
            "shop-2, the rollback of shop-1, has failed already; there is nothing to cancel. What "
            "can be done now is on the card of shop-1."
        )


async def rolls_out_bad(team: Any) -> None:
    await team.says("ana", Deploy("shop", "production", "v2"))
    team.numbers.new = BAD
    await team.passes(5 * MINUTE)


async def fails_to_go_back(team: Any) -> None:
    await rolls_back(team, RunState.FAILED)
    await team.passes(2 * MINUTE)


@pytest.mark.parametrize("alarm", [rolls_out_bad, hangs, fails_to_go_back])
async def test_whoever_is_handed_the_lead_while_an_alarm_waits_is_called_by_name_in_the_channel(
    team_with: Any, alarm: Any
) -> None:
    async with team_with(**ALONE) as team:
        await alarm(team)
        await team.says("bo", HandOver("shop-1", "UCY"))
        (told,) = [message for message in await team.outbox() if message.template == "lead_changed"]
        assert told.to == "channel"
        said = (
            "<@UCY>, you lead *shop v2 → production* now, before it was <@UBO> (changed by "
            "<@UBO>). An alarm about it waits"
        )
        assert team.reads(told).startswith(said)
        alarms = [
            each
            for each in await team.outbox()
            if each.template in {"degraded", "rollback_hangs", "failed"}
        ]
        now = [await timely.still_true(team.context, each) for each in alarms]
        assert {each.facts["lead"] for each in now if each is not None} == {"T1/UCY"}
        if alarm is hangs:
            assert "lead <@UCY>" in await team.shown("shop-1")


async def test_whoever_takes_the_lead_over_knows_of_it_and_one_without_an_alarm_calls_nobody(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(5 * MINUTE)
        await team.says("bo", HandOver("shop-1", "UCY"))
        team.numbers.new = BAD
        await team.passes(5 * MINUTE)
        team.rota.person = Person("T1", "UDI")
        await team.says("di", TakeOver("shop-1", "cy sleeps"))
        assert [
            message.to for message in await team.outbox() if message.template == "lead_changed"
        ] == ["thread", "thread"]


async def test_a_card_that_rolls_back_names_its_lead(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        await rolls_back(team)
        assert "ROLLING BACK to v1 by <@UBO>, its lead" in await team.shown("shop-1")


async def test_the_history_credits_whoever_brought_the_version_back_and_not_who_failed_to(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await fails_to_go_back(team)
        team.ci.ends.clear()
        await team.says("bo", HandOver("shop-1", "UCY"))
        await team.rolls_back("cy", TYPED)
        await team.passes(2 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.ROLLED_BACK
        assert "*v2* · rolled back by <@UCY>" in await team.says(
            "ana", History("shop", "production")
        )


async def test_a_retrospective_tells_one_finding_once_and_no_recovery_where_the_next_step_had_too_few_numbers(
    team_with: Any,
) -> None:
    async with team_with(
        **{**ALONE, "strategy": "canary", "automatic_rollback": AutomaticRollback.OFF}
    ) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        for errors in (100, 160, 260):
            team.numbers.new = Observed(errors, 1000, requests=1000)
            await team.passes(2 * MINUTE)
        await team.says("bo", Proceed("shop-1", "known"))
        team.numbers.new = LITTLE
        await team.passes(4 * MINUTE)
        assert "recovered" not in await team.audited("shop-1")
        await team.says("bo", RollBack(deployment="shop-1", reason="carts are lost"))
        await team.passes(2 * MINUTE)
        (said,) = await team.said("retrospective")
        (line,) = [line for line in said.splitlines() if "found degraded at canary 5 %" in line]
        assert "(3 times until " in line
        assert "; at last: errors 26" in line


async def test_a_summary_counts_the_rollout_and_not_the_time_until_somebodys_word(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(5 * MINUTE)
        team.ci.ends["rollback"] = RunState.FAILED
        await team.rolls_back("bo", RollBack("shop", "production", reason="errors"))
        await team.passes(3 * MINUTE)
        await team.says_live("bo", SayLive("shop", "production", "v2", "looked"), is_gone=False)
        deployment = await team.deployment("shop-1")
        assert deployment.state is State.WATCHING
        async with team.database.store.reading() as reader:
            facts = await facts_of_summary(reader, deployment)
            (step,) = await reader.steps("shop-1")
        assert step.finished_at < deployment.landed_at
        assert facts["landed_at"] == step.finished_at.isoformat()
        assert facts["seconds"] == (step.finished_at - deployment.started_at).total_seconds()
