"""Card, alarm and status promise that the lead is waited for, and what else is enough, exactly
where it is: the rule is tried each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from bot.domain.catalog import AutomaticRollback
from bot.domain.commands import Deploy, Lock, Proceed, Status, StopCountdown
from bot.domain.deployment import State
from bot.domain.errors import IntegrationError
from bot.domain.health import Observed
from bot.domain.rollout import StepState
from bot.services import timely
from tests.services.conftest import BAD, GOOD, MINUTE, PEOPLE, Team

ALONE: dict[str, Any] = {
    "gates": (), "checklist": (), "approvals": (),
    "after": "", "strategy": "canary", "watch": 10 * MINUTE,
    "automatic_rollback": AutomaticRollback.OFF,
}  # fmt: skip
THIN = Observed(0, 3, requests=3)


@dataclass(frozen=True, slots=True)
class Situation:
    """What is the matter, what is promised, and whether that is true."""

    numbers: Observed | None
    """Of the new version; None where their source does not answer."""
    promised: str
    is_locked: bool = False
    goes_on: bool = True


SITUATIONS = {
    "worse": Situation(BAD, "the numbers recover"),
    "worse, and locked": Situation(BAD, "", is_locked=True, goes_on=False),
    "too little traffic": Situation(THIN, "there is enough traffic"),
    "no numbers": Situation(None, "there are numbers to judge by"),
    "no numbers, and locked": Situation(None, "", is_locked=True, goes_on=False),
}


async def stands_still(team: Team, situation: Situation) -> None:
    """Have v2 at 5 % in a situation until its time there is over."""
    await team.says("ana", Deploy("shop", "production", "v2"))
    await team.passes(2 * MINUTE)
    if situation.is_locked:
        await team.says("bo", Lock("shop", "production", "a sale"))
    if situation.numbers is None:
        team.numbers.breaks = IntegrationError("metrics answer 503", vendor="metrics endpoint")
    else:
        team.numbers.new = situation.numbers
    await team.passes(12 * MINUTE)


async def test_an_alarm_promises_the_numbers_no_more_once_a_lock_keeps_it_besides(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        await stands_still(team, SITUATIONS["worse"])
        await team.says("bo", Lock("shop", "production", "a sale"))
        (alarm,) = [message for message in await team.outbox() if message.template == "degraded"]
        now = await timely.still_true(team.context, alarm)
        assert now is not None
        assert (alarm.facts["by_itself"], now.facts["by_itself"]) == ("the numbers recover", "")


@pytest.mark.parametrize("name", SITUATIONS)
async def test_what_is_promised_beside_the_lead_is_enough_and_nothing_else_is_promised(
    team_with: Any, name: str
) -> None:
    situation = SITUATIONS[name]
    async with team_with(**ALONE) as team:
        await stands_still(team, situation)
        also = f" or {situation.promised}" if situation.promised else ""
        card, status = await team.shown("shop-1"), await team.says("ana", Status("shop"))
        assert f"the rollout stands still until the lead decides{also}\n" in f"{card}\n"
        besides = (
            "; it goes no further: shop in production is locked: a sale"
            if situation.is_locked
            else ""
        )
        assert f"until the lead decides{also}{besides}, lead" in status
        (alarm,) = await team.said("degraded")
        first = f", or {situation.promised}." if situation.promised else "."
        assert (
            f"The rollout stands still until the lead decides, here or on the card{first}" in alarm
        )
        team.numbers.new, team.numbers.breaks = GOOD, None
        await team.passes(3 * MINUTE)
        steps = (await team.card("shop-1")).steps
        assert (steps[1].state is not StepState.PENDING) is situation.goes_on


async def test_where_there_was_nothing_before_only_the_lead_is_promised_and_numbers_are_not_enough(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        async with team.database.writer.begin() as connection:
            await connection.execute(text("DELETE FROM live"))
        team.numbers.since = [(team.context.now() - timedelta(days=1), None)]
        await stands_still(team, SITUATIONS["no numbers"])
        assert "the rollout stands still until the lead decides\n" in await team.shown("shop-1")
        team.numbers.breaks = None
        await team.passes(10 * MINUTE)
        assert "the rollout stands still until the lead decides\n" in await team.shown("shop-1")


async def test_an_alarm_in_the_watch_says_that_the_numbers_may_end_it_and_when_they_do_that_the_watch_goes_on(
    team_with: Any,
) -> None:
    async with team_with(**{**ALONE, "strategy": "rolling"}) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(3 * MINUTE)
        team.numbers.new = BAD
        await team.passes(2 * MINUTE)
        (alarm,) = await team.said("degraded")
        assert (
            "Its watch does not end until the lead decides, here or on the "
            "card, or the numbers recover."
        ) in alarm
        assert (
            "live, but *DEGRADED*, waiting until the lead decides or the numbers recover"
            in await team.says("ana", Status("shop"))
        )
        team.numbers.new = GOOD
        await team.passes(20 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.VERIFIED


async def test_a_countdown_that_is_called_off_or_stopped_leaves_the_way_to_recover(
    team_with: Any,
) -> None:
    async with team_with(
        **{**ALONE, "automatic_rollback": AutomaticRollback.COUNTDOWN, "countdown": 5 * MINUTE}
    ) as team:
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(2 * MINUTE)
        team.numbers.new = BAD
        await team.passes(2 * MINUTE)
        await team.says("bo", StopCountdown("shop-1", "it is noise"))
        assert "stands still until the lead decides or the numbers recover" in await team.shown(
            "shop-1"
        )
        team.numbers.new = GOOD
        await team.passes(12 * MINUTE)
        assert (await team.deployment("shop-1")).lead == PEOPLE["bo"]
        assert (await team.card("shop-1")).steps[1].state is not StepState.PENDING
        assert "Nothing keeps" in await team.says("bo", Proceed("shop-1", "x"))
