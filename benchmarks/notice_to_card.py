"""How soon the card shows what a notice from a CI provider tells of, in the strict workspace.

The clock runs from sending the signed notice until ``chat.update`` has put the new stage on the
card. The bot is a process of its own that polls every sixty seconds, so that only the notice can
have made it look; GitHub is our fake of it. In between: signature, wake-up, journal, the questions
to GitHub, the stored step, the drawn card, Slack's call. Notices come one after the other with a
pause, so that the bot's own coalescing of edits is not what is measured.

    python -m benchmarks.notice_to_card [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

from benchmarks.rollback import Bench, bot
from bot.adopting import adopt
from bot.settings import Settings
from tests.conversations.conftest import ANA, World, build_world, environment_of
from tests.conversations.vendors import OnGitHub
from tests.conversations.webhooks import Sender, sender_of

POLL = "60"
BETWEEN = 2.0
"""Seconds between two notices."""


class Listener(Bench):
    """The context of a bot that hears of runs by notices."""

    secrets: Mapping[str, str]

    @property
    def environment(self) -> dict[str, str]:
        """The bot's settings."""
        return {
            **environment_of(self.slack, self.folder),
            "GONOGO_POLL_SECONDS": POLL,
            **self.secrets,
        }


async def show_stage(
    world: World, sender: Sender, session: aiohttp.ClientSession, url: str, name: str
) -> float:
    """Change a stage at GitHub, tell of it, and give the seconds until the card shows it."""
    assert isinstance(world.vendor, OnGitHub)  # noqa: S101 - it was built so
    world.vendor.world.deploy_runs()[-1].jobs[-1].name = name
    headers, body = sender.notice(sender.run(), "success")
    began = time.perf_counter()
    async with session.post(f"{url}/webhooks/ci/github", data=body, headers=headers) as response:
        response.raise_for_status()
    await world.slack.until(
        lambda: any(
            name in json.dumps(message)
            for message in world.slack.state.channels["C0DEPLOYS"].messages
        )
    )
    return time.perf_counter() - began


async def measure(times: int) -> list[float]:
    """Measure so many notices, after a warm-up."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        world = await build_world(stack, folder, "github")
        sender = sender_of(world.vendor)
        bench = Listener(folder, world.slack, [])
        bench.secrets = {**world.vendor.secrets, **sender.secrets}
        settings = Settings.read(bench.environment, secrets=bench.secrets)
        await adopt(settings, service="storefront", ref="v1.1.0", environment="staging")
        sender.hold(world.commits["v1.2.0"])
        await stack.enter_async_context(bot(bench))
        url = world.slack.delivery.request_url.removesuffix("/slack/events")
        session = await stack.enter_async_context(aiohttp.ClientSession())
        await world.says(ANA, "/deploy storefront v1.2.0 to staging")
        await world.slack.until(world.started)
        await asyncio.sleep(BETWEEN)
        seconds = []
        for number in range(times + 2):
            seconds.append(
                await show_stage(world, sender, session, url, f"release-{number}-of-many")
            )
            await asyncio.sleep(BETWEEN)
        return seconds[2:]


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description="Measure the way from a notice to the card.")
    arguments.add_argument(
        "--quick", action="store_true", help="three notices: it shows that it works, not how fast"
    )
    seconds = asyncio.run(measure(3 if arguments.parse_args().quick else 60))
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    print(
        f"notice to card updated, {len(seconds)} times: p50 {cuts[49] * 1000:.0f} ms, p99 "
        f"{cuts[98] * 1000:.0f} ms"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
