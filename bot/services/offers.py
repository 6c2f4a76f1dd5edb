"""The rollback offer of a deployment: what the button would do, from the stored facts alone."""

from __future__ import annotations

from bot.domain import rollback
from bot.domain.card import RollbackOffer
from bot.domain.deployment import Deployment
from bot.domain.rollback import Way
from bot.ports import Live, Reader
from bot.services.house import House
from bot.services.ways import stored_way_back


async def rollback_offer(house: House, reader: Reader, deployment: Deployment, *, way: Way | None = None) -> RollbackOffer:
    """Describe what rolling this deployment back would do. No provider is asked, so this never waits.

    ``way`` is what lies between, where it has been asked for and is stored nowhere.
    """
    releases = await reader.releases(deployment.service, deployment.environment)
    target = rollback.target(releases, leaving=deployment.commit)
    if way is None and isinstance(target, Live):
        way = await stored_way_back(house, reader, deployment, target)
    seconds = await reader.rollback_seconds(deployment.service, deployment.environment)
    return rollback.offer(releases, way=way, leaving=deployment.commit, seconds=seconds)
