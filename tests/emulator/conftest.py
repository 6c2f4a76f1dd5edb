"""A workspace that others wrote (npm: local-slack-linux-x64), driven through its control API, and
our bot as it is shipped.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.adopting import adopt
from bot.settings import Settings
from tests.conversations.conftest import (
    ANA,
    BO,
    CHANNEL,
    CONFIG,
    CY,
    DI,
    Service,
    environment_of,
    make_repository,
    serve_metrics,
)
from tests.conversations.vendors import Local
from tests.emulator.alone import is_alone
from tests.emulator.process import free_port, start
from tests.patience import PATIENCE

SILENCE = 5.0
EVE = "U0EVE"


def emulator() -> Path:
    """Say where the emulator is, or why this cannot run."""
    named = os.environ.get("GONOGO_EMULATOR", "")
    if not named or not Path(named).is_file():
        pytest.skip("needs the emulator; run make test-emulator")
    if not is_alone():
        pytest.skip(
            "the emulator runs only without network beyond loopback; run make test-emulator"
        )
    return Path(named)


@dataclass
class LocalSlack:
    """The workspace, over its control API and the WebSocket of its page."""

    mode: str
    port: int
    bot_port: int
    session: aiohttp.ClientSession
    token: str = "xoxb-" + "1" * 12
    app_token: str = "xapp-1-A0GONOGO-1-" + "2" * 12
    secret: str = "3" * 32
    snapshot: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    page: aiohttp.ClientWebSocketResponse | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://localhost:{self.port}"

    @property
    def api_url(self) -> str:
        """The base address of its Web API."""
        return f"{self.url}/api/"

    def config(self) -> str:
        """Write its configuration."""
        app = {
            "appId": "A0GONOGO", "botUserId": "U0GONOGO", "botName": "gonogo",
            "botToken": self.token, "appToken": self.app_token,
            "signingSecret": self.secret, "mode": self.mode,
            "requestUrl": f"http://127.0.0.1:{self.bot_port}/slack/events",
        }  # fmt: skip
        people = {"ana": ANA, "bo": BO, "cy": CY, "di": DI, "eve": EVE}
        return json.dumps(
            {
                "workspace": {"name": "Example", "domain": "example", "teamId": "T0SANDBOX"},
                "app": app,
                "users": [
                    {"id": user, "name": name, "real_name": name} for name, user in people.items()
                ],
                "channels": [
                    {"id": CHANNEL, "name": "deploys", "members": [*people.values(), "U0GONOGO"]}
                ],
            }
        )

    async def watch(self) -> None:
        """Follow the page's WebSocket: dialogs and their errors are told there alone."""
        self.page = await self.session.ws_connect(f"{self.url}/ui")
        async for message in self.page:
            event = json.loads(message.data)
            if event["t"] == "view":
                self.snapshot["stack"] = event.get("stack") or []
            if event["t"] == "view_errors":
                self.errors = event.get("errors") or {}
            self.changed.set()

    async def says(self, user: str, text: str) -> None:
        """Type a command."""
        command, _, rest = text.partition(" ")
        await self._post(
            "command", {"channel": CHANNEL, "user": user, "command": command, "text": rest}
        )

    async def clicks(self, user: str, message: Mapping[str, Any], action: str) -> None:
        """Press a button of a message."""
        for block in message["blocks"]:
            for element in block.get("elements", [block.get("accessory") or {}]):
                if element.get("action_id") == f"gonogo.{action}":
                    pressed = {**element, "block_id": block.get("block_id", "b")}
                    await self._post(
                        "interact",
                        {
                            "channel": CHANNEL,
                            "messageTs": message["ts"],
                            "user": user,
                            "action": pressed,
                        },
                    )
                    return
        raise AssertionError(f"there is no button {action} on {message['text']}")

    async def submits(self, user: str, values: Mapping[str, dict[str, Any]]) -> None:
        """Fill in the dialog on top and send it off: block id to the element's value."""
        view = (await self.until(lambda: self.snapshot.get("stack")))[-1]
        filled = {
            block["block_id"]: {
                block["element"]["action_id"]: {
                    "type": block["element"]["type"],
                    **values[block["block_id"]],
                }
            }
            for block in view["blocks"]
            if block["type"] == "input" and block["block_id"] in values
        }
        self.errors = {}
        assert self.page is not None
        await self.page.send_json({"t": "view_submit", "user": user, "values": filled})

    async def messages(self) -> list[dict[str, Any]]:
        """List everything in the channel."""
        async with self.session.get(f"{self.url}/_control/messages/{CHANNEL}") as answer:
            found: list[dict[str, Any]] = (await answer.json())["messages"]
            return found

    async def card(self, *words: str) -> dict[str, Any]:
        """Wait for a message to everybody with these words."""
        return await self._message(lambda m: m.get("subtype") != "ephemeral", words)

    async def reply(self, user: str, *words: str) -> dict[str, Any]:
        """Wait for a message to one person with these words."""
        return await self._message(lambda m: m.get("ephemeral_to") == user, words)

    async def _message(
        self, fits: Callable[[dict[str, Any]], bool], words: tuple[str, ...]
    ) -> dict[str, Any]:
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    for message in await self.messages():
                        if fits(message) and all(
                            word in json.dumps(message, ensure_ascii=False) for word in words
                        ):
                            return message
                    await self._something()
        except TimeoutError:
            raise AssertionError(
                f"nobody said {words}; there is {[m['text'] for m in await self.messages()]}"
            ) from None

    async def until(self, condition: Callable[[], Any]) -> Any:
        """Wait until something holds."""
        async with asyncio.timeout(PATIENCE):
            while not (found := condition()):
                await self._something()
            return found

    async def _something(self) -> None:
        """Wait until anything happens in the workspace, or for a while: two
        processes share no clock.
        """
        self.changed.clear()
        try:
            async with asyncio.timeout(SILENCE):
                await self.changed.wait()
        except TimeoutError:
            return

    async def _post(self, what: str, body: Mapping[str, Any]) -> None:
        async with self.session.post(f"{self.url}/_control/{what}", json=body) as answer:
            assert answer.status == 200, await answer.text()


