"""Finding out what is normal in a place before a deployment begins there, from what
became of those before it.
"""

from __future__ import annotations

from datetime import datetime

from bot.domain.deployment import Deployment, Kind, State
from bot.domain.live import Live
from bot.domain.normal import Normal, Past, normal
from bot.domain.rollout import StepState
from bot.domain.trouble import Sort
from bot.ports.reader import Reader
from bot.services.context import Context

LOOKED_THROUGH = 30
"""How many earlier deployments and rollbacks are looked through; so many bad ones in a
row are hardly of one day.
"""


async def normal_for(context: Context, reader: Reader, deployment: Deployment) -> Normal:
    """Say what is normal for a deployment that begins now."""
    place = (deployment.service, deployment.environment)
    began = deployment.started_at or context.now()
    live = await reader.live(*place)
    history = await reader.history(*place, limit=LOOKED_THROUGH)
    forward = [each for each in history if each.kind is Kind.FORWARD and each.id != deployment.id]
    earlier = [
        (each.started_at, each)
        for each in forward
        if each.started_at is not None and each.started_at <= began
    ]
    earlier.sort(key=lambda each: each[0], reverse=True)
    pasts = [
        Past(each.version, at, await _is_bad(reader, each), _gone(each, live))
        for at, each in earlier
    ]
    return normal(began, pasts, context.policy(*place).baseline)


async def _is_bad(reader: Reader, deployment: Deployment) -> bool:
    """Tell whether a deployment failed, or its lead has stopped it, or its numbers were worse and
    stayed so until it was over.
    """
    if deployment.state is State.VERIFIED:
        return False
    trouble = await reader.trouble(deployment.id)
    if trouble is not None and trouble.sort is Sort.DEGRADED and trouble.is_open:
        return True
    return deployment.was_stopped or any(
        step.state is StepState.FAILED for step in await reader.steps(deployment.id)
    )


def _gone(deployment: Deployment, live: Live | None) -> datetime | None:
    """Say since when a deployment is undone: it was rolled back, or somebody has said since
    that something else is live.
    """
    if deployment.state is State.ROLLED_BACK:
        return deployment.state_since
    said = live.declared if live is not None and live.commit != deployment.commit else None
    return said.at if said is not None and said.at >= deployment.state_since else None
