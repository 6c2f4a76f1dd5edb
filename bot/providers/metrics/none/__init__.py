"""No numbers: a team has chosen to deploy without watching any metric."""

from bot.providers.metrics.none.kind import KIND

__all__ = ["KIND"]
