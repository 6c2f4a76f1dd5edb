"""How what serves is looked at while a run is under way. A released version is frozen: change it by adding the next version beside it."""

from __future__ import annotations

from bot.domain.deployment import DeploymentId
from bot.domain.outcomes import Went
from bot.domain.rollout import StepState
from bot.ports.engine import Run
from bot.services import health, meanwhile
from bot.services.house import House


async def observe_1(run: Run, house: House, id: DeploymentId, index: int, state: str) -> Went:
    """Look at the numbers of what serves until a step's run, or its smoke test, is over."""
    return await run.until("over", health.glance, house, id, index, StepState(state), every=house.pace.hold)


async def observe_back_1(run: Run, house: House, id: DeploymentId, index: int, state: str) -> Went:
    """Look at the numbers of what serves until a rollback's run, or its smoke test, is over."""
    return await run.until("over", meanwhile.glance, house, id, index, StepState(state), every=house.pace.hold)
