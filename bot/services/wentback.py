"""How the rollback of a deployment came about, as it is told on its card and in its thread."""

from __future__ import annotations

from bot.domain.deployment import Deployment
from bot.domain.wentback import WentBack, went_back
from bot.ports.reader import Reader
from bot.ports.time import Json
from bot.services.resuming import WATCHED_ON

LOOKED_AT = 30
"""So many deployments of its place are looked at for rollbacks of it."""


async def of(reader: Reader, undone: Deployment) -> WentBack | None:
    """Say since when going back from a deployment was asked for, and how often; a watch that was
    taken up again begins anew.
    """
    found = await reader.history(undone.service, undone.environment, limit=LOOKED_AT)
    told = await reader.timeline(undone.id)
    since = [entry.at for entry in (*told.begin, *told.end) if entry.action == WATCHED_ON]
    return went_back(
        [each for each in found if each.undoes == undone.id], since=max(since, default=None)
    )


def facts_of_going_back(found: WentBack) -> dict[str, Json]:
    """Give it as JSON values."""
    return {
        "asked_by": str(found.asked_by),
        "by_itself": found.by_itself,
        "given_up": found.given_up,
        "failed": found.failed,
    }
