"""Starting a run: the one place that starts anything at a CI provider.

A start is an intent that is stored, a permit that is asked for right before the call, and a record after it. The permit is of the place:
whoever has no claim gets none, a newer one ends it, and what was started under one that has ended is stopped, looked for until it has
ended, and makes the place unclear so long.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum

import structlog

from bot.domain.deployment import Deployment, DeploymentId, Kind, State
from bot.domain.errors import IntegrationError
from bot.domain.places import Doubt, Hindrance, Permit, Stray, Unclear, obstacles
from bot.domain.readiness import frozen_by
from bot.domain.rollout import RunState, Step, StepState, correlation
from bot.ports import ROLLBACK, TEST, CIRun, Later, Message, Quality, Reader, StartRequest, Transaction
from bot.services.house import House, existing, facts_of, note
from bot.services.rollbacks import give_up

log = structlog.get_logger(__name__)

STALE = timedelta(hours=1)
"""A rollout that has stood for longer than this does not go on into a freeze."""


class Begun(Enum):
    """What became of the wish to start a run."""

    STARTED = "started"
    STANDS = "stands"  # something keeps it: it is asked again
    OVER = "over"  # the deployment has been stopped


@dataclass(frozen=True, slots=True)
class Found:
    """A run and the permit under which it was found or started; no permit where it was there already."""

    run: CIRun
    permit: Permit


async def intend(house: House, id: DeploymentId, index: int, state: StepState) -> Step | Begun:
    """Store what is about to be started, if everything that decides says yes at this moment."""
    async with house.store.transaction() as tx:
        deployment = await existing(tx, id)
        step = (await tx.steps(id))[index]
        if deployment.state is not State.ROLLING_OUT:
            return Begun.OVER
        if step.state is state and step.run:
            return step
        if state is StepState.RUNNING and await _stands_still(house, tx, deployment, step):
            return Begun.STANDS
        deploying = step.stages if step.state is StepState.RUNNING and state is StepState.SMOKE else step.deploying_stages
        intended = replace(
            step, state=state, run="", run_url="", sentence="", stages=(), deploying_stages=deploying,
            started_at=step.started_at or house.now(),
        )  # fmt: skip
        await tx.save_steps(id, [intended])
        return intended


async def standstill(house: House, reader: Reader, deployment: Deployment) -> tuple[Hindrance, ...]:
    """Name what keeps a rollout from its next step. A rollback is kept by nothing."""
    if deployment.kind is Kind.ROLLBACK:
        return ()
    steps = await reader.steps(deployment.id)
    has_begun = any(step.state is not StepState.PENDING for step in steps)
    way = None if has_begun else await reader.way_there(deployment.id)
    return obstacles(deployment, await reader.ground(deployment), way, house.now())


async def _stands_still(house: House, tx: Transaction, deployment: Deployment, step: Step) -> bool:
    """Tell whether something keeps a step from being started; the lead is told once for each reason."""
    if deployment.kind is Kind.ROLLBACK:
        return False
    if await tx.holder(deployment.service, deployment.environment) != deployment.id:
        return True
    found = await standstill(house, tx, deployment)
    sentences = [each.sentence for each in found] or await _into_a_freeze(house, tx, deployment)
    for sentence in sentences[:1]:
        facts = {**facts_of(deployment), "why": sentence, "step": step.key, "percent": step.percent}
        await tx.say(Message(f"{deployment.id}:stands:{step.key}:{sentence}"[:200], "stands_still", facts, deployment.id, to="channel"))
    return bool(sentences)


async def _into_a_freeze(house: House, tx: Transaction, deployment: Deployment) -> list[str]:
    """Say that a rollout which has stood for long would go on into a freeze; one that is under way is finished.

    It stands from the end of its last hold on, whenever that is noticed: after hours without the bot, a step is done only now.
    """
    freeze = frozen_by(house.catalog.freezes, deployment.environment, house.now())
    steps = await tx.steps(deployment.id)
    moved = [at for step in steps for at in (step.hold_until, step.started_at) if at] or [deployment.state_since]
    if freeze is None or house.now() - max(moved) < STALE:
        return []
    return [f"{deployment.environment} is frozen: {freeze.reason}"]


async def launch(house: House, deployment: Deployment, step: Step) -> Found | Begun:
    """Find the run of a step, or start it under a permit. Raises IntegrationError."""
    ci, smoke = house.providers[deployment.service].ci, step.state is StepState.SMOKE
    name = correlation(deployment.id, deployment.requested_at, step, smoke=smoke)
    found = await ci.find(name)
    async with house.store.transaction() as tx:
        now = await existing(tx, deployment.id)
        permit = await tx.permit(now, step.key) if now.state is State.ROLLING_OUT else None
        if permit is None or (found is None and not smoke and await _stands_still(house, tx, now, step)):
            if found is not None:
                await give_up(house, tx, now, replace(step, run=found.id, run_url=found.url))
            return Begun.OVER if now.state is not State.ROLLING_OUT else Begun.STANDS
    if found is not None:
        return Found(found, permit)
    action = "smoke" if smoke else ROLLBACK if deployment.undoes else "deploy"
    inputs = {
        "percent": str(step.percent), "version": deployment.version, "strategy": deployment.strategy, "deployment": deployment.id,
    }  # fmt: skip
    request = StartRequest(name, deployment.commit, deployment.environment, action, inputs, asked_by=str(deployment.requested_by))
    return Found(await ci.start(request), permit)


async def record(house: House, id: DeploymentId, step: Step, found: Found) -> Begun:
    """Store what was started. If its permit has ended meanwhile, the run is given up: stopped, and looked for until it has ended."""
    run = found.run
    begun = replace(step, run=run.id, run_url=run.url, stages=run.stages, silent_since=None, refusal="", moved_at=house.now())
    async with house.store.transaction() as tx:
        deployment = await existing(tx, id)
        holds = deployment.state is State.ROLLING_OUT and await tx.is_newest(found.permit)
        if not holds:
            stored = (await tx.steps(id))[step.index]
            if not stored.run:
                sentence = "started, and stopped at once"
                await tx.save_steps(id, [replace(begun, state=StepState.SKIPPED, sentence=sentence, finished_at=house.now())])
            await note(tx, house.now(), "given up", deployment, step=step.key, run=run.id)
            await give_up(house, tx, deployment, begun)
            return Begun.OVER
        await tx.save_steps(id, [begun])
        smoke = step.state is StepState.SMOKE
        await note(tx, house.now(), "smoke" if smoke else "started", deployment, step=step.key, run=run.id)
        if not smoke and deployment.kind is Kind.FORWARD:
            facts = {**facts_of(deployment), "step": step.key, "percent": step.percent, "url": run.url}
            await tx.say(Message(f"{id}:started:{step.key}:{step.attempt}", "step_started", facts, id))
    return Begun.STARTED


async def start_tests(house: House, deployment: Deployment, quality: Quality) -> None:
    """Start the tests of a deployment that was asked for, where nobody else starts them; however often this is done, it is one run.

    They touch no environment, so they need no permit.
    """
    request = StartRequest(quality.startable, deployment.commit, "", TEST, asked_by=str(deployment.requested_by))
    try:
        await house.providers[deployment.service].ci.start(request)
    except IntegrationError as error:
        log.warning("the tests could not be started", deployment=deployment.id, why=str(error))


async def stop(house: House, deployment: Deployment, step: Step) -> None:
    """Cancel the run of a step that was stopped, also one whose start was not seen to its end."""
    ci = house.providers[deployment.service].ci
    run = step.run
    if not run and step.is_under_way:
        found = await ci.find(correlation(deployment.id, deployment.requested_at, step, smoke=step.state is StepState.SMOKE))
        if found is not None:  # its start was not seen to its end: it is followed until it has ended
            async with house.store.transaction() as tx:
                await give_up(house, tx, deployment, replace(step, run=found.id, run_url=found.url))
            run = found.id
    if run:
        await ci.cancel(run)
        return
    async with house.store.transaction() as tx:
        stored = (await tx.steps(deployment.id))[step.index]
        if not stored.run and stored.state is step.state:
            await tx.save_steps(deployment.id, [replace(stored, state=StepState.SKIPPED)])


# Runs that were given up ------------------------------------------------------------------------------------------------------------------


async def chase(house: House, service: str, run: str) -> str | Later | None:
    """Stop a run that was given up, and look until it has ended; then say what that means for its place."""
    async with house.store.reading() as reader:
        stray = next((each for each in await reader.strays(service) if each.run == run), None)
    if stray is None:
        return "gone"
    if service not in house.providers:
        return "unknown"
    ci = house.providers[service].ci
    try:
        await ci.cancel(run)
        seen = await ci.look(run)
    except IntegrationError:
        return Later(_pause(house, stray))
    if not seen.state.is_final:
        return Later(_pause(house, stray))
    async with house.store.transaction() as tx:
        await _ended(house, tx, stray, seen)
    return str(seen.state)


def _pause(house: House, stray: Stray) -> timedelta:
    return house.pace.after(house.now() - stray.since)


async def _ended(house: House, tx: Transaction, stray: Stray, run: CIRun) -> None:
    """Take a run off the list. One that did something after it was replaced leaves the place unclear until somebody says what is there."""
    deployment = await existing(tx, stray.deployment)
    await tx.found_ended(stray)
    harmless = run.state in {RunState.CANCELLED, RunState.LOST} and not any(stage.started_at for stage in run.stages)
    doubtful = not harmless and not await _is_ahead(tx, stray)
    if doubtful:
        why = f"the run {stray.run} of {stray.deployment} ({stray.step}), which was given up, has ended only now: {run.state}"
        await tx.cast_doubt(stray.service, stray.environment, Doubt(Unclear.STRAY, why, house.now()))
    await note(tx, house.now(), "given up run ended", deployment, run=stray.run, state=str(run.state), unclear=doubtful)
    facts = {**facts_of(deployment), "run": stray.run, "step": stray.step, "state": str(run.state), "url": stray.url, "doubtful": doubtful}
    message = Message(f"{stray.deployment}:given-up:{stray.run}", "given_up_ended", facts, stray.deployment)
    await tx.say(replace(message, to="channel") if doubtful else message)


async def _is_ahead(tx: Transaction, stray: Stray) -> bool:
    """Tell whether what replaces the run has not been started yet, so that it comes after it."""
    holder = await tx.holder(stray.service, stray.environment)
    steps = await tx.steps(holder) if holder else ()
    return bool(steps) and holder != stray.deployment and all(not step.run for step in steps)
