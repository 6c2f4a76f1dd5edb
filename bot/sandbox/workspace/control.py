"""The control API of the page: what people see, and what they do. Only pages of
this machine may call it.
"""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from bot.sandbox.workspace.delivery import COMMANDS, Outcome
from bot.sandbox.workspace.state import COLOURS, Json, State

if TYPE_CHECKING:
    from bot.sandbox.workspace.server import Workspace

BOT_NAME = "gonogo"
"""What the manifest calls the bot user."""
LOCAL = ("127.0.0.1", "localhost", "[::1]")


def element_on(
    message: Mapping[str, Any],
    action_id: str,
    block_id: str | None = None,
    value: str | None = None,
) -> tuple[str, Json]:
    """Find an element on a message: by its action id, by its block, and among several
    that are left by its value. Raises LookupError.
    """
    found = [
        (str(block.get("block_id", "")), element)
        for block in message.get("blocks", [])
        if block_id is None or block.get("block_id", "") == block_id
        for element in [*block.get("elements", []), block.get("accessory") or {}]
        if isinstance(element, dict) and element.get("action_id") == action_id
    ]
    if value is not None and len(found) > 1:
        found = [each for each in found if each[1].get("value", "") == value]
    if not found:
        raise LookupError(f"there is no {action_id} on: {message.get('text')}")
    return found[0]


async def press(
    workspace: Workspace, user: str, channel: str, message: Json, block_id: str, element: Json
) -> Outcome:
    """Deliver a click on a message's element."""
    action = {
        "action_id": element["action_id"], "block_id": block_id,
        "type": element.get("type", "button"), "value": element.get("value", ""),
        "text": element.get("text"), "action_ts": workspace.state.ts(),
    }  # fmt: skip
    shown = {key: value for key, value in message.items() if key != "metadata"}
    payload = {
        "type": "block_actions", "actions": [action], "message": shown,
        "container": {
            "type": "message", "message_ts": message["ts"], "channel_id": channel,
            "is_ephemeral": bool(message.get("is_ephemeral")),
        },
    }  # fmt: skip
    return await workspace.delivery.interaction(user, payload, channel)


def state_of(view: Json, values: Mapping[str, Any]) -> Json:
    """Write what somebody filled in as Slack's ``state.values``; block id to a text, a picked value
    or a list of ticked ones.
    """
    found: Json = {}
    for block in view.get("blocks", []):
        element = block.get("element") if block.get("type") == "input" else block.get("accessory")
        if isinstance(element, dict) and block.get("block_id"):
            found[block["block_id"]] = {
                element["action_id"]: _value(element, values.get(block["block_id"]))
            }
    return found


def _value(element: Json, value: Any) -> Json:
    kind = element.get("type")
    options = {option["value"]: option for option in element.get("options", []) or []}
    if kind == "static_select":
        initial = element.get("initial_option")
        return {
            "type": kind,
            "selected_option": options.get(value) if value is not None else initial,
        }
    if kind == "checkboxes":
        chosen = (
            value
            if value is not None
            else [option["value"] for option in element.get("initial_options", []) or []]
        )
        return {"type": kind, "selected_options": [options[each] for each in chosen]}
    if kind == "users_select":
        return {"type": kind, "selected_user": value or element.get("initial_user")}
    return {"type": kind, "value": value if value is not None else element.get("initial_value")}


async def submit(workspace: Workspace, user: str, view: Json, values: Json) -> Json:
    """Deliver a submitted dialog; required fields are enforced first, as Slack
    does. Gives the bot's answer.
    """
    errors = dict.fromkeys(_empty(view, values), "Please complete this required field.")
    if errors:
        workspace.state.tell({"type": "view_errors", "user": user, "view": view, "errors": errors})
        return {"response_action": "errors", "errors": errors}
    shown = {key: value for key, value in view.items() if key != "_user"} | {
        "state": {"values": values}
    }
    outcome = await workspace.delivery.interaction(
        user, {"type": "view_submission", "view": shown, "response_urls": []}
    )
    answer: Json = json.loads(outcome.body) if outcome.body.startswith("{") else {}
    if outcome.status != 200:  # noqa: PLR2004 - HTTP
        return {"response_action": "errors", "errors": {}}
    if answer.get("response_action") == "errors":
        workspace.state.tell(
            {"type": "view_errors", "user": user, "view": view, "errors": answer["errors"]}
        )
        return answer
    if answer.get("response_action") in {"update", "push"}:
        return _next_view(workspace, user, view, answer)
    workspace.state.views.pop(view["id"], None)
    workspace.state.tell({"type": "view_closed", "user": user, "view": view})
    return answer


