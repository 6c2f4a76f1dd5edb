"""What the rest of the house knows about rotas."""

from __future__ import annotations

from bot.domain.errors import ConfigurationError
from bot.ports.ci import Question
from bot.ports.people import OnCallSchedule
from bot.providers.workbench import OnCallKind, Option, Workbench


def _build(bench: Workbench) -> OnCallSchedule:
    if bench.embedded is None:
        raise ConfigurationError(f"services.{bench.service}: rota is only there inside the bot.")
    return bench.embedded.on_call


KIND = OnCallKind(
    "rota",
    "Rotas in gonogo.yaml, with time zones and overrides",
    _build,
    {"schedule": Option("The name of a rota.", required=True)},
    costs={Question.SHIFT: 0},
)
