"""Socket Mode: the same payloads as over HTTP, through a WebSocket that we open."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import structlog
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

log = structlog.get_logger(__name__)

Dispatch = Callable[[dict[str, Any]], Awaitable[tuple[int, str]]]
KNOWN = frozenset({"slash_commands", "interactive", "events_api"})


class Socket:
    """One Socket Mode connection; it reconnects by itself."""

    def __init__(self, *, app_token: str, api_url: str, session: aiohttp.ClientSession, team: str, dispatch: Dispatch) -> None:
        web = AsyncWebClient(token=app_token, base_url=api_url, session=session)
        self._client = SocketModeClient(app_token=app_token, web_client=web, ping_interval=10, auto_reconnect_enabled=True)
        self._client.socket_mode_request_listeners.append(self._received)
        self._team = team
        self._dispatch = dispatch
        self._connecting: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to connect; the client goes on trying, so this does not wait."""
        self._connecting = asyncio.create_task(self._client.connect(), name="socket mode")  # type: ignore[no-untyped-call]

    async def close(self) -> None:
        """Close the connection, so that Slack uses another one."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        await self._client.close()  # type: ignore[no-untyped-call]

    async def is_connected(self) -> bool:
        """Tell whether Slack can reach us."""
        return bool(await self._client.is_connected())

    async def _received(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        if request.type not in KNOWN or not isinstance(request.payload, dict) or not self._is_ours(request.payload):
            log.warning("an envelope was not for us", kind=request.type)
            await client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
            return
        status, body = await self._dispatch(request.payload)
        if status == 200:  # noqa: PLR2004 - what is not accepted is not acknowledged
            payload = json.loads(body) if body.startswith("{") else ({"text": body} if body else None)
            await client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id, payload=payload))

    def _is_ours(self, payload: dict[str, Any]) -> bool:
        team = payload.get("team")
        found = payload.get("team_id") or (team.get("id") if isinstance(team, dict) else "")
        return not found or found == self._team
