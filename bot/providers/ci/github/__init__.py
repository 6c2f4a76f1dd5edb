"""GitHub Actions: a workflow is dispatched, its run followed.

``facts``, ``reading`` and ``webhook`` read what GitHub says and do no I/O; ``commits``, ``runs``
and ``workflow`` ask GitHub.
"""

from bot.providers.ci.github.kind import KIND

__all__ = ["KIND"]
