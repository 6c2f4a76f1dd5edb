"""Which provider goes by which name in gonogo.yaml, and the released runbooks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from bot.domain.catalog import Service
from bot.domain.errors import ConfigurationError
from bot.engine.registry import Registry
from bot.ports import Json, Run, Runbook
from bot.runbooks.deploy import deploy_1
from bot.runbooks.roll_back import roll_back_1
from bot.runbooks.summary import morning_1, summary_1
from bot.services.house import House

CI = ("local",)
METRICS = ("scrape",)
ON_CALL = ("rota",)


def check_providers(service: Service) -> None:
    """Raise ConfigurationError when a service names a provider that does not exist."""
    for kind, chosen, known in (
        ("ci", service.ci.provider, CI),
        ("metrics", service.metrics.provider, METRICS),
        ("on_call", service.on_call.provider, ON_CALL),
    ):
        if chosen not in known:
            raise ConfigurationError(f'services.{service.name}.{kind}: there is no provider "{chosen}". Known: {", ".join(known)}.')


def released(house: Callable[[], House]) -> Registry:
    """Register every released runbook. ``house`` is asked when a run begins, because the house and the engine know each other."""
    registry = Registry()
    registry.add("deploy", 1, partial(_in_house, deploy_1, house))
    registry.add("roll_back", 1, partial(_in_house, roll_back_1, house))
    registry.add("summary", 1, partial(_in_house, summary_1, house))
    registry.add("morning", 1, partial(_in_house, morning_1, house))
    return registry


async def _in_house(runbook: Runbook, house: Callable[[], House], run: Run, *args: Any) -> Json:
    return await runbook(run, house(), *args)
