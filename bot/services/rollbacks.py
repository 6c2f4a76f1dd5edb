"""Rolling back: by the deployment lead, or by rule after a failed smoke test or a countdown that nobody stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from bot.domain import rollback
from bot.domain.card import Action, Changes
from bot.domain.commands import RollBack
from bot.domain.deployment import CAN_ROLL_BACK, Deployment, DeploymentId, Kind, State
from bot.domain.errors import IntegrationError, NotAllowed, NotPossible, Offer
from bot.domain.health import worst
from bot.domain.locks import Lock
from bot.domain.people import GONOGO, Person
from bot.domain.rollout import Step, StepState, correlation
from bot.ports import Answer, Intent, Later, Live, Message, NewDeployment, Reader, Transaction
from bot.services.house import House, existing, facts_of, note
from bot.services.offers import rollback_offer

COMPARISON = timedelta(seconds=5)
"""How long a click waits for the provider's comparison; nobody waits at a fire for a list of files."""
STAND_DOWN = timedelta(seconds=15)
"""How long a rollback waits for the stopped run to end before it starts all the same."""

SOON = timedelta(seconds=0.5)


async def roll_back(house: House, intent: Intent, command: RollBack) -> Answer | None:
    """Start the rollback of what was deployed last, if the person is its lead. A second click is a quiet no-op."""
    async with house.store.reading() as reader:
        deployment = await _what(house, reader, command)
        _authorise(intent, deployment)
        target = await _target(house, reader, deployment, command.ref)
    await _refuse_migrations(house, deployment, target)
    async with house.store.transaction() as tx:
        if not await tx.once(intent.key):
            return None
        started = await _start(house, tx, deployment, target, by=intent.by, reason=command.reason)
    if not started:
        return await _already(house, deployment)
    return Answer("rolling_back", {**facts_of(deployment), "target": target.version, "by": str(intent.by)})


async def _what(house: House, reader: Reader, command: RollBack) -> Deployment:
    if command.deployment:
        return await _named(reader, command.deployment)
    if not command.environment:
        raise NotPossible(f"Which environment? /rollback {command.service} ENVIRONMENT because TEXT.")
    house.policy(command.service, command.environment)
    standing = await reader.standing(command.service, command.environment)
    undone = await _just_undone(reader, command.service, command.environment)
    if undone is not None and (standing is None or not command.ref):
        raise NotPossible(_no_further(undone, standing))
    if standing is None:
        raise NotPossible(f"Nothing was deployed to {command.service} {command.environment}, so there is nothing to roll back.")
    return standing


async def _named(reader: Reader, id: DeploymentId) -> Deployment:
    """Read the deployment of a card; what is no longer there cannot be rolled back."""
    deployment = await existing(reader, id)
    standing = await reader.standing(deployment.service, deployment.environment)
    if deployment.state in CAN_ROLL_BACK and (standing is None or standing.id != id):
        instead = f" {standing.title} is there now; roll back {standing.id} instead." if standing else ""
        raise NotPossible(f"{deployment.title} was replaced and is not live any more.{instead}")
    return deployment


async def _just_undone(reader: Reader, service: str, environment: str) -> Deployment | None:
    """Give the newest deployment that touched an environment, if it has been rolled back."""
    for deployment in await reader.history(service, environment, limit=30):
        if deployment.kind is Kind.FORWARD and deployment.started_at is not None:
            return deployment if deployment.state is State.ROLLED_BACK else None
    return None


def _no_further(undone: Deployment, standing: Deployment | None) -> str:
    """Say that the newest deployment is rolled back; a command that comes a second time must not take the next one back too."""
    sentence = f"{undone.title} is rolled back already."
    if standing is None:
        return sentence
    place = f"{undone.service} {undone.environment}"
    return f"{sentence} {standing.version} is live. To go back further: /rollback {place} to VERSION, or the card of {standing.id}."


def _authorise(intent: Intent, deployment: Deployment) -> None:
    if intent.by == deployment.lead:
        return
    if deployment.lead is None:
        raise NotAllowed(f"{deployment.title} has no deployment lead yet. /deploy lead {deployment.id} @user names one.")
    raise NotAllowed(
        f"Only <@{deployment.lead.user}>, the deployment lead, can roll this back.",
        Offer(Action.ASK_LEAD, "Ask the lead", deployment.id),
        Offer(Action.TAKE_OVER, "Take over as on-call…", deployment.id),
    )


async def _target(house: House, reader: Reader, deployment: Deployment, ref: str) -> Live:
    if deployment.state not in CAN_ROLL_BACK:
        raise NotPossible(_not_now(deployment))
    verified = await reader.verified(deployment.service, deployment.environment)
    if ref:
        picked = rollback.chosen(verified, ref=ref, leaving=deployment.commit)
        return next(release for release in verified if release.commit == picked.commit)
    offer = await rollback_offer(house, reader, deployment)
    if not offer.is_possible:
        raise NotPossible(offer.refused)
    return next(release for release in verified if release.commit == offer.commit)


