"""On-call from the configuration's rotas."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime

import pytest

from bot.domain.catalog import ProviderChoice, Service
from bot.domain.errors import ConfigurationError
from bot.domain.people import Person
from bot.domain.rota import Rota, parse_hours
from bot.ports.people import OnCallSchedule, Shift
from bot.providers.oncall.rota.provider import RotaSchedule

ANA = Person("T1", "U1")
SCHEDULE: OnCallSchedule = RotaSchedule(
    {"web": Rota("web", (ANA,), date(2026, 1, 5), hours=parse_hours("Mon-Fri 08:00-18:00"))}
)


def service(options: Mapping[str, object]) -> Service:
    nothing = ProviderChoice("none")
    return Service("storefront", nothing, nothing, ProviderChoice("rota", options), {})


async def test_the_person_on_call_is_named_with_the_end_of_the_shift_and_the_source() -> None:
    shift = await SCHEDULE.who(service({"schedule": "web"}), datetime(2026, 1, 6, 12, tzinfo=UTC))
    assert shift == Shift(ANA, datetime(2026, 1, 6, 18, tzinfo=UTC), 'rota "web"')


async def test_in_a_gap_nobody_is_named() -> None:
    assert (
        await SCHEDULE.who(service({"schedule": "web"}), datetime(2026, 1, 6, 18, tzinfo=UTC))
        is None
    )


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, 'service "storefront": on_call needs "schedule"'),
        ({"schedule": "wbe"}, r'there is no rota "wbe" \(there are: web\)'),
    ],
)
async def test_a_service_without_a_rota_is_a_mistake_and_not_a_gap(
    options: Mapping[str, object], problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        await SCHEDULE.who(service(options), datetime(2026, 1, 6, 12, tzinfo=UTC))
