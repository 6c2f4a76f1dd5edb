"""One environment: two slots, exact weights between them, and the reverse proxy in front."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import aiohttp
from aiohttp import web

from bot.sandbox.world.release import PlatformError, Release

SLOTS = ("blue", "green")
EVERYTHING = 100
DRAIN = 2.0
"""Seconds that a version without traffic has to finish its last requests."""
PATIENCE = aiohttp.ClientTimeout(total=10)


class Environment:
    """Staging or production. Deploying starts a version beside the old one and gives it
    its share of the traffic.
    """

    def __init__(self, name: str, folder: Path, session: aiohttp.ClientSession) -> None:
        self.name = name
        self.slots: dict[str, Release | None] = dict.fromkeys(SLOTS)
        self.weights: dict[str, int] = dict.fromkeys(SLOTS, 0)
        self._owed: dict[str, int] = dict.fromkeys(SLOTS, 0)
        self._folder = folder
        self._session = session
        self._numbers = itertools.count(1)
        self._turn = asyncio.Lock()
        self._retiring: set[asyncio.Task[None]] = set()

    async def deploy(self, commit: str, version: str, percent: int, source: Path) -> str:
        """Give a commit its share of the traffic, starting it when it does not run yet; say what
        was done. Raises PlatformError.
        """
        if not 0 < percent <= EVERYTHING:
            raise PlatformError(f"{percent} is no share of the traffic. Give 1 to 100.")
        async with self._turn:
            slot = self.slot_of(commit)
            if slot is None:
                slot = await self._start(commit, version, source)
            other = next(name for name in SLOTS if name != slot)
            share = percent if self.slots[other] is not None and self._is_up(other) else EVERYTHING
            self._share_out({slot: share, other: EVERYTHING - share})
            if share == EVERYTHING:
                self._retire(other)
        return f"{version} gets {share} % of {self.name}."

    def slot_of(self, commit: str) -> str | None:
        """Find the slot in which a commit runs."""
        return next(
            (
                name
                for name, found in self.slots.items()
                if found is not None and found.commit == commit and self._is_up(name)
            ),
            None,
        )

    def _is_up(self, slot: str) -> bool:
        found = self.slots[slot]
        return found is not None and found.process.returncode is None

    async def _start(self, commit: str, version: str, source: Path) -> str:
        slot = min(SLOTS, key=lambda name: (self._is_up(name), self.weights[name]))
        old, self.slots[slot] = self.slots[slot], None
        self._share_out({**self.weights, slot: 0})
        if old is not None:
            await old.stop()
        folder = self._folder / f"{self.name}-{next(self._numbers)}"
        self.slots[slot] = await Release.start(
            commit, version, source=source, folder=folder, session=self._session
        )
        return slot

    def _share_out(self, weights: dict[str, int]) -> None:
        if weights != self.weights:
            self.weights, self._owed = weights, dict.fromkeys(SLOTS, 0)

    def _retire(self, slot: str) -> None:
        release, self.slots[slot] = self.slots[slot], None
        if release is not None:
            task = asyncio.create_task(self._drain(release), name=f"retire {release.version}")
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    async def _drain(self, release: Release) -> None:
        deadline = asyncio.get_running_loop().time() + DRAIN
        while release.in_flight and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - a short look
            await asyncio.sleep(0.05)
        await release.stop()

    def choose(self) -> Release | None:
        """Choose who answers the next request: weighted round robin, exact
        over every hundred requests.
        """
        up = [name for name in SLOTS if self.slots[name] is not None and self.weights[name]]
        if not up:
            return None
        for name in up:
            self._owed[name] += self.weights[name]
        chosen = max(up, key=lambda name: self._owed[name])
        self._owed[chosen] -= sum(self.weights[name] for name in up)
        return self.slots[chosen]

    async def forward(
        self, request: web.Request, release: Release | None, path: str
    ) -> web.Response:
        """Pass a request on to a version, and its answer back."""
        if release is None:
            return web.Response(status=503, text="nothing runs here\n")
        release.in_flight += 1
        try:
            url, body = f"{release.url}/{path}", await request.read()
            async with self._session.request(
                request.method, url, params=request.query, data=body or None, timeout=PATIENCE
            ) as answer:
                headers = {
                    "Content-Type": answer.headers.get("Content-Type", "text/plain"),
                    "X-Version": release.version,
                }
                return web.Response(status=answer.status, body=await answer.read(), headers=headers)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return web.Response(status=502, text="the service did not answer\n")
        finally:
            release.in_flight -= 1

    async def close(self) -> None:
        """Stop everything."""
        async with self._turn:
            running = [release for release in self.slots.values() if release is not None]
            self.slots = dict.fromkeys(SLOTS)
            await asyncio.gather(
                *(release.stop() for release in running), *self._retiring, return_exceptions=True
            )
