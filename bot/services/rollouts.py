"""Following a rollout: the run of a step is looked at until it has ended, or is started anew."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from bot.domain.deployment import Deployment, DeploymentId, Kind, State
from bot.domain.errors import IntegrationError
from bot.domain.outcomes import Went
from bot.domain.rollout import RunState, Step, StepState
from bot.ports.ci import CIRun
from bot.ports.engine import Later
from bot.services import estimates, hanging, rollback_gates, starts
from bot.services.context import Context, existing, note
from bot.services.gates import open_stored_gate
from bot.services.rollout_ends import gives_up, step_failed, step_succeeded
from bot.services.rollout_starts import GivenUpError, asking_ci, find_or_start, save_seen
from bot.services.starts import Begun

ATTEMPTS = 3
"""How often a step is started when the provider loses its run for certain."""

ATTEMPTS_BACK = 12
"""The same for a rollback: nothing is better than to go on trying, and nothing runs twice."""

BEGINS_WITHIN = timedelta(seconds=30)

SOON_AFTER = timedelta(seconds=1)

LOST = "the run was lost; starting it again"


async def look(context: Context, id: DeploymentId, index: int) -> Went | Later | None:
    """Look at a step's run (or its smoke run): ``go`` when it succeeded, ``over`` when the
    deployment ended, else when to look again.
    """
    async with context.store.reading() as reader:
        deployment = await existing(reader, id)
        step = (await reader.steps(id))[index]
    if deployment.state is not State.ROLLING_OUT:
        return Went.OVER
    if not step.run:  # the run was lost, and the next start was not seen to its end
        return Went.OVER if await find_or_start(context, id, step) is Begun.OVER else None
    try:
        async with asking_ci(context, deployment, step):
            run = await _seen(context, deployment, step)
    except GivenUpError as refusal:
        return await gives_up(context, deployment, step, str(refusal))
    before, step = step, _as_seen(step, run, context.now())
    if before.gate and before.gate != step.gate:
        await open_stored_gate(context, deployment, before, waits=False)
    if step.gate and run.state is RunState.WAITING:
        await open_stored_gate(context, deployment, step, waits=True)
    if run.state is RunState.SUCCEEDED and run.unread and step.state is StepState.SMOKE:
        # it has proved nothing
        return await step_failed(
            context, deployment, step, replace(run, state=RunState.FAILED, sentence=run.unread)
        )
    if run.state is RunState.SUCCEEDED:
        return await step_succeeded(context, deployment, step, run)
    if _is_lost(run, deployment) and step.attempt < (
        ATTEMPTS_BACK if deployment.kind is Kind.ROLLBACK else ATTEMPTS
    ):
        return await _again(context, deployment, step)
    if run.state.is_final:
        return await step_failed(context, deployment, step, run)
    step = await _progress(context, deployment, step, run)
    await _say_if_it_waits(context, deployment, before, step, run)
    await hanging.say(context, deployment)
    await estimates.draw_overrun(context, deployment, step)
    return _next_look(context, deployment, step, run)


def _as_seen(step: Step, run: CIRun, now: datetime) -> Step:
    """Give a step as its run was seen; one that waits at its gate no more has gone on only now."""
    seen = replace(
        step,
        stages=run.stages or step.stages,
        run_url=run.url or step.run_url,
        silent_since=None,
        refusal="",
    )
    return replace(seen, let_on_at=now) if step.waiting_stage and not seen.waiting_stage else seen


async def _say_if_it_waits(
    context: Context, deployment: Deployment, before: Step, step: Step, run: CIRun
) -> None:
    """Call people to the gate at which a rollback waits, from the second look on: what waits
    for a moment is at none.
    """
    waits = run.state is RunState.WAITING and not run.asks_back
    if (
        deployment.kind is Kind.ROLLBACK
        and waits
        and step.waiting_stage
        and step.waiting_stage == before.waiting_stage
    ):
        await rollback_gates.say_gate(context, deployment, step)


async def _seen(context: Context, deployment: Deployment, step: Step) -> CIRun:
    """Look at a step's run; one that waits for the approval it was started with is given it, if it
    may go on at this moment.
    """
    ci = context.providers[deployment.service].ci
    run = await ci.look(step.run)
    if not run.asks_back or not await starts.may_go_on(context, deployment, step):
        return run
    with suppress(IntegrationError):
        # what is refused for good does not ask back again, and says why; else
        # the next look tries again
        await ci.open_gate(step.run, deployment.environment)
    return await ci.look(step.run)


def _is_lost(run: CIRun, deployment: Deployment) -> bool:
    """Tell whether a run has ended without having done anything.

    A rollback that was cancelled before any of it began, as by a vendor's queue that keeps only the
    newest run, was not meant to be.
    """
    return run.state is RunState.LOST or (run.never_began and deployment.kind is Kind.ROLLBACK)


def _next_look(context: Context, deployment: Deployment, step: Step, run: CIRun) -> Later | None:
    """Look less often at a run that does not get on. A rollback is looked at often throughout:
    somebody waits for its end.
    """
    if deployment.kind is Kind.ROLLBACK or step.moved_at is None:
        return None
    now = context.now()
    pause = context.intervals.after(now - step.moved_at)
    begins_by = (step.started_at or now) + BEGINS_WITHIN + SOON_AFTER
    if run.state is RunState.QUEUED and now < begins_by:
        # that it has not begun is said in time
        pause = min(pause, max(begins_by - now, context.intervals.run))
    return Later(pause)


async def _progress(context: Context, deployment: Deployment, step: Step, run: CIRun) -> Step:
    """Store where a run stands, when that has changed; give what is stored.
    ``step`` has its stages already.
    """
    async with context.store.reading() as reader:
        stored = (await reader.steps(deployment.id))[step.index]
    seen = replace(step, sentence=odd(run, step, context.now()))
    if seen == stored:
        return stored
    seen = replace(seen, moved_at=context.now())
    await save_seen(context, deployment.id, step, seen)
    return seen


def odd(run: CIRun, step: Step, now: datetime) -> str:
    """Say what is odd about a run that is not over, and what to do; empty when nothing is. That it
    hangs is said by ``hanging``.
    """
    waited = now - step.started_at if step.started_at else timedelta(0)
    if run.state is RunState.WAITING:
        at = next((stage.name for stage in run.stages if stage.state is RunState.WAITING), "")
        where = f" before {at}" if at else ""
        if run.asks_back:
            return run.sentence
        return (
            ""
            if step.passable_stage
            else f"it waits{where} at a gate of the CI provider's own; open it there"
        )
    if run.state is RunState.QUEUED and waited > BEGINS_WITHIN:
        return (
            f"the run has not begun within {BEGINS_WITHIN.seconds} s; see whether the CI "
            "provider has a free runner"
        )
    return run.sentence


async def _again(context: Context, deployment: Deployment, step: Step) -> Went | None:
    """Start a lost run again. The provider is certain that it does not run any
    more, so nothing runs twice.
    """
    async with context.store.transaction() as tx:
        if (await existing(tx, deployment.id)).state is not State.ROLLING_OUT:
            return Went.OVER
        again = replace(
            step, attempt=step.attempt + 1, run="", run_url="", asked_at=None, sentence=LOST
        )
        await tx.save_steps(deployment.id, [again])
        await note(tx, context.now(), "lost", deployment, step=step.key, run=step.run)
    return Went.OVER if await find_or_start(context, deployment.id, again) is Begun.OVER else None
