"""The scripted story: it fails when something is missing, and never passes by accident."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from bot.domain.errors import GonogoError
from bot.sandbox.demo import CHANNEL, GUIDE, PEOPLE, demo
from bot.sandbox.story import ANA, DI, Player, StoryError, button, play_story
from bot.sandbox.workspace import Channel, Workspace


@pytest.fixture
async def slack() -> AsyncIterator[Workspace]:
    """Start a workspace whose bot takes everything and does nothing."""
    workspace = Workspace(users=PEOPLE, channels=[Channel(CHANNEL, "deploys")])

    async def swallow(_request: web.Request) -> web.Response:
        return web.Response()

    workspace.application.add_routes([web.post("/silent", swallow)])
    await workspace.start()
    workspace.call_at(f"{workspace.url}/silent")
    yield workspace
    await workspace.close()


async def test_a_port_that_is_taken_is_one_sentence(slack: Workspace) -> None:
    port = int(slack.url.rpartition(":")[2])
    with pytest.raises(
        GonogoError,
        match=f"Port {port} of 127.0.0.1 cannot be used: address already in use. Give another one",
    ):
        await demo(port=port, play=False, browser=False)


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


async def test_a_bot_that_does_nothing_fails_the_story_with_what_was_missing(
    slack: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await play_story(slack.url, CHANNEL, patience=0.4, warm_up=0) == 1
    said = lines(capsys.readouterr().out)
    assert said[-1]["event"] == "failed"
    assert "v1.1.0 → production" in str(said[-1]["why"])


async def test_a_workspace_that_is_gone_fails_the_story(capsys: pytest.CaptureFixture[str]) -> None:
    assert await play_story("http://127.0.0.1:9", CHANNEL, patience=0.4, warm_up=0) == 1
    assert lines(capsys.readouterr().out)[-1]["event"] == "failed"


async def test_a_button_that_is_not_there_cannot_be_pressed(slack: Workspace) -> None:
    message = slack.state.post(
        slack.state.channels[CHANNEL], {"user": slack.state.bot, "text": "bare", "blocks": []}
    )
    with pytest.raises(StoryError, match=r"no button gonogo\.roll_back"):
        button(message, "gonogo.roll_back")


async def test_each_person_sees_only_what_they_may(slack: Workspace) -> None:
    slack.state.whisper(
        CHANNEL, DI, {"user": slack.state.bot, "text": "Only bo can roll this back.", "blocks": []}
    )
    async with aiohttp.ClientSession() as session:
        player = Player(session, slack.url, CHANNEL)
        assert [post["text"] for post in (await player.state(DI))["messages"][CHANNEL]] == [
            "Only bo can roll this back."
        ]
        assert (await player.state(ANA))["messages"][CHANNEL] == []


def test_the_guide_names_only_people_of_the_workspace_and_commands_that_exist() -> None:
    names = {person.name for person in PEOPLE}
    steps = GUIDE["steps"]
    assert isinstance(steps, list)
    assert {step["act_as"] for step in steps} <= names
    assert all(step["command"] == "" or step["command"].startswith("/deploy ") for step in steps)
