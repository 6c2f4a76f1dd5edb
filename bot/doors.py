"""The web server's door: it listens with deadlines and caps, and keeps
descriptors for the bot's own use.
"""

from __future__ import annotations

import resource
from contextlib import AsyncExitStack

import structlog
from aiohttp import web

from bot.settings import Settings
from bot.start import cannot_listen
from handlers.web.connections import Caps, Connections, listen, room
from handlers.web.telemetry import Telemetry

log = structlog.get_logger(__name__)

DRAIN = 10.0
"""Seconds that a shutdown waits for requests under way."""
LINGERING = 2.0
"""Seconds in which the rest of a body that is not wanted is taken in, so
that the sender reads why.
"""
DESCRIPTORS = 8192
"""As many as serve anybody; more would only make each child process slower to start."""


def raise_descriptors() -> int:
    """Raise the soft limit of open files as far as the hard one allows, and
    tell how many there are.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):  # some systems allow less than they say
        return soft
    return wanted


async def open_door(
    stack: AsyncExitStack, application: web.Application, settings: Settings, telemetry: Telemetry
) -> str:
    """Serve an application until the stack is closed, and tell its address. Raises
    ConfigurationError or SystemUnavailable.
    """
    runner = web.AppRunner(
        application, access_log=None, shutdown_timeout=DRAIN,
        lingering_time=LINGERING, keepalive_timeout=Caps().resting + LINGERING
    )  # fmt: skip
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    caps = Caps(most=room(raise_descriptors()), per_address=settings.gonogo_connections_per_address)
    connections = Connections(runner.server, caps, telemetry)  # type: ignore[arg-type] # it is there after setup
    stack.callback(connections.close)
    try:
        server = await listen(connections, settings.host, settings.port)
    except OSError as error:
        raise cannot_listen(error, settings) from error
    stack.callback(server.close)
    log.info("the door is open", connections=caps.most, per_address=caps.per_address or "any")
    host, port = server.sockets[0].getsockname()[:2]
    return f"http://{host}:{port}"
