"""Server-sent events of Buildbot: while a run of ours is under way, each change of a build
wakes whoever waits for it.

They cost nothing to lose: polling decides, and comes back by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import structlog

from bot.domain.errors import IntegrationError
from bot.domain.limits import NOTICE, Unreadable, read_json
from bot.providers.ci.buildbot.client import BuildbotClient

log = structlog.get_logger(__name__)

PATH = "/sse/listen/builds/*/*"
SILENCE = 300.0
"""Seconds without an event after which we connect again: Buildbot sends nothing to
keep a connection alive.
"""
PAUSE = 2.0
LONGEST_PAUSE = 60.0


class Events:
    """Listens while something is awaited, and not otherwise."""

    def __init__(
        self, client: BuildbotClient, changed: Callable[[int], None], *, pause: float = PAUSE
    ) -> None:
        self._client = client
        self._changed = changed
        self._pause = pause
        self._awaited: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_open = True

    def open(self) -> None:
        """Be ready to listen."""
        self._is_open = True

    @property
    def is_listening(self) -> bool:
        """Tell whether somebody listens now."""
        return any(not task.cancelling() for task in self._tasks)

    def expect(self, request: int) -> None:
        """Wake for this build request from now on. After ``close`` this is nothing: somebody may
        still be looking at a run.
        """
        if not self._is_open:
            return
        self._awaited.add(request)
        if not self.is_listening:
            task = asyncio.create_task(self._listen(), name="buildbot events")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def forget(self, request: int) -> None:
        """Wake for it no more; without any other, nobody listens."""
        self._awaited.discard(request)
        if not self._awaited:
            self._stop()

    async def close(self) -> None:
        """Stop listening, for good."""
        self._is_open = False
        self._awaited.clear()
        self._stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _listen(self) -> None:
        pause = self._pause
        while True:
            try:
                async for request in requests_in(self._client.listen(PATH, SILENCE)):
                    pause = self._pause
                    if request in self._awaited:
                        self._changed(request)
            except IntegrationError as error:
                log.info("no events from Buildbot for now", why=str(error), pause=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)


async def requests_in(lines: AsyncIterator[str]) -> AsyncIterator[int]:
    """Name the build request of each event about a build; everything else is passed over."""
    async for line in lines:
        request = request_in(line)
        if request is not None:
            yield request


def request_in(line: str) -> int | None:
    """Read one line of the stream: ``data: {"key": ["builds", ID, WHAT], "message": BUILD}``."""
    name, _, value = line.partition(":")
    if name != "data":
        return None
    try:
        event = read_json(value.encode(errors="replace"), NOTICE)
    except Unreadable:
        return None  # the handshake is no JSON
    message = event.get("message") if isinstance(event, dict) else None
    request = message.get("buildrequestid") if isinstance(message, dict) else None
    return request if isinstance(request, int) else None
