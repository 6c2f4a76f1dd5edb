"""The provider `none` of metrics and on-call: the same contract as any
other, with nothing in it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.catalog import EnvironmentPolicy, ProviderChoice, Service
from bot.domain.health import Verdict, overall
from bot.ports.metrics import Cohort, MetricsSource, Window
from bot.ports.people import OnCallSchedule
from bot.providers.metrics.none.provider import NoMetrics
from bot.providers.oncall.none.provider import NobodyOnCall

NONE = ProviderChoice("none")
PRODUCTION = EnvironmentPolicy("production", "canary", is_watched=False)
SHOP = Service("shop", ProviderChoice("local"), NONE, NONE, {"production": PRODUCTION})
NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)


@pytest.mark.case("adoption-3")
async def test_a_service_without_metrics_has_no_numbers_and_is_never_said_to_be_healthy() -> None:
    source: MetricsSource = NoMetrics()
    await source.open()
    assert (
        await source.observe(SHOP, PRODUCTION, Window(NOW - timedelta(hours=1), NOW), Cohort())
        == {}
    )
    assert overall(()) is Verdict.NO_DATA
    await source.close()


@pytest.mark.case("adoption-3")
async def test_a_service_without_a_schedule_has_nobody_on_call_at_any_time() -> None:
    schedule: OnCallSchedule = NobodyOnCall()
    assert await schedule.who(SHOP, NOW) is None
    assert not SHOP.has_on_call
