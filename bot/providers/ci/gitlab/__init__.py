"""The CI provider ``gitlab``: GitLab CI at gitlab.com or at a GitLab of one's own.

``reading``, ``facts``, ``freezes``, ``cron`` and ``webhook`` know what GitLab says (no I/O),
``client`` asks it, ``pipelines``, ``tests``, ``repository`` and ``provider`` keep the port's
promises, ``kind`` says how it is built, ``doctor`` examines.
"""

from bot.providers.ci.gitlab.kind import KIND

__all__ = ["KIND"]
