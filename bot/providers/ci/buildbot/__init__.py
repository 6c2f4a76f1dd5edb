"""Buildbot: deployments by a force scheduler of a master that a team runs itself.

``reading`` and ``webhook`` turn Buildbot's JSON into our values, ``client`` is its HTTP interface,
``events`` its stream, ``builders`` its builders, ``tests`` what it says of a commit, ``provider``
the provider of a ``setup``, ``kind`` how it is built, and ``doctor`` what ``gonogo doctor`` asks.
The master's side is ``templates/ci/buildbot/master.cfg``.
"""

from bot.providers.ci.buildbot.kind import KIND

__all__ = ["KIND"]
