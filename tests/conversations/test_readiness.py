"""What readiness says of a bot with a dead token, or with a runbook that is blocked;
and that the bot goes on.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import aiohttp
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from bot.app import running
from bot.domain.deployment import State
from bot.domain.errors import ConfigurationError
from bot.settings import Settings
from tests.conversations.conftest import ANA, World


def revoked(settings: Settings) -> Settings:
    return settings.model_copy(update={"slack_bot_token": SecretStr("xoxb-revoked")})


@pytest.mark.case("reliability-12")
async def test_a_dead_token_with_nothing_under_way_is_for_a_person_to_mend(world: World) -> None:
    await world.stop_bot()
    with pytest.raises(
        ConfigurationError,
        match=r"Slack refuses SLACK_BOT_TOKEN: .* Install the app again and copy its token",
    ):
        async with running(revoked(world.settings)):
            pass


@pytest.mark.case("reliability-12")
async def test_a_dead_token_does_not_keep_the_bot_down_while_a_deployment_is_under_way(
    world: World,
) -> None:
    await world.says(ANA, "/deploy storefront v1.1.0 to production")
    await world.card("storefront v1.1.0 → production", "not ready")
    await world.stop_bot()
    dead = replace(world, settings=revoked(world.settings))
    await dead.start_bot()
    assert dead.bot is not None
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{dead.bot.url}/readyz") as response,
    ):
        assert response.status == 503
        assert "invalid_auth" in (await response.json())["problems"]["slack"]
    store = dead.bot.database.store
    async with store.transaction() as tx:
        (under_way,) = await tx.open_deployments()
        await tx.move(under_way.id, State.CANCELLED, at=under_way.state_since)
    assert await asyncio.wait_for(_ended(dead), 10)
    await dead.stop_bot()


async def _ended(world: World) -> bool:
    assert world.bot is not None
    async with world.bot.database.store.reading() as reader:
        return not await reader.open_deployments()


@pytest.mark.case("reliability-6")
async def test_readiness_names_what_is_blocked_and_stays_within_reach(world: World) -> None:
    assert world.bot is not None
    async with world.bot.database.writer.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO runbook (id, name, version, args, state, wakes, "
                "attempts, faults, error) "
                "VALUES ('shop-7', 'deploy', 1, '[]', 'blocked', 0, 0, 0, 'no version 9')"
            )
        )
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{world.bot.url}/readyz") as response,
    ):
        assert response.status == 200
        assert (await response.json())["worries"]["blocked runs"] == "shop-7: no version 9"
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{world.bot.url}/metrics") as response,
    ):
        said = await response.text()
    assert "gonogo_blocked_runs 1.0" in said
    assert 'gonogo_vendor_calls_total{outcome="ok",vendor="Slack"}' in said
    assert re.search(r"gonogo_database_bytes [1-9]", said)
