"""Connections from strangers: each stage has its deadline, and whoever is served is
never the one that has to go.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
from aiohttp import web
from prometheus_client import generate_latest

from handlers.web.bodies import Turned, read_body
from handlers.web.connections import (
    OWN_DESCRIPTORS,
    Caps,
    Connections,
    address_of,
    counted,
    listen,
    room,
)
from handlers.web.telemetry import Telemetry

SHORT = Caps(most=6, per_address=4, arriving=0.2, served=0.2, resting=0.2)
PATIENT = replace(SHORT, arriving=30, served=30, resting=30)
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass
class Line:
    """One stranger's connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def is_closed(self) -> bool:
        """Read until the end, which must come."""
        try:
            return await self.reader.read() == b""
        except ConnectionError:
            return True

    async def asks(self, text: bytes = GET) -> int:
        """Send a request and read the answer, which is short; 0 when the connection was closed."""
        try:
            self.writer.write(text)
            head = await self.reader.readuntil(b"\r\n\r\n")
            await self.reader.readexactly(
                int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            )
        except (ConnectionError, asyncio.IncompleteReadError):
            return 0
        return int(head.split()[1])


@dataclass
class Context:
    """A server, and how to knock at it."""

    port: int
    connections: Connections
    telemetry: Telemetry
    go_on: asyncio.Event
    entered: asyncio.Semaphore
    admitted: asyncio.Semaphore
    lines: list[Line] = field(default_factory=list)

    async def line(
        self, sent: bytes = b"", *, source: str = "127.0.0.1", is_let_in: bool = True
    ) -> Line:
        """Connect, send something, and wait until the connection is let in, or not."""
        line = Line(*await asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0)))
        line.writer.write(sent)
        self.lines.append(line)
        if is_let_in:
            await self.admitted.acquire()
        return line

    def counts(self, reason: str) -> bool:
        """Tell whether connections were closed for a reason."""
        return (
            f'gonogo_rejected_requests_total{{reason="{reason}"}}'
            in generate_latest(self.telemetry.registry).decode()
        )


@asynccontextmanager
async def serving(caps: Caps) -> AsyncIterator[Context]:
    """Serve a page, one that takes a body, and one that takes its time."""
    go_on, entered, admitted, telemetry = (
        asyncio.Event(),
        asyncio.Semaphore(0),
        asyncio.Semaphore(0),
        Telemetry(),
    )

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def slow(_request: web.Request) -> web.Response:
        entered.release()
        await go_on.wait()
        return web.Response(text="ok")

    async def taken(request: web.Request) -> web.Response:
        try:
            return web.Response(body=await read_body(request, 100, patience=30))
        except Turned as turned:
            return turned.answer()

    application = web.Application(middlewares=[counted])
    application.add_routes([web.get("/", page), web.get("/slow", slow), web.post("/", taken)])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1, lingering_time=0.1)
    async with AsyncExitStack() as stack:
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        serve = runner.server
        assert serve is not None

        def let_in() -> asyncio.Protocol:
            admitted.release()
            return serve()

        connections = Connections(let_in, caps, telemetry, every=0.02)
        stack.callback(connections.close)
        server = await listen(connections, "127.0.0.1", 0)
        stack.callback(server.close)
        context = Context(
            server.sockets[0].getsockname()[1], connections, telemetry, go_on, entered, admitted
        )
        yield context
        go_on.set()
        for line in context.lines:
            line.writer.close()


@pytest.mark.case("trust-1")
@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"G",
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc",
    ],
)
async def test_a_request_that_does_not_arrive_whole_is_not_waited_for(sent: bytes) -> None:
    async with serving(SHORT) as context:
        line = await context.line(sent)
        assert await line.is_closed()
        assert len(context.connections) == 0
        assert context.counts("too long arriving")


@pytest.mark.case("trust-1")
async def test_a_stranger_that_sends_a_sign_now_and_then_is_not_waited_for_either() -> None:
    async with serving(replace(SHORT, arriving=0.3)) as context:
        line = await context.line(b"GET / HTTP/1.1\r\n")
        dripping = asyncio.create_task(_drip(line))
        assert await line.is_closed()
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)


async def _drip(line: Line) -> None:
    while True:
        line.writer.write(b"X: y\r\n")
        await asyncio.sleep(0.02)


