"""``/healthz`` (the process lives) and ``/readyz`` (it can do its work)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from handlers.web.pulse import loop_lag

Check = Callable[[], Awaitable[str]]
"""Answers with an empty text when all is well, else with what is wrong."""
PATIENCE = 2.0
LATE = 5.0
"""Seconds by which the event loop may be late before the process counts as ill."""
NO_ANSWER = f"no answer within {PATIENCE:g} s"
UNSEEN = f"This could not be looked at within {PATIENCE:g} s; nothing is known to be wrong with it."
"""What is said of a worry that was not looked at to its end: a busy machine is no damage."""
NOTHING_ELSE: Mapping[str, Check] = {}


def health_routes(
    checks: Mapping[str, Check],
    *,
    alive: Mapping[str, Check] = NOTHING_ELSE,
    worrying: Mapping[str, Check] = NOTHING_ELSE,
    known: Mapping[str, Check] = NOTHING_ELSE,
) -> list[web.RouteDef]:
    """Give both routes: ``checks`` must hold to be ready, ``alive`` (with an event loop in
    time) to be left running.

    ``worrying`` is what a person has to look at while the bot must stay within reach, so that a
    rollback is possible. ``known`` says since when something is known that takes longer to find
    out than any question may.
    """

    async def healthz(_request: web.Request) -> web.Response:
        lag = await loop_lag()
        problems = await _problems(alive)
        if lag > LATE:
            problems["event loop"] = f"{lag:.1f} s late"
        body = {
            "status": "ill" if problems else "alive",
            "loop_lag_ms": round(lag * 1000, 1),
            "problems": problems,
        }
        return web.json_response(body, status=503 if problems else 200)

    async def readyz(_request: web.Request) -> web.Response:
        problems = await _problems(checks)
        worries = await _problems(worrying, late=UNSEEN)
        body = {
            "status": "not ready" if problems else "ready",
            "problems": problems, "worries": worries,
            "known": await _problems(known, late=UNSEEN),
        }  # fmt: skip
        return web.json_response(body, status=503 if problems else 200)

    return [web.get("/healthz", healthz), web.get("/readyz", readyz)]


async def _problems(checks: Mapping[str, Check], late: str = NO_ANSWER) -> dict[str, str]:
    found = await asyncio.gather(*(_ask(check, late) for check in checks.values()))
    return {name: problem for name, problem in zip(checks, found, strict=True) if problem}


async def _ask(check: Check, late: str) -> str:
    try:
        async with asyncio.timeout(PATIENCE):
            return await check()
    except TimeoutError:
        return late
    except Exception as error:  # noqa: BLE001 - whatever is wrong makes it not ready
        return type(error).__name__
