"""A source of numbers that does not answer is called so, with what it says and since when: never
healthy, never too little traffic.
"""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.catalog import AutomaticRollback
from bot.domain.commands import Deploy, History, Proceed, Status
from bot.domain.deployment import State
from bot.domain.errors import IntegrationError
from bot.domain.health import Verdict
from bot.domain.rollout import RunState
from bot.queries import board
from bot.slack.dialogs import Dialogs
from tests.services.conftest import BAD, GOOD, MINUTE, readable

ALONE: dict[str, Any] = {
    "gates": (), "checklist": (), "approvals": (),
    "after": "", "strategy": "canary", "watch": 10 * MINUTE,
    "automatic_rollback": AutomaticRollback.OFF,
}  # fmt: skip
SAYS = "shop.example.com/metrics answers 503 since 2026-11-21 02:01 UTC"


def falls_silent(team: Any) -> None:
    team.numbers.breaks = IntegrationError(f"{SAYS}.", vendor="metrics endpoint")


async def test_a_source_that_is_silent_through_a_whole_hold_is_no_data_with_its_reason_on_card_alarm_and_status(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        falls_silent(team)
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(5 * MINUTE)
        shown = await team.shown("shop-1")
        assert "*NO DATA* at 5 % · it is observed on" in shown
        assert f"errors: no data, {SAYS}" in shown
        assert "*NO DATA* at 5 %, lead" in await team.says("ana", Status())
        assert not await team.said("degraded")
        await team.passes(10 * MINUTE)
        (alarm,) = await team.said("degraded")
        assert "*no data* to judge it by at canary 5 %" in alarm
        assert f"errors: no data, {SAYS}" in alarm
        shown = await team.shown("shop-1")
        assert "*NO DATA* at 5 % · the rollout stands still until the lead decides" in shown
        assert f"errors: no data, {SAYS}" in shown
        assert "*NO DATA* at 5 %, waiting until the lead decides" in await team.says(
            "ana", Status()
        )
        assert not any(run.startswith("shop-1:canary-100") for run in team.ci.runs)


async def test_numbers_of_a_while_ago_do_not_pass_for_those_of_a_source_that_is_silent_since(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(3 * MINUTE)
        assert "not shown to be worse" not in await team.shown("shop-1")
        assert "*NO DATA*" not in await team.shown("shop-1")
        falls_silent(team)
        await team.passes(MINUTE)
        assert "*NO DATA*" not in await team.shown("shop-1"), "a minute is no silence"
        await team.passes(3 * MINUTE)
        assert f"errors: no data, {SAYS}" in await team.shown("shop-1")
        team.numbers.breaks = None
        await team.passes(MINUTE)
        assert "*NO DATA*" not in await team.shown("shop-1")
        await team.passes(30 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.VERIFIED


async def test_what_is_watched_and_whose_source_is_silent_is_not_called_healthy(
    team_with: Any,
) -> None:
    async with team_with(**{**ALONE, "strategy": "rolling"}) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(3 * MINUTE)
        falls_silent(team)
        await team.passes(4 * MINUTE)
        assert "live, *NO DATA* to judge it by" in await team.shown("shop-1")
        status = await team.says("ana", Status())
        assert f"*NO DATA* to judge it by: {SAYS}" in status
        assert "· healthy" not in status.split("shop production")[1]


async def test_what_is_watched_and_of_which_the_source_says_nothing_is_not_called_healthy_to_its_end(
    team_with: Any,
) -> None:
    async with team_with(**{**ALONE, "strategy": "rolling", "watch": 20 * MINUTE}) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(5 * MINUTE)
        assert "healthy" in (await team.says("ana", Status())).split("shop production")[1]
        last = (await team.card("shop-1")).snapshot.at
        team.numbers.new = None
        since = f"*NO DATA* to judge it by since {last:%H:%M} UTC"
        await team.passes(MINUTE)
        assert "*NO DATA*" not in await team.shown("shop-1"), "a minute is no silence"
        await team.passes(MINUTE)
        for _ in range(7):
            await team.passes(2 * MINUTE)
            home = readable(str(Dialogs(team.words).home(await board.rows(team.context), roles=[])))
            for door in (
                await team.says("ana", Status()),
                await team.says("ana", History("shop", "production")),
                home,
            ):
                assert since in door
                assert "healthy" not in next(line for line in door.splitlines() if "v2" in line)
            assert f"live, {since}" in await team.shown("shop-1")
            assert "errors: no data" in await team.shown("shop-1")
        team.numbers.new = GOOD
        await team.passes(2 * MINUTE)
        assert "*NO DATA*" not in await team.shown("shop-1")


async def test_a_step_of_which_nothing_is_measured_says_since_when_and_asks_at_the_end_of_its_hold(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        team.numbers.new = None
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(MINUTE)
        assert "*NO DATA*" not in await team.shown("shop-1"), "its numbers may still come"
        await team.passes(4 * MINUTE)
        began = (await team.card("shop-1")).steps[0].deployed_at
        assert f"*NO DATA* at 5 % since {began:%H:%M} UTC · it is observed on" in await team.shown(
            "shop-1"
        )
        assert not await team.said("degraded")
        await team.passes(10 * MINUTE)
        assert len(await team.said("degraded")) == 1


async def test_of_a_run_that_is_under_way_nothing_is_said_before_there_is_anything_of_it(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        team.numbers.new = None
        team.ci.ends["deploy"] = RunState.RUNNING
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(10 * MINUTE)
        assert "no data" not in (await team.shown("shop-1")).lower()


async def test_what_serves_and_whose_source_is_silent_is_still_asked_about_before_a_refused_start_is_made_up_for(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(3 * MINUTE)
        team.ci.refuses["start shop-1:canary-100"] = IntegrationError(
            "401", vendor="the CI", status=401, retry=False
        )
        await team.passes(12 * MINUTE)
        falls_silent(team)
        await team.passes(10 * MINUTE)
        assert SAYS in (await team.said("degraded"))[-1]
        team.ci.refuses.clear()
        await team.passes(5 * MINUTE)
        assert "shop-1:canary-100" not in team.ci.runs
        await team.says("bo", Proceed("shop-1", "the metrics are down, the customers are fine"))
        await team.passes(5 * MINUTE)
        assert "shop-1:canary-100" in team.ci.runs


@pytest.mark.parametrize("then", [RunState.RUNNING, RunState.SUCCEEDED])
async def test_a_silent_source_refutes_nothing_that_was_found(
    team_with: Any, then: RunState
) -> None:
    async with team_with(**ALONE) as team:
        team.numbers.new = None
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(2 * MINUTE)
        team.numbers.new = BAD
        await team.passes(2 * MINUTE)
        team.ci.ends["deploy"] = then
        falls_silent(team)
        await team.passes(10 * MINUTE)
        card = await team.card("shop-1")
        assert card.is_degraded
        assert card.judged.verdict is Verdict.DEGRADED


async def test_a_source_that_is_silent_while_the_first_run_is_under_way_is_said_on_the_card_and_takes_nothing(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        team.ci.ends["deploy"] = RunState.RUNNING
        falls_silent(team)
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(5 * MINUTE)
        shown = await team.shown("shop-1")
        assert f"errors: no data, {SAYS}" in shown
        assert "*NO DATA*" not in shown
        assert "canary 5 % · step 1 of 2" in shown
        assert await team.said("degraded") == []
        team.numbers.breaks = None
        await team.passes(2 * MINUTE)
        assert "no data" not in await team.shown("shop-1")
        assert (await team.card("shop-1")).trouble is None
        team.ci.ends["deploy"] = RunState.SUCCEEDED
        await team.passes(60 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.VERIFIED


async def test_what_was_silent_in_the_first_run_is_not_held_against_what_has_come_since(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        team.ci.ends["deploy"] = RunState.RUNNING
        falls_silent(team)
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(5 * MINUTE)
        team.numbers.breaks, team.ci.ends["deploy"] = None, RunState.SUCCEEDED
        await team.passes(MINUTE)
        assert "no data" not in await team.shown("shop-1")
