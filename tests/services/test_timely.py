"""What waited for Slack is true when it is said; and which card shows what, and how urgently."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.domain.commands import RollBack, StopCountdown
from bot.domain.health import Observed
from bot.domain.urgency import Urgency
from bot.ports.talk import Message
from bot.queries.status_line import cards_due
from bot.services import timely

Team = Any
MINUTE = timedelta(minutes=1)
GOOD, BAD = Observed(2, 1000, requests=1000), Observed(60, 1000, requests=1000)


async def waiting(team: Team, template: str) -> Message:
    """Give the newest message of a kind that has not been said."""
    found: Message = next(
        m for m in reversed(await team.database.postings.outbox(500)) if m.template == template
    )
    return found


async def degraded(team: Team) -> str:
    v2: str = await team.rolls_out_v2(2 * MINUTE)
    team.numbers.new = BAD
    await team.passes(MINUTE)
    return v2


@pytest.mark.case("races-29")
async def test_an_alarm_that_waited_names_the_countdown_that_runs_now_or_none(team: Team) -> None:
    v2 = await degraded(team)
    alarm = await waiting(team, "degraded")
    assert await timely.still_true(team.context, alarm) == alarm
    await team.says("bo", StopCountdown(v2, "a test of load"))
    now = await timely.still_true(team.context, alarm)
    assert now is not None
    assert (alarm.facts["until"] != "", now.facts["until"]) == (True, "")


@pytest.mark.case("races-29")
async def test_nobody_is_told_to_decide_about_what_is_rolled_back(team: Team) -> None:
    v2 = await degraded(team)
    alarm = await waiting(team, "degraded")
    await team.says("bo", RollBack(deployment=v2))
    assert await timely.still_true(team.context, alarm) is None
    told = await waiting(team, "rolling_back")
    assert await timely.still_true(team.context, told) == told


@pytest.mark.case("races-29")
async def test_nobody_is_asked_to_acknowledge_what_has_begun_or_after_their_shift(
    team: Team,
) -> None:
    v2 = await team.asks_for_v2()
    asked = await waiting(team, "acknowledge_request")
    assert await timely.still_true(team.context, asked) == asked
    await team.clears(v2)
    await team.passes(MINUTE)
    assert await timely.still_true(team.context, asked) is None


async def test_a_rollback_shows_on_the_card_of_what_it_undoes_and_comes_first(team: Team) -> None:
    v2 = await degraded(team)
    assert (await cards_due(team.context, [v2]))[v2].urgency is Urgency.DEGRADED
    await team.says("bo", RollBack(deployment=v2))
    found = await cards_due(team.context, [v2, "shop-3", "shop-99"])
    assert {each: (due.card, due.urgency, due.channel) for each, due in found.items()} == {
        v2: (v2, Urgency.ROLLING_BACK, "C1"), "shop-3": (v2, Urgency.ROLLING_BACK, "C1"),
    }  # fmt: skip
