"""What the rest of the house knows about rotas."""

from __future__ import annotations

from bot.domain.errors import ConfigurationError
from bot.ports.ci import Question
from bot.ports.people import OnCallSchedule
from bot.providers.context import OnCallKind, Option, ProviderContext


def _build(context: ProviderContext) -> OnCallSchedule:
    if context.embedded is None:
        raise ConfigurationError(f"services.{context.service}: rota is only there inside the bot.")
    return context.embedded.on_call


KIND = OnCallKind(
    "rota",
    "Rotas in gonogo.yaml, with time zones and overrides",
    _build,
    {"schedule": Option("The name of a rota.", required=True)},
    costs={Question.SHIFT: 0},
)
