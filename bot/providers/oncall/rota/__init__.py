"""On-call from rotas in gonogo.yaml: no network, no account."""

from bot.providers.oncall.rota.kind import KIND

__all__ = ["KIND"]
