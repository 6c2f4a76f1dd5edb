"""How the rollback of a deployment came about, as it is told on its card and in its thread."""

from __future__ import annotations

from bot.domain.deployment import Deployment, DeploymentId, State
from bot.domain.health import Snapshot
from bot.domain.observation import is_of_what_is_back
from bot.domain.rollout import serves
from bot.domain.wentback import WentBack, stood_before, went_back
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


async def numbers_meanwhile(reader: Reader, rollback: DeploymentId) -> Snapshot | None:
    """Read the newest numbers of what serves while a rollback is under way, or served when it
    ended. None once the other version is back, until there are numbers of that.
    """
    shot, way_back = await reader.meanwhile(rollback), await reader.steps(rollback)
    if shot is None or serves(way_back) is None:
        return shot
    return shot if is_of_what_is_back(shot, way_back) else None


async def stood(reader: Reader, undone: Deployment) -> str:
    """Say how a deployment stood whose newest rollback has failed, so that only that has; empty
    where it had failed itself, and where no rollback of it has failed.
    """
    back = await reader.rollback_of(undone.id)
    if back is None or back.state is not State.FAILED:
        return ""
    told = await reader.timeline(undone.id)
    return stood_before(
        undone,
        await reader.steps(undone.id),
        await reader.trouble(undone.id),
        is_verified=any(entry.action == "verified" for entry in (*told.begin, *told.end)),
    )


def facts_of_going_back(found: WentBack) -> dict[str, Json]:
    """Give it as JSON values."""
    return {
        "asked_by": str(found.asked_by),
        "by_itself": found.by_itself,
        "given_up": found.given_up,
        "failed": found.failed,
    }
