"""Connections from strangers: deadlines, caps, and who has to go when there is no room.

A connection *arrives* until a whole request is there, head and body; it is *served* while it is
answered, and *rests* between two requests. Whoever is served stays; of the others the oldest makes
room for the newest, first among those of its own address, then of the address that has the most. So
a flood of half requests drives itself out, and one that sends its request at once is let in however
many do not. Descriptors for the bot's own files and outgoing calls are never given away.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Address, ip_address
from typing import cast

from aiohttp import web

from handlers.web.notes import Notes
from handlers.web.telemetry import Telemetry

OWN_DESCRIPTORS = 256
"""Kept for the bot's own files, its database, its runs and its outgoing calls."""
MOST = 2_000
"""More connections than this serve nobody."""
FEWEST = 64
ACCEPTED_AT_ONCE = 16
"""How many connections are taken in before anything else gets its turn; the
kernel keeps the others in
"""
QUEUE = 1024
"""its own queue, where they cost no descriptor."""


class Stage(StrEnum):
    """How far a connection is."""

    ARRIVING = "arriving"
    SERVED = "served"
    RESTING = "resting"


@dataclass(frozen=True, slots=True)
class Caps:
    """How many connections there may be, and how many seconds one may stay in each stage."""

    most: int = 512
    per_address: int = 64
    """0 for no cap of its own, behind a proxy."""
    arriving: float = 10.0
    served: float = 60.0
    resting: float = 120.0
    """Longer than the common proxies keep theirs, so that none sends a command into a
    connection that is being closed.
    """

    def seconds(self, stage: Stage) -> float:
        """Give the longest time in a stage."""
        return {
            Stage.ARRIVING: self.arriving,
            Stage.SERVED: self.served,
            Stage.RESTING: self.resting,
        }[stage]


def room(descriptors: int) -> int:
    """Work out how many connections may be open with so many descriptors:
    what is left beside our own.
    """
    return max(FEWEST, min(MOST, descriptors - OWN_DESCRIPTORS - ACCEPTED_AT_ONCE))


