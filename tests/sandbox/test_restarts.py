"""The bot of the demo dies, is started again on the same database, and goes on."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from bot.sandbox.demo import CHANNEL
from bot.sandbox.restarts import kept_alive
from bot.sandbox.story import ACKNOWLEDGE, ANA, BO, Player, Post, StoryError, button
from tests.patience import PATIENCE

Process = asyncio.subprocess.Process


async def program(code: str) -> Process:
    """Start a program that ends by itself."""
    return await asyncio.create_subprocess_exec(sys.executable, "-S", "-c", code)


@dataclass
class Clock:
    """A clock that goes on by so much each time that somebody dies."""

    pace: float
    now: float = 0.0

    def read(self) -> float:
        self.now += self.pace
        return self.now


async def test_a_bot_that_ends_three_times_within_a_minute_is_not_started_again() -> None:
    said: list[str] = []
    started: list[Process] = []

    async def start() -> Process:
        started.append(await program("raise SystemExit(75)"))
        await started[-1].wait()
        return started[-1]

    why = await kept_alive(
        await program("raise SystemExit(3)"), start, said.append, now=Clock(29.9).read
    )
    assert why == (
        "The bot ended 3 times within a minute, the last time with exit code 75; "
        "it is not started again."
    )
    assert (len(started), said) == (2, []), "it never got ready, so nobody is told that it did"


async def test_a_bot_that_ends_now_and_then_is_started_again_each_time() -> None:
    started: list[Process] = []
    enough = asyncio.Event()

    async def start() -> Process:
        started.append(await program("import signal, os; os.kill(os.getpid(), signal.SIGKILL)"))
        if len(started) == 5:
            enough.set()
        return started[-1]

    said: list[str] = []
    living = asyncio.create_task(
        kept_alive(await program(""), start, said.append, now=Clock(30.0).read)
    )
    await asyncio.wait_for(enough.wait(), PATIENCE)
    living.cancel()
    await asyncio.gather(living, return_exceptions=True)
    await started[-1].wait()
    assert said[0] == (
        f"The bot ended with exit code 0 and was started again, as process {started[0].pid}, on "
        "the same database: nothing is lost."
    )


@pytest.fixture
async def demo() -> AsyncIterator[Process]:
    """Run the demo as a person does; stop it as a person does."""
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "demo", "--port", "0", "--no-browser",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )  # fmt: skip
    yield running
    if running.returncode is None:
        running.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(running.wait(), PATIENCE) == 0


async def line(demo: Process, pattern: str) -> str:
    """Read what the demo prints up to a line, and give what it tells."""
    assert demo.stdout is not None
    said: list[str] = []
    async with asyncio.timeout(PATIENCE):
        while text := (await demo.stdout.readline()).decode():
            said.append(text)
            if found := re.search(pattern, text):
                return found[1]
    raise AssertionError(f"{pattern} was not said: {''.join(said)}")


def has_button(post: Post, action: str) -> bool:
    try:
        return bool(button(post, action))
    except StoryError:
        return False


async def test_kill_9_of_the_bot_ends_neither_the_demo_nor_what_is_under_way(demo: Process) -> None:
    url = await line(demo, r"The workspace is at (\S+)")
    bot = int(await line(demo, r"The bot is process (\d+)\."))
    async with aiohttp.ClientSession() as session:
        player = Player(session, url, CHANNEL, patience=PATIENCE)
        await player.says(ANA, "/deploy", "storefront v1.1.0 to production")
        asked = await player.card(ANA, "storefront v1.1.0 → production", "not ready")
        os.kill(bot, signal.SIGKILL)
        again = int(
            await line(
                demo,
                (
                    r"The bot ended by signal 9 and was started again, as process "
                    r"(\d+), on the same database"
                ),
            )
        )
        assert again != bot
        await player.clicks(BO, asked, ACKNOWLEDGE)

        def taken(state: dict[str, Any]) -> bool:
            (card,) = (post for post in state["messages"][CHANNEL] if post["ts"] == asked["ts"])
            return not has_button(card, ACKNOWLEDGE)

        assert await player.until("the card without the button", BO, taken)
