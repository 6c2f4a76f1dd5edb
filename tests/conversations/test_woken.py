"""What ends in the embedded CI wakes whoever waits for it: nobody has to look again to see it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from bot.adopting import adopt
from tests.conversations.conftest import ANA, build_world

if TYPE_CHECKING:
    from pathlib import Path


async def test_the_end_of_tests_and_of_runs_is_seen_without_looking_again(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        world = await build_world(stack, tmp_path)
        world.settings = world.settings.model_copy(update={"gonogo_poll_seconds": 300.0})
        await adopt(world.settings, service="storefront", ref="v1.1.0", environment="staging")
        await world.start_bot()
        stack.push_async_callback(world.stop_bot)
        await world.says(ANA, "/deploy storefront v1.2.0 to production")
        # the tests were the fifth
        await world.card("storefront v1.2.0 → production", "not ready: 4 of 7 gates open")
        await world.says(ANA, "/deploy storefront v1.2.0 to staging")
        await world.card("100 % is deployed")  # and in how many seconds, where it took any
        assert world.started() == [f"{world.commits['v1.2.0']} 100"]
