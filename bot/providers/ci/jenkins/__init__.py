"""Jenkins: a parameterised pipeline is started, followed and stopped over its remote access API.

Refs and commits come from a mirror of the repository, because Jenkins knows neither.
"""

from bot.providers.ci.jenkins.kind import KIND

__all__ = ["KIND"]
