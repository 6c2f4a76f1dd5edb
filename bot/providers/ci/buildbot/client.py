"""The door to a Buildbot master: REST for reading, JSON-RPC for acting, a
session cookie as identity.

Basic authentication counts at ``/auth/login`` only; it is exchanged there for a cookie that is good
for a week (``buildbot.www.auth``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from itertools import count
from typing import Any

from bot.domain.errors import IntegrationError
from bot.providers.ci.buildbot.reading import VENDOR
from bot.providers.exchange import Reply, RestError
from bot.providers.rest import RestClient

API = "/api/v2"


class BuildbotClient:
    """One master under one account; without an account we are anonymous. Every method raises
    RestError or IntegrationError.

    ``basic`` is ``user:password`` in base64.
    """

    def __init__(self, rest: RestClient, user: str, basic: str) -> None:
        self._rest = rest
        self._user = user
        self._basic = basic
        self._cookie = ""
        self._logging_in = asyncio.Lock()
        self._ids = count(1)

    async def read(self, path: str, **params: str) -> list[Any]:
        """Read a collection, or one thing as a list of one. ``property="*"``
        brings properties along.
        """
        reply = await self._identified(path, params)
        found = (
            [value for value in reply.data.values() if isinstance(value, list)]
            if isinstance(reply.data, dict)
            else []
        )
        # beside it stands only "meta", which is an object
        return found[0] if found else _unreadable(path)

    async def reply(self, path: str) -> Reply:
        """Read something for its headers."""
        return await self._identified(path, {})

    async def _identified(self, path: str, params: Mapping[str, str]) -> Reply:
        cookie = await self._login()
        try:
            return await self._rest.get(f"{API}{path}", params, headers=_as(cookie))
        except RestError as error:
            if not self._outlived(error):
                raise
        return await self._rest.get(
            f"{API}{path}", params, headers=_as(await self._login(instead_of=cookie))
        )

    async def call(
        self, path: str, method: str, params: Mapping[str, Any], *, repeatable: bool = False
    ) -> Any:
        """Call a method of something. An unknown one answers None, so look at what comes back."""
        cookie = await self._login()
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": dict(params)}
        try:
            reply = await self._rest.send(
                "POST", f"{API}{path}", body, headers=_as(cookie), repeatable=repeatable
            )
        except RestError as error:
            if not self._outlived(error):
                raise
            again = _as(await self._login(instead_of=cookie))
            reply = await self._rest.send(
                "POST", f"{API}{path}", body, headers=again, repeatable=repeatable
            )
        return reply.data.get("result") if isinstance(reply.data, dict) else _unreadable(path)

    async def listen(self, path: str, silence: float) -> AsyncIterator[str]:
        """Give the lines of a stream of events."""
        async for line in self._rest.listen(
            path, silence=silence, headers=_as(await self._login())
        ):
            yield line

    def _outlived(self, error: RestError) -> bool:
        """Tell whether a new login may help: a cookie that has run out makes us anonymous, and
        Buildbot says 403 (or 401).
        """
        return bool(self._user) and error.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}

    async def _login(self, *, instead_of: str = "") -> str:
        """Give the cookie, and get one first where there is none, or when the one in
        hand is no good any more.
        """
        if not self._user:
            return ""
        async with self._logging_in:
            if self._cookie in {"", instead_of}:
                self._cookie = await self._new_cookie()
            return self._cookie

    async def _new_cookie(self) -> str:
        try:
            reply = await self._rest.get(
                "/auth/login",
                headers={"Authorization": f"Basic {self._basic}"},
                text=True,
                moves=True,
            )
        except RestError as error:
            if error.status != HTTPStatus.UNAUTHORIZED:
                raise
            sentence = f"Buildbot does not accept the account {self._user} with its password."
            raise IntegrationError(
                sentence, vendor=VENDOR, status=error.status, retry=False
            ) from error
        cookie = reply.headers.get("set-cookie", "").partition(";")[0]
        if not cookie:
            raise IntegrationError(
                "Buildbot let us log in and gave no session; is www.auth configured?",
                vendor=VENDOR,
                retry=False,
            )
        return cookie


def _as(cookie: str) -> dict[str, str]:
    return {"Accept": "application/json", **({"Cookie": cookie} if cookie else {})}


def _unreadable(path: str) -> list[Any]:
    raise IntegrationError(f"Buildbot gave an answer to {path} that cannot be read.", vendor=VENDOR)
