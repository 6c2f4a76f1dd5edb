"""Customers: an open loop of requests that comes at its own pace, whether
the service answers or not.
"""

from __future__ import annotations

import asyncio
import contextlib
import random

import aiohttp

MOST_IN_FLIGHT = 200
"""Above it customers stay away; the service is beyond help then, and this machine should not be."""
PRODUCTS = 100
PATIENCE = aiohttp.ClientTimeout(total=5)


class Load:
    """Customers of one environment. ``signed_in`` is the share of them that
    the service knows by name.
    """

    def __init__(self, url: str, *, per_second: float, signed_in: float) -> None:
        self._url = url
        self._per_second = per_second
        self._signed_in = signed_in
        self._in_flight: set[asyncio.Task[None]] = set()
        self._coming: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Let the customers come."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=PATIENCE
        )
        self._coming = asyncio.create_task(self._come(self._session), name="load")

    async def close(self) -> None:
        """Send the customers home."""
        tasks = [*self._in_flight, *([self._coming] if self._coming else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _come(self, session: aiohttp.ClientSession) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + random.expovariate(self._per_second), loop.time() - 1)
            await asyncio.sleep(max(0.0, due - loop.time()))
            if len(self._in_flight) < MOST_IN_FLIGHT:
                task = asyncio.create_task(self._visit(session))
                self._in_flight.add(task)
                task.add_done_callback(self._in_flight.discard)

    async def _visit(self, session: aiohttp.ClientSession) -> None:
        """Do what a customer does: look at the home page, at a product, or buy it."""
        what, number = random.random(), random.randrange(PRODUCTS)  # noqa: S311 - customers, not secrets
        method, path = (
            ("GET", "")
            if what < 0.2  # noqa: PLR2004 - shares
            else ("GET", f"product/{number}")
            if what < 0.8  # noqa: PLR2004 - shares
            else ("POST", f"checkout/{number}")
        )
        params = {"customer": "ana"} if random.random() < self._signed_in else {}  # noqa: S311 - customers, not secrets
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with session.request(method, f"{self._url}/{path}", params=params) as response:
                await response.read()
