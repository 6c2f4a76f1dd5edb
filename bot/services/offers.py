"""The rollback offer of a deployment: what the button would do, from the stored facts alone."""

from __future__ import annotations

from bot.domain import rollback
from bot.domain.card import Changes, RollbackOffer
from bot.domain.deployment import Deployment
from bot.ports import Reader
from bot.services.house import House


async def rollback_offer(house: House, reader: Reader, deployment: Deployment) -> RollbackOffer:
    """Describe what rolling this deployment back would do. No provider is asked, so this never waits."""
    service = house.service(deployment.service)
    verified = await reader.verified(deployment.service, deployment.environment)
    changes = await reader.changes(deployment.id) or Changes(known=False)
    target = next((release for release in verified if release.commit != deployment.commit), None)
    undoes = changes if target is not None and target.commit == deployment.base_commit else Changes(known=False)
    seconds = await reader.rollback_seconds(deployment.service, deployment.environment)
    return rollback.offer(verified, leaving=deployment.commit, undoes=undoes, migrations=service.migrations, seconds=seconds)
