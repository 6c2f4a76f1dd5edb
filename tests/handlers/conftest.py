"""The Slack door on a real socket: guard, Bolt and listeners, with an inbox in memory and dialogs
that only note that they were opened.
"""

from __future__ import annotations

import asyncio
import hmac
import io
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.actions import Action
from bot.domain.catalog import Catalog, EnvironmentPolicy, ProviderChoice, Service
from bot.domain.people import Person
from bot.ports.talk import Answer, Intent
from bot.ports.work import LeftOver
from bot.sandbox.workspace import Channel, User, Workspace
from bot.slack.dialogs import Dialogs
from bot.slack.ours import Ours
from bot.slack.render import Words
from handlers.slack import buttons, deploy, home, mention, rollback
from handlers.slack.intake import SlackIntake, bolt_app
from handlers.slack.verification import Verifier, events_route
from handlers.web.telemetry import Telemetry, metrics_route

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
TEAM, APP = "T1", "A1"
SECRET, BEFORE = b"a-signing-secret-of-today", b"a-signing-secret-of-before"
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


class StillClock:
    """A clock that stands."""

    def now(self) -> datetime:
        return NOW


class Memory:
    """An inbox in memory; ``is_down`` makes it fail as a full disk would."""

    def __init__(self) -> None:
        self.intents: dict[str, Intent] = {}
        self.is_down = False
        self.is_quick = asyncio.Event()
        self.is_quick.set()

    async def accept(self, intent: Intent) -> bool:
        if self.is_down:
            raise OSError("disk full")
        await self.is_quick.wait()
        is_new = intent.key not in self.intents
        self.intents.setdefault(intent.key, intent)
        return is_new

    async def waiting(self) -> tuple[Intent, ...]:
        return tuple(self.intents.values())

    async def finish(self, key: str) -> None:
        del self.intents[key]

    async def left_over(self) -> LeftOver:
        return LeftOver(dict.fromkeys(self.intents, 1))

    async def begin(self, key: str) -> int:
        raise AssertionError(key)

    async def survived(self, key: str) -> None:
        raise AssertionError(key)


class NotedForms:
    """Dialogs that note that they were asked for."""

    def __init__(self) -> None:
        self.opened: list[tuple[str, ...]] = []

    async def deploy(self, trigger: str, person: Person, *, channel: str) -> None:
        self.opened.append(("deploy", trigger, str(person), channel))

    async def narrow_deploy(self, view: dict[str, Any], service: str, person: Person) -> None:
        self.opened.append(("narrow", str(view.get("id")), service, str(person)))

    async def tick(
        self,
        trigger: str,
        deployment: str,
        person: Person,
        *,
        channel: str,
        shown: str = "",  # noqa: ARG002 - the form's signature
    ) -> None:
        self.opened.append(("tick", trigger, deployment, str(person), channel))

    async def reason(
        self,
        trigger: str,
        action: Action,
        deployment: str,
        person: Person,
        *,
        channel: str,
        shown: str = "",  # noqa: ARG002 - the form's signature
    ) -> None:
        self.opened.append((action, trigger, deployment, str(person), channel))

    async def show(
        self, trigger: str, action: Action, deployment: str, person: Person, *, channel: str
    ) -> None:
        self.opened.append((action, trigger, deployment, str(person), channel))

    async def home(self, person: Person) -> None:
        self.opened.append(("home", str(person)))

    def answer(self, answer: Answer) -> dict[str, Any]:
        return Dialogs(Words()).answer(answer)


def catalog() -> Catalog:
    """Give a catalog with two services."""
    fake = ProviderChoice("none")
    environments = {name: EnvironmentPolicy(name, "rolling") for name in ("staging", "production")}
    services = {
        name: Service(name, fake, fake, fake, environments)
        for name in ("storefront", "payload-api")
    }
    return Catalog(TEAM, {}, {}, services, {})


@dataclass
class Reply:
    """What came back."""

    status: int
    text: str
    content_type: str

    @property
    def said(self) -> str:
        """The words of an ack."""
        return str(json.loads(self.text)["text"]) if self.text.startswith("{") else self.text