def _next_view(workspace: Workspace, user: str, view: Json, answer: Json) -> Json:
    """Put the view of an ack in place of the submitted one, or upon it
    (docs.slack.dev/surfaces/modals).
    """
    name = (
        view["id"] if answer["response_action"] == "update" else f"V{uuid.uuid4().hex[:10].upper()}"
    )
    shown = {
        **answer["view"],
        "id": name,
        "hash": uuid.uuid4().hex,
        "team_id": workspace.state.team,
        "_user": user,
    }
    workspace.state.views[name] = shown
    workspace.state.tell({"type": "view_opened", "user": user, "view": shown})
    return answer


def _empty(view: Json, values: Json) -> list[str]:
    required = [
        block["block_id"]
        for block in view.get("blocks", [])
        if block.get("type") == "input" and not block.get("optional")
    ]
    return [
        name
        for name in required
        if not any(_filled(element) for element in values.get(name, {}).values())
    ]


def _filled(element: Json) -> bool:
    return any(
        element.get(key)
        for key in ("value", "selected_option", "selected_user", "selected_options")
    )


def mentioning(text: str, state: State) -> str:
    """Make the names that were typed behind an @ mentions, as Slack's own editor does; the bot is
    called by either of its names.
    """
    names = {user.name: user.id for user in state.users.values()} | {BOT_NAME: state.bot}
    for name in sorted(names, key=len, reverse=True):
        text = re.sub(
            rf"(?<![<\w])@{re.escape(name)}(?!\w)", f"<@{names[name]}>", text, flags=re.IGNORECASE
        )
    return text


def routes(workspace: Workspace) -> list[web.RouteDef]:
    """Give the control routes."""
    doors = _Doors(workspace)
    return [
        web.get("/sandbox/state", doors.see), web.get("/sandbox/live", doors.live),
        web.post("/sandbox/command", doors.command),
        web.post("/sandbox/message", doors.message),
        web.post("/sandbox/action", doors.action), web.post("/sandbox/submit", doors.submit),
        web.post("/sandbox/close", doors.close), web.post("/sandbox/home", doors.home),
        web.get("/sandbox/files/{file}", doors.file),
    ]  # fmt: skip


