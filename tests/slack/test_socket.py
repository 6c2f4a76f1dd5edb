"""Socket Mode against the workspace: envelopes, acks, and what happens when the
connection ends or falls silent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from bot.sandbox.workspace import Channel, User, Workspace
from bot.slack.ours import Ours
from bot.slack.socket import Socket
from tests.patience import PATIENCE

ANA = "U0ANA"
TEAM = "T0SANDBOX"


@dataclass
class Line:
    """A socket to a workspace, and what came through it."""

    slack: Workspace
    socket: Socket
    session: aiohttp.ClientSession
    heard: list[dict[str, Any]] = field(default_factory=list)
    answer: tuple[int, str] = (200, "")

    async def dispatch(self, payload: dict[str, Any]) -> tuple[int, str]:
        self.heard.append(payload)
        return self.answer

    async def connected(self, times: int = 1) -> None:
        """Wait until there have been so many connections and one of them stands."""
        await self._until(connected=True, times=times)

    async def lost(self) -> None:
        """Wait until the socket knows that its connection is gone."""
        await self._until(connected=False, times=0)

    async def acknowledged(self, kind: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Deliver an envelope until a connection has taken it: one that is being replaced takes
        none, and Slack would deliver again.
        """
        async with asyncio.timeout(PATIENCE):
            while True:
                await self.connected()
                try:
                    return await self.slack.sockets.deliver(kind, payload)
                except ConnectionError:
                    continue

    async def _until(self, *, connected: bool, times: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while (  # noqa: ASYNC110 - it tells nobody
                self.slack.sockets.opened < times
                or await self.socket.is_connected() is not connected
            ):
                await asyncio.sleep(0.01)


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    """Connect a socket."""
    slack = Workspace(users=[User(ANA, "ana")], channels=[Channel("C0DEPLOYS", "deploys")])
    await slack.start()
    async with aiohttp.ClientSession() as session:
        line: Line

        async def dispatch(payload: dict[str, Any]) -> tuple[int, str]:
            return await line.dispatch(payload)

        socket = Socket(
            app_token=slack.sockets.token,
            api_url=slack.api_url,
            session=session,
            ours=Ours(TEAM),
            dispatch=dispatch,
            ping=0.1,
            silent=1.0,
        )
        line = Line(slack, socket, session)
        await socket.open()
        await line.connected()
        yield line
        await socket.close()
    await slack.close()


async def test_a_command_comes_through_and_its_ack_carries_the_answer(line: Line) -> None:
    line.answer = (200, '{"text": "Understood.", "response_type": "ephemeral"}')
    outcome = await line.slack.says(ANA, "/deploy status")
    assert outcome.status == 200
    assert [heard["text"] for heard in line.heard] == ["status"]
    assert line.slack.whisper(ANA, "Understood.")


async def test_a_delivery_that_was_not_accepted_is_not_acknowledged(line: Line) -> None:
    line.answer = (503, "")
    asking = asyncio.create_task(line.slack.says(ANA, "/deploy status"))
    assert (await asking).status == 0
    assert line.slack.whisper(ANA, "operation_timeout")


async def test_what_is_meant_for_another_workspace_is_acknowledged_and_dropped(line: Line) -> None:
    for payload in (
        {"team_id": "T0OTHER"},
        {"team": {"id": "T0OTHER"}},
        {"team": None, "user": {"team_id": "T0OTHER"}},
        {},
    ):
        assert await line.acknowledged("interactive", payload) == {}
    assert line.heard == []


async def test_what_nobody_knows_is_acknowledged_and_dropped(line: Line) -> None:
    assert await line.acknowledged("novelty", {"team_id": TEAM}) == {}
    assert line.heard == []


async def test_slack_asks_for_a_new_connection_and_gets_it(line: Line) -> None:
    await line.slack.sockets.disconnect()
    await line.connected(times=2)
    asked = [await line.slack.says(ANA, "/deploy status")]
    while asked[-1].status != 200 and len(asked) < 4:
        # one that falls between two connections is told so, and asked again
        asked.append(await line.slack.says(ANA, "/deploy status"))
    assert asked[-1].status == 200


async def test_a_connection_that_falls_silent_is_replaced(line: Line) -> None:
    line.slack.sockets.is_silent = True
    await line.lost()
    line.slack.sockets.is_silent = False
    await line.connected(times=2)
    assert (await line.slack.says(ANA, "/deploy status")).status == 200


async def test_an_address_is_good_for_one_connection(line: Line) -> None:
    answer = line.slack.sockets.open(line.slack.sockets.token, line.slack.url)
    async with line.session.ws_connect(answer["url"]) as first:
        assert (await first.receive_json())["type"] == "hello"
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await line.session.ws_connect(answer["url"])


@pytest.mark.parametrize(
    ("token", "error"),
    [("xoxb-sandbox", "not_allowed_token_type"), ("xapp-1-wrong", "invalid_auth")],
)
async def test_only_the_app_level_token_opens_a_connection(
    line: Line, token: str, error: str
) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    async with line.session.post(
        f"{line.slack.api_url}apps.connections.open", headers=headers
    ) as response:
        assert (await response.json())["error"] == error


async def test_the_ticket_of_a_connection_is_in_no_log(
    line: Line, caplog: pytest.LogCaptureFixture, capsys: Any
) -> None:
    caplog.set_level("DEBUG")
    await line.slack.sockets.disconnect()
    await line.connected(times=2)
    said = caplog.text + "".join(capsys.readouterr())
    assert "ticket" not in said
    assert line.slack.sockets.token not in said
