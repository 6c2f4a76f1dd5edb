"""A misspelt line, and the button with the line that was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conversations.conftest import World

ANA = "U0ANA"


@pytest.mark.case("card-and-people-16")
async def test_the_button_in_the_refusal_runs_the_corrected_command_once(world: World) -> None:
    await world.says(ANA, "/deploy storefrnt V1.2.0 too staging")
    misread = await world.reply(ANA, 'I did not expect "too" here. Did you mean to?')
    await world.clicks(ANA, misread, "run_corrected")
    unknown = await world.reply(ANA, "Did you mean storefront?")
    await world.clicks(ANA, unknown, "run_corrected")
    no_tag = await world.reply(ANA, "Did you mean v1.2.0?")
    assert "/deploy storefront v1.2.0 to staging" in str(no_tag["blocks"])
    for _ in range(3):
        await world.clicks(ANA, no_tag, "run_corrected")
    await world.reply(ANA, "*storefront v1.2.0 → staging* is asked for as storefront-1")
    await world.card("storefront v1.2.0 → staging", "live and healthy")
    assert world.slack.message("storefront-2") is None
