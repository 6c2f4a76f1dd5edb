"""How a rollback goes. A released version is frozen: change it by adding
the next version beside it.
"""

from __future__ import annotations

from datetime import timedelta

from bot.domain.deployment import DeploymentId
from bot.domain.outcomes import Closed, Went
from bot.ports.engine import Run
from bot.services import aftermath, rollback_steps, rollout_starts, rollouts, standing_down
from bot.services.context import Context

SOON = timedelta(seconds=0.5)


async def roll_back_1(run: Run, context: Context, id: DeploymentId) -> Closed:
    """Stop what runs, put the last verified version back, smoke-test it, close the books, look
    whether it was the cure.
    """
    await run.until("stood down", standing_down.stand_down, context, id, every=SOON)
    if await run.until("start", rollout_starts.start, context, id, 0, every=SOON) is not Went.GO:
        return await run.step("could not", rollback_steps.could_not, context, id)
    if (
        await run.until("finished", rollouts.look, context, id, 0, every=context.intervals.run)
        is not Went.GO
    ):
        return await run.step("could not", rollback_steps.could_not, context, id)
    await run.until("smoke", rollout_starts.start_smoke, context, id, 0, every=SOON)
    if (
        await run.until("smoked", rollouts.look, context, id, 0, every=context.intervals.run)
        is not Went.GO
    ):
        return await run.step("could not", rollback_steps.could_not, context, id)
    closed = await run.step("close", rollback_steps.close, context, id)
    if closed is Closed.ROLLED_BACK:
        await run.until("looked after", aftermath.look, context, id, every=context.intervals.hold)
    return closed