def _not_now(deployment: Deployment) -> str:
    if deployment.state in {State.ROLLING_BACK, State.ROLLED_BACK}:
        return f"{deployment.title} is {deployment.state} already."
    return f"{deployment.title} is {deployment.state}; there is nothing to roll back."


async def _refuse_migrations(house: House, deployment: Deployment, target: Live) -> None:
    """Ask the provider what lies between, but only where the stored comparison does not say it already."""
    service, _, providers = house.of(deployment)
    if target.commit == deployment.base_commit:
        return
    try:
        async with asyncio.timeout(COMPARISON.total_seconds()):
            changes = await providers.ci.compare(target.commit, deployment.commit)
    except (IntegrationError, TimeoutError):
        changes = Changes(known=False)
    between = rollback.migrations_in(changes, service.migrations)
    if between:
        raise NotPossible(f"A database migration lies between ({between[0]}). Going back needs the migration's own plan, not a button.")


async def _already(house: House, deployment: Deployment) -> Answer:
    async with house.store.reading() as reader:
        now = await existing(reader, deployment.id)
    raise NotPossible(_not_now(now))


async def by_rule(house: House, tx: Transaction, deployment: Deployment, why: str) -> bool:
    """Start the automatic rollback inside the transaction that found the reason; False when there is nothing to go back to."""
    offer = await rollback_offer(house, tx, deployment)
    if not offer.is_possible:
        return False
    verified = await tx.verified(deployment.service, deployment.environment)
    target = next(release for release in verified if release.commit == offer.commit)
    return await _start(house, tx, deployment, target, by=GONOGO, reason=why)


async def _start(house: House, tx: Transaction, deployment: Deployment, target: Live, *, by: Person, reason: str) -> bool:
    now = house.now()
    if not await tx.move(deployment.id, State.ROLLING_BACK, at=now, note=reason):
        return False
    back = await tx.add_deployment(
        NewDeployment(
            kind=Kind.ROLLBACK,
            service=deployment.service,
            environment=deployment.environment,
            ref=target.version,
            version=target.version,
            commit=target.commit,
            strategy=deployment.strategy,
            requested_by=by,
            at=now,
            lead=deployment.lead,
            reason=reason,
            channel=deployment.channel,
            undoes=deployment.id,
            base_commit=deployment.commit,
            base_version=deployment.version,
        )
    )
    await tx.change(deployment.id, countdown_until=None)
    await tx.seize(deployment.service, deployment.environment, back.id)
    await tx.save_steps(back.id, [Step(0, "rollback", 100, timedelta(0))])
    await note(tx, now, "rollback", deployment, by, to=target.commit, version=target.version, reason=reason, rollback=back.id)
    facts = {**facts_of(deployment), "by": str(by), "target": target.version, "reason": reason}
    await tx.say(Message(f"{back.id}:rolling-back", "rolling_back", facts, deployment.id, to="channel"))
    await tx.start("roll_back", back.id, back.id)
    await tx.wake(deployment.id)
    return True


# What the runbook does --------------------------------------------------------------------------------------------------------------------


async def stand_down(house: House, id: DeploymentId) -> bool | Later:
    """Stop what the undone deployment runs at the CI provider; says when to look again while it may run and there is time to wait.

    Whatever the provider answers, the way back begins after ``STAND_DOWN``: a run that cannot be stopped is said to be there.
    """
    async with house.store.reading() as reader:
        back = await existing(reader, id)
        undone = await existing(reader, back.undoes)
        steps = await reader.steps(undone.id)
    left = STAND_DOWN - (house.now() - back.requested_at)
    await _stop_again(house, undone, steps)
    reasons = [(step, await _why_not_stopped(house, undone, step, left)) for step in steps if step.is_under_way]
    running = [(step, why) for step, why in reasons if why]
    if running and left > timedelta(0):
        return Later(min(max(SOON, (STAND_DOWN - left) / 2), left + SOON))
    await _say_not_stopped(house, undone, back, running)
    return True


async def _stop_again(house: House, undone: Deployment, steps: Sequence[Step]) -> None:
    """Stop a run that has failed, too: a person may have run it again at the CI provider. One that has ended is left as it is."""
    for step in steps:
        if step.state is StepState.FAILED and step.run:
            with suppress(IntegrationError, TimeoutError):  # a courtesy, which must not hold up the way back
                async with asyncio.timeout(1.0):
                    await house.providers[undone.service].ci.cancel(step.run)


async def _why_not_stopped(house: House, undone: Deployment, step: Step, left: timedelta) -> str:
    """Try to stop a step's run; say why it may still be running, nothing when it is not."""
    try:
        async with asyncio.timeout(max(left.total_seconds(), 1.0)):
            return "" if await _is_stopped(house, undone, step) else "it has not ended"
    except IntegrationError as error:
        return str(error)[:300]
    except TimeoutError:
        return "the CI provider does not answer"


