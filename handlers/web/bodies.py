"""Reading request bodies from strangers: bounded in size and time, and raw, because
signatures are made over bytes.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from handlers.web.connections import connection_of

PATIENCE = 5.0
"""Seconds for a body to arrive."""


class Turned(Exception):  # noqa: N818 - it is an answer, not a fault of ours
    """The request is turned away with a status; the reason is for the log and the
    figures, never for the sender.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason

    def answer(self) -> web.Response:
        """Give the empty answer. What may still be on its way is not read: the connection ends."""
        response = web.Response(status=self.status)
        if self.status in {400, 408, 413, 415}:
            response.force_close()
        return response


async def read_body(request: web.Request, cap: int, *, patience: float = PATIENCE) -> bytes:
    """Read the whole raw body. Raises Turned: 415 compressed, 413 larger than ``cap``, 408 too
    slow, 400 broken on the way.
    """
    if request.headers.getall("Content-Encoding", ["identity"]) != ["identity"]:
        raise Turned(415, "compressed")
    if (request.content_length or 0) > cap:
        raise Turned(413, "size")
    try:
        async with asyncio.timeout(patience):
            body = await _up_to(request, cap)
    except TimeoutError:
        raise Turned(408, "slow") from None
    except (web.RequestPayloadError, ConnectionError):
        raise Turned(400, "broken off") from None
    connection = connection_of(request)
    if connection is not None:
        connection.is_served()
    return body


async def _up_to(request: web.Request, cap: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.content.iter_any():
        size += len(part)
        if size > cap:
            raise Turned(413, "size")
        parts.append(part)
    return b"".join(parts)
