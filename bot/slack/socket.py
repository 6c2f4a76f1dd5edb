"""Socket Mode: the same payloads as over HTTP, through a WebSocket that we open.

slack_sdk's client reconnects by itself, but connections have been seen to fall silent for hours. So
it is watched: a client that has not been connected for a while, whatever it believes, is thrown
away and a new one is made.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import structlog
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.ours import WhoWeAre

log = structlog.get_logger(__name__)
quiet = logging.getLogger("gonogo.socket")
"""For the clients' own log lines, which may hold the address with its ticket."""
quiet.addHandler(logging.NullHandler())
quiet.setLevel(logging.CRITICAL + 1)

Dispatch = Callable[[dict[str, Any]], Awaitable[tuple[int, str]]]
KNOWN = frozenset({"slash_commands", "interactive", "events_api"})
PING = 5.0
"""Seconds between two pings; after four without an answer the connection counts as dead."""
SILENT = 30.0
"""Seconds without a connection after which the client is replaced. With the pings: less than a
minute from silence to a new connection.
"""


class Socket:
    """One Socket Mode connection that is kept."""

    def __init__(
        self, *, app_token: str, api_url: str,
        session: aiohttp.ClientSession, ours: WhoWeAre, dispatch: Dispatch,
        ping: float = PING, silent: float = SILENT,
        proxy: str = "", trusted: ssl.SSLContext | None = None,
    ) -> None:  # fmt: skip
        self._app_token = app_token
        self._web = AsyncWebClient(
            token=app_token, base_url=api_url, session=session, logger=quiet, ssl=trusted
        )
        self._web.proxy = None  # the session chooses
        self._proxy = proxy or None
        self._ours = ours
        self._dispatch = dispatch
        self._ping = ping
        self._silent = silent
        self._client: SocketModeClient | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._last_envelope = time.monotonic()

    async def open(self) -> None:
        """Begin to connect; this goes on for as long as it takes, so nobody waits for it."""
        self._keeping = asyncio.create_task(self._keep_connected(), name="socket mode")

    async def close(self) -> None:
        """Close the connection, so that Slack uses another one."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
            self._keeping = None

    async def is_connected(self) -> bool:
        """Tell whether Slack can reach us."""
        return self._client is not None and bool(await self._client.is_connected())

    @property
    def silence(self) -> float:
        """How many seconds ago the last envelope came (or the bot started)."""
        return time.monotonic() - self._last_envelope

    async def _keep_connected(self) -> None:
        while True:
            client = SocketModeClient(
                app_token=self._app_token, web_client=self._web,
                ping_interval=self._ping, auto_reconnect_enabled=True, logger=quiet
            )  # fmt: skip
            client.proxy = self._proxy
            client.socket_mode_request_listeners.append(self._received)
            self._client = client
            try:
                await self._while_alive(client)
            finally:
                await _end(client)
            log.warning("socket mode fell silent; connecting anew")

    async def _while_alive(self, client: SocketModeClient) -> None:
        """Connect, and return when there has been no connection for too long."""
        connecting = asyncio.create_task(client.connect(), name="socket mode: connect")  # type: ignore[no-untyped-call]
        was_connected, last_alive = False, time.monotonic()
        try:
            while time.monotonic() - last_alive < self._silent:
                await asyncio.sleep(self._ping / 5)
                is_connected = bool(await client.is_connected())
                if is_connected:
                    last_alive = time.monotonic()
                if is_connected is not was_connected:
                    log.info("socket mode", connected=is_connected)
                    was_connected = is_connected
        finally:
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)

    async def _received(
        self, client: AsyncBaseSocketModeClient, request: SocketModeRequest
    ) -> None:
        self._last_envelope = time.monotonic()
        ours = await self._ours.about(request.payload)
        if request.type not in KNOWN or ours.strange(request.payload):
            log.warning("an envelope was not for us", kind=request.type)
            await client.send_socket_mode_response(
                SocketModeResponse(envelope_id=request.envelope_id)
            )
            return
        status, body = await self._dispatch(ours.settled(request.payload))
        if status != 200:  # noqa: PLR2004 - what is not accepted is not acknowledged
            log.warning("an envelope was not accepted", kind=request.type, status=status)
            return
        payload = json.loads(body) if body.startswith("{") else ({"text": body} if body else None)
        await client.send_socket_mode_response(
            SocketModeResponse(envelope_id=request.envelope_id, payload=payload)
        )


async def _end(client: SocketModeClient) -> None:
    tasks = [
        task
        for task in (
            client.message_processor,
            client.current_session_monitor,
            client.message_receiver,
        )
        if task is not None
    ]
    with contextlib.suppress(Exception):  # a connection that is broken may not close
        await client.close()  # type: ignore[no-untyped-call]
    await asyncio.gather(*tasks, return_exceptions=True)
