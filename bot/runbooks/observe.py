"""How what serves is looked at while a run is under way. A released version is frozen: change it by
adding the next version beside it.
"""

from __future__ import annotations

from bot.domain.deployment import DeploymentId
from bot.domain.outcomes import Went
from bot.domain.rollout import StepState
from bot.ports.engine import Run
from bot.services import health, meanwhile
from bot.services.context import Context


async def observe_1(run: Run, context: Context, id: DeploymentId, index: int, state: str) -> Went:
    """Look at the numbers of what serves until a step's run, or its smoke test, is over."""
    return await run.until(
        "over", health.glance, context, id, index, StepState(state), every=context.intervals.hold
    )


async def observe_back_1(
    run: Run, context: Context, id: DeploymentId, index: int, state: str
) -> Went:
    """Look at the numbers of what serves until a rollback's run, or its smoke test, is over."""
    return await run.until(
        "over", meanwhile.glance, context, id, index, StepState(state), every=context.intervals.hold
    )