@dataclass
class Door:
    """The door, and how Slack knocks at it."""

    url: str
    session: aiohttp.ClientSession
    inbox: Memory
    forms: NotedForms
    intake: SlackIntake
    nudged: list[Intent]
    slack: Workspace
    count: int = field(default=0)

    async def post(self, body: bytes, headers: Mapping[str, str] | list[tuple[str, str]]) -> Reply:
        async with self.session.post(
            f"{self.url}/slack/events", data=io.BytesIO(body), headers=headers
        ) as response:
            return Reply(response.status, await response.text(), response.content_type)

    async def signed(self, body: bytes, content_type: str = FORM, **how: Any) -> Reply:
        return await self.post(body, {"Content-Type": content_type, **signature(body, **how)})

    async def form(self, **fields: str) -> Reply:
        return await self.signed(urlencode(fields).encode())

    async def command(self, text: str, command: str = "/deploy", **more: str) -> Reply:
        return await self.form(**slash(self._trigger(), text, command), **more)

    async def interaction(self, payload: Mapping[str, Any]) -> Reply:
        return await self.form(payload=json.dumps({"trigger_id": self._trigger(), **payload}))

    async def event(self, event: Mapping[str, Any]) -> Reply:
        whole = {
            "type": "event_callback",
            "team_id": TEAM,
            "api_app_id": APP,
            "event_id": "Ev1",
            "event": event,
        }
        return await self.signed(json.dumps(whole).encode(), JSON)

    async def telemetry(self) -> str:
        async with self.session.get(f"{self.url}/metrics") as response:
            return await response.text()

    @property
    def accepted(self) -> list[Intent]:
        return list(self.inbox.intents.values())

    def _trigger(self) -> str:
        self.count += 1
        return f"trigger.{self.count}"


def signature(body: bytes, *, secret: bytes = SECRET, age: int = 0) -> dict[str, str]:
    """Sign as Slack does."""
    stamp = str(int(NOW.timestamp()) - age)
    digest = hmac.new(secret, b"v0:" + stamp.encode() + b":" + body, sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}


def slash(trigger: str, text: str, command: str = "/deploy") -> dict[str, str]:
    """Write a slash command as Slack does."""
    return {
        "team_id": TEAM, "api_app_id": APP, "channel_id": "C1",
        "user_id": "UANA", "user_name": "ana", "command": command, "text": text,
        "trigger_id": trigger, "response_url": "https://hooks.slack.com/commands/1",
    }  # fmt: skip


def click(action: str, deployment: str = "storefront-42", *, team: str = TEAM) -> dict[str, Any]:
    """Write a click on a card."""
    return {
        "type": "block_actions",
        "team": {"id": TEAM},
        "api_app_id": APP,
        "channel": {"id": "C1"},
        "user": {"id": "UANA", "team_id": team, "name": "cy"},
        "message": {"ts": "1.0", "thread_ts": "0.9"},
        "actions": [
            {
                "type": "button",
                "block_id": "b",
                "action_id": f"gonogo.{action}",
                "value": deployment,
            }
        ],
    }


def submission(
    callback: str,
    values: Mapping[str, Any],
    *,
    metadata: str = '{"deployment":"storefront-42","channel":"C1"}',
) -> dict[str, Any]:
    """Write a dialog that was sent off."""
    state = {field: {"gonogo.value": element} for field, element in values.items()}
    view: dict[str, Any] = {
        "id": "V1",
        "type": "modal",
        "callback_id": callback,
        "private_metadata": metadata,
        "state": {"values": state},
    }
    view["blocks"] = [{"type": "input", "block_id": field} for field in values]
    return {
        "type": "view_submission",
        "team": {"id": TEAM},
        "api_app_id": APP,
        "user": {"id": "UANA", "team_id": TEAM},
        "view": view,
    }


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    """Open the door."""
    inbox, forms, nudged = Memory(), NotedForms(), list[Intent]()

    def nudge(intent: Intent) -> None:
        nudged.append(intent)

    slack = Workspace(users=[User("UANA", "ana")], channels=[Channel("C1", "deploys")])
    await slack.start()
    intake = SlackIntake(
        catalog=catalog(),
        inbox=inbox,
        nudge=nudge,
        forms=forms,
        clock=StillClock(),
        ack_timeout=0.2,
    )
    client = AsyncWebClient(token=slack.token, base_url=slack.api_url)
    app = bolt_app(client, token=slack.token, team=TEAM, bot_user="UBOT", bot="B1")
    for verb in (deploy, rollback, home, mention, buttons):
        verb.register(app, intake)
    intake.serve(app, client)
    telemetry = Telemetry()
    application = web.Application(client_max_size=64 * 1024)
    verifier = Verifier([SECRET, BEFORE], Ours(TEAM, APP, "E1"), StillClock())
    application.add_routes([events_route(verifier, intake, telemetry), metrics_route(telemetry)])
    server = TestServer(application)
    await server.start_server()
    async with aiohttp.ClientSession() as session:
        yield Door(
            str(server.make_url("")).rstrip("/"), session, inbox, forms, intake, nudged, slack
        )
    inbox.is_quick.set()
    await intake.close()
    await slack.close()
    await server.close()
