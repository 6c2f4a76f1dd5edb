"""What stands still, what is worse and what no button goes back from: the card, the alarm, the
status and the answers say one truth.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.catalog import ApprovalRule
from bot.domain.commands import (
    Approve,
    AskLead,
    ConfirmPlan,
    Deploy,
    History,
    Lock,
    Proceed,
    Quarantine,
    RollBack,
    Status,
    Unlock,
)
from bot.domain.deployment import State
from bot.slack import speech
from bot.slack.card_buttons import button_label, rollback_truth
from tests.services import conftest
from tests.services.conftest import BAD, COMMITS, MINUTE, Team, pressed, readable, text_of
from tests.services.test_parted import HOTFIX, LIVE, parted
from tests.services.test_plans import MIGRATES, ROLLBACK_GATE

LIFTS = "Anyone with the role release manager can lift it: /deploy unlock shop production"


async def alarm(team: Team, template: str) -> str:
    """Read the newest alarm as it is drawn with its card."""
    message = [message for message in await team.outbox() if message.template == template][-1]
    drawn = speech.message(
        message, team.words, card_channel="C1", card=await team.card(message.deployment)
    )
    return readable("\n".join(text_of(drawn.blocks)))


@pytest.mark.case("card-and-people-7")
async def test_what_stands_still_says_at_what_with_which_numbers_by_whom_and_who_can_lift_it(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2()
    await team.says("bo", Lock("shop", "production", "fire"))
    await team.passes(15 * MINUTE)
    card = await team.shown(v2)
    assert (
        "stands still before canary 100 % · step 2 of 2: shop in production is locked: fire" in card
    )
    assert LIFTS in card
    assert "At canary 5 %, " in card
    assert "errors 0.2 % (baseline 0.2 %)" in card
    assert f"Locked by <@UBO> 2026-11-21 02:11 UTC. {LIFTS}. It goes on by itself" in await alarm(
        team, "stands_still"
    )
    assert "<@UBO> can roll it back meanwhile" in await alarm(team, "stands_still")
    status = await team.says("ana", Status())
    assert "▶ v2 (shop-2) stands still at 5 %: shop in production is locked: fire" in status
    assert "rolling out" not in status


@pytest.mark.case("card-and-people-3")
async def test_a_step_that_ended_without_proof_does_not_read_as_one_that_was_proved(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2()
    team.numbers.new = None
    await team.passes(8 * MINUTE)
    await team.passes(4 * MINUTE)
    await team.says("bo", Proceed(v2, "we look at the shop ourselves"))
    await team.passes(2 * MINUTE)
    assert "5 %> done, no data" in await team.shown(v2)


@pytest.mark.case("card-and-people-10")
async def test_the_confirmed_plan_of_a_migration_is_shown_wherever_somebody_would_go_back(
    team_with: Any,
) -> None:
    async with team_with(**{**ROLLBACK_GATE, "approvals": (), "strategy": "canary"}) as team:
        team.ci.changes = MIGRATES
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes()
        await team.says("bo", ConfirmPlan("shop-1", "drop the column by hand"))
        await team.passes(MINUTE)
        assert (await team.deployment("shop-1")).state is State.ROLLING_OUT
        team.numbers.new = BAD
        await team.passes(4 * MINUTE)
        word = (
            "or go back by that plan and say so: /deploy live shop production is REF because TEXT"
        )
        plan = (
            "drop the column by hand. Its lead decides; whoever has gone back by it says so: "
            "/deploy live shop production is REF"
        )
        stopped = (
            "drop the column by hand. Its lead can stop it where it is "
            f"(/deploy cancel shop-1), {word}"
        )
        assert f"Its plan, confirmed by the lead: {stopped}" in await team.shown("shop-1")
        assert f"Its plan, confirmed by <@UBO>: {stopped}" in await alarm(team, "degraded")
        assert f"Its plan, confirmed by <@UBO>: {plan}" in await team.says(
            "bo", RollBack("shop", "production", reason="errors")
        )


@pytest.mark.case("card-and-people-4")
async def test_a_lead_who_is_asked_to_look_reads_what_there_is_to_see(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    team.numbers.new = BAD
    await team.passes(4 * MINUTE)
    await team.says("cy", AskLead(v2))
    asked = await alarm(team, "ask_lead")
    assert "*DEGRADED* at 5 %" in asked
    assert "errors 6.0 % (baseline 0.2 %, 30 times" in asked


@pytest.mark.case("card-and-people-12")
async def test_a_version_that_was_quarantined_meanwhile_is_refused_by_its_name(swift: Team) -> None:
    for version in ("v2", "v3"):
        await swift.says("ana", Deploy("shop", "production", version))
        await swift.passes(4 * MINUTE)
    await swift.says("bo", RollBack("shop", "production", "v1", reason="errors"))
    await swift.says("bo", Quarantine("shop", "v1", "old"))
    said = await swift.says("bo", RollBack(deployment="shop-2", ref=COMMITS["v1"], reason="errors"))
    assert (
        said
        == "v1 is quarantined, so nothing goes back to it: old (<@UBO>). Others that ended their watch here, "
        "as far as no migration lies between: v2."
    )


@pytest.mark.case("card-and-people-12")
async def test_what_waits_ends_when_its_version_has_become_live_meanwhile(team_with: Any) -> None:
    async with team_with(
        gates=(),
        checklist=(),
        approvals=(ApprovalRule("release_manager"),),
        after="",
        strategy="rolling",
        watch=MINUTE,
    ) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes()
        await team.says("bo", Approve("shop-1"))
        await team.passes(4 * MINUTE)
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes()
        await team.says("bo", Approve("shop-2"))
        await team.passes(30 * MINUTE)
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.says("bo", RollBack(deployment="shop-2", reason="errors"))
        await team.passes(4 * MINUTE)
        assert (await team.deployment("shop-3")).state is State.IMPOSSIBLE
        assert (
            "The rollback of shop-2 is putting v2 back in production already, as shop-4."
            in await team.shown("shop-3")
        )


async def test_a_gate_without_a_version_to_go_back_to_says_which_one_there_would_be(
    team_with: Any,
) -> None:
    async with team_with(**ROLLBACK_GATE) as team:
        await team.says("bo", Quarantine("shop", "v1", "old"))
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes()
        assert (
            "v1 was verified here and is quarantined, and there is no other version"
            in await team.shown("shop-1")
        )


@pytest.mark.case("card-and-people-14")
async def test_files_are_counted_for_what_comes_and_for_what_is_taken_away(swift: Team) -> None:
    await parted(
        swift,
        there=replace(HOTFIX, files=("cart.py",)),
        back=replace(LIVE, files=("a.py", "b.py", "c.py")),
    )
    swift.rota.person = None
    await swift.says("ana", Deploy("shop", "production", "v3"))
    await swift.passes()
    says = "1 new commit by 1 person in 1 file, and 6 commits by 2 people in 3 files are taken away"
    assert says in await swift.shown("shop-2")


@pytest.mark.case("card-and-people-10")
async def test_the_dialog_of_a_rollback_says_how_much_has_the_version_and_what_becomes_of_it(
    team: Team,
) -> None:
    await team.rolls_out_v2()
    command = RollBack("shop", "production", reason="errors")
    said = await team.says("bo", command)
    assert "back from v2 to *v1*? v2 has 5 % of the traffic so far." in said
    assert "The environment will be locked." in said
    team.numbers.new = BAD
    await team.passes(4 * MINUTE)
    assert "The environment will be locked, and v2 quarantined." in await team.says("bo", command)
    assert "The environment will be locked, and v2 quarantined." in rollback_truth(
        await team.card("shop-2"), team.words
    )


async def test_a_reason_that_was_typed_before_a_click_without_one_is_not_lost(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    await team.says("bo", RollBack("shop", "production", reason="carts are lost"), key="typed")
    async with team.database.store.reading() as reader:
        dialog = await reader.kept("typed")
    await team.says("bo", RollBack(deployment=v2))
    assert dialog is not None
    assert "carts are lost" in await team.says("bo", pressed(dialog.offers[0]))
    await team.passes(MINUTE)
    assert "v2 was rolled back: carts are lost" in await team.shown(v2)


@pytest.mark.case("ci-and-refs-8")
async def test_a_commit_whose_name_was_that_of_another_is_told_apart_from_it_in_every_sentence(
    swift: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    monkeypatch.setitem(conftest.COMMITS, "v2", "d" * 40)
    monkeypatch.setitem(conftest.COMMITS, "d" * 40, "d" * 40)
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    assert "*shop v2@ddddddd → production* · live" in await swift.shown("shop-2")
    assert (
        button_label(Action.ROLL_BACK, await swift.card("shop-2"), swift.words)
        == "Roll back to v2@bbbbbbb"
    )
    assert "v2@ddddddd live since" in await swift.says("ana", Status("shop"))
    runs = [run for run in swift.ci.runs.values() if run.commit == "d" * 40]
    assert {run.inputs["version"] for run in runs} == {"v2"}, "the pipeline knows the tag"
    refused = await swift.says("bo", Quarantine("shop", "v2", "carts are lost"))
    assert refused == (
        "v2 was the name of 2 commits here, dddddddddd and bbbbbbbbbb: it has moved. Name "
        "the commit that you mean."
    )
    assert await swift.says("ana", Deploy("shop", "production", "v2@ddddddd")) == (
        "v2@ddddddd is live in production already, so there is nothing to deploy."
    )
    assert "*v2@ddddddd* of shop is quarantined" in await swift.says(
        "bo", Quarantine("shop", "v2@ddddddd", "carts are lost")
    )
    await swift.says("bo", RollBack(deployment="shop-2", reason="carts"))
    await swift.passes(2 * MINUTE)
    assert "v2@ddddddd" in " ".join(await swift.said("rolled_back"))
    assert "v2@ddddddd" in " ".join(await swift.said("rolling_back"))
    assert "v2@ddddddd" in await swift.says("ana", History("shop"))


async def test_what_has_not_begun_stands_still_before_its_first_step_and_has_no_traffic(
    team: Team,
) -> None:
    v2 = await team.asks_for_v2()
    await team.clears(v2)
    await team.says("bo", Lock("shop", "production", "fire"))
    async with team.database.store.transaction() as tx:
        # the lock comes between the go and the first start
        await tx.move(v2, State.ROLLING_OUT, at=team.context.now())
    await team.passes(MINUTE)
    assert (
        "stands still before its first step: shop in production is locked: fire"
        in await team.shown(v2)
    )
    assert (
        "▶ v2 (shop-2) stands still before its first step: shop in production"
        in await team.says("ana", Status())
    )
    assert await team.says("bo", RollBack("shop", "production", reason="errors")) == (
        "Nothing of shop v2 → production has been started yet, so it is "
        "cancelled: /deploy cancel shop-2."
    )


async def test_a_standstill_is_said_where_people_are_called_and_in_its_thread(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    await team.says("bo", Lock("shop", "production", "a sale"))
    await team.passes(20 * MINUTE)
    said = {each.template: each.to for each in await team.outbox() if each.deployment == v2}
    assert (said["stands_still"], said["standstill"]) == ("channel", "thread")


async def test_the_timeline_tells_what_stood_still_before_which_step_and_why(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    await team.says("bo", Lock("shop", "production", "a sale"))
    await team.passes(20 * MINUTE)
    await team.says("bo", Unlock("shop", "production"))
    await team.passes(20 * MINUTE)
    async with team.database.store.reading() as reader:
        told = [
            (each.facts["step"], each.facts["why"])
            for each in await reader.entries(v2)
            if each.action == "stood still"
        ]
    [(step, why)] = told
    assert step == "canary-100"
    assert why.endswith(": a sale"), why
