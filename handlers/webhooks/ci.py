"""Signed notices from CI providers: they wake, polling decides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from bot.domain.errors import IntegrationError
from bot.ports import CIProvider, RunHint
from handlers.web.figures import Figures

BODY_CAP = 5 * 1024 * 1024


def ci_route(
    providers: Callable[[str], Sequence[CIProvider]], wake: Callable[[RunHint], Awaitable[bool]], figures: Figures
) -> web.RouteDef:
    """Give the route ``/webhooks/ci/{provider}``. ``providers`` lists the services' providers of a name; each knows its own secret."""

    async def notice(request: web.Request) -> web.Response:
        name = request.match_info["provider"]
        body = b""
        async for part in request.content.iter_any():  # one read gives what has arrived so far, not the whole
            body += part
            if len(body) > BODY_CAP:
                break
        if len(body) > BODY_CAP:
            return _answer(figures, name, 413, "too large")
        status = 404
        for provider in providers(name):
            try:
                hint = provider.parse_webhook(request.headers, body)
            except IntegrationError as error:
                status = error.status or 400
                continue
            woken = await wake(hint)
            return _answer(figures, name, 202, "woken" if woken else "unknown run")
        return _answer(figures, name, status, "refused")

    return web.post("/webhooks/ci/{provider}", notice)


def _answer(figures: Figures, name: str, status: int, outcome: str) -> web.Response:
    figures.webhook(name if status != 404 else "unknown", outcome)  # noqa: PLR2004 - names from outside make no series
    return web.Response(status=status)
