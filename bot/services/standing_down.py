"""Standing down, before a rollback goes: what the undone deployment runs is stopped, or looked for
until it has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from bot.domain.deployment import Deployment, DeploymentId
from bot.domain.errors import IntegrationError
from bot.domain.places import Stray
from bot.domain.rollout import Step, StepState, correlation
from bot.ports.ci import CIRun
from bot.ports.engine import Later
from bot.ports.talk import Message
from bot.ports.time import Json
from bot.services.context import Context, existing, facts_of, note
from bot.services.strays import give_up, is_over, run_of

STAND_DOWN = timedelta(seconds=15)
"""How long a rollback waits for the stopped run to end before it starts all the same."""

SOON = timedelta(seconds=0.5)

NOT_ENDED, NOT_SEEN = "it has not ended", "the CI provider has not shown it so far"


async def stand_down(context: Context, id: DeploymentId) -> bool | Later:
    """Stop what the undone deployment runs at the CI provider, and what was given up there before,
    as a rollback of which nobody told.

    Says when to look again while it may run and there is time to wait. Whatever the
    provider answers, the way back begins after ``STAND_DOWN``: a run that cannot be
    stopped is said to be there.
    """
    async with context.store.reading() as reader:
        back = await existing(reader, id)
        undone = await existing(reader, back.undoes)
        steps = await reader.steps(undone.id)
        strays = await reader.strays(undone.service, undone.environment)
    await _stop_again(context, undone, steps)
    reasons = [
        (step, await why_it_may_run(context, back, _is_stopped(context, undone, step)))
        for step in steps
        if step.is_under_way
    ]
    runs = {step.run for step in steps if step.is_under_way}
    loose = [
        (stray, await why_it_may_run(context, back, is_over(context, stray)))
        for stray in strays
        if stray.run not in runs
    ]
    running, going = (
        {step.index: why for step, why in reasons if why},
        {stray: why for stray, why in loose if why},
    )
    left = _left(context, back)
    if (running or going) and left > timedelta(0):
        return Later(min(max(SOON, (STAND_DOWN - left) / 2), left + SOON))
    await _say_still_going(context, undone, back, going)
    await _say_not_stopped(context, undone, back, running)
    return True


def _left(context: Context, back: Deployment) -> timedelta:
    return STAND_DOWN - (context.now() - back.requested_at)


async def _stop_again(context: Context, undone: Deployment, steps: Sequence[Step]) -> None:
    """Stop a run that failed or was given up, too: a person may have run it again. One that
    has ended is left as it is.
    """
    for step in steps:
        if step.state in {StepState.FAILED, StepState.STOPPED} and step.run:
            with suppress(IntegrationError, TimeoutError):
                # a courtesy, which must not hold up the way back
                async with asyncio.timeout(1.0):
                    await context.providers[undone.service].ci.cancel(step.run)


async def why_it_may_run(context: Context, back: Deployment, stopping: Awaitable[bool]) -> str:
    """Try to stop a run; say why it may still be running, nothing when it is not."""
    try:
        async with asyncio.timeout(max(_left(context, back).total_seconds(), 1.0)):
            return "" if await stopping else NOT_ENDED
    except IntegrationError as error:
        return str(error)[:300]
    except TimeoutError:
        return "the CI provider does not answer"


def _about(step: str, told: str, *, is_seen: bool) -> dict[str, Json]:
    """Say of a run why it may be going; of one that nobody has seen it is not
    known whether there is one.
    """
    return {
        "step": step,
        "why": NOT_SEEN if told == NOT_ENDED and not is_seen else told,
        "unanswered": not is_seen,
    }


async def _say_not_stopped(
    context: Context, undone: Deployment, back: Deployment, running: Mapping[int, str]
) -> None:
    """Say which steps' runs may still be going, and have them looked for, also one whose
    start nobody has answered.
    """
    async with context.store.transaction() as tx:
        steps = await tx.steps(undone.id)
        for step, told in [
            (steps[index], why) for index, why in running.items() if steps[index].is_under_way
        ]:
            about = _about(step.key, told, is_seen=bool(step.run))
            await note(tx, context.now(), "not stopped", undone, outcome="failed", **about)
            await give_up(context, tx, undone, step)
            facts = {
                **facts_of(undone),
                **about,
                "percent": step.percent,
                "is_back": False,
                "url": step.run_url,
                "target": back.version,
            }
            await tx.say(
                Message(
                    f"{back.id}:not-stopped:{step.key}",
                    "not_stopped",
                    facts,
                    undone.id,
                    to="channel",
                )
            )


async def _say_still_going(
    context: Context, undone: Deployment, back: Deployment, going: Mapping[Stray, str]
) -> None:
    """Say which runs that were given up before may still be going; they are looked for already."""
    async with context.store.transaction() as tx:
        there = await tx.strays(undone.service, undone.environment)
        for stray, told in going.items():
            if stray in there:
                of, about = (
                    await existing(tx, stray.deployment),
                    _about(stray.step, told, is_seen=not stray.unanswered),
                )
                await note(tx, context.now(), "not stopped", of, outcome="failed", **about)
                facts = {
                    **facts_of(of),
                    **about,
                    **await run_of(tx, of, stray),
                    "url": stray.url,
                    "target": back.version,
                }
                await tx.say(
                    Message(
                        f"{back.id}:not-stopped:{stray.run}",
                        "not_stopped",
                        facts,
                        undone.id,
                        to="channel",
                    )
                )


async def _is_stopped(context: Context, undone: Deployment, step: Step) -> bool:
    ci = context.providers[undone.service].ci
    if not step.run:  # its start is under way; the deploy runbook stops it too, when it comes back
        found = await ci.find(
            correlation(undone.id, undone.requested_at, step, smoke=step.state is StepState.SMOKE)
        )
        if found is None:
            return False
        step = await keep_found(context, undone, step, found)
    await ci.cancel(step.run)
    run = await ci.look(step.run)
    if run.state.is_final:
        async with context.store.transaction() as tx:
            await tx.save_steps(
                undone.id,
                [
                    replace(
                        step, state=StepState.SKIPPED, finished_at=context.now(), sentence="stopped"
                    )
                ],
            )
    return run.state.is_final


async def keep_found(context: Context, undone: Deployment, step: Step, run: CIRun) -> Step:
    """Store the run of a start that nobody has answered: what has been seen is not looked for
    again, and is not forgotten.
    """
    async with context.store.transaction() as tx:
        stored = (await tx.steps(undone.id))[step.index]
        if stored.run or not stored.is_under_way:  # its own runbook was first
            return stored if stored.run else replace(step, run=run.id, run_url=run.url)
        found = replace(stored, run=run.id, run_url=run.url)
        await tx.save_steps(undone.id, [found])
        return found
