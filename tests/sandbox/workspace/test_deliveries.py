"""The bot is reached only as Slack reaches it, seen through a real Bolt app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.workspace import Workspace

if TYPE_CHECKING:
    from tests.sandbox.workspace.conftest import TinyBot

ANA, BO, CHANNEL = "U0ANA", "U0BO", "C0DEPLOYS"
BUTTON = {
    "type": "button",
    "action_id": "go",
    "value": "storefront-1",
    "text": {"type": "plain_text", "text": "Go"},
}
CARD = [{"type": "actions", "block_id": "card", "elements": [BUTTON]}]
FORM = {"type": "modal", "title": {"type": "plain_text", "text": "Why"}, "blocks": []}


async def test_a_command_arrives_signed_and_its_answer_is_for_the_person_alone(
    slack: Workspace, bot: TinyBot
) -> None:
    outcome = await slack.says(ANA, "/deploy storefront v1.2.0 to staging", channel=CHANNEL)
    assert outcome.status == 200
    heard = bot.heard[0]
    assert (heard["user_id"], heard["team_id"], heard["channel_id"]) == (
        ANA,
        slack.state.team,
        CHANNEL,
    )
    assert (heard["command"], heard["text"], heard["api_app_id"]) == (
        "/deploy",
        "storefront v1.2.0 to staging",
        slack.state.app,
    )
    assert slack.whisper(ANA, "Understood: storefront v1.2.0 to staging") is not None
    assert slack.whisper(BO, "Understood") is None
    assert slack.state.channels[CHANNEL].messages == []


async def test_what_is_signed_with_another_secret_is_refused_by_bolt(
    slack: Workspace, bot: TinyBot
) -> None:
    slack.delivery.secret = "another"
    assert (await slack.says(ANA, "/deploy status", channel=CHANNEL)).status == 401
    assert bot.heard == []
    assert slack.whisper(ANA, "dispatch_failed") is not None


@pytest.mark.parametrize("command", ["/foo", "/d", "/", "/<!channel>"])
async def test_a_command_that_no_app_has_reaches_nobody_and_the_person_learns_it(
    slack: Workspace, bot: TinyBot, command: str
) -> None:
    assert (await slack.says(ANA, f"{command} status", channel=CHANNEL)).status == 404
    shown = command.replace("<", "&lt;").replace(">", "&gt;")
    answer = slack.whisper(ANA, f"`{shown}` is not a valid command.")
    assert answer is not None
    assert answer["user"] == "USLACKBOT"
    assert slack.whisper(BO, "not a valid command") is None
    assert (bot.heard, slack.delivery.log) == ([], [])


async def test_a_click_brings_the_button_its_message_and_who_pressed_it(
    slack: Workspace, bot: TinyBot, client: AsyncWebClient
) -> None:
    await client.chat_postMessage(channel=CHANNEL, text="a card", blocks=CARD)
    card = slack.message("a card")
    assert card is not None
    assert (await slack.clicks(BO, card, "go", channel=CHANNEL)).status == 200
    heard = bot.heard[0]
    assert heard["user"]["id"] == BO
    assert heard["user"]["team_id"] == slack.state.team
    assert (heard["channel"]["id"], heard["message"]["ts"], heard["container"]["message_ts"]) == (
        CHANNEL,
        card["ts"],
        card["ts"],
    )
    action = heard["actions"][0]
    assert (action["action_id"], action["block_id"], action["value"]) == (
        "go",
        "card",
        "storefront-1",
    )


async def test_a_button_that_is_not_on_the_message_cannot_be_pressed(
    slack: Workspace, bot: TinyBot, client: AsyncWebClient
) -> None:
    await client.chat_postMessage(channel=CHANNEL, text="a card", blocks=CARD)
    card = slack.message("a card")
    assert card is not None
    with pytest.raises(LookupError):
        await slack.clicks(BO, card, "stop", channel=CHANNEL)
    assert bot.heard == []


async def test_a_dialog_asks_again_until_the_bot_is_content(
    slack: Workspace, bot: TinyBot, client: AsyncWebClient
) -> None:
    await client.chat_postMessage(channel=CHANNEL, text="a card", blocks=CARD)
    await slack.clicks(ANA, slack.message("a card") or {}, "go", channel=CHANNEL)
    await slack.until(lambda: slack.state.views)

    assert "reason" in (await slack.submits(ANA, "form", {}))["errors"], (
        "a required field is asked for before the bot hears of it"
    )
    assert len(bot.heard) == 1
    assert (await slack.submits(ANA, "form", {"reason": "because"}))["errors"] == {
        "reason": "Say more."
    }
    assert slack.state.views
    assert await slack.submits(ANA, "form", {"reason": "errors are up"}) == {}
    assert slack.state.views == {}
    assert bot.heard[-1]["view"]["private_metadata"] == "storefront-1"


async def test_a_trigger_opens_one_dialog_only(slack: Workspace, client: AsyncWebClient) -> None:
    trigger = slack.state.trigger(ANA)
    await client.views_open(trigger_id=trigger, view=FORM)
    assert (
        await error_of(client.views_open(trigger_id=trigger, view=FORM)) == "exchanged_trigger_id"
    )
    assert (
        await error_of(client.views_open(trigger_id="made up", view=FORM)) == "invalid_trigger_id"
    )


async def test_a_trigger_is_good_for_three_seconds(
    slack: Workspace, client: AsyncWebClient
) -> None:
    trigger = slack.state.trigger(ANA)
    slack.state.triggers[trigger].at -= 3.1
    assert await error_of(client.views_open(trigger_id=trigger, view=FORM)) == "expired_trigger_id"


async def test_a_dialog_that_changed_meanwhile_is_not_overwritten(
    slack: Workspace, client: AsyncWebClient
) -> None:
    opened = (await client.views_open(trigger_id=slack.state.trigger(ANA), view=FORM))["view"]
    await client.views_update(view_id=opened["id"], hash=opened["hash"], view=FORM)
    assert (
        await error_of(client.views_update(view_id=opened["id"], hash=opened["hash"], view=FORM))
        == "hash_conflict"
    )


async def error_of(call: Any) -> str:
    with pytest.raises(SlackApiError) as caught:
        await call
    return str(caught.value.response["error"])


async def test_a_doubled_delivery_is_heard_twice_with_the_same_trigger(
    slack: Workspace, bot: TinyBot
) -> None:
    slack.faults.copies = 2
    await slack.says(ANA, "/deploy status", channel=CHANNEL)
    await slack.until(lambda: len(bot.heard) == 2)
    assert bot.heard[0]["trigger_id"] == bot.heard[1]["trigger_id"]


async def test_a_bot_that_is_not_there_is_reported_to_the_person(slack: Workspace) -> None:
    slack.call_at("http://127.0.0.1:9/slack/events")
    assert (await slack.says(ANA, "/deploy status", channel=CHANNEL)).status == 0
    assert slack.whisper(ANA, "/deploy failed") is not None


async def test_opening_the_home_is_an_event(
    slack: Workspace, bot: TinyBot, session: aiohttp.ClientSession
) -> None:
    async with session.post(f"{slack.url}/sandbox/home", json={"user": ANA}) as answer:
        assert await answer.json() == {"status": 200}
    assert bot.heard[0]["event"]["user"] == ANA
    assert bot.heard[0]["event_id"].startswith("Ev")


async def test_an_answer_address_answers_the_person_or_the_channel(
    slack: Workspace, bot: TinyBot, session: aiohttp.ClientSession
) -> None:
    await slack.says(ANA, "/deploy status", channel=CHANNEL)
    address = bot.heard[0]["response_url"]
    assert (await session.post(address, json={"text": "only you"})).status == 200
    assert (
        await session.post(address, json={"text": "everybody", "response_type": "in_channel"})
    ).status == 200
    assert (await session.post(address, json={})).status == 400
    assert slack.whisper(ANA, "only you") is not None
    assert [each["text"] for each in slack.state.channels[CHANNEL].messages] == ["everybody"]


async def test_the_web_api_is_away_until_it_is_back(
    slack: Workspace, client: AsyncWebClient
) -> None:
    slack.faults.away_until = float("inf")
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=CHANNEL, text="hello")
    assert caught.value.response.status_code == web.HTTPServiceUnavailable.status_code
    slack.faults.away_until = 0.0
    await client.chat_postMessage(channel=CHANNEL, text="hello")
