"""The Web API refuses what Slack refuses, seen through the real slack_sdk client."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.workspace import Channel, Workspace

ANA, CHANNEL = "U0ANA", "C0DEPLOYS"


async def refusal(call: Any) -> dict[str, Any]:
    with pytest.raises(SlackApiError) as caught:
        await call
    data = caught.value.response.data
    assert isinstance(data, dict)
    return data


async def test_the_token_says_whose_it_is(slack: Workspace, client: AsyncWebClient) -> None:
    answer = await client.auth_test()
    assert (answer["team_id"], answer["user_id"]) == (slack.state.team, slack.state.bot)


@pytest.mark.parametrize(
    ("token", "error"), [("xoxb-of-somebody-else", "invalid_auth"), ("", "not_authed")]
)
async def test_a_wrong_token_is_refused(
    slack: Workspace, session: aiohttp.ClientSession, token: str, error: str
) -> None:
    stranger = AsyncWebClient(
        token=token, base_url=slack.api_url, session=session, retry_handlers=[]
    )
    assert (await refusal(stranger.auth_test()))["error"] == error


async def test_a_scope_that_was_not_granted_is_named(
    slack: Workspace, client: AsyncWebClient
) -> None:
    slack.scopes = frozenset({"commands"})
    answer = await refusal(client.chat_postMessage(channel=CHANNEL, text="hello"))
    assert (answer["error"], answer["needed"], answer["provided"]) == (
        "missing_scope",
        "chat:write",
        "commands",
    )


async def test_a_method_that_does_not_exist_is_refused(client: AsyncWebClient) -> None:
    assert (await refusal(client.api_call("chat.shout")))["error"] == "unknown_method"


async def test_an_argument_that_does_not_exist_is_named(client: AsyncWebClient) -> None:
    answer = await refusal(
        client.api_call(
            "chat.postMessage", json={"channel": CHANNEL, "text": "hello", "colour": "red"}
        )
    )
    assert answer["error"] == "invalid_arguments"
    assert "colour" in answer["response_metadata"]["messages"][0]


async def test_a_posted_message_is_seen_in_the_channel_and_in_its_thread(
    slack: Workspace, client: AsyncWebClient
) -> None:
    parent = await client.chat_postMessage(channel=CHANNEL, text="a card")
    reply = await client.chat_postMessage(channel=CHANNEL, text="a detail", thread_ts=parent["ts"])
    assert parent["ts"] < reply["ts"]
    assert [
        each["text"] for each in (await client.conversations_history(channel=CHANNEL))["messages"]
    ] == ["a card"]
    thread = await client.conversations_replies(channel=CHANNEL, ts=parent["ts"])
    assert [each["text"] for each in thread["messages"]] == ["a card", "a detail"]
    assert [call["method"] for call in slack.calls][:2] == ["chat.postMessage", "chat.postMessage"]


async def test_a_message_without_text_and_blocks_is_refused(client: AsyncWebClient) -> None:
    assert (await refusal(client.api_call("chat.postMessage", json={"channel": CHANNEL})))[
        "error"
    ] == "no_text"


async def test_a_channel_must_exist_and_have_the_bot_in_it(
    slack: Workspace, client: AsyncWebClient
) -> None:
    assert (await refusal(client.chat_postMessage(channel="C0NOWHERE", text="hello")))[
        "error"
    ] == "channel_not_found"
    slack.state.channels["C0OTHERS"] = Channel("C0OTHERS", "others", members={ANA})
    assert (await refusal(client.chat_postMessage(channel="C0OTHERS", text="hello")))[
        "error"
    ] == "not_in_channel"


async def test_only_the_bots_own_messages_can_be_changed(
    slack: Workspace, client: AsyncWebClient
) -> None:
    mine = await client.chat_postMessage(channel=CHANNEL, text="running")
    await client.chat_update(channel=CHANNEL, ts=mine["ts"], text="done")
    channel = slack.state.channels[CHANNEL]
    assert [(each["text"], "edited" in each) for each in channel.messages] == [("done", True)]
    theirs = slack.state.post(channel, {"user": ANA, "text": "hello", "blocks": []})
    assert (await refusal(client.chat_update(channel=CHANNEL, ts=theirs["ts"], text="mine")))[
        "error"
    ] == "cant_update_message"
    assert (await refusal(client.chat_update(channel=CHANNEL, ts="1.000000", text="x")))[
        "error"
    ] == "message_not_found"


async def test_metadata_is_shown_only_to_who_asks_for_it(client: AsyncWebClient) -> None:
    metadata = {"event_type": "gonogo", "event_payload": {"key": "storefront-1"}}
    await client.chat_postMessage(channel=CHANNEL, text="a card", metadata=metadata)
    assert "metadata" not in (await client.conversations_history(channel=CHANNEL))["messages"][0]
    asked = await client.conversations_history(channel=CHANNEL, include_all_metadata=True)
    assert asked["messages"][0]["metadata"] == metadata


async def test_a_file_is_shown_in_the_thread_with_its_bytes(
    slack: Workspace, client: AsyncWebClient, session: aiohttp.ClientSession
) -> None:
    parent = await client.chat_postMessage(channel=CHANNEL, text="a card")
    await client.files_upload_v2(
        channel=CHANNEL,
        thread_ts=parent["ts"],
        content=b"\x89PNG picture",
        filename="p95.png",
        title="p95",
    )
    shown = slack.state.channels[CHANNEL].messages[-1]
    assert (shown["thread_ts"], shown["files"][0]["title"]) == (parent["ts"], "p95")
    async with session.get(f"{slack.url}/sandbox/files/{shown['files'][0]['id']}") as answer:
        assert await answer.read() == b"\x89PNG picture"


async def test_too_many_calls_are_told_when_to_come_back(
    slack: Workspace, session: aiohttp.ClientSession
) -> None:
    headers = {"Authorization": f"Bearer {slack.token}"}
    for _ in range(50):
        await session.post(
            f"{slack.api_url}chat.update",
            json={"channel": CHANNEL, "ts": "1.0", "text": "x"},
            headers=headers,
        )
    answer = await session.post(
        f"{slack.api_url}chat.update",
        json={"channel": CHANNEL, "ts": "1.0", "text": "x"},
        headers=headers,
    )
    assert (answer.status, answer.headers["Retry-After"]) == (429, "1")


@pytest.mark.parametrize(("fault", "status"), [("429", 429), ("503", 503)])
async def test_a_method_fails_on_request_and_then_works_again(
    slack: Workspace, client: AsyncWebClient, fault: str, status: int
) -> None:
    slack.faults.fail_next["chat.postMessage"] = [fault]
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=CHANNEL, text="hello")
    assert caught.value.response.status_code == status
    await client.chat_postMessage(channel=CHANNEL, text="hello")
    assert len(slack.state.channels[CHANNEL].messages) == 1


async def test_a_lost_answer_leaves_the_message_posted(
    slack: Workspace, client: AsyncWebClient
) -> None:
    slack.faults.fail_next["chat.postMessage"] = ["lost"]
    with pytest.raises(aiohttp.ClientError):
        await client.chat_postMessage(channel=CHANNEL, text="hello")
    assert [each["text"] for each in slack.state.channels[CHANNEL].messages] == ["hello"]


async def test_a_message_has_an_address(slack: Workspace, client: AsyncWebClient) -> None:
    posted = await client.chat_postMessage(channel=CHANNEL, text="a card")
    answer = await client.chat_getPermalink(channel=CHANNEL, message_ts=posted["ts"])
    assert answer["permalink"] == f"{slack.url}/archives/{CHANNEL}/p{posted['ts'].replace('.', '')}"
    assert (await refusal(client.chat_getPermalink(channel=CHANNEL, message_ts="1.000001")))[
        "error"
    ] == "message_not_found"
