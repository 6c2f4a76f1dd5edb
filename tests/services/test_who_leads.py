"""Whoever may not do what the lead may reads who the lead is, by name, and who else may."""

from __future__ import annotations

import pytest

from bot.domain.commands import (
    Cancel,
    Command,
    Deploy,
    HandOver,
    OpenGate,
    Proceed,
    RollBack,
    SayLive,
    StopCountdown,
    TakeOver,
    Watch,
)
from bot.domain.rollout import RunState, Stage
from tests.services.conftest import MINUTE, Team

LEAD = "<@UBO>, the deployment lead,"
MANAGER = "people with the role release manager"


@pytest.mark.parametrize(
    ("by", "command", "says"),
    [
        ("cy", RollBack(deployment="shop-2"), f"Only {LEAD} can roll this back."),
        ("cy", Watch("shop-2"), f"Only {LEAD} can say that it is being watched."),
        ("cy", Proceed("shop-2", "x", ""), f"Only {LEAD} can let it go on."),
        ("cy", StopCountdown("shop-2", "x"), f"Only {LEAD} can stop the countdown."),
        (
            "cy",
            HandOver("shop-2", "UCY"),
            f"Only {LEAD} or {MANAGER} can hand over the lead of shop-2.",
        ),
        (
            "cy",
            TakeOver("shop-2", "x"),
            f"{LEAD} or {MANAGER} can hand it over: /deploy lead shop-2 @user.",
        ),
        (
            "cy",
            SayLive("shop", "production", "v1", "I looked"),
            f"You cannot say what is live in shop production. {LEAD} or {MANAGER} can.",
        ),
    ],
)
async def test_a_refusal_of_what_the_lead_may_names_the_lead_and_who_else_may(
    team: Team, by: str, command: Command, says: str
) -> None:
    await team.rolls_out_v2()
    assert says in await team.says(by, command)


async def test_who_may_cancel_is_named_with_what_they_are_to_it(team: Team) -> None:
    await team.asks_for_v2()
    assert (
        f"Only {LEAD} or <@UANA>, who asked for it, or {MANAGER} can cancel shop-2."
        in await team.says("cy", Cancel("shop-2"))
    )


async def test_a_requester_who_leads_it_is_named_once(swift: Team) -> None:
    await swift.says("bo", Deploy("shop", "production", "v2"))
    await swift.says("bo", Deploy("shop", "production", "v3"))
    await swift.passes(MINUTE)
    said = await swift.says("cy", Cancel("shop-2"))
    assert said.count("<@UBO>") == 1


async def test_whoever_may_not_open_the_pipelines_gate_reads_who_leads_it(team: Team) -> None:
    team.ci.stages = (Stage("release", RunState.WAITING, passable=True),)
    await team.rolls_out_v2()
    said = await team.says("di", OpenGate("shop-2"))
    assert (
        f"Only {LEAD} or people with the role developer can let the pipeline of shop-2 go on."
        in said
    )


async def test_a_rollback_that_hangs_names_the_lead_who_can_give_it_up(swift: Team) -> None:
    await swift.says("ana", Deploy("shop", "production", "v2"))
    await swift.passes(4 * MINUTE)
    swift.ci.ends["rollback"] = RunState.RUNNING
    await swift.rolls_back("bo", RollBack("shop", "production", reason="errors"))
    await swift.passes(MINUTE)
    assert (
        "then <@UBO>, its lead, can give it up: /rollback shop production because TEXT."
        in await swift.says("cy", Cancel("shop-2"))
    )
