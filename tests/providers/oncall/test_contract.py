"""The rota keeps what every on-call schedule promises."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

import pytest

from bot.domain.catalog import ProviderChoice, Service
from bot.domain.people import Person
from bot.domain.rota import Override, Rota, parse_hours
from bot.providers.oncall.rota.provider import RotaSchedule
from bot.testing.oncall_contract import *  # noqa: F403 - pytest collects what a module holds

LONG_AGO = Override(None, datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC))


@dataclass
class RotaLab:
    """``bot.testing.oncall_contract.Lab``: a rota in which nobody is on call but by an override."""

    rota: Rota = field(
        default_factory=lambda: Rota(
            "web",
            (Person("T1", "UCY"),),
            date(2026, 1, 5),
            hours=parse_hours("Mon-Fri 08:00-18:00"),
            overrides=(LONG_AGO,),
        )
    )
    service: Service = field(
        default_factory=lambda: Service(
            "storefront",
            ProviderChoice("none"),
            ProviderChoice("none"),
            ProviderChoice("rota", {"schedule": "web"}),
            {},
        )
    )

    @property
    def schedule(self) -> RotaSchedule:
        return RotaSchedule({"web": self.rota})

    def duty(self, person: Person, start: datetime, end: datetime) -> None:
        self.rota = replace(
            self.rota, overrides=(*self.rota.overrides, Override(person, start, end))
        )


@pytest.fixture
def lab() -> RotaLab:
    return RotaLab()