class Connections:
    """All connections of one server."""

    def __init__(
        self,
        serve: Callable[[], asyncio.Protocol],
        caps: Caps,
        telemetry: Telemetry,
        *,
        every: float = 1.0,
    ) -> None:
        self.serve = serve
        self.caps = caps
        self._telemetry = telemetry
        self._notes = Notes("connections")
        self._every = every
        self._stages: dict[Stage, OrderedDict[Connection, float]] = {
            stage: OrderedDict() for stage in Stage
        }
        self._addresses: dict[str, OrderedDict[Connection, None]] = {}
        self._sweeping: asyncio.TimerHandle | None = None

    def __call__(self) -> asyncio.Protocol:
        """Make the protocol of a new connection, as ``loop.create_server`` asks for it."""
        return Connection(self)

    def __len__(self) -> int:
        """Count them."""
        return sum(map(len, self._stages.values()))

    def close(self) -> None:
        """Stop looking after them."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None

    # What a connection tells --------------------------------------------------------------------

    def admit(self, new: Connection) -> bool:
        """Let a connection in, if need be in the place of another one."""
        mine = self._addresses.setdefault(new.address, OrderedDict())
        is_in = self._has_room(mine) and self._is_below_cap()
        if is_in:
            mine[new] = None
            self.move(new, Stage.ARRIVING)
            self._look_after()
        else:
            self._turned("no room", new.address)
        if not mine:
            del self._addresses[new.address]
        return is_in

    def move(self, connection: Connection, stage: Stage) -> None:
        """Note that a connection has come to another stage."""
        if connection.stage is not None:
            del self._stages[connection.stage][connection]
        connection.stage = stage
        self._stages[stage][connection] = time.monotonic()

    def forget(self, connection: Connection) -> None:
        """Note that a connection is gone."""
        if connection.stage is None:
            return
        del self._stages[connection.stage][connection]
        connection.stage = None
        mine = self._addresses[connection.address]
        del mine[connection]
        if not mine:
            del self._addresses[connection.address]

    # Who has to go ------------------------------------------------------------------------------

    def _has_room(self, mine: OrderedDict[Connection, None]) -> bool:
        if not self.caps.per_address or len(mine) < self.caps.per_address:
            return True
        return self._drop(_oldest(mine), "too many of one address")

    def _is_below_cap(self) -> bool:
        if len(self) < self.caps.most:
            return True
        arriving, resting = self._stages[Stage.ARRIVING], self._stages[Stage.RESTING]
        crowd = arriving if len(arriving) >= len(resting) else resting
        most = max(self._addresses.values(), key=len)
        return self._drop(_oldest(most) or next(iter(crowd), None), "too many in all")

    def _drop(self, connection: Connection | None, reason: str) -> bool:
        if connection is None:
            return False
        self._turned(reason, connection.address)
        self.forget(connection)
        connection.abort()
        return True

    def _turned(self, reason: str, address: str) -> None:
        self._telemetry.rejected(reason)
        self._notes.say("a connection was closed", reason=reason, address=address)

    def _look_after(self) -> None:
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(self._every, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = None
        now = time.monotonic()
        for stage, connections in self._stages.items():
            longest = self.caps.seconds(stage)
            late = [each for each, since in connections.items() if now - since > longest]
            for each in late:
                self._drop(each, f"too long {stage}")
        if len(self):
            self._look_after()


def _oldest(connections: OrderedDict[Connection, None]) -> Connection | None:
    """Find the one that has to go: the oldest that has not sent a whole request,
    else the oldest that rests.
    """
    ways = (
        next((each for each in connections if each.stage is stage), None)
        for stage in (Stage.ARRIVING, Stage.RESTING)
    )
    return next((each for each in ways if each is not None), None)


class Connection(asyncio.Protocol):
    """One connection: it counts, and passes everything on to aiohttp's own protocol."""

    def __init__(self, all_: Connections) -> None:
        self.stage: Stage | None = None
        self.address = ""
        self._all = all_
        self._transport: asyncio.Transport | None = None
        self._inner: asyncio.Protocol | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let it in, or close it at once."""
        self._transport = cast("asyncio.Transport", transport)
        self.address = address_of(transport.get_extra_info("peername"))
        if not self._all.admit(self):
            self.abort()
            return
        self._inner = self._all.serve()
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Pass bytes on; after a rest they begin another request."""
        if self.stage is Stage.RESTING:
            self._all.move(self, Stage.ARRIVING)
        if self._inner is not None:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass on that nothing more comes."""
        return self._inner.eof_received() if self._inner is not None else None

    def pause_writing(self) -> None:
        """Pass on that the other side does not read."""
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that it reads again."""
        if self._inner is not None:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._all.forget(self)
        if self._inner is not None:
            self._inner.connection_lost(exc)

    def abort(self) -> None:
        """Close it without another word."""
        if self._transport is not None:
            self._transport.abort()

    def is_served(self) -> None:
        """Note that its request is there as a whole."""
        if self.stage is Stage.ARRIVING:
            self._all.move(self, Stage.SERVED)

    def rests(self) -> None:
        """Note that its request was answered."""
        if self.stage is not None:
            self._all.move(self, Stage.RESTING)


def address_of(peer: object) -> str:
    """Name who is at the other end; of an IPv6 address the half that one customer has."""
    if not isinstance(peer, tuple) or not peer:
        return ""
    name = str(peer[0])
    try:
        found = ip_address(name.partition("%")[0])
    except ValueError:
        return name
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or IPv6Address(int(found) >> 64 << 64))
    return name


def connection_of(request: web.Request) -> Connection | None:
    """Find a request's connection; None where the server counts none (in tests)."""
    protocol = request.transport.get_protocol() if request.transport is not None else None
    return protocol if isinstance(protocol, Connection) else None


@web.middleware
async def counted(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Tell a request's connection how far it is; that its body has arrived is told by
    ``handlers.web.bodies``.
    """
    connection = connection_of(request)
    if connection is None:
        return await handler(request)
    if not request.can_read_body:
        connection.is_served()
    try:
        return await handler(request)
    finally:
        connection.rests()


async def listen(connections: Connections, host: str, port: int) -> asyncio.Server:
    """Open the door. Raises OSError when the address cannot be used."""
    server = await asyncio.get_running_loop().create_server(
        connections, host, port, backlog=ACCEPTED_AT_ONCE, reuse_address=True
    )
    for each in server.sockets:
        with socket.socket(fileno=socket.dup(each.fileno())) as same:
            # the queue of the kernel belongs to both
            same.listen(QUEUE)
    return server
