"""Starting the run of a step once: what is stored before it, and what a provider that is silent
or refuses makes of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

from bot.domain.deployment import Deployment, DeploymentId, Kind, State
from bot.domain.errors import IntegrationError
from bot.domain.outcomes import Went
from bot.domain.people import GONOGO
from bot.domain.rollout import RunState, Step, StepState, plan
from bot.ports.ci import CIRun
from bot.ports.engine import Later
from bot.services import clearance, hanging, health, snapshots, starts
from bot.services.context import Context, existing
from bot.services.offers import put_back
from bot.services.rollout_ends import gives_up, step_failed
from bot.services.starts import Begun
from bot.services.ways import know_way_back

PATIENCE_BACK = timedelta(minutes=10)
"""How long a rollback asks a provider that refuses; then it has failed, and may be tried again. A
rollout asks on: it can go back.
"""

REFUSES = timedelta(seconds=15)
"""After this time a refusal is no hiccup, and is worth a message."""


class GivenUpError(Exception):
    """The provider has refused for too long; the text is what it says."""


async def begin(context: Context, id: DeploymentId) -> list[str]:
    """Store the plan and take the baseline; name the steps."""
    async with context.store.reading() as reader:
        deployment = await existing(reader, id)
        known = await reader.steps(id)
    steps = known or plan(context.catalog.strategies[deployment.strategy])
    await know_way_back(context, id)
    await snapshots.take_baseline(context, deployment)
    async with context.store.transaction() as tx:
        if not known:
            await tx.save_steps(id, steps)
    return [step.key for step in steps]


async def start(context: Context, id: DeploymentId, index: int) -> Went | Later | None:
    """Start a step's run: store the intent, find or start, store the run. ``over`` when the
    deployment has been stopped meanwhile.

    None while something keeps it from its next step: a lock, a quarantine, an unclear
    environment. Then it is asked again. What is kept from its first step for long waits for its
    gates and approvals again.
    """
    announced = await _announced_before(context, id)
    if announced is not None:
        return announced
    cleared = await clearance.cleared_still(context, id) if index == 0 else Went.GO
    if isinstance(cleared, Later):
        return cleared
    if index == 0:
        await _take_baseline_again(context, id)
    looked = await health.look_again(context, id, index)
    return await _begin(context, id, index, StepState.RUNNING) if looked == Went.GO else looked


async def _announced_before(context: Context, id: DeploymentId) -> Went | None:
    """End a rollback by rule that a copy of the database brings back before its run: nothing
    goes back by itself there.
    """
    async with context.store.reading() as reader:
        deployment, steps = await existing(reader, id), await reader.steps(id)
        by_itself = deployment.kind is Kind.ROLLBACK and deployment.requested_by == GONOGO
        why = await put_back(reader, deployment) if by_itself and steps[0].is_untouched else ""
    return (
        await step_failed(
            context,
            deployment,
            steps[0],
            CIRun("", RunState.FAILED, sentence=f"it was not begun: {why}"),
        )
        if why
        else None
    )


async def _take_baseline_again(context: Context, id: DeploymentId) -> None:
    """Take the baseline of what was let go a while ago anew: what counts is how it is
    right before its first run.
    """
    async with context.store.reading() as reader:
        deployment = await existing(reader, id)
        taken = next(
            (shot.at for shot in await reader.snapshots(id) if shot.label == "baseline"), None
        )
    is_old = taken is not None and context.now() - taken > clearance.COUNTS_FOR
    if deployment.kind is Kind.FORWARD and deployment.is_only_let_go and is_old:
        await snapshots.take_baseline(context, deployment)


async def start_smoke(context: Context, id: DeploymentId, index: int) -> Went | None:
    """Start the smoke run that follows a step, where the environment has one."""
    async with context.store.reading() as reader:
        deployment = await existing(reader, id)
    if not context.of(deployment)[1].smoke:
        return Went.GO
    return await _begin(context, id, index, StepState.SMOKE)


async def _begin(context: Context, id: DeploymentId, index: int, state: StepState) -> Went | None:
    step = await starts.intend(context, id, index, state)
    if isinstance(step, Step):
        return _word(await find_or_start(context, id, step))
    if step is Begun.OVER:
        async with context.store.reading() as reader:
            deployment = await existing(reader, id)
            stopped = (await reader.steps(id))[index]
        await starts.stop(context, deployment, stopped)
    return _word(step)


def _word(begun: Begun) -> Went | None:
    return {Begun.STARTED: Went.GO, Begun.OVER: Went.OVER, Begun.STANDS: None}[begun]


async def find_or_start(context: Context, id: DeploymentId, step: Step) -> Begun:
    """Find the run of a step, or start and store it; ``OVER`` once the provider has refused for too
    long.
    """
    async with context.store.reading() as reader:
        deployment = await existing(reader, id)
    try:
        async with asking_ci(context, deployment, step):
            found = await starts.launch(context, deployment, step)
    except GivenUpError as refusal:
        await gives_up(context, deployment, step, str(refusal))
        return Begun.OVER
    return found if isinstance(found, Begun) else await starts.record(context, id, step, found)


@asynccontextmanager
async def asking_ci(context: Context, deployment: Deployment, step: Step) -> AsyncIterator[None]:
    """Ask the CI provider something. That it is silent or refuses is stored, so that the card can
    say so, and it is asked again.

    A refusal is no reason to stop for good: tokens are renewed, permissions given back, and GitHub
    answers 401 and 404 for minutes when it is not well. Raises IntegrationError, for the next try,
    and _GivenUpError when a rollback should not try any more.
    """
    try:
        yield
    except IntegrationError as error:
        since = step.silent_since or context.now()
        refusal = "" if error.retry else str(error)[:300]
        await save_seen(
            context, deployment.id, step, replace(step, silent_since=since, refusal=refusal)
        )
        await hanging.say(context, deployment)
        waited = context.now() - since
        if refusal and deployment.kind is Kind.ROLLBACK and waited > PATIENCE_BACK:
            raise GivenUpError(refusal) from error
        if refusal and waited >= REFUSES:
            await starts.say_refused(context, deployment, step, refusal)
        raise IntegrationError(str(error), vendor=error.vendor, status=error.status) from error


async def save_seen(context: Context, id: DeploymentId, step: Step, seen: Step) -> None:
    """Store what was seen of a step, unless somebody has stopped it or started it anew
    since ``step`` was read.
    """
    async with context.store.transaction() as tx:
        stored = (await tx.steps(id))[step.index]
        same = (stored.run, stored.attempt, stored.state) == (step.run, step.attempt, step.state)
        seen = replace(
            seen, asked_at=stored.asked_at, asked_under=stored.asked_under
        )  # that is only known where it is started
        if same and stored != seen and (await existing(tx, id)).state is State.ROLLING_OUT:
            await tx.save_steps(id, [seen])
