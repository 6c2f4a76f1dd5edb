"""The workspace as one aiohttp application on 127.0.0.1: the Web API for the bot, the control API
for the page and the tests.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import aiohttp
from aiohttp import web

from bot.sandbox.workspace import blocks, control
from bot.sandbox.workspace.delivery import Delivery, Faults, Outcome
from bot.sandbox.workspace.methods import METHODS, Method, Refused, check_arguments, parsed
from bot.sandbox.workspace.sockets import Sockets
from bot.sandbox.workspace.state import Channel, Json, State, User

SCOPES = frozenset(
    [
        "commands",
        "chat:write",
        "users:read",
        "usergroups:read",
        "channels:history",
        "groups:history",
        "files:write",
        "im:write",
        "app_mentions:read",
    ]
)  # the manifest's
ANSWER_LIFE, MOST_ANSWERS = 1800.0, 5
"""Seconds and uses of a response_url."""
BURST = 10
"""Calls of a method that are let through at once before its rate counts."""


class Workspace:
    """A workspace. Start it, point the bot at ``api_url``, give it the bot's ``request_url``."""

    def __init__(
        self, *, team: str = "T0SANDBOX", name: str = "Sandbox",
        users: Sequence[User], channels: Sequence[Channel],
        token: str = "xoxb-sandbox", secret: str = "sandbox-signing-secret", app: str = "A0GONOGO",  # noqa: S107 - of this machine only
        app_token: str = "xapp-1-A0GONOGO-1-sandbox",  # noqa: S107
        scopes: frozenset[str] = SCOPES, rates: float = 1.0,
    ) -> None:  # fmt: skip
        bot = User("UGONOGO", "Go/No-Go", is_bot=True)
        people = {user.id: user for user in (*users, bot)}
        for channel in channels:
            channel.members |= {*people}
        self.state = State(
            team, name, people, {channel.id: channel for channel in channels}, bot.id, app
        )
        self.token, self.secret, self.scopes = token, secret, scopes
        self.faults = Faults()
        self.sockets = Sockets(
            app, app_token, on_change=lambda: self.state.tell({"type": "connections"})
        )
        self.calls: list[Json] = []
        """Every call of the Web API: method, arguments, answer."""
        self._rates = rates
        self._recent: dict[str, deque[float]] = defaultdict(deque)
        self.application = web.Application(client_max_size=8 * 1024 * 1024)
        self._runner: web.AppRunner | None = None
        self.url = ""

    @property
    def api_url(self) -> str:
        """The bot's SLACK_API_URL."""
        return f"{self.url}/api/"

    async def start(self, port: int = 0) -> None:
        """Serve on 127.0.0.1. Routes of others can be added to ``application`` before."""
        self.session = aiohttp.ClientSession()
        self.application.add_routes(
            [
                web.post("/api/{method}", self._api), web.get("/api/{method}", self._api),
                web.post("/upload/{file}", self._upload),
                web.post("/respond/{name}", self._respond),
                web.get("/link/", self.sockets.link), *control.routes(self),
            ]
        )  # fmt: skip
        self._runner = web.AppRunner(self.application, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.delivery = Delivery(
            self.state, self.secret, self.session, self.faults, self.sockets, response_base=self.url
        )

    def call_at(self, request_url: str) -> None:
        """Say where the bot listens; with an empty address everything goes through Socket Mode."""
        self.delivery.request_url = request_url

    async def close(self) -> None:
        """Stop serving."""
        if self.url:  # else it never came to serve: the port was taken
            await self.delivery.close()
        await self.sockets.close()
        if self._runner is not None:
            await self.session.close()
            await self._runner.cleanup()

    # The Web API --------------------------------------------------------------------------------

    async def _api(self, request: web.Request) -> web.Response:
        name = request.match_info["method"]
        fault = (
            (self.faults.fail_next.get(name) or [""]).pop(0)
            if self.faults.fail_next.get(name)
            else ""
        )
        if fault == "timeout":
            await asyncio.Event().wait()
        if self.faults.is_away or fault == "503":
            return web.Response(status=503, text="Service Unavailable")
        if fault == "html":
            return web.Response(text="<html>maintenance</html>", content_type="text/html")
        try:
            arguments = await _arguments(request)
        except ValueError:
            return web.json_response({"ok": False, "error": "invalid_json"})
        if name == "apps.connections.open":
            return web.json_response(self.sockets.open(_token(request, arguments), self.url))
        found = METHODS.get(name)
        if fault == "429" or (found is not None and self._too_many(name, found)):
            return web.json_response(
                {"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": "1"}
            )
        answer = await self._answer(name, found, request, arguments)
        self.calls.append({"method": name, "arguments": arguments, "answer": answer})
        if fault == "lost" and request.transport is not None:
            request.transport.abort()
        knows_us = _token(request, arguments) == self.token
        return web.json_response(
            answer, headers={"X-OAuth-Scopes": ",".join(sorted(self.scopes))} if knows_us else None
        )

    async def _answer(
        self, name: str, found: Method | None, request: web.Request, arguments: Json
    ) -> Json:
        try:
            self._check_token(request, arguments)
            if found is None:
                return {"ok": False, "error": "unknown_method", "req_method": name}
            if found.scope and found.scope not in self.scopes:
                return {
                    "ok": False,
                    "error": "missing_scope",
                    "needed": found.scope,
                    "provided": ",".join(sorted(self.scopes)),
                }
            check_arguments(found, arguments)
            answer = await found.call(self.state, arguments)
        except Refused as refused:
            return {
                "ok": False,
                "error": refused.error,
                "response_metadata": {"messages": list(refused.messages)},
            }
        addresses: Json = {
            name: f"{self.url}{answer[name]}"
            for name in ("upload_url", "permalink")
            if name in answer
        }
        return {"ok": True, **answer, **addresses}

    def _check_token(self, request: web.Request, arguments: Json) -> None:
        given = _token(request, arguments)
        if not given:
            raise Refused("not_authed")
        if given != self.token:
            raise Refused("invalid_auth")

    def _too_many(self, name: str, found: Method) -> bool:
        """Count calls as Slack does: so many a minute for each method,
        with room for a short burst.
        """
        now, recent = time.monotonic(), self._recent[name]
        while recent and recent[0] < now - 60:
            recent.popleft()
        if len(recent) >= max(BURST, found.per_minute * self._rates):
            return True
        recent.append(now)
        return False

    async def _upload(self, request: web.Request) -> web.Response:
        file = self.state.files.get(request.match_info["file"])
        if file is None:
            return web.Response(status=404)
        if request.content_type == "multipart/form-data":
            part = await (await request.multipart()).next()
            file["bytes"] = (
                bytes(await part.read()) if isinstance(part, aiohttp.BodyPartReader) else b""
            )
        else:
            file["bytes"] = await request.read()
        return web.Response(text="OK")

    async def _respond(self, request: web.Request) -> web.Response:
        """Take an answer through a response_url."""
        if self.faults.is_away:
            return web.Response(status=503)
        place = self.state.answers.get(request.match_info["name"])
        if place is None or time.monotonic() - place.at > ANSWER_LIFE or place.uses >= MOST_ANSWERS:
            return web.json_response(
                {"ok": False, "error": "expired_url" if place else "invalid_url"}, status=404
            )
        try:
            body = await _arguments(request)
        except ValueError:
            return web.json_response({"ok": False, "error": "invalid_json"}, status=400)
        if body.get("replace_original") or body.get("delete_original"):
            return web.json_response(
                {"ok": False, "error": "not_offered_in_the_sandbox"}, status=400
            )
        wrong = blocks.problems(body.get("blocks") or [])
        if wrong or not (body.get("text") or body.get("blocks")):
            return web.json_response(
                {"ok": False, "error": "invalid_blocks" if wrong else "no_text", "why": wrong},
                status=400,
            )
        place.uses += 1
        content = {
            "user": self.state.bot,
            "text": body.get("text", ""),
            "blocks": body.get("blocks", []),
        }
        if body.get("response_type") == "in_channel":
            self.state.post(self.state.channels[place.channel], content)
        else:
            self.state.whisper(place.channel, place.user, content)
        return web.json_response({"ok": True})

    # What people do, for tests ------------------------------------------------------------------

    async def says(self, user: str, text: str, *, channel: str = "") -> Outcome:
        """Type a slash command."""
        command, _, rest = text.partition(" ")
        return await self.delivery.command(
            user, channel or next(iter(self.state.channels)), command, rest
        )

    async def clicks(
        self, user: str, message: Mapping[str, Any], action_id: str, *, channel: str = ""
    ) -> Outcome:
        """Press a button that stands on a message. Raises LookupError when
        it does not stand there.
        """
        block_id, element = control.element_on(message, action_id)
        where = channel or str(message.get("channel") or next(iter(self.state.channels)))
        return await control.press(self, user, where, dict(message), block_id, element)

    async def submits(self, user: str, callback: str, values: Mapping[str, Any]) -> Json:
        """Fill a dialog in (block id to value) and submit it; give the bot's answer."""
        view = next(
            view
            for view in reversed(self.state.views.values())
            if view["_user"] == user and view["callback_id"] == callback
        )
        return await control.submit(self, user, view, control.state_of(view, values))

    async def until(self, look: Callable[[], Any], *, seconds: float = 60.0) -> Any:
        """Wait until a look finds something."""
        try:
            async with asyncio.timeout(seconds):
                while not (found := look()):
                    await self.state.changed()
                return found
        except TimeoutError:
            shown = [
                f"{m['ts']} {m['text'][:110]}"
                for channel in self.state.channels.values()
                for m in channel.messages
            ]
            whispered = [f"(to {m['to']}) {m['text'][:110]}" for m in self.state.ephemerals]
            raise AssertionError(
                "\n".join(["waited in vain; the workspace shows:", *shown[-12:], *whispered[-6:]])
            ) from None

    def message(self, *words: str) -> Json | None:
        """Find the newest message whose text has all the words."""
        every = [
            message for channel in self.state.channels.values() for message in channel.messages
        ]
        return next((m for m in reversed(every) if all(word in m["text"] for word in words)), None)

    def whisper(self, user: str, *words: str) -> Json | None:
        """Find the newest message to one person alone that has all the words."""
        mine = [message for message in reversed(self.state.ephemerals) if message["to"] == user]
        return next(
            (message for message in mine if all(word in _everything(message) for word in words)),
            None,
        )


def _everything(message: Json) -> str:
    return "\n".join([message["text"], *blocks.texts(message.get("blocks", []))])


def _token(request: web.Request, arguments: Json) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ") or str(
        arguments.get("token") or ""
    )


async def _arguments(request: web.Request) -> Json:
    if request.content_type == "application/json":
        value = await request.json()
        return dict(value) if isinstance(value, dict) else {}
    form = await request.post() if request.method == "POST" else {}
    return {
        **request.query,
        **{
            name: parsed(value) if value in {"true", "false"} else value
            for name, value in form.items()
        },
    }
