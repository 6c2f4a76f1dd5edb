"""The lead and the way back: handing over, asking, taking over, rolling back, summing up."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.catalog import ProviderChoice
from bot.domain.changes import Changes
from bot.domain.commands import (
    AskLead,
    Cancel,
    Deploy,
    DeployFirst,
    HandOver,
    RollBack,
    Status,
    TakeOver,
    Unlock,
)
from bot.domain.deployment import State
from bot.domain.outcomes import Went
from bot.domain.people import Person
from bot.domain.rollback import Passage, Way
from bot.domain.rollout import RunState
from bot.services import summaries
from bot.services.rollout_starts import start
from tests.services.conftest import PEOPLE

Team = Any
"""The fixture ``team``."""
MINUTE = timedelta(minutes=1)
CY = Person("T1", "UCY")


async def test_the_lead_is_handed_over_by_the_lead_or_a_release_manager(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    assert (
        "Only <@UBO>, the deployment lead, or people with the role release manager can hand "
        "over the lead of shop-2."
    ) in await team.says("cy", HandOver(v2, "UANA"))
    assert "<@UCY> leads *shop v2 → production* now and alone can roll it back." in await team.says(
        "bo", HandOver(v2, "UCY"), key="a"
    )
    assert "You lead *shop v2 → production* now." in await team.says("di", HandOver(v2, "UDI"))
    told = await team.said("lead_changed")
    assert told == [
        "<@UCY> leads this now, before it was <@UBO> (changed by <@UBO>).",
        "<@UDI> took over the lead from <@UCY>.",
    ]


async def test_whoever_is_on_call_takes_over_at_once(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    assert (
        "Only the person on call for shop can take over. <@UBO> is on call now."
        in await team.says("cy", TakeOver(v2, "now"))
    )
    team.rota.person = None
    assert "Nobody is on call now." in await team.says("cy", TakeOver(v2, "now"))
    team.rota.person = CY
    assert "<@UBO> led it before and sees this in the thread." in await team.says(
        "cy", TakeOver(v2, "bo is on a plane")
    )
    assert "<@UCY> took over the lead from <@UBO>. Reason: bo is on a plane" in await team.said(
        "lead_changed"
    )


async def test_the_lead_is_asked_once_by_each_person(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    assert (
        await team.says("cy", AskLead(v2))
        == "<@UBO> has been asked to look at *shop v2 → production*."
    )
    assert "nothing more was sent" in await team.says("cy", AskLead(v2))
    assert await team.said("ask_lead") == [
        (
            "<@UCY> asks you to look at *shop v2 → production* (shop-2). You lead "
            "it; its card is in <#C1>."
        )
    ]


@pytest.mark.case("adoption-3")
async def test_without_a_schedule_whoever_asks_is_the_lead(team: Team) -> None:
    team.context.catalog.services["shop"] = replace(
        team.context.catalog.services["shop"], on_call=ProviderChoice("none")
    )
    team.rota.person = None
    v2 = await team.asks_for_v2()
    assert (
        await team.says("cy", AskLead(v2))
        == "<@UANA> has been asked to look at *shop v2 → production*."
    )


async def test_without_a_lead_nobody_is_asked_and_nobody_rolls_back(team: Team) -> None:
    team.rota.person = None
    v2 = await team.asks_for_v2()
    assert await team.says("cy", AskLead(v2)) == "shop v2 → production has no lead yet."
    assert "has no deployment lead yet. /deploy lead shop-2 @user names one." in await team.says(
        "bo", RollBack(deployment=v2)
    )


async def test_a_lead_of_what_is_over_has_nothing_to_decide(team: Team) -> None:
    v2 = await team.asks_for_v2()
    await team.says("ana", Cancel(v2))
    assert "its lead has nothing left to decide." in await team.says("bo", HandOver(v2, "UCY"))


async def test_one_click_of_the_lead_goes_back_while_it_runs(team: Team) -> None:
    team.ci.ends["deploy"] = RunState.SUCCEEDED
    v2 = await team.rolls_out_v2()
    assert "Only <@UBO>, the deployment lead, can roll this back." in await team.says(
        "ana", RollBack(deployment=v2)
    )
    said = await team.says("bo", RollBack(deployment=v2, reason="carts are lost"), key="click")
    assert said == "Rolling shop in production back to *v1*. The card shows how it goes."
    assert await team.says("bo", RollBack(deployment=v2), key="click") == said, (
        "the same click, delivered twice"
    )
    assert await team.says("bo", RollBack(deployment=v2)) == "", "a second click is quiet"
    await team.passes(MINUTE)
    assert "rolled back to v1 by <@UBO>" in await team.shown(v2)
    assert "Reason: carts are lost" in (await team.said("rolled_back"))[0]
    assert "*Retrospective, drafted* for <@UANA>" in (await team.said("retrospective"))[0]
    assert "is locked: v2 was rolled back: carts are lost" in await team.shown(v2)
    assert "is unlocked. It was locked by <@UBO>" in await team.says("bo", Unlock(deployment=v2))
    assert "is asked for as shop-4" in await team.says("ana", Deploy("shop", "production", "v2")), (
        "its numbers were good: nothing says that it must not come again"
    )


@pytest.mark.parametrize("trouble", ["unanswered", "refused"])
async def test_a_lost_run_whose_next_start_fails_is_started_all_the_same(
    team: Team, trouble: str
) -> None:
    v2 = await team.asks_for_v2()
    team.ci.lost.add(f"{v2}:canary-5")
    getattr(team.ci, trouble).add(f"{v2}:canary-5:2")
    await team.clears(v2)
    await team.passes(30 * MINUTE)
    assert "live" in await team.shown(v2)
    assert await team.said("stuck") == []
    begun = [each.facts for each in await team.outbox() if each.template == "step_started"]
    assert [each["again"] for each in begun if each["percent"] == 5] == [False, True]
    assert "5 % is being deployed again, since its run was lost" in " ".join(
        await team.said("step_started")
    )


async def test_a_lost_rollback_whose_next_start_fails_comes_to_its_end(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    team.ci.lost.add("shop-3:rollback")
    team.ci.refused.add("shop-3:rollback:2")
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(30 * MINUTE)
    assert "rolled back to v1 by <@UBO>" in await team.shown(v2)


async def test_a_start_that_was_not_seen_to_its_end_before_the_click_is_stopped(team: Team) -> None:
    v2 = await team.asks_for_v2()
    team.ci.ends["deploy"] = RunState.RUNNING
    await team.clears(v2)
    await team.passes(MINUTE)
    async with team.database.store.transaction() as tx:
        # as after a kill between the start and its record
        await tx.save_steps(v2, [replace((await tx.steps(v2))[0], run="")])
    await team.says("bo", RollBack(deployment=v2))
    assert await start(team.context, v2, 0) is Went.OVER
    assert team.ci.cancelled == [f"{v2}:canary-5"]
    await team.passes(10 * MINUTE)
    assert "rolled back to v1 by <@UBO>" in await team.shown(v2)


async def test_a_run_that_is_under_way_is_stopped_before_the_way_back(team: Team) -> None:
    team.ci.ends["deploy"] = RunState.SUCCEEDED
    v2 = await team.asks_for_v2()
    team.ci.ends["deploy"] = RunState.RUNNING
    v2 = await _go(team, v2)
    assert "5 %> deploying" in await team.shown(v2)
    await team.rolls_back("bo", RollBack("shop", "production", reason="stop"))
    await team.passes(MINUTE)
    assert team.ci.cancelled == ["shop-2:canary-5"]
    assert (await team.deployment(v2)).state is State.ROLLED_BACK


async def _go(team: Team, v2: str) -> str:
    from bot.domain.commands import Acknowledge, Approve, Tick

    await team.says("bo", Acknowledge(v2))
    await team.says("cy", Tick(v2, ("support",)))
    await team.passes()
    await team.says("bo", Approve(v2))
    await team.passes(MINUTE)
    return v2


async def test_a_failed_smoke_test_goes_back_without_asking(team: Team) -> None:
    v2 = await team.asks_for_v2()
    team.ci.ends["smoke"] = RunState.FAILED
    await _go(team, v2)
    assert "the smoke test failed at 5 %: its run failed" in (await team.said("smoke_failed"))[0]
    team.ci.ends["smoke"] = RunState.SUCCEEDED
    await team.passes(2 * MINUTE)
    assert (await team.deployment(v2)).state in {State.ROLLED_BACK, State.FAILED}


async def test_a_lost_run_is_started_again_a_few_times_only(team: Team) -> None:
    v2 = await team.asks_for_v2()
    team.ci.ends["deploy"] = RunState.LOST
    await _go(team, v2)
    await team.passes(5 * MINUTE)
    assert [run for run in team.ci.runs if "canary" in run] == [
        "shop-2:canary-5",
        "shop-2:canary-5:2",
        "shop-2:canary-5:3",
    ]
    assert (await team.deployment(v2)).state is State.FAILED
    assert "<@UBO> can roll it back on the card." in (await team.said("failed"))[0]


async def test_what_can_be_gone_back_to_is_named(swift: Team) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    said = await swift.says("bo", RollBack("shop", "production", "v9", reason="x"))
    assert said == "v9 is not among the versions verified or accepted here. Those are: v1."
    assert "Which environment? /rollback shop ENVIRONMENT because TEXT." in await swift.says(
        "bo", RollBack("shop", reason="x")
    )
    assert "Rolling shop in production back to *v1*." in await swift.rolls_back(
        "bo", RollBack("shop", "production", "v1", reason="x")
    )


async def test_nothing_deployed_is_nothing_to_roll_back(team: Team) -> None:
    assert (
        "No deployment of ours brought what is live in shop production, so there "
        "is nothing to roll back."
    ) in await team.says("bo", RollBack("shop", "production", reason="x"))


async def test_only_the_newest_is_rolled_back(swift: Team) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    await swift.says("ana", Deploy("shop", "production", "v3"))
    await swift.passes(4 * MINUTE)
    said = await swift.says("bo", RollBack(deployment="shop-1", reason="x"))
    assert said == (
        "shop v2 → production was replaced and is not live any more. shop v3 → production is "
        "there now; roll back shop-2 instead."
    )


async def test_an_older_target_is_asked_about_migrations(swift: Team) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    swift.ci.changes = Changes(total=1, files=("migrations/7.sql",))
    async with swift.database.store.transaction() as tx:
        await tx.save_changes("shop-1", Changes(known=False))
        await tx.save_way_back("shop-1", Way("b" * 40, "a" * 40, Passage.UNKNOWN))
    assert "A database migration lies between (migrations/7.sql)." in await swift.says(
        "bo", RollBack("shop", "production", reason="x")
    )


async def test_what_nobody_can_compare_is_the_leads_decision_and_has_a_button_of_its_own(
    swift: Team,
) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    async with swift.database.store.transaction() as tx:
        await tx.save_changes("shop-1", Changes(known=False))
        await tx.save_way_back("shop-1", Way("b" * 40, "a" * 40, Passage.UNKNOWN))
    swift.ci.away = True
    said = await swift.says("bo", RollBack(deployment="shop-1"))
    assert said == (
        "Whether a database migration lies between v2 and v1 is not known: the two could not be "
        "compared. It is the lead's decision."
    )
    anyway = RollBack(deployment="shop-1", ref="a" * 40, although_unknown=True)
    assert "Rolling shop in production back to *v1*." in await swift.says("bo", anyway)


async def test_a_landed_deployment_is_summed_up_once_and_the_next_morning(team: Team) -> None:
    v2 = await team.rolls_out_v2(60 * MINUTE)
    assert await summaries.due(team.context) == (v2,)
    await summaries.after_deployment(team.context, v2)
    (summary,) = await team.said("summary")
    assert summary.startswith("*Summary* · *shop v2 → production*: verified")
    assert "1 commit by cy." in summary
    await summaries.morning(team.context, team.context.now())
    (morning,) = await team.said("morning_summary")
    assert morning.startswith("*The last 24 hours*: 2 deployments went live, none rolled back.")


async def test_whoever_deploys_to_staging_first_leads_that_where_there_is_no_schedule(
    team: Team,
) -> None:
    team.context.catalog.services["shop"] = replace(
        team.context.catalog.services["shop"], on_call=ProviderChoice("none")
    )
    team.rota.person = None
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(MINUTE)
    await team.says("cy", DeployFirst("shop-1"))
    assert (await team.deployment("shop-2")).lead == CY
    await team.passes(10 * MINUTE)
    assert (await team.deployment("shop-2")).state is State.VERIFIED


async def test_what_is_ready_and_has_no_lead_says_that_and_how_it_gets_one(swift: Team) -> None:
    swift.rota.person = None
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(5 * MINUTE)
    assert (await swift.deployment("shop-1")).state is State.GATED
    said = (
        "ready, but nobody leads it, and nobody was found on call: /deploy lead "
        "shop-1 @user names somebody"
    )
    assert said in await swift.shown("shop-1")
    assert "ready, but nobody leads it: /deploy lead shop-1 @user" in await swift.says(
        "ana", Status("shop")
    )
    await swift.says("bo", HandOver("shop-1", "UCY"))
    await swift.passes(10 * MINUTE)
    assert (await swift.deployment("shop-1")).state is State.VERIFIED


@pytest.mark.case("races-12")
async def test_nobody_takes_over_or_hands_over_what_was_replaced(swift: Team) -> None:
    for version in ("v2", "v3"):
        await swift.says("ana", Deploy("shop", "production", version))
        await swift.passes(10 * MINUTE)
    assert (await swift.deployment("shop-1")).state is State.VERIFIED
    gone = (
        "shop v2 → production was replaced and is not live any more; its lead "
        "has nothing left to decide."
    )
    swift.rota.person = CY
    assert await swift.says("cy", TakeOver("shop-1", "bo sleeps")) == gone
    assert await swift.says("bo", HandOver("shop-1", "UCY")) == gone
    assert "You lead" in await swift.says("cy", TakeOver("shop-2", "bo sleeps"))


@pytest.mark.case("races-12")
async def test_who_takes_over_what_is_being_rolled_back_hears_that_and_not_that_they_alone_can_roll_it_back(
    swift: Team,
) -> None:
    v2 = await swift.rolls_out_v2(2 * MINUTE)
    swift.ci.ends["rollback"] = RunState.RUNNING
    await swift.says("bo", RollBack(deployment=v2))
    await swift.passes(MINUTE)
    swift.rota.person = PEOPLE["cy"]
    said = await swift.says("cy", TakeOver(v2, "bo sleeps"))
    assert "now. It is being rolled back already." in said
    assert "alone can roll" not in said
    assert "now; it is being rolled back already." in await swift.says("cy", HandOver(v2, "UBO"))
