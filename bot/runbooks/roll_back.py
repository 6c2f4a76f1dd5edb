"""How a rollback goes. A released version is frozen: change it by adding the next version beside it."""

from __future__ import annotations

from datetime import timedelta

from bot.domain.deployment import DeploymentId
from bot.domain.outcomes import Closed, Went
from bot.ports.engine import Run
from bot.services import aftermath, rollback_steps, rollouts
from bot.services.house import House

SOON = timedelta(seconds=0.5)


async def roll_back_1(run: Run, house: House, id: DeploymentId) -> Closed:
    """Stop what runs, put the last verified version back, smoke-test it, close the books, look whether it was the cure."""
    await run.until("stood down", rollback_steps.stand_down, house, id, every=SOON)
    if await run.until("start", rollouts.start, house, id, 0, every=SOON) is not Went.GO:
        return await run.step("could not", rollback_steps.could_not, house, id)
    if await run.until("finished", rollouts.look, house, id, 0, every=house.pace.run) is not Went.GO:
        return await run.step("could not", rollback_steps.could_not, house, id)
    await run.until("smoke", rollouts.start_smoke, house, id, 0, every=SOON)
    if await run.until("smoked", rollouts.look, house, id, 0, every=house.pace.run) is not Went.GO:
        return await run.step("could not", rollback_steps.could_not, house, id)
    closed = await run.step("close", rollback_steps.close, house, id)
    if closed is Closed.ROLLED_BACK:
        await run.until("looked after", aftermath.look, house, id, every=house.pace.hold)
    return closed
