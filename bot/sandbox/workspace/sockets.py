"""Socket Mode: connections that the bot opens, and deliveries as envelopes through one of them.

Sources: docs.slack.dev/apis/events-api/using-socket-mode (envelopes, acks, disconnect) and
docs.slack.dev/reference/methods/apps.connections.open.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import WSMessage, WSMsgType, web

from bot.sandbox.workspace.state import Json

MOST_CONNECTIONS = 10
"""Slack lets an app have so many at a time."""
RESPONDS = frozenset({"slash_commands", "interactive"})
"""The envelopes whose ack may carry a payload."""


@dataclass
class Sockets:
    """The connections of one app."""

    app: str
    token: str
    """The app-level token (``xapp-…``)."""
    is_silent: bool = False
    """A fault: the connections stay open, but nothing is heard from here
    any more, not even a pong.
    """
    opened: int = 0
    """How many connections there have been."""
    _tickets: set[str] = field(default_factory=set)
    _connections: list[web.WebSocketResponse] = field(default_factory=list)
    _acks: dict[str, tuple[web.WebSocketResponse, asyncio.Future[Json]]] = field(
        default_factory=dict
    )
    on_change: Callable[[], None] = lambda: None
    """Called when a connection comes or goes."""
    _turn: int = 0

    @property
    def is_connected(self) -> bool:
        """Tell whether the bot is there."""
        return bool(self._connections)

    def open(self, given: str, base: str) -> Json:
        """Answer ``apps.connections.open``: an address that is good for one connection."""
        if given != self.token:
            return {
                "ok": False,
                "error": "not_allowed_token_type" if given.startswith("xoxb-") else "invalid_auth",
            }
        if len(self._connections) >= MOST_CONNECTIONS:
            return {"ok": False, "error": "too_many_websockets"}
        ticket = secrets.token_urlsafe(16)
        self._tickets.add(ticket)
        return {
            "ok": True,
            "url": f"{base.replace('http', 'ws', 1)}/link/?ticket={ticket}&app_id={self.app}",
        }

    async def link(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection."""
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(
                status=408, text="This address was used before, or never given out."
            )
        self._tickets.discard(ticket)
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        self._connections.append(socket)
        self.opened += 1
        self.on_change()
        try:
            count = len(self._connections)
            await socket.send_json(
                {"type": "hello", "num_connections": count, "connection_info": {"app_id": self.app}}
            )
            async for message in socket:
                await self._heard(socket, message)
        finally:
            self._connections.remove(socket)
            self._give_up(socket)
            self.on_change()
        return socket

    def _give_up(self, socket: web.WebSocketResponse) -> None:
        """Tell whoever waits for an ack through a connection that it is gone."""
        for through, waiting in self._acks.values():
            if through is socket and not waiting.done():
                waiting.set_exception(ConnectionError("the connection ended before the ack"))

    async def _heard(self, socket: web.WebSocketResponse, message: WSMessage) -> None:
        if self.is_silent:
            return
        if message.type is WSMsgType.PING:
            await socket.pong(message.data)
        if message.type is WSMsgType.TEXT:
            answer = json.loads(message.data)
            _, waiting = self._acks.pop(str(answer.get("envelope_id")), (None, None))
            if waiting is not None and not waiting.done():
                waiting.set_result(answer)

    async def deliver(self, kind: str, payload: Json, *, retry: int = 0, reason: str = "") -> Json:
        """Send an envelope through one of the connections and wait for its ack;
        gives the ack's payload.

        Raises ConnectionError when there is no connection, or it ends before.
        """
        standing = [each for each in self._connections if not each.closed]
        if not standing:
            raise ConnectionError("the bot is not connected")
        self._turn += 1
        socket = standing[self._turn % len(standing)]
        envelope = str(uuid.uuid4())
        waiting: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._acks[envelope] = (socket, waiting)
        whole = {
            "envelope_id": envelope, "type": kind, "payload": payload,
            "accepts_response_payload": kind in RESPONDS,
            "retry_attempt": retry, "retry_reason": reason,
        }  # fmt: skip
        try:
            await socket.send_json(whole)
            answer = await waiting
        finally:
            self._acks.pop(envelope, None)
        return dict(answer.get("payload") or {})

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        """Ask the bot to connect anew, and close what there is, as Slack does every few hours."""
        for socket in list(self._connections):
            await socket.send_json(
                {"type": "disconnect", "reason": reason, "debug_info": {"host": "sandbox"}}
            )
            await socket.close()

    async def close(self) -> None:
        """Close every connection."""
        for socket in list(self._connections):
            await socket.close()
