"""The rollout: start each step once, follow its run, smoke-test it, land."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta

from bot.domain.deployment import Deployment, DeploymentId, Kind, State
from bot.domain.errors import IntegrationError
from bot.domain.live import Live
from bot.domain.outcomes import Went
from bot.domain.people import GONOGO
from bot.domain.places import Doubt, Unclear
from bot.domain.rollout import RunState, Step, StepState, plan
from bot.ports.ci import CIRun
from bot.ports.engine import Later
from bot.ports.store import Transaction
from bot.ports.talk import Message
from bot.ports.time import Json
from bot.services import approvals, estimates, hanging, health, rollback_gates, snapshots, starts
from bot.services.context import Context, existing, facts_of, note
from bot.services.gates import open_stored_gate
from bot.services.offers import put_back
from bot.services.rollback_starts import by_rule
from bot.services.rollback_steps import clear
from bot.services.starts import Begun
from bot.services.strays import give_up
from bot.services.ways import know_way_back

ATTEMPTS = 3
"""How often a step is started when the provider loses its run for certain."""
ATTEMPTS_BACK = 12
"""The same for a rollback: nothing is better than to go on trying, and nothing runs twice."""
PATIENCE_BACK = timedelta(minutes=10)
"""How long a rollback asks a provider that refuses; then it has failed, and may be tried again. A
rollout asks on: it can go back.
"""
REFUSES = timedelta(seconds=15)
"""After this time a refusal is no hiccup, and is worth a message."""
BEGINS_WITHIN = timedelta(seconds=30)
SOON_AFTER = timedelta(seconds=1)
LOST = "the run was lost; starting it again"
_ENDED = {RunState.FAILED: "its run failed", RunState.RUNNING: "its run did not end"}


class _GivenUpError(Exception):
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
    cleared = await approvals.cleared_still(context, id) if index == 0 else Went.GO
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
        await _failed(
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
    is_old = taken is not None and context.now() - taken > approvals.COUNTS_FOR
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
        return _word(await _find_or_start(context, id, step))
    if step is Begun.OVER:
        async with context.store.reading() as reader:
            deployment = await existing(reader, id)
            stopped = (await reader.steps(id))[index]
        await starts.stop(context, deployment, stopped)
    return _word(step)


def _word(begun: Begun) -> Went | None:
    return {Begun.STARTED: Went.GO, Begun.OVER: Went.OVER, Begun.STANDS: None}[begun]


async def _find_or_start(context: Context, id: DeploymentId, step: Step) -> Begun:
    async with context.store.reading() as reader:
        deployment = await existing(reader, id)
    try:
        async with _asking(context, deployment, step):
            found = await starts.launch(context, deployment, step)
    except _GivenUpError as refusal:
        await _gives_up(context, deployment, step, str(refusal))
        return Begun.OVER
    return found if isinstance(found, Begun) else await starts.record(context, id, step, found)


@asynccontextmanager
async def _asking(context: Context, deployment: Deployment, step: Step) -> AsyncIterator[None]:
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
        await _save(
            context, deployment.id, step, replace(step, silent_since=since, refusal=refusal)
        )
        await hanging.say(context, deployment)
        waited = context.now() - since
        if refusal and deployment.kind is Kind.ROLLBACK and waited > PATIENCE_BACK:
            raise _GivenUpError(refusal) from error
        if refusal and waited >= REFUSES:
            await starts.say_refused(context, deployment, step, refusal)
        raise IntegrationError(str(error), vendor=error.vendor, status=error.status) from error


async def _save(context: Context, id: DeploymentId, step: Step, seen: Step) -> None:
    """Store what was seen of a step, unless somebody has stopped it or started it anew
    since ``step`` was read.
    """
    async with context.store.transaction() as tx:
        stored = (await tx.steps(id))[step.index]
        same = (stored.run, stored.attempt, stored.state) == (step.run, step.attempt, step.state)
        seen = replace(seen, asked_at=stored.asked_at)  # that is only known where it is started
        if same and stored != seen and (await existing(tx, id)).state is State.ROLLING_OUT:
            await tx.save_steps(id, [seen])


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
        return Went.OVER if await _find_or_start(context, id, step) is Begun.OVER else None
    try:
        async with _asking(context, deployment, step):
            run = await _seen(context, deployment, step)
    except _GivenUpError as refusal:
        return await _gives_up(context, deployment, step, str(refusal))
    before, step = step, _as_seen(step, run, context.now())
    if before.gate and before.gate != step.gate:
        await open_stored_gate(context, deployment, before, waits=False)
    if step.gate and run.state is RunState.WAITING:
        await open_stored_gate(context, deployment, step, waits=True)
    if run.state is RunState.SUCCEEDED and run.unread and step.state is StepState.SMOKE:
        # it has proved nothing
        return await _failed(
            context, deployment, step, replace(run, state=RunState.FAILED, sentence=run.unread)
        )
    if run.state is RunState.SUCCEEDED:
        return await _succeeded(context, deployment, step, run)
    if _is_lost(run, deployment) and step.attempt < (
        ATTEMPTS_BACK if deployment.kind is Kind.ROLLBACK else ATTEMPTS
    ):
        return await _again(context, deployment, step)
    if run.state.is_final:
        return await _failed(context, deployment, step, run)
    step = await _progress(context, deployment, step, run)
    await _say_if_it_waits(context, deployment, before, step, run)
    await hanging.say(context, deployment)
    await estimates.overrun(context, deployment, step)
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


async def _succeeded(context: Context, deployment: Deployment, step: Step, run: CIRun) -> Went:
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
    await _save(context, deployment.id, step, seen)
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
    return Went.OVER if await _find_or_start(context, deployment.id, again) is Begun.OVER else None


async def _gives_up(context: Context, deployment: Deployment, step: Step, refusal: str) -> Went:
    """End a step whose run nobody has seen to end: it, or a start of it that was not answered, is
    stopped and looked for from now on.
    """
    why = (
        f"{'its run may still be going' if step.run else 'whether it was started is not known'}; "
        f"the CI provider says: {refusal}"
    )
    return await _failed(context, deployment, step, CIRun(step.run, RunState.RUNNING, sentence=why))


async def _failed(context: Context, deployment: Deployment, step: Step, run: CIRun) -> Went:
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
            held = await by_rule(context, tx, now, _what(step, run, why)) if by_itself else ""
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
            if by_itself and not held:
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
