"""A run of a rollout that hangs calls its lead, once, says on what that rests, and asks nothing
any more when it is over.
"""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.changes import Change, Changes
from bot.domain.commands import (
    Cancel,
    Deploy,
    Lock,
    Quarantine,
    RollBack,
    Status,
    Unlock,
    Unquarantine,
)
from bot.domain.deployment import State
from bot.domain.errors import IntegrationError
from bot.domain.rollout import RunState, Stage
from bot.domain.shown import seen_on, token
from bot.ports.talk import Message
from bot.services.endings import ended
from bot.services.timely import still_true
from tests.services.conftest import MINUTE
from tests.services.test_hanging import ALONE

CANARY = {**ALONE, "strategy": "canary"}
SMOKED = {**ALONE, "smoke": True}
AWAY = IntegrationError("down", vendor="the CI", status=503, retry=True)
NO = IntegrationError("the token has expired", vendor="the CI", status=401, retry=False)


async def hangs(team: Any, version: str = "v2", action: str = "deploy") -> None:
    """Have a run that nobody sees the end of, for longer than it may
    take where nothing is known.
    """
    team.ci.ends[action] = RunState.RUNNING
    await team.says("ana", Deploy("shop", "production", version))
    await team.passes(12 * MINUTE)


async def alarm(team: Any) -> Message:
    (message,) = [each for each in await team.outbox() if each.template == "run_hangs"]
    found: Message = message
    return found


async def end(team: Any) -> str:
    ending = await ended(team.context, await alarm(team))
    return ending.sentence if ending is not None else ""


async def test_the_very_first_run_that_hangs_calls_its_lead_once_and_claims_no_run_before(
    team_with: Any,
) -> None:
    async with team_with(**CANARY) as team:
        team.ci.ends["deploy"] = RunState.RUNNING
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(9 * MINUTE)
        assert await team.said("run_hangs") == []
        assert (await team.card("shop-1")).late is None
        await team.passes(60 * MINUTE)
        (said,) = await team.said("run_hangs")
        assert (
            "the run of 5 % (<https://ci.example.com/run|run>) takes longer "
            "than it should: it began"
        ) in said
        assert "<@UBO>, please look" in said
        assert "No run of shop has been seen to end yet, so that it may take 10 min." in said
        assert "usually" not in said
        assert (await alarm(team)).to == "channel"


async def test_card_and_status_say_it_and_the_card_has_the_way_out(team_with: Any) -> None:
    async with team_with(**CANARY) as team:
        await hangs(team)
        shown = await team.shown("shop-1")
        assert (
            "canary 5 % · step 1 of 2 · takes longer than it should: it began at 02:00 UTC" in shown
        )
        assert (
            "The run of 5 % takes longer than it should: it began at 02:00 UTC "
            "(<https://ci.example.com/run|run>)."
        ) in shown
        assert (
            "rolling out; its run of 5 % takes longer than it should: it began at 02:00 UTC"
            in await team.says("ana", Status())
        )
        assert Action.ROLL_BACK in (await team.card("shop-1")).decisions
        assert (
            "else its lead can roll it back, here or on the card, which stops that run as well"
            in (await team.said("run_hangs"))[0]
        )


