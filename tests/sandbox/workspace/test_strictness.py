"""Small print of Slack's that a bot trips over: pages, answer addresses, retries, closed
dialogs, lengths, broken input.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.workspace import Workspace
from bot.sandbox.workspace.blocks import problems
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from tests.sandbox.workspace.conftest import TinyBot

ANA, CHANNEL = "U0ANA", "C0DEPLOYS"


async def test_a_long_history_comes_in_pages(client: AsyncWebClient) -> None:
    for number in range(5):
        await client.chat_postMessage(channel=CHANNEL, text=f"message {number}")
    first = await client.conversations_history(channel=CHANNEL, limit=3)
    second = await client.conversations_history(
        channel=CHANNEL, limit=3, cursor=first["response_metadata"]["next_cursor"]
    )
    assert [m["text"][-1] for m in first["messages"]] == ["4", "3", "2"]
    assert [m["text"][-1] for m in second["messages"]] == ["1", "0"]
    assert (first["has_more"], second["has_more"]) == (True, False)
    for wrong, error in (({"limit": 1000}, "invalid_limit"), ({"cursor": "x"}, "invalid_cursor")):
        with pytest.raises(SlackApiError, match=error):
            await client.conversations_history(channel=CHANNEL, **wrong)


async def test_an_update_with_text_alone_removes_the_blocks_and_keeps_the_metadata(
    slack: Workspace, client: AsyncWebClient
) -> None:
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "a card"}}
    metadata = {"event_type": "gonogo", "event_payload": {"key": "card"}}
    posted = await client.chat_postMessage(
        channel=CHANNEL, text="one", blocks=[section], metadata=metadata
    )
    await client.chat_update(channel=CHANNEL, ts=posted["ts"], text="two")
    message = slack.message("two")
    assert message is not None
    assert (message["blocks"], message["metadata"]) == ([], metadata)


async def test_an_answer_address_is_good_for_five_answers(
    slack: Workspace, bot: TinyBot, session: aiohttp.ClientSession
) -> None:
    await slack.says(ANA, "/deploy status")
    address = bot.heard[0]["response_url"]
    answers = []
    for _ in range(6):
        async with session.post(address, json={"text": "an answer"}) as answer:
            answers.append(answer.status)
    assert answers == [200] * 5 + [404]
    async with session.post(f"{slack.url}/respond/unknown", json={"text": "an answer"}) as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b'{"text": ""}', 400), (b'{"text": "x", "replace_original": true}', 400)],
)
async def test_a_wrong_answer_is_refused(
    slack: Workspace, bot: TinyBot, session: aiohttp.ClientSession, body: bytes, status: int
) -> None:
    await slack.says(ANA, "/deploy status")
    async with session.post(
        bot.heard[0]["response_url"], data=body, headers={"Content-Type": "application/json"}
    ) as answer:
        assert answer.status == status


async def test_an_event_that_is_not_taken_comes_again_with_a_number(slack: Workspace) -> None:
    heard: list[tuple[str, str]] = []
    enough = asyncio.Event()

    async def refuse(request: web.BaseRequest) -> web.Response:
        heard.append(
            (
                request.headers.get("X-Slack-Retry-Num", ""),
                request.headers.get("X-Slack-Retry-Reason", ""),
            )
        )
        if len(heard) > 3:
            enough.set()
        return web.Response(status=500 if len(heard) < 4 else 200)

    server = RawTestServer(refuse)
    await server.start_server()
    slack.call_at(str(server.make_url("/")))
    slack.delivery.retries = (0.0, 0.01, 0.01)
    await slack.delivery.event({"type": "app_home_opened", "user": ANA})
    async with asyncio.timeout(PATIENCE):
        await enough.wait()
    await server.close()
    assert heard == [("", ""), ("1", "http_error"), ("2", "http_error"), ("3", "http_error")]


async def test_late_deliveries_come_out_of_order(slack: Workspace, bot: TinyBot) -> None:
    slack.faults.late = 0.2
    late = asyncio.create_task(slack.says(ANA, "/deploy first"))
    while slack.faults.late and not late.done():
        await asyncio.sleep(0)
        slack.faults.late = 0.0
    await slack.says(ANA, "/deploy second")
    await late
    assert [heard["text"] for heard in bot.heard] == ["second", "first"]


@pytest.mark.parametrize(
    ("door", "body", "status"),
    [
        ("command", b"{", 400),
        ("command", b"[]", 400),
        ("message", b'{"user": "U0ANA", "channel": "C0NONE"}', 404),
        (
            "action",
            (b'{"user": "U0ANA", "channel": "C0DEPLOYS", "message_ts": "1", "action_id": "x"}'),
            404,
        ),
        ("submit", b'{"user": "U0ANA", "view_id": "V0"}', 404),
        ("submit", b'{"user": "U0ANA"}', 400),
        ("close", b'{"user": "U0ANA"}', 400),
        ("command", b'{"user": "U0ANA"}', 400),
        ("message", b'{"user": "U0ANA"}', 400),
        ("action", b'{"user": "U0ANA"}', 400),
    ],
)
async def test_what_the_page_cannot_mean_is_answered_and_breaks_nothing(
    slack: Workspace, session: aiohttp.ClientSession, door: str, body: bytes, status: int
) -> None:
    async with session.post(
        f"{slack.url}/sandbox/{door}", data=body, headers={"Content-Type": "application/json"}
    ) as answer:
        assert answer.status == status


async def test_broken_json_is_answered_as_slack_does(
    slack: Workspace, session: aiohttp.ClientSession
) -> None:
    headers = {"Authorization": f"Bearer {slack.token}", "Content-Type": "application/json"}
    async with session.post(
        f"{slack.api_url}chat.postMessage", data=b"{", headers=headers
    ) as answer:
        assert await answer.json() == {"ok": False, "error": "invalid_json"}


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def button(**more: Any) -> dict[str, Any]:
    return {
        "type": "actions",
        "elements": [{"type": "button", "action_id": "go", "text": plain("Go"), **more}],
    }


CONFIRM = {
    "title": plain("Sure?"),
    "text": plain("It is serious."),
    "confirm": plain("Yes"),
    "deny": plain("No"),
}


@pytest.mark.parametrize(
    "block",
    [
        {"type": "header", "text": {"type": "mrkdwn", "text": "*bold*"}},
        {"type": "header", "text": plain("x" * 151)},
        {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}},
        {"type": "section", "fields": ["a", "b"]},
        {"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * 2001}]},
        {"type": "section", "text": "plain"},
        {"type": "divider", "block_id": "x" * 256}, button(text=plain("x" * 76)),
        button(value="x" * 2001), button(text="Go"),
        button(confirm={**CONFIRM, "title": plain("x" * 101)}),
        button(confirm={**CONFIRM, "deny": plain("")}),
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}] * 11},
        {"type": "novelty"}, {"type": "actions", "elements": []},
    ],
)  # fmt: skip
def test_blocks_that_slack_refuses_are_refused(block: dict[str, Any]) -> None:
    assert problems([block])


@pytest.mark.parametrize(
    "block",
    [
        button(),
        button(value="x" * 2000, confirm=CONFIRM),
        {"type": "header", "text": plain("x" * 150)},
    ],
)
def test_blocks_that_slack_takes_are_taken(block: dict[str, Any]) -> None:
    assert problems([block]) == []