@pytest.mark.case("trust-1")
async def test_a_connection_that_rests_is_closed_after_a_while_and_used_again_before() -> None:
    async with serving(SHORT) as context:
        line = await context.line()
        assert [await line.asks() for _ in range(3)] == [200, 200, 200]
        assert await line.is_closed()
        assert context.counts("too long resting")


@pytest.mark.case("trust-1")
async def test_an_answer_that_does_not_end_holds_its_connection_no_longer_than_a_minute() -> None:
    async with serving(SHORT) as context:
        line = await context.line(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await line.is_closed()
        assert context.counts("too long served")
    assert Caps().served <= 60


@pytest.mark.case("trust-1")
async def test_the_newest_of_an_address_takes_the_place_of_its_oldest_that_is_not_served() -> None:
    async with serving(PATIENT) as context:
        served = await context.line(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        await context.entered.acquire()
        halves = [await context.line(b"GET /") for _ in range(3)]
        assert await (await context.line()).asks() == 200
        assert await halves[0].is_closed()
        assert len(context.connections) == 4
        context.go_on.set()
        assert (await served.reader.readuntil(b"ok"))[:15] == b"HTTP/1.1 200 OK"
        assert context.counts("too many of one address")


@pytest.mark.case("trust-1")
async def test_a_flood_from_everywhere_drives_itself_out_and_whole_requests_are_let_in() -> None:
    async with serving(PATIENT) as context:
        for number in range(40):
            await context.line(b"GET / HTTP/1.1\r\n", source=f"127.0.1.{number + 1}")
            if number % 8 == 0:
                assert await (await context.line(source=f"127.0.2.{number + 1}")).asks() == 200
        assert len(context.connections) <= PATIENT.most
        assert context.counts("too many in all")


@pytest.mark.case("trust-1")
async def test_who_has_one_connection_does_not_have_to_go_for_those_who_have_many() -> None:
    async with serving(PATIENT) as context:
        slack = await context.line(b"GET / HTTP/1.1\r\n", source="127.0.4.1")
        for number in range(20):
            await context.line(b"GET / HTTP/1.1\r\n", source=f"127.0.5.{1 + number % 2}")
        assert await slack.asks(b"Host: x\r\n\r\n") == 200


@pytest.mark.case("trust-1")
async def test_connections_that_only_rest_make_room_too() -> None:
    async with serving(PATIENT) as context:
        resting = [await context.line(source=f"127.0.3.{number}") for number in range(1, 7)]
        assert {await each.asks() for each in resting} == {200}
        assert await (await context.line(source="127.0.3.9")).asks() == 200
        assert await resting[0].is_closed()


@pytest.mark.case("trust-1")
async def test_when_everybody_is_served_the_next_one_is_turned_away_at_once() -> None:
    async with serving(replace(PATIENT, most=2)) as context:
        for _ in range(2):
            await context.line(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
            await context.entered.acquire()
        assert await (await context.line(is_let_in=False)).is_closed()
        assert context.counts("no room")


@pytest.mark.case("trust-1")
async def test_behind_a_proxy_all_may_come_from_one_address() -> None:
    async with serving(replace(PATIENT, per_address=0)) as context:
        lines = [await context.line(b"GET /") for _ in range(6)]
        assert len(context.connections) == 6
        assert await lines[-1].asks(b" HTTP/1.1\r\nHost: x\r\n\r\n") == 200


@pytest.mark.parametrize(
    ("descriptors", "connections"), [(1024, 752), (8192, 2000), (300, 64), (64, 64)]
)
def test_descriptors_are_kept_for_what_the_bot_itself_opens(
    descriptors: int, connections: int
) -> None:
    assert room(descriptors) == connections
    assert connections == 64 or descriptors - connections >= OWN_DESCRIPTORS


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        (("10.0.0.1", 7), "10.0.0.1"),
        (("2001:db8:1:2:3:4:5:6", 7, 0, 0), "2001:db8:1:2::"),
        (("::ffff:10.0.0.1", 7, 0, 0), "10.0.0.1"),
        (("fe80::1%eth0", 7, 0, 2), "fe80::"),
        ("", ""),
        (None, ""),
    ],
)
def test_one_customer_of_a_network_is_one_address(peer: object, address: str) -> None:
    assert address_of(peer) == address


def test_a_connection_is_watched_by_a_protocol_of_its_own() -> None:
    made: Callable[[], asyncio.Protocol] = Connections(asyncio.Protocol, SHORT, Telemetry())
    assert made() is not made()
