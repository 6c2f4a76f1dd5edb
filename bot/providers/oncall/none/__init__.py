"""Nobody on call: a team has chosen to do without a schedule."""

from bot.providers.oncall.none.kind import KIND

__all__ = ["KIND"]
