"""What people do, delivered to the bot as Slack does: signed requests or Socket Mode, three seconds
to answer, and faults on request.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import aiohttp

from bot.sandbox.workspace.sockets import Sockets
from bot.sandbox.workspace.state import Json, State

ACK_LIMIT = 3.0
RETRIES = (0.0, 60.0, 300.0)
"""Seconds after which an event that was not taken comes again
(docs.slack.dev/apis/events-api, "Retries").
"""
SLACKBOT = "USLACKBOT"
COMMANDS = (
    {
        "command": "/deploy",
        "description": "Deploy, see what runs, lock",
        "usage_hint": "SERVICE [REF] to ENVIRONMENT",
    },
    {
        "command": "/rollback",
        "description": "Roll back to the last verified version",
        "usage_hint": "SERVICE ENVIRONMENT because TEXT",
    },
)
NO_COMMAND = "`{command}` is not a valid command. To send it as a message, put a space before it."


@dataclass(slots=True)
class Outcome:
    """How a delivery went: ``status`` 0 means that no answer came in time."""

    status: int
    body: str
    seconds: float


@dataclass
class Faults:
    """What goes wrong on purpose."""

    copies: int = 1
    """How often each delivery comes."""
    late: float = 0.0
    """Seconds by which deliveries come late; set it for one and not for the next,
    and they come out of order.
    """
    away_until: float = 0.0
    """The Web API answers 503 until then (time.monotonic)."""
    fail_next: dict[str, list[str]] = field(default_factory=dict)
    """By method, for its next calls: ``429``, ``503``, ``html``, ``timeout`` (never answered),
    ``lost`` (done, but the answer is lost).
    """

    @property
    def is_away(self) -> bool:
        """Tell whether the Web API is down."""
        return time.monotonic() < self.away_until


@dataclass
class Delivery:
    """Signs and sends."""

    state: State
    secret: str
    session: aiohttp.ClientSession
    faults: Faults
    sockets: Sockets
    request_url: str = ""
    """Where the bot listens; without it everything goes through Socket Mode."""
    response_base: str = ""
    retries: tuple[float, ...] = RETRIES
    log: list[Json] = field(default_factory=list)
    _retrying: set[asyncio.Task[None]] = field(default_factory=set)

    async def command(self, user: str, channel: str, command: str, text: str) -> Outcome:
        """Send a slash command; what the ack says is shown to the person alone. One that no app has
        reaches nobody: status 404.
        """
        if command not in {each["command"] for each in COMMANDS}:
            self.state.whisper(
                channel,
                user,
                {"user": SLACKBOT, "text": NO_COMMAND.format(command=escaped(command))},
            )
            return Outcome(404, "", 0.0)
        form = {
            "token": "unused", "team_id": self.state.team,
            "team_domain": "sandbox", "channel_id": channel,
            "channel_name": self.state.channels[channel].name,
            "user_id": user, "user_name": self.state.users[user].name,
            "command": command, "text": text, "api_app_id": self.state.app,
            "is_enterprise_install": "false",
            "response_url": self._response_url(channel, user),
            "trigger_id": self.state.trigger(user),
        }  # fmt: skip
        outcome = await self._send("slash_commands", form)
        self._show_ack(outcome, user, channel, command)
        return outcome

    async def interaction(self, user: str, payload: Json, channel: str = "") -> Outcome:
        """Send a click or a submitted dialog."""
        person = self.state.users[user]
        whole = {
            "user": {
                "id": user,
                "username": person.name,
                "name": person.name,
                "team_id": self.state.team,
            },
            "team": {"id": self.state.team, "domain": "sandbox"},
            "api_app_id": self.state.app,
            "token": "unused",
            "trigger_id": self.state.trigger(user),
            "enterprise": None,
            "is_enterprise_install": False,
            **payload,
        }
        if channel:
            whole["channel"] = {"id": channel, "name": self.state.channels[channel].name}
            whole["response_url"] = self._response_url(channel, user)
        outcome = await self._send("interactive", whole)
        if outcome.status != 200:  # noqa: PLR2004 - HTTP
            self._trouble(user, channel)
        return outcome

    async def event(self, event: Json) -> Outcome:
        """Send an event; Slack tries again when it is not taken."""
        body = {
            "token": "unused", "team_id": self.state.team,
            "api_app_id": self.state.app, "event": event, "type": "event_callback",
            "event_id": f"Ev{self.state.ts().replace('.', '')}", "event_time": int(time.time()),
        }  # fmt: skip
        outcome = await self._send("events_api", body)
        if outcome.status != 200:  # noqa: PLR2004 - HTTP
            retrying = asyncio.create_task(self._try_again(body, outcome), name="event retries")
            self._retrying.add(retrying)
            retrying.add_done_callback(self._retrying.discard)
        return outcome

    async def _try_again(self, body: Json, outcome: Outcome) -> None:
        for number, pause in enumerate(self.retries, 1):
            await asyncio.sleep(pause)
            reason = "http_error" if outcome.status else "http_timeout"
            outcome = await self._send("events_api", body, retry=number, reason=reason)
            if outcome.status == 200:  # noqa: PLR2004 - HTTP
                return

    async def verify_url(self) -> bool:
        """Send the challenge that Slack sends when somebody enters the request address."""
        challenge = self.state.ts()
        outcome = await self._send(
            "events_api", {"type": "url_verification", "token": "unused", "challenge": challenge}
        )
        return outcome.status == 200 and challenge in outcome.body  # noqa: PLR2004 - HTTP

    async def close(self) -> None:
        """Give up what would come again."""
        for retrying in self._retrying:
            retrying.cancel()
        await asyncio.gather(*self._retrying, return_exceptions=True)

    def _response_url(self, channel: str, user: str) -> str:
        return f"{self.response_base}/respond/{self.state.answer_to(channel, user)}"

    async def _send(self, kind: str, payload: Json, *, retry: int = 0, reason: str = "") -> Outcome:
        if self.faults.late:
            await asyncio.sleep(self.faults.late)
        outcomes = await asyncio.gather(
            *(self._send_once(kind, payload, retry, reason) for _ in range(self.faults.copies))
        )
        return outcomes[0]

    async def _send_once(self, kind: str, payload: Json, retry: int, reason: str) -> Outcome:
        began = time.monotonic()
        try:
            async with asyncio.timeout(ACK_LIMIT):
                over = self._over_http if self.request_url else self._over_socket
                status, body = await over(kind, payload, retry, reason)
        except (TimeoutError, aiohttp.ClientError, OSError):
            status, body = 0, ""
        outcome = Outcome(status, body, time.monotonic() - began)
        self.log.append({"status": outcome.status, "seconds": outcome.seconds})
        return outcome

    async def _over_http(
        self, kind: str, payload: Json, retry: int, reason: str
    ) -> tuple[int, str]:
        body, content_type = _encoded(kind, payload)
        stamp = str(int(time.time()))
        signature = hmac.new(
            self.secret.encode(), b"v0:" + stamp.encode() + b":" + body, sha256
        ).hexdigest()
        headers = {
            "Content-Type": content_type,
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": f"v0={signature}",
        }
        headers |= (
            {"X-Slack-Retry-Num": str(retry), "X-Slack-Retry-Reason": reason} if retry else {}
        )
        async with self.session.post(self.request_url, data=body, headers=headers) as response:
            return response.status, await response.text()

    async def _over_socket(
        self, kind: str, payload: Json, retry: int, reason: str
    ) -> tuple[int, str]:
        answer = await self.sockets.deliver(kind, payload, retry=retry, reason=reason)
        return 200, json.dumps(answer) if answer else ""

    def _show_ack(self, outcome: Outcome, user: str, channel: str, command: str) -> None:
        if outcome.status != 200:  # noqa: PLR2004 - HTTP
            why = "operation_timeout" if outcome.status == 0 else "dispatch_failed"
            self.state.whisper(
                channel,
                user,
                {"user": SLACKBOT, "text": f'{command} failed with the error "{why}"'},
            )
            return
        text, blocks = _said(outcome.body)
        if text or blocks:
            self.state.whisper(
                channel, user, {"user": self.state.bot, "text": text, "blocks": blocks}
            )

    def _trouble(self, user: str, channel: str) -> None:
        self.state.tell(
            {
                "type": "notice",
                "user": user,
                "channel": channel,
                "text": "This app did not respond. Try again.",
            }
        )


def _encoded(kind: str, payload: Json) -> tuple[bytes, str]:
    """Write a payload as Slack does over HTTP: events as JSON, commands as a form,
    clicks as JSON in a form.
    """
    if kind == "events_api":
        return json.dumps(payload).encode(), "application/json"
    form = payload if kind == "slash_commands" else {"payload": json.dumps(payload)}
    return urlencode(form).encode(), "application/x-www-form-urlencoded"


def escaped(text: str) -> str:
    """Write what somebody typed so that it makes no markup
    (docs.slack.dev/messaging/formatting-message-text).
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _said(body: str) -> tuple[str, list[Any]]:
    try:
        value = json.loads(body) if body.startswith("{") else {"text": body}
    except ValueError:
        value = {"text": body}
    return str(value.get("text") or ""), list(value.get("blocks") or [])
