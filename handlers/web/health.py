"""``/healthz`` (the process lives) and ``/readyz`` (it can do its work)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

Check = Callable[[], Awaitable[str]]
"""Answers with an empty text when all is well, else with what is wrong."""
PATIENCE = 2.0


def health_routes(checks: Mapping[str, Check]) -> list[web.RouteDef]:
    """Give both routes."""

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def readyz(_request: web.Request) -> web.Response:
        problems = {name: found for name, check in checks.items() if (found := await _ask(check))}
        body = {"status": "not ready" if problems else "ready", "problems": problems}
        return web.json_response(body, status=503 if problems else 200)

    return [web.get("/healthz", healthz), web.get("/readyz", readyz)]


async def _ask(check: Check) -> str:
    try:
        async with asyncio.timeout(PATIENCE):
            return await check()
    except TimeoutError:
        return "no answer"
    except Exception as error:  # noqa: BLE001 - whatever is wrong makes it not ready
        return type(error).__name__
