"""Signed notices from CI providers: they wake, polling decides.

Nothing is kept to recognise a delivery that comes twice: waking twice is waking once, and what a
notice says about a run is not believed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog
from aiohttp import web

from bot.domain.errors import IntegrationError
from bot.domain.limits import NOTICE, SMALL, Unreadable
from bot.foreign import beside
from bot.ports.ci import CIProvider, RunHint
from handlers.web.bodies import Turned, read_body
from handlers.web.notes import Notes
from handlers.web.telemetry import Telemetry

log = structlog.get_logger(__name__)

Wake = Callable[[str, RunHint], Awaitable[bool]]
"""Wake whoever waits for the run that a provider (by name) told of; tell
whether there is anybody.
"""


def ci_route(
    providers: Callable[[str], Sequence[CIProvider]], wake: Wake, telemetry: Telemetry
) -> web.RouteDef:
    """Give the route ``/webhooks/ci/{provider}``. ``providers`` lists the services' providers of a
    name; each knows its own secret.

    Services may share a secret: whichever of their providers reads the notice, the run that it
    names is looked for among all of them.
    """
    notes = Notes("webhooks")

    async def notice(request: web.Request) -> web.Response:
        known = providers(request.match_info["provider"])
        # names from outside make no series
        name = request.match_info["provider"] if known else "unknown"
        try:
            if not known:
                raise Turned(404, "unknown provider")  # noqa: TRY301 - one way out for all that is turned away
            body = await read_body(request, NOTICE.size)
            asked = (known, request.headers, body, notes)
            hint = _read(*asked) if len(body) <= SMALL else await _read_beside(*asked)
        except Turned as turned:
            telemetry.webhook(name, turned.reason)
            return turned.answer()
        outcome, status = await _told(name, hint, wake)
        telemetry.webhook(name, outcome)
        return web.Response(status=status)

    return web.post("/webhooks/ci/{provider}", notice)


async def _read_beside(
    providers: Sequence[CIProvider], headers: Mapping[str, str], body: bytes, notes: Notes
) -> RunHint:
    """Verify and read a large notice in a thread: strangers can send it, and nobody else
    should wait for its sums.
    """
    try:
        return await beside(NOTICE, _read, providers, headers, body, notes)
    except Unreadable as unreadable:
        raise Turned(400, unreadable.fault) from None


def _read(
    providers: Sequence[CIProvider], headers: Mapping[str, str], body: bytes, notes: Notes
) -> RunHint:
    """Have each provider verify and read the notice; the first that knows it decides. Raises Turned
    with what the most knowing said.
    """
    said: list[int] = []
    for provider in providers:
        try:
            return provider.parse_webhook(headers, body)
        except IntegrationError as error:
            said.append(error.status or 400)
        except Exception as error:  # noqa: BLE001 - whatever comes in from outside, the answer is a no
            notes.say("a notice could not be read", reason=type(error).__name__)
            said.append(400)
    status = next((each for each in (400, 401) if each in said), said[0])
    raise Turned(status, "not authentic" if status == 401 else "refused")  # noqa: PLR2004 - HTTP


async def _told(provider: str, hint: RunHint, wake: Wake) -> tuple[str, int]:
    try:
        woken = await wake(provider, hint)
    except Exception:
        log.exception("a notice could not be taken", run=hint.run)
        return "failed", 503  # the sender may deliver it again; polling sees the run anyway
    return ("woken" if woken else "unknown run"), 202
