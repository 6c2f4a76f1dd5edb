"""How a deployment goes. A released version is frozen: change it by adding
the next version beside it.
"""

from __future__ import annotations

from bot.domain.deployment import DeploymentId
from bot.domain.outcomes import Went
from bot.ports.engine import Run
from bot.services import clearance, health, queueing, rollout_ends, rollout_starts, rollouts
from bot.services.context import Context


async def deploy_1(run: Run, context: Context, id: DeploymentId) -> Went:
    """Deploy one pinned commit to one environment, step by step, and watch it."""
    if not await run.step("pin the commit", queueing.pin, context, id):
        return Went.OVER
    if not await run.until(
        "its turn", queueing.take_turn, context, id, every=context.intervals.review
    ):
        return Went.OVER
    if (
        await run.until(
            "ready and approved", clearance.cleared, context, id, every=context.intervals.review
        )
        is not Went.GO
    ):
        return Went.OVER
    steps = await run.step("take the baseline", rollout_starts.begin, context, id)
    for index, key in enumerate(steps):
        if await one_step_1(run, context, id, index, key) is not Went.GO:
            return Went.OVER
    if await run.step("land", rollout_ends.land, context, id) is not Went.GO:
        return Went.OVER
    return await run.until("watched", health.watch, context, id, every=context.intervals.hold)


async def one_step_1(run: Run, context: Context, id: DeploymentId, index: int, key: str) -> Went:
    """Start a step, follow it, smoke-test it, hold it under observation."""
    if (
        await run.until(
            f"start {key}", rollout_starts.start, context, id, index, every=context.intervals.review
        )
        is not Went.GO
    ):
        return Went.OVER
    if (
        await run.until(
            f"{key} finished", rollouts.look, context, id, index, every=context.intervals.run
        )
        is not Went.GO
    ):
        return Went.OVER
    if (
        await run.until(
            f"smoke {key}",
            rollout_starts.start_smoke,
            context,
            id,
            index,
            every=context.intervals.review,
        )
        is not Went.GO
    ):
        return Went.OVER
    if (
        await run.until(
            f"{key} smoked", rollouts.look, context, id, index, every=context.intervals.run
        )
        is not Went.GO
    ):
        return Went.OVER
    return await run.until(
        f"{key} healthy", health.hold, context, id, index, every=context.intervals.hold
    )
