"""What serves while a rollback is under way: its numbers are shown, and decide nothing any more."""

from __future__ import annotations

from dataclasses import replace

from bot.domain.deployment import Deployment, DeploymentId, State
from bot.domain.health import MEANWHILE, Snapshot
from bot.domain.outcomes import Went
from bot.domain.rollout import Step, StepState, serves
from bot.services.aftermath import numbers_after
from bot.services.context import Context, existing
from bot.services.snapshots import numbers_at


async def glance(context: Context, id: DeploymentId, index: int, state: StepState) -> Went | None:
    """Look at what serves while a rollback's run, or its smoke test, is under way, however long
    that hangs, waits or is refused.

    Until its run has succeeded that is what it undoes, then what it has put back. ``over``
    once nothing is under way.
    """
    async with context.store.reading() as reader:
        back = await existing(reader, id)
        undone, step = await existing(reader, back.undoes), (await reader.steps(id))[index]
    began = step.serves_since or step.started_at
    if not _is_under_way(back, step, state) or not context.of(back)[1].is_watched:
        return Went.OVER
    if began is None or context.now() < began + context.intervals.hold:
        return None  # the last numbers are hardly older
    is_back = step.serves_since is not None
    shot = await (
        numbers_after(context, back, undone, began) if is_back else _still(context, undone)
    )
    if shot is None:
        return None
    async with context.store.transaction() as tx:
        if not _is_under_way(await existing(tx, id), (await tx.steps(id))[index], state):
            return Went.OVER
        await tx.add_snapshot(replace(shot, deployment=id, label=MEANWHILE))
        await tx.redraw(undone.id)
    return None


def _is_under_way(back: Deployment, step: Step, state: StepState) -> bool:
    return back.state is State.ROLLING_OUT and step.state is state


async def _still(context: Context, undone: Deployment) -> Snapshot | None:
    """Look at what is to be undone as it serves, or as far as its first run has brought it."""
    async with context.store.reading() as reader:
        steps = await reader.steps(undone.id)
    serving = serves(steps) or next((step for step in steps if step.run), None)
    began = (serving.serves_since or serving.started_at) if serving is not None else None
    return (
        await numbers_at(context, undone, serving, began)
        if serving is not None and began is not None
        else None
    )
