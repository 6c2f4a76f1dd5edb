"""The real bot with few descriptors, while more strangers than it has send half a request each:
commands and rollbacks go on.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.adopting import adopt
from tests.conversations.conftest import ANA, BO, World, build_world, environment_of

FLOOD = Path(__file__).with_name("flood.py")
STATUS = 100


@dataclass(frozen=True, slots=True)
class Attack:
    """How many strangers from how many addresses, and how many descriptors the bot has."""

    strangers: int
    addresses: int
    descriptors: int
    socket_mode: bool = False

    def __str__(self) -> str:
        """Name it in the list of tests."""
        return f"{self.strangers}-from-{self.addresses}-{'socket' if self.socket_mode else 'http'}"


SMALL = Attack(400, 40, 400)
LARGE = [
    Attack(1100, addresses, 1024, socket_mode=mode)
    for addresses in (1, 200)
    for mode in (False, True)
]


class Limited:
    """The bot in a process of its own that may open only so many files; it cannot raise that."""

    def __init__(self, world: World, folder: Path, attack: Attack) -> None:
        token = {"SLACK_APP_TOKEN": world.slack.sockets.token} if attack.socket_mode else {}
        self._environment = {**os.environ, **environment_of(world.slack, folder), **token}
        self._descriptors = attack.descriptors
        self.url = ""
        self.said = 0
        """Bytes of its log."""

    async def start(self) -> None:
        """Start it and wait until it says where it listens."""
        self._process = await asyncio.create_subprocess_exec(
            "sh", "-c", f'ulimit -n {self._descriptors}; exec "$0" -m bot run', sys.executable,
            env=self._environment, stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        up = asyncio.Event()
        self._reading = asyncio.create_task(self._listen(up))
        async with asyncio.timeout(30):
            await up.wait()

    async def _listen(self, up: asyncio.Event) -> None:
        assert self._process.stderr is not None
        while line := (await self._process.stderr.readline()).decode():
            self.said += len(line)
            if '"url": "' in line and "is up" in line:
                self.url = line.split('"url": "')[1].split('"')[0]
                up.set()

    async def stop(self) -> None:
        """Tell it to stop, and wait."""
        self._process.terminate()
        await self._process.wait()
        await self._reading


@asynccontextmanager
async def flooded(url: str, attack: Attack) -> AsyncIterator[None]:
    """Let the strangers come, and stay."""
    port = url.rpartition(":")[2]
    arguments = (port, str(attack.strangers), str(attack.addresses))
    strangers = await asyncio.create_subprocess_exec(
        sys.executable, str(FLOOD), *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert strangers.stdout is not None
        async with asyncio.timeout(60):
            assert await strangers.stdout.readline() == b"all have come\n"
        yield
    finally:
        strangers.kill()
        await strangers.wait()


@dataclass(frozen=True, slots=True)
class Took:
    """How long people waited in the flood: the 99th percentile of their questions, and a rollback
    until its run began. In seconds.
    """

    question: float
    rollback: float


async def play(folder: Path, attack: Attack) -> Took:
    """Deploy in peace; then, in the flood, ask a hundred times and roll back."""
    async with AsyncExitStack() as stack:
        world = await build_world(stack, folder)
        await adopt(world.settings, service="storefront", ref="v1.1.0", environment="staging")
        await adopt(world.settings, service="storefront", ref="v1.0.0", environment="production")
        bot = Limited(world, folder, attack)
        await bot.start()
        stack.push_async_callback(bot.stop)
        world.slack.call_at("" if attack.socket_mode else f"{bot.url}/slack/events")
        if attack.socket_mode:
            await world.slack.until(lambda: world.slack.sockets.is_connected)
        await world.service.scraped.wait()
        card = await world.deploy("v1.1.0", "production")
        async with flooded(bot.url, attack):
            before, began = bot.said, time.monotonic()
            waits = sorted([await _timed(world) for _ in range(STATUS)])
            clicked = time.monotonic()
            await world.clicks(BO, card, "roll_back")
            await world.slack.until(lambda: world.started()[-1].startswith(world.commits["v1.0.0"]))
            started = time.monotonic() - clicked
            seconds, lines = time.monotonic() - began, bot.said - before
        assert lines <= 20_000 * (1 + seconds), f"{lines:,} bytes of log in {seconds:.0f} s"
        print(  # noqa: T201
            f"{attack}: p50 {waits[len(waits) // 2] * 1000:.0f} ms, p99 {waits[-2] * 1000:.0f} "
            f"ms, rollback {started:.2f} s, {lines:,} B"
        )
        return Took(waits[-2], started)


async def _timed(world: World) -> float:
    began = time.monotonic()
    await world.says(ANA, "/deploy status")
    return time.monotonic() - began


@pytest.mark.case("trust-1")
@pytest.mark.timeout(120)
async def test_strangers_who_send_half_a_request_hold_up_no_command_and_no_rollback(
    tmp_path: Path,
) -> None:
    # how long that takes on a busy machine is for `make hostile` to say
    await play(tmp_path, SMALL)


@pytest.mark.hostile
@pytest.mark.case("trust-1")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("attack", LARGE, ids=str)
async def test_eleven_hundred_strangers_and_a_limit_of_1024_hold_up_nothing(
    tmp_path: Path, attack: Attack
) -> None:
    took = await play(tmp_path, attack)
    assert took.question <= 1, f"p99 {took.question:.2f} s"
    assert took.rollback <= 2, f"the rollback began after {took.rollback:.2f} s"
