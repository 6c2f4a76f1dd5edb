"""The demo's bot is started again when it dies, as a service manager would: what was stored is
there, what was under way goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

WITHIN = 60.0
"""Seconds in which so many deaths say that it cannot live."""
MOST = 3

Start = Callable[[], Awaitable[asyncio.subprocess.Process]]
"""Starts the bot on the same database, and waits until it is ready or has ended."""


async def kept_alive(
    bot: asyncio.subprocess.Process,
    start: Start,
    say: Callable[[str], object],
    *,
    now: Callable[[], float] = time.monotonic,
) -> str:
    """Start the bot again whenever it ends, until it has ended three times within a minute;
    give that as a sentence.
    """
    deaths: list[float] = []
    while True:
        code = await bot.wait()
        at = now()
        deaths = [*(each for each in deaths if at - each < WITHIN), at]
        if len(deaths) >= MOST:
            return (
                f"The bot ended {MOST} times within a minute, the last time {_how(code)}; "
                "it is not started again."
            )
        bot = await start()
        if bot.returncode is None:
            say(
                f"The bot ended {_how(code)} and was started again, as process {bot.pid}, on the "
                "same database: nothing is lost."
            )


def _how(code: int) -> str:
    return f"by signal {-code}" if code < 0 else f"with exit code {code}"
