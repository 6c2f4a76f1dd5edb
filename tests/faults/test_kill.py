"""The real bot as a real process, killed with -9 at any moment of a deployment and of a
rollback, and started again.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bot.adopting import adopt
from tests.conversations.conftest import ANA, BO, CHANNEL, World, build_world, environment_of
from tests.patience import PATIENCE

SOON = 0.3


class Process:
    """The bot in a process of its own."""

    def __init__(self, world: World, folder: Path) -> None:
        self._environment = {
            **os.environ,
            **environment_of(world.slack, folder),
            "GONOGO_LISTEN": "127.0.0.1:0",
        }
        self._folder = folder
        self._world = world
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it and wait until it says where it listens."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bot",
            "run",
            env=self._environment,
            stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )
        assert self._process.stderr is not None
        async with asyncio.timeout(PATIENCE):
            while line := (await self._process.stderr.readline()).decode():
                if '"url": "' in line and "is up" in line:
                    self._world.slack.call_at(
                        line.split('"url": "')[1].split('"')[0] + "/slack/events"
                    )
                    break
        self._reading = asyncio.create_task(self._process.stderr.read())

    async def kill(self) -> None:
        """Kill it without a word."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)


async def kills(process: Process, times: int, chance: random.Random) -> None:
    """Kill and start again, at random moments."""
    for _ in range(times):
        waited = asyncio.Event()
        asyncio.get_running_loop().call_later(chance.uniform(0.05, SOON * 4), waited.set)
        await waited.wait()
        await process.kill()
        await process.start()


async def play(folder: Path, times: int, seed: int) -> None:
    """Deploy and roll back, with so many kills in each."""
    chance = random.Random(seed)  # noqa: S311 - moments, not secrets
    async with AsyncExitStack() as stack:
        world = await build_world(stack, folder)
        await adopt(world.settings, service="storefront", ref="v1.1.0", environment="staging")
        await adopt(world.settings, service="storefront", ref="v1.0.0", environment="production")
        process = Process(world, folder)
        await process.start()
        stack.push_async_callback(process.kill)
        await world.service.scraped.wait()
        await world.says(ANA, "/deploy storefront v1.1.0 to production")
        await world.clear("v1.1.0")
        await kills(process, times, chance)
        card = await world.card("storefront v1.1.0 → production", "live and healthy", seconds=120)
        cards = [
            m
            for m in world.slack.state.channels[CHANNEL].messages
            if m["text"].startswith("*storefront v1.1.0 → production* ·")
        ]
        assert len(cards) == 1, "one card, however often the bot died"
        await world.clicks(BO, card, "roll_back")
        await kills(process, times, chance)
        await world.card("storefront v1.1.0 → production", "rolled back to v1.0.0", seconds=120)
        assert world.started()[-1].startswith(world.commits["v1.0.0"])
        assert len(set(world.started())) == 3, "canary 5, canary 100, rollback"


@pytest.mark.timeout(300)
async def test_a_bot_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    await play(tmp_path, 2, seed=1)


@pytest.mark.faults
@pytest.mark.timeout(1100)
@pytest.mark.parametrize("seed", [2, 3])
async def test_a_bot_that_is_killed_again_and_again_goes_on_where_it_was(
    tmp_path: Path, seed: int
) -> None:
    await play(tmp_path, 11, seed=seed)
