"""On-call from rotas in gonogo.yaml: no network, no account."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from bot.domain.catalog import Service
from bot.domain.errors import ConfigurationError
from bot.domain.rota import Rota, duty_at
from bot.ports.people import Shift


class RotaSchedule:
    """Answers from the rotas of the configuration. A service names its rota in
    ``on_call: {schedule: NAME}``.
    """

    def __init__(self, rotas: Mapping[str, Rota]) -> None:
        self._rotas = dict(rotas)

    async def who(self, service: Service, at: datetime) -> Shift | None:
        """Name the person on call, or None in a gap. Raises ConfigurationError when the service
        names no rota that exists.
        """
        rota = self.rota_of(service)
        duty = duty_at(rota, at)
        return None if duty is None else Shift(duty.person, duty.end, f'rota "{rota.name}"')

    def rota_of(self, service: Service) -> Rota:
        """Find a service's rota; the composition root calls this for every service at the start."""
        name = service.on_call.options.get("schedule")
        known = ", ".join(sorted(self._rotas)) or "none"
        if not isinstance(name, str) or not name:
            raise ConfigurationError(
                f'service "{service.name}": on_call needs "schedule", the name of a '
                f"rota (there are: {known})"
            )
        if name not in self._rotas:
            raise ConfigurationError(
                f'service "{service.name}": there is no rota "{name}" (there are: {known})'
            )
        return self._rotas[name]
