"""What asks for something says how it ended: every alarm and every request, in each
way in which it can end.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.domain.actions import Action
from bot.domain.commands import (
    Acknowledge,
    AskLead,
    Cancel,
    HandOver,
    Proceed,
    RollBack,
    StopCountdown,
)
from bot.domain.deployment import State
from bot.domain.errors import IntegrationError
from bot.domain.health import Observed
from bot.domain.rollout import RunState, Stage
from bot.domain.shown import seen_on, token
from bot.ports.talk import Message
from bot.services import endings
from bot.slack import speech
from tests.services.conftest import PEOPLE, text_of

Team = Any
"""The fixture ``team``."""
MINUTE = timedelta(minutes=1)
GOOD, BAD = Observed(2, 1000, requests=1000), Observed(60, 1000, requests=1000)


async def said(team: Team, template: str) -> Message:
    found: Message = next(
        message
        for message in await team.database.postings.outbox(500)
        if message.template == template
    )
    return found


async def end_of(team: Team, template: str) -> str:
    return await end(team, await said(team, template))


async def end(team: Team, message: Message) -> str:
    found = await endings.ended(team.context, message)
    return found.sentence if found is not None else ""


async def degraded(team: Team) -> str:
    v2: str = await team.rolls_out_v2(2 * MINUTE)
    team.numbers.new = BAD
    await team.passes(MINUTE)
    return v2


@pytest.mark.case("card-and-people-11")
async def test_an_alarm_asks_until_the_lead_has_spoken(team: Team) -> None:
    v2 = await degraded(team)
    assert await end_of(team, "degraded") == ""
    await team.says("bo", Proceed(v2, "a known spike"))
    assert await end_of(team, "degraded") == "Let go on by <@UBO>: a known spike"


@pytest.mark.case("card-and-people-11")
async def test_an_alarm_ends_with_the_rollback_and_says_who_did_it(team: Team) -> None:
    v2 = await degraded(team)
    await team.says("bo", RollBack(deployment=v2, reason="carts are lost"))
    await team.passes(MINUTE)
    for template in ("degraded", "rolling_back"):
        assert await end_of(team, template) == "It was rolled back to v1 by <@UBO>."


@pytest.mark.case("card-and-people-11", "card-and-people-1")
async def test_an_alarm_offers_what_its_lead_can_decide_bound_to_what_it_shows(team: Team) -> None:
    v2 = await degraded(team)
    alarm, card = await said(team, "degraded"), await team.card(v2)
    assert alarm.facts["finding"] == card.trouble.number
    assert card.decisions == (Action.ROLL_BACK, Action.STOP_COUNTDOWN)
    await team.says("bo", StopCountdown(v2, "I look"))
    card = await team.card(v2)
    assert card.decisions == (Action.ROLL_BACK, Action.PROCEED)
    shown = token(Action.PROCEED, seen_on(card))
    team.numbers.new = GOOD
    await team.passes(MINUTE)
    assert Action.PROCEED not in (await team.card(v2)).decisions
    team.numbers.new = BAD
    await team.passes(MINUTE)
    assert "What keeps it now is not what was shown to you: errors 6.0 %" in await team.says(
        "bo", Proceed(v2, "I look", shown)
    )
    assert await end(team, alarm) == "Something else was found since; it is said anew."


@pytest.mark.case("card-and-people-11", "card-and-people-13")
@pytest.mark.parametrize(("on_call", "offered"), [("bo", False), ("cy", True), (None, False)])
async def test_an_alarm_offers_to_take_over_only_where_somebody_else_is_on_call(
    team: Team, on_call: str | None, *, offered: bool
) -> None:
    v2 = await degraded(team)
    team.rota.person = PEOPLE[on_call] if on_call else None
    assert (Action.TAKE_OVER in (await team.card(v2)).decisions) == offered
    assert Action.TAKE_OVER not in (await team.card(v2)).actions


@pytest.mark.case("card-and-people-11")
async def test_an_alarm_ends_when_the_numbers_recover(team: Team) -> None:
    await degraded(team)
    team.numbers.new = GOOD
    await team.passes(2 * MINUTE)
    assert (
        await end_of(team, "degraded")
        == "The numbers are no longer worse, so it goes on by itself."
    )


@pytest.mark.case("card-and-people-11")
async def test_a_request_to_acknowledge_ends_with_the_acknowledgement_or_with_the_deployment(
    team: Team,
) -> None:
    v2 = await team.asks_for_v2()
    assert await end_of(team, "acknowledge_request") == ""
    await team.says("bo", Acknowledge(v2))
    assert await end_of(team, "acknowledge_request") == "You have acknowledged it."
    over = await said(team, "acknowledge_request")
    ended = speech.message(
        Message(over.key, over.template, {**over.facts, "end": "You have acknowledged it."}, v2),
        team.words,
    )
    assert [block for block in ended.blocks if block["type"] == "actions"] == []
    assert "Please" not in "\n".join(text_of(ended.blocks))


@pytest.mark.case("card-and-people-11")
async def test_a_request_to_acknowledge_ends_when_the_deployment_is_cancelled(team: Team) -> None:
    v2 = await team.asks_for_v2()
    await team.says("ana", Cancel(v2))
    assert (
        await end_of(team, "acknowledge_request")
        == "It was cancelled. Nothing is asked of you any more."
    )


@pytest.mark.case("card-and-people-11")
async def test_a_lead_who_hands_over_is_asked_nothing_any_more(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    await team.says("cy", AskLead(v2))
    assert await end_of(team, "ask_lead") == ""
    await team.says("bo", HandOver(v2, "UANA"))
    assert await end_of(team, "ask_lead") == "<@UANA> leads it now."


@pytest.mark.case("card-and-people-11")
async def test_one_rollback_is_one_post_in_the_channel_and_the_rest_is_in_the_thread(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2()
    before = await team.said_to("channel")
    await team.says("bo", RollBack(deployment=v2, reason="carts are lost"))
    await team.passes(MINUTE)
    assert (await team.said_to("channel"))[len(before) :] == ["rolling_back"]
    assert {"rolled_back", "retrospective"} <= set(await team.said_to("thread"))


@pytest.mark.case("card-and-people-11")
@pytest.mark.parametrize("template", sorted(speech.ASKS | speech.ALARMS))
def test_everything_that_asks_can_end(template: str) -> None:
    assert template in endings.RULES


@pytest.mark.case("card-and-people-11")
@pytest.mark.parametrize(
    "state", [State.VERIFIED, State.ACCEPTED, State.SUPERSEDED, State.ROLLED_BACK, State.FAILED]
)
async def test_an_alarm_about_what_is_over_asks_nobody_any_more(every: Any, state: State) -> None:
    deployment = every.deployments[state]
    for template in sorted(speech.ALARMS - {"failed", "smoke_failed", "stopped"}):
        alarm = Message(
            "alarm", template, {"step": "canary-100", "why": "a fire"}, deployment.id, to="channel"
        )
        assert await end(every, alarm) != "", template


@pytest.mark.case("card-and-people-11")
async def test_what_asks_is_remembered_until_it_has_its_end(team: Team) -> None:
    v2 = await team.rolls_out_v2()
    await team.says("cy", AskLead(v2))
    postings, message = team.database.postings, await said(team, "ask_lead")
    await postings.asked(message.key)
    assert await postings.asking({v2, "shop-9"}) == await postings.asking() == (message,)
    assert await postings.asking({"shop-9"}) == ()
    await postings.sent(message.key)
    assert await postings.asking() == ()


async def test_the_alarm_that_the_provider_refuses_asks_until_it_answers_again(team: Team) -> None:
    refusal = IntegrationError(
        "401: the token has expired", vendor="the CI", status=401, retry=False
    )
    team.ci.refuses["look shop-2"] = refusal
    await team.rolls_out_v2(2 * MINUTE)
    assert await end_of(team, "refused") == ""
    team.ci.refuses.clear()
    await team.passes(2 * MINUTE)
    assert await end_of(team, "refused") == "The CI provider answers again."


async def test_the_alarm_that_the_provider_refuses_a_rollback_asks_until_that_has_ended(
    team: Team,
) -> None:
    v2 = await team.rolls_out_v2(5 * MINUTE)
    team.ci.stages = (Stage("release", RunState.RUNNING),)
    team.ci.refuses["look"] = IntegrationError(
        "401: the token has expired", vendor="the CI", status=401, retry=False
    )
    await team.passes(10 * MINUTE)
    await team.says("bo", RollBack(deployment=v2))
    await team.passes(MINUTE)
    assert await end_of(team, "refused") == ""
