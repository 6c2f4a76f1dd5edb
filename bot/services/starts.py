"""Starting a run: the one place that starts anything at a CI provider.

A start is an intent that is stored, a permit that is asked for right before the call, and a
record after it. The permit is of the place: whoever has no claim gets none, a newer one ends it,
and what was started under one that has ended is stopped, looked for until it has ended, and makes
the place unclear so long.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

import structlog

from bot.domain.called import name_of
from bot.domain.deployment import WAITING, Deployment, DeploymentId, Kind, State
from bot.domain.errors import IntegrationError
from bot.domain.places import Permit
from bot.domain.rollout import Step, StepState, correlation
from bot.ports.ci import ROLLBACK, TEST, CIRun, Quality, StartRequest
from bot.ports.store import Transaction
from bot.ports.talk import Message
from bot.services import freezes
from bot.services.context import Context, existing, facts_of, note
from bot.services.standstills import frozen, is_kept, stands_still
from bot.services.strays import UNANSWERED, give_up

log = structlog.get_logger(__name__)


class Begun(Enum):
    """What became of the wish to start a run."""

    STARTED = "started"
    STANDS = "stands"  # something keeps it: it is asked again
    OVER = "over"  # the deployment has been stopped


@dataclass(frozen=True, slots=True)
class Found:
    """A run and the permit under which it was found or started; no permit
    where it was there already.
    """

    run: CIRun
    permit: Permit


async def intend(context: Context, id: DeploymentId, index: int, state: StepState) -> Step | Begun:
    """Store what is about to be started, if everything that decides says yes at this moment."""
    theirs = await frozen(context, id) if state is StepState.RUNNING else ()
    async with context.store.transaction() as tx:
        deployment = await existing(tx, id)
        step = (await tx.steps(id))[index]
        if deployment.state in WAITING:
            return Begun.STANDS
        if deployment.state is not State.ROLLING_OUT:
            return Begun.OVER
        if step.state is state:
            # it may have been started already: it is looked for, whatever keeps a new start
            return step
        if state is StepState.RUNNING and await stands_still(context, tx, deployment, step, theirs):
            return Begun.STANDS
        deploying = (
            step.stages
            if step.state is StepState.RUNNING and state is StepState.SMOKE
            else step.deploying_stages
        )
        now = context.now()
        intended = replace(
            step, state=state, run="", run_url="", sentence="",
            stages=(), deploying_stages=deploying,
            started_at=step.started_at or now, asked_at=None,
            served_at=now if state is StepState.SMOKE else None,
        )  # fmt: skip
        await tx.save_steps(id, [intended])
        observe = "observe" if deployment.kind is Kind.FORWARD else "observe_back"
        await tx.start(
            observe, f"observe {id} {step.key} {state} {now.isoformat()}", id, index, str(state)
        )
        return intended


async def launch(context: Context, deployment: Deployment, step: Step) -> Found | Begun:
    """Find the run of a step, or start it under a permit. Raises IntegrationError."""
    ci, smoke = context.providers[deployment.service].ci, step.state is StepState.SMOKE
    name = correlation(deployment.id, deployment.requested_at, step, smoke=smoke)
    found = await ci.find(name)
    theirs = (
        await freezes.of_the_provider(context, deployment) if found is None and not smoke else ()
    )
    async with context.store.transaction() as tx:
        now = await existing(tx, deployment.id)
        permit = await tx.permit(now, step.key) if now.state is State.ROLLING_OUT else None
        if permit is None or (
            found is None and not smoke and await is_kept(context, tx, now, step, theirs)
        ):
            return await _not_permitted(context, tx, now, step, found)
        before = (await tx.steps(now.id))[step.index]
        await _begin(context, tx, now)
        if before.asked_at is not None:  # of an earlier asking nobody knows what became
            await _supersede(context, tx, now)
        if found is not None:
            return Found(found, permit)
        asked = replace(before, asked_at=context.now(), asked_under=permit.epoch)
        await tx.save_steps(now.id, [asked])
    action = "smoke" if smoke else ROLLBACK if deployment.undoes else "deploy"
    inputs = {
        "percent": str(step.percent), "version": name_of(deployment.version),
        "strategy": deployment.strategy, "deployment": deployment.id,
    }  # fmt: skip
    request = StartRequest(
        name,
        deployment.commit,
        deployment.environment,
        action,
        inputs,
        asked_by=str(deployment.requested_by),
    )
    try:
        return Found(await ci.start(request), permit)
    except IntegrationError as error:
        if not error.retry:
            await _take_back(context, deployment, asked, before)
        else:
            await _unanswered(context, deployment)
        raise


async def _begin(context: Context, tx: Transaction, deployment: Deployment) -> None:
    """Record that the first run of a deployment is asked for: from now on
    something of it may be there.
    """
    if deployment.started_at is None:
        await _since(tx, deployment, context.now())


async def _since(tx: Transaction, deployment: Deployment, at: datetime | None) -> None:
    """Store since when something of a deployment may be there; whether what is live can be
    rolled back hangs on that.
    """
    await tx.set_started(deployment.id, at)
    live = await tx.live(deployment.service, deployment.environment)
    await tx.redraw(live.deployment if live else "")


async def _unanswered(context: Context, deployment: Deployment) -> None:
    """End the watch of what is live where a start was not answered: it
    may have been carried out.
    """
    async with context.store.transaction() as tx:
        now = await existing(tx, deployment.id)
        if now.state is State.ROLLING_OUT:
            await _supersede(context, tx, now)


async def _supersede(context: Context, tx: Transaction, deployment: Deployment) -> None:
    """End the watch of what is live when a run of what replaces it may be there, and no sooner:
    until then it is what serves.
    """
    watched = await tx.watched(deployment.service, deployment.environment)
    if watched is not None and deployment.kind is Kind.FORWARD:
        # somebody has let this one go all the same: else the gate had kept it
        await tx.move(
            watched.id,
            State.SUPERSEDED,
            at=context.now(),
            note=f"{deployment.id} was let go before its watch had ended",
        )
        await tx.wake(watched.id)


async def _take_back(context: Context, deployment: Deployment, asked: Step, before: Step) -> None:
    """Record that the provider has refused to start a run. That is no answer to an earlier asking,
    of which nobody knows what became.
    """
    async with context.store.transaction() as tx:
        stored = (await tx.steps(deployment.id))[asked.index]
        if not stored.run and stored.asked_at == asked.asked_at:
            again = replace(stored, asked_at=before.asked_at, asked_under=before.asked_under)
            await tx.save_steps(deployment.id, [again])
        now = await existing(tx, deployment.id)
        nothing_is_there = all(each.is_untouched for each in await tx.steps(deployment.id))
        if now.state is State.ROLLING_OUT and now.kind is Kind.FORWARD and nothing_is_there:
            await _since(tx, now, None)


async def say_refused(context: Context, deployment: Deployment, step: Step, why: str) -> None:
    """Raise the alarm, once per run."""
    facts = {
        **facts_of(deployment),
        "step": step.key,
        "percent": step.percent,
        "why": why,
        "back": deployment.kind is Kind.ROLLBACK,
    }
    key = f"{deployment.id}:refused:{step.key}:{step.attempt}:{step.state}"
    async with context.store.transaction() as tx:
        await tx.say(
            Message(key, "refused", facts, deployment.undoes or deployment.id, to="channel")
        )


async def _not_permitted(
    context: Context, tx: Transaction, deployment: Deployment, step: Step, found: CIRun | None
) -> Begun:
    """Leave a start that has no permit: a run of it that is there already is given up; where there
    is none, nothing has to be stopped.
    """
    is_over = deployment.state not in {State.ROLLING_OUT, *WAITING}
    if found is not None:
        await give_up(context, tx, deployment, replace(step, run=found.id, run_url=found.url))
    elif is_over:
        await _skip(context, tx, deployment, step)
    else:
        await _intend_no_more(tx, deployment, step)
    return Begun.OVER if is_over else Begun.STANDS


async def wait_again(context: Context, tx: Transaction, deployment: Deployment) -> None:
    """Put what was let go, and has begun nothing, back before its gates; its ticks and approvals
    count as long as they are valid.
    """
    if not deployment.is_only_let_go or deployment.kind is Kind.ROLLBACK:
        return
    await tx.move(deployment.id, State.GATED, at=context.now())
    await _intend_no_more(tx, deployment, (await tx.steps(deployment.id))[0])
    await note(tx, context.now(), "waits again", deployment)


async def _intend_no_more(tx: Transaction, deployment: Deployment, step: Step) -> None:
    """Take an intent back of which nobody has asked anything: nothing of it is under way. A lost
    run is still to be made up for.
    """
    stored = (await tx.steps(deployment.id))[step.index]
    if stored.state is StepState.RUNNING and stored.is_untouched:
        await tx.save_steps(
            deployment.id,
            [
                replace(
                    stored, state=StepState.PENDING, started_at=None, silent_since=None, refusal=""
                )
            ],
        )


async def _skip(context: Context, tx: Transaction, deployment: Deployment, step: Step) -> None:
    """Record that a step has not been started, unless a run of it is known by now.

    What was asked for a moment ago may still be on its way, whatever is found now: it is looked for
    until it could be no more.
    """
    stored = (await tx.steps(deployment.id))[step.index]
    if stored.run or stored.state is not step.state:
        return
    if stored.asked_at is not None and context.now() - stored.asked_at < UNANSWERED:
        await note(tx, context.now(), "given up", deployment, step=stored.key, run="")
        await give_up(context, tx, deployment, stored)
    await tx.save_steps(deployment.id, [replace(stored, state=StepState.SKIPPED)])


async def may_go_on(context: Context, deployment: Deployment, step: Step) -> bool:
    """Tell whether a run may be given the approval that it was started with: what keeps a step from
    being started keeps it, too.
    """
    theirs = await freezes.of_the_provider(context, deployment)
    async with context.store.transaction() as tx:
        now = await existing(tx, deployment.id)
        holds = (
            now.state is State.ROLLING_OUT
            and await tx.holder(now.service, now.environment) == now.id
        )
        if not holds or (await tx.steps(now.id))[step.index].run != step.run:
            return False
        return step.state is StepState.SMOKE or not await is_kept(context, tx, now, step, theirs)


async def record(context: Context, id: DeploymentId, step: Step, found: Found) -> Begun:
    """Store what was started. If its permit has ended meanwhile, the run is given up: stopped, and
    looked for until it has ended.
    """
    run = found.run
    begun = replace(
        step,
        run=run.id,
        run_url=run.url,
        stages=run.stages,
        silent_since=None,
        refusal="",
        moved_at=context.now(),
    )
    async with context.store.transaction() as tx:
        deployment = await existing(tx, id)
        holds = deployment.state is State.ROLLING_OUT and await tx.is_newest(found.permit)
        if not holds:
            return await _too_late(context, tx, deployment, begun, found.permit)
        await _supersede(context, tx, deployment)
        await tx.save_steps(id, [begun])
        smoke = step.state is StepState.SMOKE
        await note(
            tx,
            context.now(),
            "smoke" if smoke else "started",
            deployment,
            step=step.key,
            run=run.id,
        )
        if not smoke and deployment.kind is Kind.FORWARD:
            facts = {
                **facts_of(deployment),
                "step": step.key,
                "percent": step.percent,
                "url": run.url,
                "again": step.attempt > 1,
            }
            await tx.say(
                Message(f"{id}:started:{step.key}:{step.attempt}", "step_started", facts, id)
            )
    return Begun.STARTED


async def _too_late(
    context: Context, tx: Transaction, deployment: Deployment, begun: Step, permit: Permit
) -> Begun:
    """Give up what was started under a permit that has ended, unless a newer one of the same
    step found the same run.

    Where another has asked for the step since, that may have become a second run: it is looked for
    as before.
    """
    stored = (await tx.steps(deployment.id))[begun.index]
    goes_on = deployment.state is State.ROLLING_OUT
    if stored.run == begun.run and (goes_on or stored.finished_at):
        # found meanwhile, and gone on with or seen to its end
        return Begun.STARTED if goes_on else Begun.OVER
    was_asked_again = stored.asked_at is not None and stored.asked_under != permit.epoch
    if not stored.run and not goes_on:
        if was_asked_again:
            await give_up(context, tx, deployment, stored)
        sentence = "started, and stopped at once"
        await tx.save_steps(
            deployment.id,
            [replace(begun, state=StepState.SKIPPED, sentence=sentence, finished_at=context.now())],
        )
    await note(tx, context.now(), "given up", deployment, step=begun.key, run=begun.run)
    await give_up(context, tx, deployment, begun, answers=not was_asked_again)
    return Begun.OVER


async def start_tests(context: Context, deployment: Deployment, quality: Quality) -> None:
    """Start the tests of a deployment that was asked for, where nobody else starts them; however
    often this is done, it is one run.

    They touch no environment, so they need no permit.
    """
    request = StartRequest(
        quality.startable, deployment.commit, "", TEST, asked_by=str(deployment.requested_by)
    )
    try:
        await context.providers[deployment.service].ci.start(request)
    except IntegrationError as error:
        log.warning("the tests could not be started", deployment=deployment.id, why=str(error))


async def stop(context: Context, deployment: Deployment, step: Step) -> None:
    """Cancel the run of a step that was stopped, also one whose start was not seen to its end."""
    ci = context.providers[deployment.service].ci
    run = step.run
    if not run and step.is_under_way:
        found = await ci.find(
            correlation(
                deployment.id, deployment.requested_at, step, smoke=step.state is StepState.SMOKE
            )
        )
        if found is not None:
            # its start was not seen to its end: it is followed until it has ended
            async with context.store.transaction() as tx:
                await give_up(
                    context, tx, deployment, replace(step, run=found.id, run_url=found.url)
                )
            run = found.id
    if run:
        await ci.cancel(run)
        return
    async with context.store.transaction() as tx:
        await _skip(context, tx, deployment, step)