async def test_what_usually_takes_a_moment_is_late_after_five_minutes_and_says_what_is_usual(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(25 * MINUTE)
        team.ci.ends["deploy"] = RunState.RUNNING
        await team.says("ana", Deploy("shop", "production", "v3"))
        await team.passes(4 * MINUTE)
        assert await team.said("run_hangs") == []
        await team.passes(3 * MINUTE)
        assert (
            "Here it usually takes 0 s, and it may take 5 min." in (await team.said("run_hangs"))[0]
        )


async def test_where_the_place_has_no_history_it_rests_on_the_slowest_run_of_the_service(
    team_with: Any,
) -> None:
    async with team_with(**CANARY) as team:
        await team.says("ana", Deploy("shop", "staging", "v2"))
        await team.passes(10 * MINUTE)
        await hangs(team)
        said = (await team.said("run_hangs"))[0]
        assert (
            "It has not been seen to end here; the slowest run of shop took 0 "
            "s, and it may take 5 min."
        ) in said


async def test_a_run_that_goes_on_ends_the_alarm(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        assert await end(team) == ""
        assert await still_true(team.context, await alarm(team)) is not None
        team.ci.ends.clear()
        await team.passes(3 * MINUTE)
        ending = await ended(team.context, await alarm(team))
        assert ending is not None
        assert ending.is_final
        assert await still_true(team.context, await alarm(team)) is None
        assert "takes longer" not in await team.shown("shop-1")
        assert "takes longer" not in await team.says("ana", Status())


async def test_a_step_that_ends_well_says_so_on_the_alarm_of_its_run(team_with: Any) -> None:
    async with team_with(**CANARY) as team:
        await hangs(team)
        team.ci.ends.clear()
        await team.passes(2 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.ROLLING_OUT
        assert await end(team) == "It has ended well."


async def test_rolling_it_back_ends_the_alarm_and_stops_the_run(team_with: Any) -> None:
    async with team_with(**CANARY) as team:
        await hangs(team)
        shown = token(Action.ROLL_BACK, seen_on(await team.card("shop-1")))
        await team.says("bo", RollBack(deployment="shop-1", shown=shown))
        await team.passes(3 * MINUTE)
        assert team.ci.cancelled
        assert await end(team) == "It was rolled back to v1 by <@UBO>."


async def test_where_no_button_goes_back_its_lead_can_stop_it(team_with: Any) -> None:
    async with team_with(**CANARY) as team:
        team.ci.changes = Changes(
            (Change("b" * 40, "x", "cy"),), 1, ("cy",), files=("migrations/7.sql",)
        )
        await hangs(team)
        card = await team.card("shop-1")
        assert Action.CANCEL in card.decisions
        assert Action.ROLL_BACK not in card.decisions
        await team.says("bo", Cancel("shop-1", token(Action.CANCEL, seen_on(card))))
        assert await end(team) == "It was stopped by <@UBO>."


async def test_a_run_that_fails_after_all_ends_the_alarm(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        team.ci.ends["deploy"] = RunState.FAILED
        await team.passes(3 * MINUTE)
        assert await end(team) == "It has failed."


async def test_what_waits_at_a_gate_of_its_pipeline_does_not_hang_and_has_its_time_afterwards(
    team_with: Any,
) -> None:
    async with team_with(**CANARY) as team:
        team.ci.stages = (Stage("approve", RunState.WAITING, passable=True),)
        await hangs(team)
        await team.passes(60 * MINUTE)
        assert await team.said("run_hangs") == []
        team.ci.stages = (Stage("release", RunState.RUNNING),)
        await team.passes(8 * MINUTE)
        assert await team.said("run_hangs") == []
        await team.passes(5 * MINUTE)
        assert len(await team.said("run_hangs")) == 1


@pytest.mark.parametrize(
    ("answer", "alarms"), [(AWAY, ["run_hangs"]), (NO, ["refused"])], ids=["silent", "refuses"]
)
async def test_a_provider_that_is_silent_is_told_of_and_one_that_refuses_is_an_alarm_already(
    team_with: Any, answer: IntegrationError, alarms: list[str]
) -> None:
    async with team_with(**CANARY) as team:
        team.ci.refuses["look shop-1:canary-5"] = answer
        await hangs(team)
        assert [
            each.template
            for each in await team.outbox()
            if each.template in {"run_hangs", "refused"}
        ] == alarms
        assert all(
            "it is not known whether it has ended" in said for said in await team.said("run_hangs")
        )


async def test_a_smoke_test_that_hangs_is_said_by_itself(team_with: Any) -> None:
    async with team_with(**SMOKED) as team:
        await hangs(team, action="smoke")
        assert "the smoke test of 100 %" in (await team.said("run_hangs"))[0]
        assert "its smoke test of 100 % takes longer than it should" in await team.says(
            "ana", Status()
        )


async def test_a_run_that_was_late_leaves_its_smoke_test_the_whole_time(team_with: Any) -> None:
    async with team_with(**SMOKED) as team:
        await hangs(team)
        team.ci.ends["smoke"] = RunState.RUNNING
        del team.ci.ends["deploy"]
        await team.passes(9 * MINUTE)
        assert len(await team.said("run_hangs")) == 1
        await team.passes(5 * MINUTE)
        assert len(await team.said("run_hangs")) == 2


async def test_a_rollback_that_hangs_is_no_late_run(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(5 * MINUTE)
        team.ci.ends["rollback"] = RunState.RUNNING
        await team.rolls_back("bo", RollBack("shop", "production", reason="errors"))
        await team.passes(30 * MINUTE)
        assert await team.said("run_hangs") == []
        assert len(await team.said("rollback_hangs")) == 1


async def test_the_alarm_of_a_run_whose_version_was_quarantined_says_that_nothing_follows_and_does_not_say_to_wait(
    team_with: Any,
) -> None:
    async with team_with(**CANARY) as team:
        await hangs(team)
        await team.says("bo", Quarantine("shop", "v2", "it loses carts"))
        said = team.reads(await still_true(team.context, await alarm(team)) or await alarm(team))
        assert (
            "nothing comes after it, also once it has ended: v2 is quarantined: it loses carts."
            in said
        )
        assert "Quarantined by <@UBO>" in said
        assert (
            "so that it may take 10 min.\nIt goes no further than this step: v2 is quarantined"
            in await team.shown("shop-1")
        )
        assert "/deploy unquarantine shop v2 because TEXT" in said
        assert "nothing has to be done" not in said
        assert (
            "Its lead can roll it back, here or on the card, which stops that run as well." in said
        )
        await team.says("bo", Unquarantine("shop", "v2", "it was the network"))
        assert "If it may go on, nothing has to be done; else" in team.reads(
            await still_true(team.context, await alarm(team)) or await alarm(team)
        )


async def test_the_alarm_of_a_run_that_a_lock_keeps_from_its_next_step_says_so(
    team_with: Any,
) -> None:
    async with team_with(**CANARY) as team:
        await team.says("bo", Lock("shop", "production", "fire"))
        await team.says("bo", Unlock("shop", "production"))
        await hangs(team)
        await team.says("bo", Lock("shop", "production", "fire"))
        said = team.reads(await still_true(team.context, await alarm(team)) or await alarm(team))
        assert (
            "nothing comes after it, also once it has ended: shop in production is "
            "locked: fire. Locked by <@UBO>"
        ) in said


async def test_card_status_and_home_name_the_quarantine_of_what_hangs_once(team_with: Any) -> None:
    async with team_with(**CANARY) as team:
        await hangs(team)
        await team.says("bo", Quarantine("shop", "v2", "it loses carts"))
        shown = await team.shown("shop-1")
        assert shown.count("quarantined: ") == 1, "once, with who did it"
        assert (
            "It goes no further than this step: v2 is quarantined: it loses "
            "carts. Quarantined by <@UBO>"
        ) in shown
        assert "nothing has to be done" not in shown
        told = await team.says("ana", Status())
        assert (
            "it began at 02:00 UTC; it goes no further: v2 is quarantined: it loses carts" in told
        )


async def test_the_last_run_of_what_is_quarantined_says_so_too(team_with: Any) -> None:
    async with team_with(**ALONE) as team:
        await hangs(team)
        await team.says("bo", Quarantine("shop", "v2", "it loses carts"))
        assert (
            "takes longer than it should: it began at 02:00 UTC; v2 is "
            "*quarantined*: it loses carts"
        ) in await team.says("ana", Status())
        said = team.reads(await still_true(team.context, await alarm(team)) or await alarm(team))
        assert "<@UBO>, please look: v2 is quarantined: it loses carts." in said
        assert "nothing has to be done" not in said
        assert "nothing has to be done" not in await team.shown("shop-1")


async def test_the_retrospective_of_a_run_that_hung_and_was_stopped_tells_that_it_hung_and_what_its_version_went_through(
    team_with: Any,
) -> None:
    async with team_with(**CANARY) as team:
        team.ci.changes = Changes(
            (Change("b" * 40, "x", "cy"),), 1, ("cy",), files=("migrations/7.sql",)
        )
        await hangs(team)
        await team.says("bo", Quarantine("shop", "v2", "it loses carts"))
        await team.says("bo", Unquarantine("shop", "v2", "it was the network"))
        await team.says("bo", Cancel("shop-1"))
        (told,) = await team.said("retrospective")
        lines = [line.split(" ", 2)[-1] for line in told.split("\n")]
        hung, out, lifted, stopped = (
            next(at for at, line in enumerate(lines) if part in line)
            for part in (
                "the run of canary 5 % took longer than it should; the lead was called",
                "the version was quarantined by UBO: it loses carts",
                "the quarantine of the version was lifted by UBO: it was the network",
                "stopped where it was by UBO",
            )
        )
        assert hung < out < lifted < stopped
