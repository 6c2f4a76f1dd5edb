"""Strays: runs that were given up, and starts that nobody has answered.

Until one has been seen to end, or not to have been started at all, it is
unclear what runs in its place.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import structlog

from bot.domain.declared import Origin
from bot.domain.deployment import Deployment, Kind, is_of
from bot.domain.errors import IntegrationError
from bot.domain.outcomes import Chased
from bot.domain.places import Doubt, Stray, Unclear
from bot.domain.rollout import RunState, Step, StepState, correlation
from bot.ports.ci import CIRun
from bot.ports.engine import Later
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.ports.talk import Message
from bot.ports.time import Json
from bot.services.context import Context, existing, facts_of, note

log = structlog.get_logger(__name__)

UNANSWERED = timedelta(minutes=2)
"""After so long no start is on its way any more, and a run that a provider does
not have was never started.
"""
AT_ONCE = timedelta(minutes=2)
"""Within which a run that somebody's word had given up is cancelled by that, and not by
something that came later.
"""
REFUSED = timedelta(minutes=10)
"""How long a provider that refuses to tell about a run is asked; then people have to look."""


async def give_up(
    context: Context, tx: Transaction, deployment: Deployment, step: Step, *, answers: bool = True
) -> None:
    """Record a run that may still be going, and have it followed to its end.

    A start that nobody has answered is looked for by the name of its intent, until its run
    is known or there is none. ``answers`` says whether the run of a step is the answer to its last
    asking.
    """
    name = correlation(
        deployment.id, deployment.requested_at, step, smoke=step.state is StepState.SMOKE
    )
    stray = Stray(
        deployment.service,
        deployment.environment,
        step.run or name,
        deployment.id,
        step.key,
        context.now(),
        step.run_url,
    )
    if step.run:
        if answers:
            await tx.found_ended(replace(stray, run=name, unanswered=True))
        await tx.give_up(stray)
    elif step.is_under_way:
        await tx.give_up(replace(stray, unanswered=True))


async def cut_off(
    context: Context, tx: Transaction, deployment: Deployment, step: Step, why: str
) -> None:
    """End a step on a person's word, with any run of it that may still be
    going: that is given up.
    """
    if step.is_under_way:
        await give_up(context, tx, deployment, step)
    ended = replace(step, state=StepState.STOPPED, sentence=why, finished_at=context.now())
    await tx.save_steps(deployment.id, [ended])


async def chase(context: Context, service: str, run: str) -> Chased | Later | None:
    """Stop a run that was given up, and look until it has ended; then say what
    that means for its place.
    """
    async with context.store.reading() as reader:
        stray = next((each for each in await reader.strays(service) if each.run == run), None)
    if stray is None:
        return Chased.GONE
    if service not in context.providers:
        return Chased.UNKNOWN
    try:
        return await (_seek if stray.unanswered else _stop)(context, stray)
    except IntegrationError as error:
        if error.retry or context.now() - stray.since < REFUSED:
            return _later(context, stray)
        return await _untold(context, stray, str(error)[:300])


async def is_over(context: Context, stray: Stray) -> bool:
    """Stop a run that was given up, and tell whether it has ended, or was never started.
    Raises IntegrationError.
    """
    return not isinstance(await (_seek if stray.unanswered else _stop)(context, stray), Later)


def _later(context: Context, stray: Stray) -> Later:
    return Later(context.intervals.after(context.now() - stray.since))


async def _is_there(tx: Transaction, stray: Stray) -> bool:
    return any(
        (each.run, each.unanswered) == (stray.run, stray.unanswered)
        for each in await tx.strays(stray.service)
    )


async def _seek(context: Context, stray: Stray) -> Chased | Later:
    """Look for the run of a start that nobody has answered. Where there is none after
    ``UNANSWERED``, there never was one.
    """
    found = await context.providers[stray.service].ci.find(stray.run)
    if found is None and context.now() - stray.since < UNANSWERED:
        return _later(context, stray)
    async with context.store.transaction() as tx:
        if not await _is_there(tx, stray):
            return Chased.GONE
        await tx.found_ended(stray)
        if found is None:
            await note(
                tx,
                context.now(),
                "not started",
                await existing(tx, stray.deployment),
                step=stray.step,
            )
            return Chased.NOT_STARTED
        await tx.give_up(replace(stray, run=found.id, url=found.url, unanswered=False))
    # it is followed here where it has the name of its intent, else by a runbook of its own
    return Later(timedelta(0))


async def _stop(context: Context, stray: Stray) -> Chased | Later:
    """See whether a run has ended, and stop one that goes on. A provider that refuses to stop it
    is looked past by nobody.
    """
    ci = context.providers[stray.service].ci
    run = await ci.look(stray.run)
    if not run.state.is_final:
        try:
            await ci.cancel(stray.run)
        except IntegrationError as error:  # it may have ended just now: the next look tells
            log.warning(
                "a run that was given up could not be stopped", run=stray.run, why=str(error)
            )
            return _later(context, stray)
        run = await ci.look(stray.run)
    if not run.state.is_final:
        return _later(context, stray)
    async with context.store.transaction() as tx:
        if await _is_there(tx, stray):
            await _ended(context, tx, stray, run)
    return Chased.ENDED


async def _ended(context: Context, tx: Transaction, stray: Stray, run: CIRun) -> None:
    """Take a run off the list. One that did something after it was replaced leaves the place
    unclear until somebody says what is there.
    """
    await tx.found_ended(stray)
    is_harmless = (
        await _did_nothing(tx, stray, run)
        or await _is_ahead(tx, stray)
        or await _is_the_failure(tx, stray)
    )
    doubtful = not is_harmless and not await _is_cut_off_by_a_word(context, tx, stray, run)
    if doubtful:
        await _doubt(
            context,
            tx,
            stray,
            f"a run of {stray.deployment} that was cut off has ended only now: {run.state}",
        )
    deployment = await existing(tx, stray.deployment)
    await note(
        tx,
        context.now(),
        "given up run ended",
        deployment,
        run=stray.run,
        step=stray.step,
        state=str(run.state),
        unclear=doubtful,
    )
    await _tell(tx, deployment, stray, state=str(run.state), untold="", doubtful=doubtful)


async def _did_nothing(tx: Transaction, stray: Stray, run: CIRun) -> bool:
    """Tell whether it is certain that a run did nothing: by how it ended, and by
    what was seen of it before.
    """
    seen = [step for step in await tx.steps(stray.deployment) if step.run == stray.run]
    return run.never_began and not any(stage.started_at for step in seen for stage in step.stages)


async def _untold(context: Context, stray: Stray, why: str) -> Chased:
    """Leave to people what a provider refuses to tell: nobody but them can say what is live now."""
    async with context.store.transaction() as tx:
        if await _is_there(tx, stray):
            await tx.found_ended(stray)
            deployment = await existing(tx, stray.deployment)
            await _doubt(
                context,
                tx,
                stray,
                f"what became of a run of {stray.deployment} that was cut off is not told: {why}",
            )
            await note(
                tx,
                context.now(),
                "given up run untold",
                deployment,
                run=stray.run,
                step=stray.step,
                why=why,
            )
            await _tell(tx, deployment, stray, state="", untold=why, doubtful=True)
    return Chased.UNTOLD


async def _doubt(context: Context, tx: Transaction, stray: Stray, why: str) -> None:
    await tx.cast_doubt(stray.service, stray.environment, Doubt(Unclear.STRAY, why, context.now()))


async def _tell(
    tx: Transaction,
    deployment: Deployment,
    stray: Stray,
    *,
    state: str,
    untold: str,
    doubtful: bool,
) -> None:
    facts = {
        **facts_of(deployment), "run": stray.run,
        "by": _who_stopped(deployment), **await run_of(tx, deployment, stray),
        "state": state, "untold": untold, "url": stray.url, "doubtful": doubtful,
    }  # fmt: skip
    message = Message(
        f"{stray.deployment}:given-up:{stray.run}",
        "given_up_ended",
        facts,
        deployment.undoes or deployment.id,
    )
    await tx.say(replace(message, to="channel") if doubtful else message)


async def run_of(reader: Reader, deployment: Deployment, stray: Stray) -> dict[str, Json]:
    """Say as JSON values what a run was: of how many percent, 0 where its step is not known; and
    whether it was a rollback's.
    """
    percent = next(
        (step.percent for step in await reader.steps(deployment.id) if step.key == stray.step), 0
    )
    return {"percent": percent, "is_back": deployment.kind is Kind.ROLLBACK}


def _who_stopped(deployment: Deployment) -> str:
    """Name who has stopped a rollout, or given a rollback up; empty where its run was
    cut off by something else.
    """
    by_a_person = deployment.was_stopped or deployment.was_given_up
    return str(deployment.ended_by) if by_a_person and deployment.ended_by else ""


async def _is_ahead(tx: Transaction, stray: Stray) -> bool:
    """Tell whether it is certain that what replaces the run has not been started yet,
    so that it comes after it.

    A start that nobody has answered may have been carried out.
    """
    holder = await tx.holder(stray.service, stray.environment)
    steps = await tx.steps(holder) if holder else ()
    return (
        bool(steps)
        and not is_of(holder, stray.deployment)
        and all(not step.run and step.asked_at is None for step in steps)
    )


async def _is_the_failure(tx: Transaction, stray: Stray) -> bool:
    """Tell whether the place is unclear because of what this run belongs to, and nothing has
    been started there since.
    """
    doubt = await tx.doubt(stray.service, stray.environment)
    if doubt is None or doubt.kind is not Unclear.FAILED:
        return False
    back = await tx.rollback_of(doubt.deployment)
    return stray.deployment == (back.id if back else doubt.deployment)


async def _is_cut_off_by_a_word(
    context: Context, tx: Transaction, stray: Stray, run: CIRun
) -> bool:
    """Tell whether a run was cancelled because somebody has said what is live: the word knew of it,
    and what it left in doubt stays so.

    What has been started there since the word came after it; a run that went on for long after the
    word may have changed what it said.
    """
    live = await tx.live(stray.service, stray.environment)
    word = live.declared if live is not None else None
    if (
        run.state is not RunState.CANCELLED
        or word is None
        or word.origin is not Origin.SAID
        or word.at < stray.since
    ):
        return False
    holder = await tx.deployment(await tx.holder(stray.service, stray.environment))
    is_untouched = holder is None or holder.started_at is None or holder.started_at <= word.at
    return is_untouched and context.now() - word.at <= AT_ONCE
