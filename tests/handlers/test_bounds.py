"""What the doors say about themselves: bounded log lines, bounded series, bounded bodies, and a
health that can be believed.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs

from handlers.slack.verification import is_ssl_check
from handlers.web.bodies import Turned, read_body
from handlers.web.health import health_routes
from tests.handlers.conftest import APP, FORM, JSON, TEAM

if TYPE_CHECKING:
    from tests.handlers.conftest import Door


async def test_a_flood_of_garbage_is_counted_but_not_logged_line_by_line(door: Door) -> None:
    clock = asyncio.get_running_loop()
    with capture_logs() as lines:
        began = clock.time()
        for _ in range(40):
            await door.post(b"x", {"Content-Type": FORM})
        seconds = clock.time() - began
    said = [line for line in lines if line["event"] == "turned away"]
    assert 1 <= len(said) <= 1 + int(seconds)
    assert 'gonogo_rejected_requests_total{reason="unsigned"} 40.0' in await door.telemetry()


async def test_an_ack_is_counted_and_timed_by_its_kind(door: Door) -> None:
    await door.command("status")
    telemetry = await door.telemetry()
    assert 'gonogo_slack_requests_total{kind="/deploy",outcome="acked"} 1.0' in telemetry
    assert 'gonogo_ack_seconds_count{kind="/deploy"} 1.0' in telemetry
    assert "gonogo_event_loop_lag_seconds" in telemetry


async def test_a_kind_that_slack_does_not_have_makes_no_series(door: Door) -> None:
    await door.signed(
        json.dumps({"type": "made_up_by_a_stranger", "team_id": TEAM, "api_app_id": APP}).encode(),
        JSON,
    )
    telemetry = await door.telemetry()
    assert 'kind="other"' in telemetry
    assert "made_up" not in telemetry


async def test_slacks_look_at_the_certificate_may_carry_its_token(door: Door) -> None:
    reply = await door.post(b"ssl_check=1&token=abc", {"Content-Type": FORM})
    assert (reply.status, reply.text) == (200, "")
    assert door.accepted == []


@pytest.mark.parametrize(
    "body",
    [
        b"ssl_check=1&text=status",
        b"token=abc&ssl_check=1",
        b"ssl_check=1&token=" + b"a" * 300,
        b"ssl_check=10",
    ],
)
def test_nothing_else_is_taken_for_a_look_at_the_certificate(body: bytes) -> None:
    assert not is_ssl_check(body)


class Reader:
    """A door that reads up to ten bytes within a tenth of a second."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.session = session

    async def sends(self, body: bytes | AsyncIterator[bytes], **headers: str) -> tuple[int, bytes]:
        async with self.session.post(self.url, data=body, headers=headers) as response:
            return response.status, await response.read()


@pytest.fixture
async def reader() -> AsyncIterator[Reader]:
    """Open the door."""

    async def echo(request: web.Request) -> web.Response:
        try:
            return web.Response(body=await read_body(request, 10, patience=0.1))
        except Turned as turned:
            return turned.answer()

    application = web.Application()
    application.add_routes([web.post("/", echo)])
    server = TestServer(application)
    await server.start_server()
    async with aiohttp.ClientSession() as session:
        yield Reader(str(server.make_url("/")), session)
    await server.close()


async def _never_done() -> AsyncIterator[bytes]:
    yield b"a"
    await asyncio.Event().wait()


async def _pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_a_body_is_read_whole_however_it_comes(reader: Reader) -> None:
    assert await reader.sends(b"0123456789") == (200, b"0123456789")
    assert await reader.sends(_pieces(b"01234", b"56789")) == (200, b"0123456789")


async def test_a_body_that_is_too_large_is_turned_away_with_or_without_a_length(
    reader: Reader,
) -> None:
    assert await reader.sends(b"0123456789a") == (413, b"")
    assert await reader.sends(_pieces(b"01234", b"56789a")) == (413, b"")


async def test_a_body_that_does_not_arrive_is_not_waited_for(reader: Reader) -> None:
    assert (await reader.sends(_never_done()))[0] == 408


async def test_a_compressed_body_is_not_unpacked(reader: Reader) -> None:
    assert (await reader.sends(gzip.compress(b"x"), **{"Content-Encoding": "gzip"}))[0] == 415


@pytest.mark.parametrize(("problem", "status"), [("", 200), ("the engine has stopped", 503)])
async def test_health_tells_of_the_engine_and_how_late_the_loop_is(
    problem: str, status: int
) -> None:
    async def engine() -> str:
        return problem

    application = web.Application()
    application.add_routes(health_routes({}, alive={"engine": engine}))
    async with (
        TestServer(application) as server,
        aiohttp.ClientSession() as session,
        session.get(server.make_url("/healthz")) as response,
    ):
        told = await response.json()
    assert response.status == status
    assert told["problems"] == ({"engine": problem} if problem else {})
    assert told["loop_lag_ms"] >= 0
