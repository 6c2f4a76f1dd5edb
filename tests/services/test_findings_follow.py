"""One finding follows another: nothing of the one before is forgotten, and nothing goes back for
what was not said for its full time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.catalog import AutomaticRollback, MetricKind, MetricSpec
from bot.domain.commands import Deploy, Proceed
from bot.domain.deployment import State
from bot.domain.health import Observed
from bot.domain.rollout import RunState
from tests.services.conftest import BAD, GOOD, MINUTE

Team = Any
ALONE: dict[str, Any] = {
    "gates": (), "checklist": (), "approvals": (),
    "after": "", "strategy": "canary", "watch": 10 * MINUTE,
    "automatic_rollback": AutomaticRollback.OFF,
}  # fmt: skip
COUNTS = {**ALONE, "automatic_rollback": AutomaticRollback.COUNTDOWN, "countdown": 15 * MINUTE}
TERRIBLE, FEW = Observed(900, 1000, requests=1000), Observed(1, 20, requests=20)
BOTH = (
    MetricSpec("errors", "errors", MetricKind.RATIO, unit="%"),
    MetricSpec("crashes", "crashes", MetricKind.RATIO, unit="%"),
)


@pytest.fixture
def serving_five(team_with: Any) -> Any:
    """Give a team whose v2 serves 5 %, with 90 % errors, while the run of 100 % is under way."""

    @asynccontextmanager
    async def begin(**production: Any) -> AsyncIterator[Team]:
        async with team_with(**production) as team:
            shop = team.context.catalog.services["shop"]
            team.context.catalog.services["shop"] = replace(shop, metric_specs=BOTH)
            team.numbers.besides["crashes"] = GOOD
            await team.says("ana", Deploy("shop", "production", "v2"))
            await team.passes(3 * MINUTE)
            team.ci.ends["deploy"] = RunState.RUNNING
            await team.passes(9 * MINUTE)
            team.numbers.new = TERRIBLE
            await team.passes(2 * MINUTE)
            yield team

    return begin


async def lands(
    team: Team, errors: Observed, crashes: Observed, time: timedelta = 2 * MINUTE
) -> None:
    team.ci.ends["deploy"] = RunState.SUCCEEDED
    team.numbers.new, team.numbers.besides["crashes"] = errors, crashes
    await team.passes(time)


async def test_a_passing_trouble_of_another_metric_hides_nothing_that_was_worse_and_nobody_decided_about(
    serving_five: Any,
) -> None:
    async with serving_five(**ALONE) as team:
        await lands(team, FEW, BAD)
        team.numbers.besides["crashes"] = GOOD
        await team.passes(60 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.ROLLING_OUT
        assert "*DEGRADED* at 100 %" in await team.shown("shop-1")
        assert "recovered" not in await team.audited("shop-1")
        await team.says("bo", Proceed("shop-1", "known noise"))
        await team.passes(20 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.ACCEPTED


async def test_it_calls_no_countdown_off_either(serving_five: Any) -> None:
    async with serving_five(**COUNTS) as team:
        await lands(team, FEW, BAD)
        team.numbers.besides["crashes"] = GOOD
        await team.passes(15 * MINUTE)
        assert not await team.said("recovered")
        assert (await team.deployment("shop-1")).state is State.ROLLED_BACK


async def test_what_is_far_worse_by_now_is_a_finding_of_everything_that_is_not_well_again(
    team_with: Any,
) -> None:
    async with team_with(**ALONE) as team:
        shop = team.context.catalog.services["shop"]
        team.context.catalog.services["shop"] = replace(shop, metric_specs=BOTH)
        team.numbers.besides["crashes"] = GOOD
        await team.says("ana", Deploy("shop", "production", "v2"))
        await team.passes(2 * MINUTE)
        team.numbers.new, team.numbers.besides["crashes"] = (
            TERRIBLE,
            Observed(20, 1000, requests=1000),
        )
        await team.passes(MINUTE)
        team.numbers.new, team.numbers.besides["crashes"] = FEW, Observed(300, 1000, requests=1000)
        await team.passes(MINUTE)
        assert len(await team.said("degraded")) == 2
        team.numbers.besides["crashes"] = GOOD
        await team.passes(30 * MINUTE)
        assert "shop-1:canary-100" not in team.ci.runs
        assert "*DEGRADED* at 5 %" in await team.shown("shop-1")


async def test_nothing_goes_back_for_what_was_never_announced(serving_five: Any) -> None:
    async with serving_five(**COUNTS) as team:
        first = (await team.deployment("shop-1")).countdown_until
        assert first is not None
        await team.passes(first - team.context.now() - MINUTE)
        await lands(team, GOOD, BAD, MINUTE)
        *_, alarm = await team.said("degraded")
        assert "crashes 6.0 %" in alarm
        second = (await team.deployment("shop-1")).countdown_until
        assert second is not None
        assert second - first >= 10 * MINUTE, "it has its own full time"
        await team.passes(10 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.ROLLING_OUT
        await team.passes(10 * MINUTE)
        assert (await team.deployment("shop-1")).state is State.ROLLED_BACK