@dataclass
class Place:
    """The workspace, the service, and what CI really ran."""

    slack: LocalSlack
    service: Service
    commits: dict[str, str]
    ci: Local


@pytest.fixture(params=["events", "socket"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    """Start the workspace and the bot, over HTTP and over Socket Mode."""
    binary = emulator()
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        slack = LocalSlack(request.param, free_port(), free_port(), session)
        commits = await asyncio.to_thread(make_repository, tmp_path / "storefront")
        ci, service = Local(tmp_path), Service(commits)
        metrics = await serve_metrics(stack, service)
        config = CONFIG.format(ci=ci.line, metrics=metrics)
        (tmp_path / "gonogo.yaml").write_text(config)
        (tmp_path / "workspace.json").write_text(slack.config())
        arguments = [
            "--config",
            str(tmp_path / "workspace.json"),
            "--port",
            str(slack.port),
            "--files-dir",
            str(tmp_path / "files"),
        ]
        await start(
            stack,
            str(binary),
            *arguments,
            environment={},
            up="Control API",
            log=tmp_path / "workspace.log",
        )
        watching = asyncio.create_task(slack.watch())
        stack.callback(watching.cancel)
        environment = {
            **environment_of(slack, tmp_path),
            "GONOGO_LISTEN": f"127.0.0.1:{slack.bot_port}",
        }
        if slack.mode == "socket":
            environment["SLACK_APP_TOKEN"] = slack.app_token
            del environment["SLACK_SIGNING_SECRET"]
        settings = Settings.read(environment)
        await adopt(settings, service="storefront", ref="v1.1.0", environment="staging")
        await adopt(settings, service="storefront", ref="v1.0.0", environment="production")
        await start(
            stack,
            sys.executable,
            "-m",
            "bot",
            "run",
            environment=environment,
            up="is up",
            log=tmp_path / "bot.log",
        )
        await service.scraped.wait()
        yield Place(slack, service, commits, ci)
