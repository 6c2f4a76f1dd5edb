"""The embedded CI: stages are processes on the machine that the bot runs on.

``pipeline`` reads the file, ``clone`` has the commit's files, ``stages`` and ``process`` run them,
``junit`` reads what tests left, ``doctor`` examines.
"""

from bot.providers.ci.local.kind import KIND

__all__ = ["KIND"]
