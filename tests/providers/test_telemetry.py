"""What calls to vendors cost is on /metrics: counted by vendor and outcome, timed, and with the
pauses that vendors ask for.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from bot.providers.exchange import Budget, RestError
from bot.providers.rate_limits import RateLimits
from bot.providers.rest import RestClient
from handlers.web.telemetry import Telemetry, metrics_route

Ask = Callable[..., Awaitable[str]]


async def answer(request: web.Request) -> web.Response:
    """Answer with the status that the path names; 429 and 503 ask for seven seconds."""
    status = int(request.match_info["status"])
    return web.json_response(
        {}, status=status, headers={"Retry-After": "7"} if status in {429, 503} else {}
    )


@pytest.fixture
async def ask() -> AsyncIterator[Ask]:
    """Ask a vendor for statuses, one after the other and each once; give
    what /metrics says then.
    """
    telemetry = Telemetry()
    application = web.Application()
    application.add_routes([web.get(r"/{status:\d+}", answer), metrics_route(telemetry)])
    async with TestServer(application) as server, aiohttp.ClientSession() as session:
        base = str(server.make_url("/")).rstrip("/")

        async def asked(*statuses: int, at: str = base) -> str:
            for status in statuses:
                rate_limits = RateLimits(observer=telemetry)  # each call begins without a pause
                client = RestClient(
                    session,
                    at,
                    vendor="GitLab",
                    rate_limits=rate_limits,
                    budget=Budget(tries=1, timeout=2),
                )
                with contextlib.suppress(RestError):
                    await client.get(f"/{status}")
            async with session.get(f"{base}/metrics") as response:
                return await response.text()

        yield asked


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "ok"),
        (404, "refused"),
        (302, "refused"),
        (401, "refused"),
        (429, "limited"),
        (500, "failed"),
        (503, "failed"),
    ],
)
async def test_a_call_is_counted_by_what_it_came_to_and_timed(
    ask: Ask, status: int, outcome: str
) -> None:
    said = await ask(status, status)
    assert f'gonogo_vendor_calls_total{{outcome="{outcome}",vendor="GitLab"}} 2.0' in said
    assert 'gonogo_vendor_call_seconds_count{vendor="GitLab"} 2.0' in said


async def test_a_vendor_that_cannot_be_reached_counts_as_failed(ask: Ask) -> None:
    said = await ask(200, at=f"http://127.0.0.1:{unused_port()}")
    assert 'gonogo_vendor_calls_total{outcome="failed",vendor="GitLab"} 1.0' in said


async def test_the_pauses_that_a_vendor_asks_for_are_counted_and_added_up(ask: Ask) -> None:
    said = await ask(429, 200, 429)
    assert 'gonogo_vendor_pause_seconds_count{vendor="GitLab"} 2.0' in said
    assert 'gonogo_vendor_pause_seconds_sum{vendor="GitLab"} 14.0' in said
