"""When it is certain that a start became nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.engine.simulated import VirtualClock
from bot.ports.ci import StartRequest
from bot.providers.ci.starts import AFTER_A_FAULT, SETTLES, Starts
from tests.providers.ci.memory_runs import MemoryStarts

SECOND = timedelta(seconds=1)


@pytest.mark.case("reliability-5")
@pytest.mark.parametrize("status", [500, 503, 502, 504, None])
@pytest.mark.parametrize("action", ["rollback", "deploy"])
async def test_only_a_rollback_that_the_vendor_itself_gave_up_is_certain_soon(
    action: str, status: int | None
) -> None:
    clock = VirtualClock()
    starts = Starts("github", "shop", MemoryStarts(), clock)
    await starts.send(StartRequest("shop-3:rollback", "c" * 40, "production", action))
    clock.advance(9 * SECOND)
    await starts.unanswered("shop-3:rollback", status)
    gave_up = status in {500, 503}
    settles = AFTER_A_FAULT if action == "rollback" and gave_up else SETTLES
    clock.advance(settles - (SECOND if gave_up else 10 * SECOND))
    assert not starts.has_settled(await starts.of("shop-3:rollback"))
    clock.advance(SECOND)
    assert starts.has_settled(await starts.of("shop-3:rollback"))
