"""The page's own door: what people see and do, for pages of this machine only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import pytest
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


async def test_the_page_learns_who_is_there_and_what_was_said(
    slack: Workspace, client: AsyncWebClient, session: aiohttp.ClientSession
) -> None:
    await client.chat_postMessage(channel=CHANNEL, text="a card", blocks=CARD)
    await client.chat_postEphemeral(channel=CHANNEL, user=BO, text="for bo alone")
    for user, texts in ((ANA, ["a card"]), (BO, ["a card", "for bo alone"])):
        async with session.get(f"{slack.url}/sandbox/state", params={"user": user}) as answer:
            seen = await answer.json()
        assert [message["text"] for message in seen["messages"][CHANNEL]] == texts
        assert {each["id"] for each in seen["users"]} >= {ANA, BO}
        assert [each["command"] for each in seen["commands"]] == ["/deploy", "/rollback"]


async def test_a_command_and_a_click_reach_the_bot(
    slack: Workspace, bot: TinyBot, client: AsyncWebClient, session: aiohttp.ClientSession
) -> None:
    posted = await client.chat_postMessage(channel=CHANNEL, text="a card", blocks=CARD)
    command = {"user": ANA, "channel": CHANNEL, "command": "/deploy", "text": "status"}
    click = {
        "user": BO,
        "channel": CHANNEL,
        "message_ts": posted["ts"],
        "block_id": "card",
        "action_id": "go",
        "value": "storefront-1",
    }
    for door, body in (("command", command), ("action", click)):
        async with session.post(f"{slack.url}/sandbox/{door}", json=body) as answer:
            assert await answer.json() == {"status": 200}
    assert bot.heard[0]["user_id"] == ANA
    assert bot.heard[1]["user"]["id"] == BO


@pytest.mark.parametrize("blocks", [("one", "two"), (None, None)])
@pytest.mark.parametrize("value", ["storefront-1", "storefront-2"])
async def test_of_two_like_buttons_the_one_is_pressed_that_was_meant(
    slack: Workspace,
    bot: TinyBot,
    client: AsyncWebClient,
    session: aiohttp.ClientSession,
    blocks: tuple[str | None, str | None],
    value: str,
) -> None:
    card = [
        {"type": "actions", "elements": [BUTTON | {"value": each}]}
        | ({"block_id": name} if name else {})
        for name, each in zip(blocks, ("storefront-1", "storefront-2"), strict=True)
    ]
    posted = await client.chat_postMessage(channel=CHANNEL, text="two", blocks=card)
    click = {
        "user": BO, "channel": CHANNEL, "message_ts": posted["ts"],
        "action_id": "go", "value": value,
    }  # fmt: skip
    name = blocks[int(value[-1]) - 1]
    click |= {"block_id": name} if name else {}
    async with session.post(f"{slack.url}/sandbox/action", json=click) as answer:
        assert await answer.json() == {"status": 200}
    assert bot.heard[0]["actions"][0]["value"] == value


async def test_a_button_that_its_block_does_not_have_is_gone(
    slack: Workspace, bot: TinyBot, client: AsyncWebClient, session: aiohttp.ClientSession
) -> None:
    posted = await client.chat_postMessage(channel=CHANNEL, text="a card", blocks=CARD)
    click = {"user": BO, "channel": CHANNEL, "message_ts": posted["ts"]}
    click |= {"block_id": "other", "action_id": "go"}
    async with session.post(f"{slack.url}/sandbox/action", json=click) as answer:
        assert (answer.status, await answer.text()) == (404, "That button is gone.")
    assert not bot.heard


async def test_what_happens_is_pushed_to_those_who_may_see_it(
    slack: Workspace, client: AsyncWebClient, session: aiohttp.ClientSession
) -> None:
    async with session.ws_connect(f"{slack.url}/sandbox/live", params={"user": ANA}) as live:
        await client.chat_postEphemeral(channel=CHANNEL, user=BO, text="for bo alone")
        posted = await client.chat_postMessage(channel=CHANNEL, text="running")
        await client.chat_update(channel=CHANNEL, ts=posted["ts"], text="done")
        events = [await live.receive_json(timeout=10) for _ in range(2)]
    assert [event["type"] for event in events] == ["message", "message_changed"]
    assert events[1]["message"]["text"] == "done"


async def test_a_message_of_a_person_stands_in_the_channel(
    slack: Workspace, session: aiohttp.ClientSession
) -> None:
    async with session.post(
        f"{slack.url}/sandbox/message", json={"user": ANA, "channel": CHANNEL, "text": "hello"}
    ) as answer:
        assert (await answer.json())["user"] == ANA
    assert slack.message("hello") is not None


@pytest.mark.parametrize(
    "typed", ["@Go/No-Go what is up?", "hello @gonogo", "@GONOGO, help", "<@UGONOGO> hm"]
)
async def test_a_mention_of_the_bot_reaches_it(
    slack: Workspace, bot: TinyBot, session: aiohttp.ClientSession, typed: str
) -> None:
    said = {"user": ANA, "channel": CHANNEL, "text": typed}
    async with session.post(f"{slack.url}/sandbox/message", json=said) as answer:
        posted = await answer.json()
    assert "<@UGONOGO>" in posted["text"]
    heard = bot.heard[-1]["event"]
    assert (heard["type"], heard["user"], heard["channel"], heard["text"]) == (
        "app_mention",
        ANA,
        CHANNEL,
        posted["text"],
    )


@pytest.mark.parametrize("typed", ["hello", "@bo look", "mail to ana@gonogo.example", "@gonogoer"])
async def test_what_mentions_somebody_else_does_not_reach_the_bot(
    slack: Workspace, bot: TinyBot, session: aiohttp.ClientSession, typed: str
) -> None:
    async with session.post(
        f"{slack.url}/sandbox/message", json={"user": ANA, "channel": CHANNEL, "text": typed}
    ) as answer:
        assert answer.status == 200
    assert bot.heard == []


@pytest.mark.parametrize(
    "headers",
    [{"Host": "gonogo.example.com"}, {"Origin": "https://example.com"}, {"Origin": "null"}],
)
async def test_pages_of_other_places_are_refused(
    slack: Workspace, session: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    async with session.get(
        f"{slack.url}/sandbox/state", params={"user": ANA}, headers=headers
    ) as answer:
        assert answer.status == 403
    async with session.post(
        f"{slack.url}/sandbox/home", json={"user": ANA}, headers=headers
    ) as answer:
        assert answer.status == 403


async def test_somebody_who_is_not_there_can_do_nothing(
    slack: Workspace, session: aiohttp.ClientSession
) -> None:
    async with session.post(f"{slack.url}/sandbox/home", json={"user": "U0NOBODY"}) as answer:
        assert answer.status == 400