class _Doors:
    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._state = workspace.state

    def _check(self, request: web.Request) -> None:
        """Refuse pages of other places: a browser says where a request comes from."""
        host = (request.headers.get("Host") or "").rpartition(":")[0]
        origin = request.headers.get("Origin")
        if host not in LOCAL or (
            origin is not None and origin.split("://")[-1].rpartition(":")[0] not in LOCAL
        ):
            raise web.HTTPForbidden(text="Only pages of this machine may call the sandbox.")

    async def _body(self, request: web.Request, *needs: str) -> Json:
        self._check(request)
        try:
            body: Json = await request.json()
        except ValueError:
            raise web.HTTPBadRequest(text="That is no JSON.") from None
        if not isinstance(body, dict) or body.get("user") not in self._state.users:
            raise web.HTTPBadRequest(text="There is no such person.")
        missing = [name for name in needs if name not in body]
        if missing:
            raise web.HTTPBadRequest(text=f"{missing[0]} is missing.")
        if "channel" in body and body["channel"] not in self._state.channels:
            raise web.HTTPNotFound(text="There is no such channel.")
        return body

    async def see(self, request: web.Request) -> web.Response:
        self._check(request)
        me = request.query.get("user", "")
        people = [user for user in self._state.users.values()]  # noqa: C416 - a copy
        users = [
            {
                "id": u.id,
                "name": u.name,
                "real_name": u.name,
                "title": u.title,
                "is_bot": u.is_bot,
                "color": COLOURS[i % len(COLOURS)],
            }
            for i, u in enumerate(people)
        ]
        visible = [channel for channel in self._state.channels.values() if me in channel.members]
        whispers = {
            c.id: [m for m in self._state.ephemerals if m["to"] == me and m["channel"] == c.id]
            for c in visible
        }
        return web.json_response(
            {
                "team": {"id": self._state.team, "name": self._state.team_name},
                "me": me,
                "users": users,
                "commands": list(COMMANDS),
                "channels": [
                    {"id": c.id, "name": c.name, "topic": c.topic, "is_im": c.is_im}
                    for c in visible
                ],
                "messages": {
                    c.id: sorted([*c.messages, *whispers[c.id]], key=lambda m: m["ts"])
                    for c in visible
                },
                "views": [view for view in self._state.views.values() if view["_user"] == me],
                "home": self._state.homes.get(me),
            }
        )

    async def live(self, request: web.Request) -> web.WebSocketResponse:
        self._check(request)
        me, socket = request.query.get("user", ""), web.WebSocketResponse(heartbeat=20)
        await socket.prepare(request)
        events: asyncio.Queue[Json] = asyncio.Queue()
        stop = self._state.watch(events.put_nowait)
        sending = asyncio.create_task(self._send(socket, events, me))
        try:
            async for message in socket:
                if message.type in {WSMsgType.CLOSE, WSMsgType.ERROR}:
                    break
        finally:
            stop()
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        return socket

    async def _send(
        self, socket: web.WebSocketResponse, events: asyncio.Queue[Json], me: str
    ) -> None:
        while True:
            event = await events.get()
            channel = self._state.channels.get(str(event.get("channel", "")))
            if event.get("user") in {None, me} and (channel is None or me in channel.members):
                await socket.send_json(event)

    async def command(self, request: web.Request) -> web.Response:
        body = await self._body(request, "channel", "command")
        outcome = await self._workspace.delivery.command(
            body["user"], body["channel"], body["command"], body.get("text", "")
        )
        return web.json_response({"status": outcome.status})

    async def message(self, request: web.Request) -> web.Response:
        body = await self._body(request, "channel")
        message: Json = {
            "user": body["user"],
            "text": mentioning(str(body.get("text", ""))[:4000], self._state),
            "blocks": [],
        }
        if body.get("thread_ts"):
            message["thread_ts"] = body["thread_ts"]
        posted = self._state.post(self._state.channels[body["channel"]], message)
        if f"<@{self._state.bot}>" in message["text"]:
            said: Json = {
                key: posted[key] for key in ("user", "text", "ts", "thread_ts") if key in posted
            }
            await self._workspace.delivery.event(
                {"type": "app_mention", **said, "channel": body["channel"]}
            )
        return web.json_response(posted)

    async def action(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        if body.get("view_id"):
            return await self._in_view(body)
        body = await self._body(request, "channel", "message_ts", "action_id")
        channel = self._state.channels[body["channel"]]
        found = self._state.find(channel, body["message_ts"]) or next(
            (
                m
                for m in self._state.ephemerals
                if m["ts"] == body["message_ts"] and m["to"] == body["user"]
            ),
            None,
        )
        if found is None:
            raise web.HTTPNotFound(text="That message is gone.")
        try:
            block_id, element = element_on(
                found, str(body["action_id"]), body.get("block_id"), body.get("value")
            )
        except LookupError:
            raise web.HTTPNotFound(text="That button is gone.") from None
        outcome = await press(self._workspace, body["user"], channel.id, found, block_id, element)
        return web.json_response({"status": outcome.status})

    async def _in_view(self, body: Json) -> web.Response:
        view = self._state.views.get(body["view_id"])
        if view is None:
            raise web.HTTPNotFound(text="That dialog is gone.")
        shown = {key: value for key, value in view.items() if key != "_user"} | {
            "state": {"values": body.get("values") or {}}
        }
        action = {
            "action_id": body["action_id"],
            "block_id": body["block_id"],
            "type": "static_select",
            **(body.get("selected") or {}),
        }
        payload = {
            "type": "block_actions",
            "actions": [action],
            "view": shown,
            "container": {"type": "view", "view_id": view["id"]},
        }
        outcome = await self._workspace.delivery.interaction(body["user"], payload)
        return web.json_response({"status": outcome.status})

    async def submit(self, request: web.Request) -> web.Response:
        body = await self._body(request, "view_id")
        view = self._state.views.get(body["view_id"])
        if view is None or view["_user"] != body["user"]:
            raise web.HTTPNotFound(text="That dialog is gone.")
        return web.json_response(
            await submit(self._workspace, body["user"], view, body.get("values") or {})
        )

    async def close(self, request: web.Request) -> web.Response:
        body = await self._body(request, "view_id")
        view = self._state.views.get(body["view_id"])
        if view is not None and view["_user"] == body["user"]:
            del self._state.views[view["id"]]
            self._state.tell({"type": "view_closed", "user": body["user"], "view": view})
            if view.get("notify_on_close"):
                closed = {
                    "type": "view_closed",
                    "view": {key: each for key, each in view.items() if key != "_user"},
                    "is_cleared": False,
                }
                await self._workspace.delivery.interaction(body["user"], closed)
        return web.json_response({})

    async def home(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        event = {
            "type": "app_home_opened",
            "user": body["user"],
            "channel": f"D{body['user'][1:]}",
            "tab": "home",
        }
        outcome = await self._workspace.delivery.event(event)
        return web.json_response({"status": outcome.status})

    async def file(self, request: web.Request) -> web.Response:
        self._check(request)
        file = self._state.files.get(request.match_info["file"])
        if file is None or not file["bytes"]:
            raise web.HTTPNotFound
        return web.Response(body=file["bytes"], content_type="image/png")
