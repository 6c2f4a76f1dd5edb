"""What claims that something is so is asked again when it is said: it is left out, told as past
with its time, or said as it is by now.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.domain.commands import (
    AskLead,
    HandOver,
    Lock,
    Proceed,
    Quarantine,
    RollBack,
    Unlock,
    Unquarantine,
)
from bot.domain.health import Observed
from bot.ports.talk import LATE_ANSWER, Message
from bot.services import endings, timely
from bot.slack import speech
from tests.services.conftest import PEOPLE

Team = Any
MINUTE = timedelta(minutes=1)
GOOD, BAD = Observed(2, 1000, requests=1000), Observed(60, 1000, requests=1000)
MESSAGES = Path("templates/slack/messages")


async def waiting(team: Team, template: str) -> list[Message]:
    """Give the messages of a kind, which wait for Slack."""
    return [message for message in await team.outbox() if message.template == template]


async def late(team: Team, message: Message) -> str:
    """Read a message that waited as it is said now; empty where it is not said any more."""
    now = await timely.still_true(team.context, message)
    return team.reads(now) if now is not None else ""


async def finds(team: Team, *numbers: Observed) -> None:
    for each in numbers:
        team.numbers.new = each
        await team.passes(3 * MINUTE if each is GOOD else MINUTE)


async def degraded(team: Team) -> str:
    v2: str = await team.rolls_out_v2(2 * MINUTE)
    await finds(team, BAD)
    return v2


@pytest.mark.case("races-29")
def test_every_message_is_asked_again_or_told_as_a_record_and_none_is_both() -> None:
    templates = sorted(path.name.removesuffix(".md.j2") for path in MESSAGES.iterdir())
    asked_again = {*timely.RULES, *timely.OF_PLACES} - {LATE_ANSWER}
    assert sorted([*asked_again, *timely.RECORDS, *timely.AT_ONCE]) == templates


@pytest.mark.case("races-29")
def test_everything_that_asks_for_something_is_asked_again() -> None:
    assert set(endings.RULES) | speech.ASKS <= set(timely.RULES)


@pytest.mark.case("races-29")
async def test_nobody_is_told_that_numbers_recovered_which_are_worse_again_nor_of_a_finding_that_is_over(
    team: Team,
) -> None:
    v2 = await degraded(team)
    await finds(team, GOOD)
    (calm,) = await waiting(team, "recovered")
    assert "no longer worse" in await late(team, calm)
    await finds(team, BAD)
    assert (await team.deployment(v2)).countdown_until is not None
    assert await late(team, calm) == ""
    first, second = await waiting(team, "degraded")
    assert await late(team, first) == ""
    assert "It rolls back by itself at" in await late(team, second)


@pytest.mark.case("races-29")
async def test_an_alarm_whose_numbers_are_fine_again_says_that_and_asks_nobody(team: Team) -> None:
    await degraded(team)
    await finds(team, GOOD)
    (alarm,) = await waiting(team, "degraded")
    now = await late(team, alarm)
    assert "The numbers are no longer worse" in now
    assert "please look" not in now


@pytest.mark.case("races-29")
async def test_a_standstill_is_told_in_the_thread_only_while_it_stands(team: Team) -> None:
    v2 = await team.rolls_out_v2(5 * MINUTE)
    await team.says("bo", Lock("shop", "production", "fire"))
    await team.passes(10 * MINUTE)
    (told,) = await waiting(team, "standstill")
    assert "fire" in await late(team, told)
    await team.says("bo", Unlock("shop", "production"))
    await team.passes(MINUTE)
    assert f"{v2}:canary-100" in team.ci.runs
    assert await late(team, told) == ""


@pytest.mark.case("races-29")
async def test_a_word_to_go_on_is_history_with_its_time_once_it_is_rolled_back(team: Team) -> None:
    v2 = await degraded(team)
    await team.says("bo", Proceed(v2, "a test of load"))
    (told,) = await waiting(team, "proceeds")
    assert "goes on to 100 %" in await late(team, told)
    await team.says("bo", RollBack(deployment=v2))
    now = await late(team, told)
    assert "goes on" not in now
    assert "<@UBO> let *shop v2 → production* go on at " in now


@pytest.mark.case("races-29")
async def test_a_lock_is_history_with_its_time_once_it_is_gone_and_so_is_its_end_once_it_is_rolled_back(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2()
    await team.says("bo", Lock("shop", "production", "fire"))
    (locked,) = await waiting(team, "lock_said")
    assert "goes no further before that is over" in await late(team, locked)
    await team.says("bo", Unlock("shop", "production"))
    _, gone = await waiting(team, "lock_said")
    assert "goes no further" not in await late(team, locked)
    assert "locked *shop in production* at " in await late(team, locked)
    assert "it goes on to 100 %" in await late(team, gone)
    await team.says("bo", RollBack(deployment=v2))
    assert "goes on" not in await late(team, gone)
    assert "took away the lock on *shop in production* at " in await late(team, gone)


@pytest.mark.case("races-29")
async def test_a_quarantine_is_history_with_its_time_once_it_is_lifted_and_the_other_way_round(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2()
    await team.says("bo", Quarantine("shop", "v2", "it eats carts"))
    (put,) = [
        message for message in await waiting(team, "quarantine_said") if message.deployment == v2
    ]
    before = await late(team, put)
    assert "goes back to it" in before
    await team.says("bo", Unquarantine("shop", "v2", "it was the load"))
    _, lifted = [
        message for message in await waiting(team, "quarantine_said") if message.deployment == v2
    ]
    now = await late(team, put)
    assert "goes back to it" not in now
    assert "in quarantine at " in now
    assert "Nothing keeps this any more" in await late(team, lifted)
    await team.says("bo", Quarantine("shop", "v2", "it eats carts after all"))
    assert "Nothing keeps this any more" not in await late(team, lifted)


@pytest.mark.case("races-29")
async def test_whoever_is_asked_to_look_is_told_the_end_once_it_is_rolled_back(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    await team.says("ana", AskLead(v2))
    (asked,) = await waiting(team, "ask_lead")
    assert "You lead it" in await late(team, asked)
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(2 * MINUTE)
    now = await late(team, asked)
    assert "You lead it" not in now
    assert "It was rolled back to v1 by <@UBO>." in now


@pytest.mark.case("races-29")
async def test_who_led_it_for_a_while_is_history_with_its_time(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    await team.says("bo", HandOver(v2, PEOPLE["cy"].user))
    (first,) = await waiting(team, "lead_changed")
    assert "<@UCY> leads this now" in await late(team, first)
    await team.says("cy", HandOver(v2, PEOPLE["bo"].user))
    now = await late(team, first)
    assert "leads this now" not in now
    assert "<@UCY> was made the lead of *shop v2 → production* at " in now


@pytest.mark.case("races-29")
async def test_what_was_deployed_and_watched_is_told_as_past_once_something_else_has_followed(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2()
    started = (await waiting(team, "step_started"))[-1]
    await team.passes(20 * MINUTE)
    (live,) = [message for message in await waiting(team, "live") if message.deployment == v2]
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(2 * MINUTE)
    assert "was begun" in await late(team, started)
    assert "went live everywhere at " in await late(team, live)
    (back,) = await waiting(team, "rolled_back")
    assert "is locked until somebody unlocks it" in await late(team, back)
    await team.says("bo", Unlock(deployment=v2))
    assert "is locked" not in await late(team, back)
