"""How a step ends: it is deployed, it has failed and what follows from that, or all of it has
landed.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bot.domain.deployment import Deployment, DeploymentId, Kind, State
from bot.domain.live import Live
from bot.domain.outcomes import Went
from bot.domain.places import Doubt, Unclear
from bot.domain.rollout import RunState, Step, StepState
from bot.ports.ci import CIRun
from bot.ports.store import Transaction
from bot.ports.talk import Message
from bot.ports.time import Json
from bot.services.context import Context, existing, facts_of, note
from bot.services.offers import why_not_by_rule
from bot.services.rollback_starts import by_rule
from bot.services.rollback_steps import clear
from bot.services.strays import give_up

_ENDED = {RunState.FAILED: "its run failed", RunState.RUNNING: "its run did not end"}


async def step_succeeded(context: Context, deployment: Deployment, step: Step, run: CIRun) -> Went:
    """Store that a step is deployed, or that its smoke test has passed."""
    smokes = context.of(deployment)[1].smoke
    now = context.now()
    async with context.store.transaction() as tx:
        if (await existing(tx, deployment.id)).state is not State.ROLLING_OUT:
            return Went.OVER
        if step.state is StepState.RUNNING:
            await _say_deployed(tx, deployment, step, run, now)
        if step.state is StepState.SMOKE or not smokes:
            holding = replace(
                step, state=StepState.HOLDING, deployed_at=step.deployed_at or now, sentence=""
            )
            await tx.save_steps(deployment.id, [holding])
            await tx.wake(deployment.id)
    return Went.GO


async def _say_deployed(
    tx: Transaction, deployment: Deployment, step: Step, run: CIRun, now: datetime
) -> None:
    """Say in the thread how long the step and its stages took."""
    if deployment.kind is not Kind.FORWARD:
        return
    stages = [
        {
            "name": stage.name,
            "state": stage.state,
            "seconds": stage.took.total_seconds() if stage.took else None,
        }
        for stage in step.stages
    ]
    seconds = (now - step.started_at).total_seconds() if step.started_at else None
    facts = {
        **facts_of(deployment),
        "step": step.key,
        "percent": step.percent,
        "url": step.run_url,
        "seconds": seconds,
        "stages": stages,
        "unread": run.unread,
    }
    await tx.say(
        Message(
            f"{deployment.id}:deployed:{step.key}:{step.attempt}", "step_done", facts, deployment.id
        )
    )


async def gives_up(context: Context, deployment: Deployment, step: Step, refusal: str) -> Went:
    """End a step whose run nobody has seen to end: it, or a start of it that was not answered, is
    stopped and looked for from now on.
    """
    why = (
        f"{'its run may still be going' if step.run else 'whether it was started is not known'}; "
        f"the CI provider says: {refusal}"
    )
    return await step_failed(
        context, deployment, step, CIRun(step.run, RunState.RUNNING, sentence=why)
    )


async def step_failed(context: Context, deployment: Deployment, step: Step, run: CIRun) -> Went:
    """Stop at a failed run. A failed smoke test goes back by itself where it may; whatever else
    leaves the environment unclear.

    A run that has not been seen to end is given up in the same moment.
    """
    smoke = step.state is StepState.SMOKE
    why = run.sentence or _ENDED.get(run.state, f"its run was {run.state}")
    async with context.store.transaction() as tx:
        if (await existing(tx, deployment.id)).state is not State.ROLLING_OUT:
            return Went.OVER  # it was stopped on purpose while we looked
        if not run.state.is_final:
            await note(tx, context.now(), "given up", deployment, step=step.key, run=step.run)
            await give_up(context, tx, deployment, step)
        await tx.save_steps(
            deployment.id,
            [replace(step, state=StepState.FAILED, sentence=why, finished_at=context.now())],
        )
        await note(
            tx,
            context.now(),
            "smoke failed" if smoke else "step failed",
            deployment,
            step=step.key,
            run=run.id,
            why=why,
        )
        now = await existing(tx, deployment.id)
        # a rollback that is announced comes, also when the next run fails before
        by_itself = smoke or now.countdown_until is not None
        if deployment.kind is Kind.FORWARD:
            held = await why_not_by_rule(context, tx, now) if by_itself else ""
            earlier = (
                now.countdown_until.isoformat()
                if now.countdown_until and now.countdown_until > context.now()
                else ""
            )
            await _alarm(
                tx,
                deployment,
                step,
                run,
                why,
                held=held,
                back=by_itself and not held,
                earlier=earlier,
            )
            if by_itself and not await by_rule(context, tx, now, _what(step, run, why)):
                return Went.OVER
        await _doubt(context, tx, deployment, step)
        await tx.move(deployment.id, State.FAILED, at=context.now(), note=why)
        await tx.release(deployment.id)
    return Went.OVER


def _what(step: Step, run: CIRun, why: str) -> str:
    """Say what has failed, for the reason of the rollback that follows."""
    if run.state is RunState.CANCELLED and step.state is not StepState.SMOKE:
        return (
            f"its run was cancelled at {step.percent} "
            f"%{f': {run.sentence}' if run.sentence else ''}"
        )
    what = "the smoke test failed" if step.state is StepState.SMOKE else "its run failed"
    return f"{what} at {step.percent} %: {why}"


async def _doubt(context: Context, tx: Transaction, deployment: Deployment, step: Step) -> None:
    """Make the place unclear in the moment in which its claim is let go."""
    back = deployment.undoes
    what = (
        f"the rollback of {back} to {deployment.version} failed"
        if back
        else f"{deployment.version} ({deployment.id}) failed at {step.percent} %"
    )
    doubt = Doubt(Unclear.FAILED, what, context.now(), back or deployment.id)
    await tx.cast_doubt(deployment.service, deployment.environment, doubt)


async def _alarm(
    tx: Transaction,
    deployment: Deployment,
    step: Step,
    run: CIRun,
    why: str,
    *,
    held: str,
    back: bool,
    earlier: str,
) -> None:
    facts: dict[str, Json] = {
        **facts_of(deployment),
        "step": step.key,
        "percent": step.percent,
        "why": why,
        "url": run.url,
    }
    facts |= {
        "held": held,
        "back": back,
        "earlier": earlier,
        "cancelled": run.state is RunState.CANCELLED,
    }
    facts |= {"put_back": "", "given_up": False}
    template = "smoke_failed" if step.state is StepState.SMOKE else "failed"
    await tx.say(
        Message(
            f"{deployment.id}:{template}:{step.key}", template, facts, deployment.id, to="channel"
        )
    )


async def land(context: Context, id: DeploymentId) -> Went:
    """Record that the new version is live everywhere, and begin to watch it."""
    now = context.now()
    async with context.store.transaction() as tx:
        deployment = await existing(tx, id)
        if deployment.state is not State.ROLLING_OUT or not await tx.move(
            id, State.WATCHING, at=now
        ):
            return Went.GO if deployment.state is State.WATCHING else Went.OVER
        await clear(tx, deployment, await tx.steps(id))
        live = Live(
            deployment.service,
            deployment.environment,
            deployment.commit,
            deployment.version,
            now,
            id,
            deployment.requested_by,
        )
        await tx.set_live(live)
        await note(tx, now, "landed", deployment)
        await tx.say(Message(f"{id}:live", "live", facts_of(deployment), id))
        await tx.release(id)
    return Went.GO
