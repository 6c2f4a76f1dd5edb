"""What is said to people who ask for something that cannot be, and what
is told of what happened.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from bot.dispatch import use_cases
from bot.domain.actions import Action
from bot.domain.audit import Entry
from bot.domain.catalog import ApprovalRule
from bot.domain.commands import (
    Approve,
    Cancel,
    Check,
    Deploy,
    HandOver,
    Lock,
    Reject,
    RollBack,
    Status,
    StopCountdown,
    TakeOver,
    Watch,
)
from bot.domain.errors import NotAllowed
from bot.domain.health import Observed
from bot.domain.people import Person

Team = Any
"""The fixture ``team``."""
MINUTE = timedelta(minutes=1)
BO, CY = Person("T1", "UBO"), Person("T1", "UCY")
BAD = Observed(60, 1000, requests=1000)


async def test_nobody_becomes_the_lead_of_what_they_lead_already(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    assert (
        await team.says("bo", HandOver(v2, "UBO"))
        == "You lead shop v2 → production already; nothing was changed."
    )
    assert (
        await team.says("bo", TakeOver(v2, "now"))
        == "You lead shop v2 → production already; nothing was changed."
    )
    assert (
        await team.says("di", HandOver(v2, "UBO"))
        == "<@UBO> leads shop v2 → production already; nothing was changed."
    )
    assert await team.said("lead_changed") == []
    assert str((await team.deployment(v2)).lead) == "T1/UBO"


@pytest.mark.parametrize(
    ("count", "says"),
    [
        (1, "It needs 1 approval by somebody with the role release manager."),
        (2, "It needs 2 approvals by people with"),
    ],
)
async def test_what_is_needed_has_a_noun(team_with: Any, count: int, says: str) -> None:
    async with team_with(
        gates=(), checklist=(), approvals=(ApprovalRule("release_manager", count),)
    ) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes()
        assert says in await team.says("ana", Approve("shop-1"))
        assert says in await team.says("cy", Approve("shop-1"))


async def test_whoever_asked_for_it_is_told_to_cancel_instead_of_rejecting(team_with: Any) -> None:
    async with team_with(gates=(), checklist=()) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes()
        said = await team.says("ana", Reject("shop-1", "no"))
        assert said.endswith(
            "You can cancel it instead: on its card, or with /deploy cancel shop-1."
        )


async def test_where_a_deployment_stands_is_said_before_who_may_cancel_it(team: Team) -> None:
    v2 = await team.asks_for_v2()
    assert (
        "Only <@UBO>, the deployment lead, or <@UANA>, who asked for it, or "
        "people with the role release manager can cancel" in await team.says("cy", Cancel(v2))
    )
    await team.says("ana", Cancel(v2))
    assert (
        await team.says("cy", Cancel(v2))
        == "shop v2 → production was cancelled already; there is nothing to cancel."
    )


async def test_what_is_live_is_rolled_back_and_not_cancelled(swift: Team) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    says = (
        "shop v2 → production has been verified already. <@UBO>, its lead, can roll it back: "
        "on its card, or with /rollback shop production because TEXT."
    )
    assert await swift.says("ana", Cancel("shop-1")) == says
    assert await swift.says("cy", Cancel("shop-1")) == says
    await swift.says("ana", Deploy("shop", "production", "v3"))
    await swift.passes(4 * MINUTE)
    assert (
        await swift.says("ana", Cancel("shop-1"))
        == "shop v2 → production was replaced already; there is nothing to cancel."
    )


async def test_the_retrospective_tells_what_happened_and_not_what_was_refused(team: Team) -> None:
    v2 = await team.asks_for_v2()
    await team.says("cy", Approve(v2))
    await team.clears(v2)
    team.numbers.new = BAD
    await team.passes(3 * MINUTE)
    assert "Only <@UBO>" in await team.says("di", RollBack(deployment=v2))
    assert "Only <@UBO>" in await team.says("di", Watch(v2))
    await team.says("bo", RollBack(deployment=v2, reason="carts are lost"))
    await team.passes(MINUTE)
    (said,) = await team.said("retrospective")
    timeline = [
        line.partition(" UTC ")[2].partition(" (baseline")[0]
        for line in said.partition("*Timeline*\n")[2].splitlines()
    ]
    assert timeline == [
        "asked for by UANA", "v2 looked up: commit bbbbbbb",
        "UBO became the lead, being on call", "acknowledged by UBO, on call",
        "ticked by UCY: support briefed", "approved by UBO (release manager)",
        "ready and approved, the rollout began", "canary 5 % began",
        "smoke test of canary 5 % began", "found degraded at canary 5 %: errors 6.0 %",
        "countdown to the rollback began",
        "rollback asked for by UBO: carts are lost", "the version was quarantined with its rollback",
        "the version before was back",
    ]  # fmt: skip
    assert said.count("<@") == 1, "only the owner is notified"


@pytest.mark.case("structure-3")
async def test_a_retrospective_reaches_to_the_rollback_however_much_happened_before_and_says_what_it_leaves_out(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2()
    async with team.context.store.transaction() as tx:
        for number in range(250):
            await tx.audit(
                Entry(team.context.now(), BO, "tick", v2, facts={"keys": [f"item:{number}"]})
            )
            await tx.audit(Entry(team.context.now(), CY, "rollback", v2, outcome="refused"))
    await team.says("bo", RollBack(deployment=v2, reason="carts are lost"))
    await team.passes(MINUTE)
    (said,) = await team.said("retrospective")
    timeline = said.partition("*Timeline*\n")[2].splitlines()
    assert timeline[0].endswith("asked for by UANA")
    assert re.fullmatch(
        r"… 2\d\d entries left out here; gonogo audit export --deployment shop-2 has all",
        timeline[5],
    )
    assert timeline[-2].endswith("rollback asked for by UBO: carts are lost")
    assert timeline[-1].endswith("the version before was back")
    assert len(timeline) == 26


async def test_numbers_that_recover_and_fall_again_are_told_twice(team: Team) -> None:
    v2 = await team.asks_for_v2()
    await team.clears(v2)
    for new in (BAD, team.numbers.new, BAD):
        team.numbers.new = new
        await team.passes(3 * MINUTE)
    told = [
        action
        for action in await team.audited(v2)
        if action in {"degraded", "countdown", "recovered"}
    ]
    assert told == ["degraded", "countdown", "recovered", "degraded", "countdown"]


async def test_people_are_called_what_the_workspace_calls_them(team: Team) -> None:
    assert await team.context.people.name(Person("T1", "UBO")) == "bo"


async def test_people_in_a_reason_are_called_by_their_names_and_notified_of_nothing(
    team: Team,
) -> None:
    said = await team.says("bo", Lock("shop", "production", "ask @UANA or @USTRANGE, @ana, @UANAS"))
    assert "is locked: ask @ana or @USTRANGE, @ana, @UANAS" in said


async def test_a_quarantine_names_the_numbers_that_were_known(team: Team) -> None:
    v2 = await team.asks_for_v2()
    await team.clears(v2)
    team.numbers.new = BAD
    await team.passes(3 * MINUTE)
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(MINUTE)
    said = await team.says("ana", Check("shop", "production", "v2"))
    why = (
        r"its rollback from production began \d{4}-\d\d-\d\d \d\d:\d\d UTC: errors 6.0 % "
        r"\(baseline 0.2 %[^()]*\)\. Deploy"
    )
    assert re.search(f"is quarantined: {why}", said)


async def test_who_is_not_on_call_is_told_so_before_a_dialog_asks_why(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    with pytest.raises(NotAllowed) as refused:
        await use_cases.may_ask(team.context, Action.TAKE_OVER, v2, CY)
    assert str(refused.value) == (
        "Only the person on call for shop can take over. <@UBO> is on call now. "
        "<@UBO>, the deployment lead, or people with the role release manager can hand it over: "
        "/deploy lead shop-2 @user."
    )
    assert str(refused.value) in await team.says("cy", TakeOver(v2, "now"))


@pytest.mark.parametrize(
    ("action", "sentence"),
    [
        (Action.PROCEED, "Only <@UBO>, the deployment lead, can let it go on."),
        (Action.STOP_COUNTDOWN, "Only <@UBO>, the deployment lead, can stop the countdown."),
        (
            Action.REJECT,
            (
                "You cannot reject shop v2 → production. It needs 1 approval by somebody with "
                "the role release manager."
            ),
        ),
    ],
)
async def test_who_may_not_is_told_so_before_a_reason_is_typed_for_nothing(
    team: Team, action: Action, sentence: str
) -> None:
    v2 = await team.rolls_out_v2()
    with pytest.raises(NotAllowed) as refused:
        await use_cases.may_ask(team.context, action, v2, CY)
    assert str(refused.value) == sentence


async def test_a_dialog_is_opened_for_who_is_on_call_for_other_questions_and_where_that_cannot_be_known(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2(2 * MINUTE)
    team.numbers.new = BAD
    await team.passes(MINUTE)
    await use_cases.may_ask(team.context, Action.PROCEED, v2, BO)
    team.rota.person = CY
    await use_cases.may_ask(team.context, Action.TAKE_OVER, v2, CY)
    team.rota.away = True
    await use_cases.may_ask(team.context, Action.TAKE_OVER, v2, Person("T1", "UDI"))


async def test_the_status_says_what_the_card_says(team: Team) -> None:
    v2 = await team.asks_for_v2()
    await team.says("cy", Deploy("shop", "production", "v3"))
    await team.passes()
    said = await team.says("ana", Status("shop"))
    assert "   ○ v2 (shop-2) not ready: 2 of 7 gates open, lead <@UBO>" in said
    assert "   ○ v3 (shop-3) queued behind shop-2" in said
    await team.clears(v2)
    await team.passes()
    team.numbers.new = BAD
    await team.passes(3 * MINUTE)
    assert "   ▶ v2 (shop-2) *DEGRADED* at 5 %, rolling back by itself at" in await team.says(
        "ana", Status("shop")
    )
    await team.says("bo", StopCountdown(v2, "known"))
    team.numbers.new = None
    await team.passes(20 * MINUTE)
    assert "   ▶ v2 (shop-2) *DEGRADED* at 5 %, waiting until the lead decides" in await team.says(
        "ana", Status("shop")
    )