async def _say_not_stopped(house: House, undone: Deployment, back: Deployment, running: Sequence[tuple[Step, str]]) -> None:
    async with house.store.transaction() as tx:
        for step, why in running:
            await note(tx, house.now(), "not stopped", undone, outcome="failed", step=step.key, why=why)
            facts = {**facts_of(undone), "step": step.key, "why": why, "url": step.run_url, "target": back.version}
            await tx.say(Message(f"{back.id}:not-stopped:{step.key}", "not_stopped", facts, undone.id, to="channel"))


async def _is_stopped(house: House, undone: Deployment, step: Step) -> bool:
    ci = house.providers[undone.service].ci
    if not step.run:  # its start is under way; the deploy runbook stops it too, when it comes back
        found = await ci.find(correlation(undone.id, undone.requested_at, step, smoke=step.state is StepState.SMOKE))
        if found is None:
            return False
        step = replace(step, run=found.id)
    await ci.cancel(step.run)  # before anything else: to look at a run of ours may open the gate that it waits at
    run = await ci.look(step.run)
    if run.state.is_final:
        async with house.store.transaction() as tx:
            await tx.save_steps(undone.id, [replace(step, state=StepState.SKIPPED, finished_at=house.now(), sentence="stopped")])
    return run.state.is_final


async def close(house: House, id: DeploymentId) -> str:
    """Record that the old version is back: quarantine the bad commit, lock the environment, draft the retrospective."""
    now = house.now()
    async with house.store.transaction() as tx:
        back = await existing(tx, id)
        undone = await existing(tx, back.undoes)
        if not await tx.move(undone.id, State.ROLLED_BACK, at=now, note=back.reason):
            return "over"
        await tx.move(id, State.VERIFIED, at=now)
        steps = await tx.steps(id)
        await tx.save_steps(id, [replace(step, state=StepState.DONE, finished_at=now) for step in steps])
        await tx.set_live(Live(back.service, back.environment, back.commit, back.version, now, id, back.requested_by, now))
        await tx.put_in_quarantine(
            back.service, undone.commit, by=back.requested_by, at=now,
            reason=rollback.why_quarantined(undone.environment, at=now, because=back.reason or worst(await tx.snapshots(undone.id))),
        )  # fmt: skip
        await _lock(house, tx, undone, back)
        await note(tx, now, "rolled back", undone, back.requested_by, to=back.commit)
        await _tell(house, tx, undone, back)
        await tx.release(id)
        await tx.wake(undone.id)
    return "rolled back"


async def _lock(house: House, tx: Transaction, undone: Deployment, back: Deployment) -> None:
    if house.of(undone)[1].lock_after_rollback:
        reason = f"{undone.version} was rolled back" + (f": {back.reason}" if back.reason else "")
        await tx.add_lock(Lock(undone.service, undone.environment, reason, back.requested_by, house.now(), deployment=undone.id))


async def _tell(house: House, tx: Transaction, undone: Deployment, back: Deployment) -> None:
    changes = await tx.changes(undone.id) or Changes(known=False)
    facts = {
        **facts_of(undone), "by": str(back.requested_by), "target": back.version, "reason": back.reason,
        "seconds": (house.now() - back.requested_at).total_seconds(), "authors": list(changes.authors),
    }  # fmt: skip
    await tx.say(Message(f"{undone.id}:rolled-back", "rolled_back", facts, undone.id, to="channel"))
    await tx.say(Message(f"{undone.id}:retrospective", "retrospective", await _retrospective(house, tx, undone, facts), undone.id))


async def _retrospective(house: House, tx: Transaction, undone: Deployment, facts: dict[str, object]) -> dict[str, object]:
    told = await tx.timeline(undone.id)
    happened = [*told.begin, *told.end]
    timeline = [{"at": e.at.isoformat(), "action": e.action, "by": str(e.actor), "facts": dict(e.facts)} for e in happened]
    people = {str(e.actor) for e in happened} | {str(e.facts["to"]) for e in happened if e.action == "lead"}
    return {
        **facts, "timeline": timeline, "left_out": told.left_out, "left_out_after": len(told.begin), "people": sorted(people),
        "item_titles": house.items_of(undone), "owner": str(undone.requested_by),
        "due": (house.now() + timedelta(days=3)).isoformat(),
    }  # fmt: skip


async def could_not(house: House, id: DeploymentId) -> str:
    """Say that the rollback itself failed: the environment is unknown, a person has to act now."""
    async with house.store.transaction() as tx:
        back = await existing(tx, id)
        undone = await existing(tx, back.undoes)
        why = next((step.sentence for step in await tx.steps(id) if step.sentence), "the run failed")
        await tx.move(undone.id, State.FAILED, at=house.now(), note=f"the rollback to {back.version} failed: {why}")
        await note(tx, house.now(), "rollback failed", undone, to=back.commit, why=why)
        facts = {**facts_of(undone), "step": "rollback", "percent": 100, "why": why, "url": ""}
        await tx.say(Message(f"{undone.id}:rollback-failed:{id}", "failed", facts, undone.id, to="channel"))
        await tx.release(id)
        await tx.wake(undone.id)
    return "failed"
