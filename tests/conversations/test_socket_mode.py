"""The same bot through Socket Mode: no address, no signatures, the same conversation."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pydantic import SecretStr

from tests.conversations.conftest import CHANNEL
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from tests.conversations.conftest import World

ANA, BO = "U0ANA", "U0BO"


async def test_a_deployment_and_its_rollback_work_through_socket_mode(world: World) -> None:
    await world.stop_bot()
    world.settings = world.settings.model_copy(
        update={"slack_app_token": SecretStr(world.slack.sockets.token)}
    )
    await world.start_bot()
    world.slack.call_at("")
    await world.slack.until(lambda: world.slack.sockets.is_connected)
    card = await world.deploy("v1.1.0", "production")
    await world.slack.sockets.disconnect()
    await world.slack.until(lambda: world.slack.sockets.opened > 1)
    async with asyncio.timeout(PATIENCE):
        # The client connects twice when it is told to and closed at once: a click in between is
        # lost, and Slack says so to whoever pressed.
        while (
            await world.slack.clicks(BO, card, "gonogo.roll_back", channel=CHANNEL)
        ).status != 200:
            await world.slack.until(lambda: world.slack.sockets.is_connected)
    await world.card("storefront v1.1.0 → production", "rolled back to v1.0.0")
    assert world.started()[-1].startswith(world.commits["v1.0.0"])
