"""What has come to a place right after a deployment, or after what its rollback has put back."""

from __future__ import annotations

from bot.domain.declared import Replaced
from bot.domain.deployment import Deployment, State
from bot.ports.reader import Reader
from bot.ports.time import Json


async def successor(reader: Reader, deployment: Deployment) -> Replaced | None:
    """Say what came right after a deployment; of what was rolled back, what came after that."""
    back = (
        await reader.rollback_of(deployment.id) if deployment.state is State.ROLLED_BACK else None
    )
    return await reader.replaced(back.id if back is not None else deployment.id)


def facts_of_successor(after: Replaced | None) -> dict[str, Json] | None:
    """Give it as JSON values; None where nothing has come yet."""
    return (
        {
            "version": after.version,
            "at": after.at.isoformat(),
            "by": str(after.by) if after.by else "",
        }
        if after is not None
        else None
    )
