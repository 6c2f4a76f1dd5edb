"""Asking for a deployment, pinning its commit, waiting for its turn, cancelling it."""

from __future__ import annotations

import structlog

from bot.domain.card import Changes, RollbackOffer
from bot.domain.catalog import Permission
from bot.domain.commands import Cancel, Deploy, DeployFirst
from bot.domain.deployment import CAN_ROLL_BACK, WAITING, Deployment, DeploymentId, Kind, State
from bot.domain.errors import IntegrationError, NotAllowed, NotPossible
from bot.domain.people import Person
from bot.ports import Answer, CIProvider, Intent, Live, Message, NewDeployment, Reader, Resolved, Transaction
from bot.services.house import House, existing, facts_of, note
from bot.services.offers import rollback_offer

log = structlog.get_logger(__name__)

_STILL_COMING = WAITING | {State.ROLLING_OUT}


async def request(house: House, intent: Intent, command: Deploy, *, once_for: str = "") -> Answer | None:
    """Store a request for a deployment and start its runbook. The card follows; nothing is touched yet.

    ``once_for`` is a reason for which only one may be under way.
    """
    service = house.service(command.service)
    policy = house.policy(command.service, command.environment)
    strategy = command.strategy or policy.strategy
    if strategy not in house.catalog.strategies:
        raise NotPossible(f'I don\'t know the strategy "{strategy}". Known: {", ".join(sorted(house.catalog.strategies))}.')
    await house.people.require(intent.by, Permission.DEPLOY, "ask for a deployment")
    lead = Person(house.catalog.team, command.lead) if command.lead else None
    if lead is not None:
        await house.people.admit(lead)
    elif not service.has_on_call:  # nobody would ever become the lead, and nobody could roll back
        lead = intent.by
    async with house.store.transaction() as tx:
        if not await tx.once(intent.key):
            return None
        for other in await tx.open_deployments(service.name, policy.name) if once_for else ():
            if other.reason == once_for:
                raise NotPossible(f"{other.title} is under way already, as {other.id}.")
        deployment = await tx.add_deployment(
            NewDeployment(
                kind=Kind.FORWARD,
                service=service.name,
                environment=policy.name,
                ref=command.ref,
                version=command.ref,
                strategy=strategy,
                requested_by=intent.by,
                at=house.now(),
                lead=lead,
                reason=once_for or command.reason,
                channel=service.channel or intent.place.channel,
            )
        )
        await note(tx, house.now(), "deploy", deployment, intent.by, ref=command.ref, strategy=strategy, reason=deployment.reason)
        await tx.start("deploy", deployment.id, deployment.id)
    return None  # the ack has said what was understood, the card says the rest


async def deploy_first(house: House, intent: Intent, command: DeployFirst) -> Answer | None:
    """Deploy a card's commit to the environment before, as the clicker's own request."""
    async with house.store.reading() as reader:
        deployment = await existing(reader, command.deployment)
    before = house.policy(deployment.service, deployment.environment).after
    if not before or deployment.state not in WAITING:
        raise NotPossible(f"{deployment.title} is {deployment.state} and waits for no other environment.")
    async with house.store.reading() as reader:
        first = await under_way(reader, deployment.service, before, deployment.commit)
        live = await reader.live(deployment.service, before)
    if first is not None:
        raise NotPossible(f"{first.title} is under way already, as {first.id}.")
    if live is not None and live.commit == deployment.commit:
        raise NotPossible(f"{live.version} is live in {before} already. The gate opens when it has been watched and verified.")
    ref = deployment.ref if deployment.ref == deployment.version else deployment.commit
    return await request(house, intent, Deploy(deployment.service, before, ref), once_for=f"first step of {deployment.id}")


async def under_way(reader: Reader, service: str, environment: str, commit: str) -> Deployment | None:
    """Find a deployment under way that brings a commit to an environment."""
    coming = await reader.open_deployments(service, environment)
    alike = (each for each in coming if each.kind is Kind.FORWARD and each.commit == commit and each.state in _STILL_COMING)
    return next(alike, None)


async def cancel(house: House, intent: Intent, command: Cancel) -> Answer | None:
    """Take back a request that has touched nothing: by its requester, its lead or a release manager."""
    async with house.store.reading() as reader:
        deployment = await existing(reader, command.deployment)
    theirs = intent.by in {deployment.requested_by, deployment.lead}
    may = theirs or await house.people.may(intent.by, Permission.HAND_OVER)
    async with house.store.transaction() as tx:
        if not await tx.once(intent.key):
            return None
        deployment = await existing(tx, deployment.id)
        if deployment.state not in WAITING:
            offer = await rollback_offer(house, tx, deployment)
            raise NotPossible(_too_late(deployment, await tx.standing(deployment.service, deployment.environment), offer))
        if not may:
            raise NotAllowed(f"Only {_who(house, deployment)} can cancel {deployment.id}.")
        await tx.move(deployment.id, State.CANCELLED, at=house.now(), note=f"cancelled by <@{intent.by.user}>")
        await note(tx, house.now(), "cancel", deployment, intent.by)
        await tx.release(deployment.id)
        await tx.wake(deployment.id)
    return Answer("cancelled", {**facts_of(deployment), "by": str(intent.by)})


def _who(house: House, deployment: Deployment) -> str:
    people = [deployment.requested_by, *([deployment.lead] if deployment.lead else [])]
    named = [f"<@{person.user}>" for person in dict.fromkeys(people)]
    return " or ".join([*named, *house.people.named_by_role(Permission.HAND_OVER)])


def _too_late(deployment: Deployment, standing: Deployment | None, offer: RollbackOffer) -> str:
    """Say where it stands instead of waiting, and what can be done there."""
    if deployment.state not in CAN_ROLL_BACK:
        return f"{deployment.title} is {deployment.state} already; there is nothing to cancel."
    if standing is None or standing.id != deployment.id:
        return f"{deployment.title} was replaced already; there is nothing to cancel."
    if not offer.is_possible:
        return f"{deployment.title} is {deployment.state} already, and it cannot be rolled back from here: {offer.refused}"
    lead = f"<@{deployment.lead.user}>, its lead," if deployment.lead else "Its lead"
    how = f"/rollback {deployment.service} {deployment.environment} because TEXT"
    return f"{deployment.title} is {deployment.state} already. {lead} can roll it back: on its card, or with {how}."


# What the runbook does --------------------------------------------------------------------------------------------------------------------


async def pin(house: House, id: DeploymentId) -> bool:
    """Resolve the ref to a commit, once and for ever; False when there is nothing to deploy."""
    async with house.store.reading() as reader:
        deployment = await existing(reader, id)
        live = await reader.live(deployment.service, deployment.environment)
        verified = await reader.verified(deployment.service, deployment.environment)
    if deployment.state is not State.REQUESTED:
        return deployment.state in WAITING
    _, _, providers = house.of(deployment)
    try:
        resolved = await resolve(providers.ci, deployment.ref, live, verified)
    except IntegrationError as error:
        if error.retry:
            raise
        return await _impossible(house, deployment, str(error))
    async with house.store.reading() as reader:
        quarantined = await reader.quarantine(deployment.service, resolved.commit)
    if quarantined:
        return await _impossible(house, deployment, _quarantined(resolved.version, quarantined))
    changes = await _changes(providers.ci, live, resolved.commit)
    return await _pinned(house, deployment, resolved, changes, live)


def _quarantined(version: str, why: str) -> str:
    """Say why a commit cannot be deployed, and what can: nothing lifts a quarantine, but it holds for this one commit only."""
    return f"{version} is quarantined: {why}. Deploy another version; what was right in this one can come as a new commit."


async def resolve(ci: CIProvider, ref: str, live: Live | None, verified: tuple[Live, ...]) -> Resolved:
    """Say which commit a ref means now. ``previous`` is the version verified before the one that is live. Raises IntegrationError."""
    if ref != "previous":
        return await ci.resolve(ref)
    previous = next((release for release in verified if live is None or release.commit != live.commit), None)
    if previous is None:
        raise IntegrationError("There is no previous version that was verified here.", vendor="Go/No-Go", retry=False)
    return Resolved(previous.commit, previous.version)


async def _changes(ci: CIProvider, live: Live | None, commit: str) -> Changes:
    if live is None:
        return Changes(known=False)
    try:
        return await ci.compare(live.commit, commit)
    except IntegrationError:
        return Changes(known=False)


async def _pinned(house: House, deployment: Deployment, resolved: Resolved, changes: Changes, live: Live | None) -> bool:
    now = house.now()
    async with house.store.transaction() as tx:
        needless = await _needless(tx, deployment, resolved)
        if needless:
            return await _end(house, tx, deployment, needless)
        if not await tx.move(deployment.id, State.QUEUED, at=now):
            return False
        await tx.change(
            deployment.id, commit=resolved.commit, version=resolved.version,
            base_commit=live.commit if live else "", base_version=live.version if live else "",
        )  # fmt: skip
        await tx.save_changes(deployment.id, changes)
        await note(tx, now, "pinned", deployment, ref=deployment.ref, pinned=resolved.commit, version=resolved.version)
    return True


async def _needless(tx: Transaction, deployment: Deployment, resolved: Resolved) -> str:
    """Say why there is nothing to do: somebody has asked for the same, or it is live already and whole."""
    service, environment = deployment.service, deployment.environment
    first = await under_way(tx, service, environment, resolved.commit)
    if first is not None:
        return f"{first.id} brings {resolved.version} to {environment} already."
    live, standing = await tx.live(service, environment), await tx.standing(service, environment)
    is_whole = standing is None or standing.state in {State.WATCHING, State.VERIFIED}
    if live is not None and live.commit == resolved.commit and is_whole:
        return f"{resolved.version} is live in {environment} already, so there is nothing to deploy."
    return ""


async def _impossible(house: House, deployment: Deployment, sentence: str) -> bool:
    async with house.store.transaction() as tx:
        return await _end(house, tx, deployment, sentence)


async def _end(house: House, tx: Transaction, deployment: Deployment, sentence: str) -> bool:
    await tx.move(deployment.id, State.IMPOSSIBLE, at=house.now(), note=sentence)
    await note(tx, house.now(), "impossible", deployment, why=sentence)
    await tx.release(deployment.id)
    return False


async def compare_again(house: House, deployment: Deployment, live: Live) -> None:
    """Compare a deployment that waits with what has become live since: people approve what they read on its card."""
    changes = await _changes(house.of(deployment)[2].ci, live, deployment.commit)
    async with house.store.transaction() as tx:
        if (await existing(tx, deployment.id)).state in WAITING:
            await tx.change(deployment.id, base_commit=live.commit, base_version=live.version)
            await tx.save_changes(deployment.id, changes)


async def take_turn(house: House, id: DeploymentId) -> bool | None:
    """Take the environment's claim, first come first served; None while another deployment has it."""
    async with house.store.transaction() as tx:
        deployment = await existing(tx, id)
        if deployment.state not in WAITING:
            return False
        if deployment.state is not State.QUEUED:
            return True
        if not await tx.claim(deployment.service, deployment.environment, id):
            return None
        await tx.move(id, State.GATED, at=house.now())
        return True


async def stuck(house: House, id: DeploymentId, why: str) -> None:
    """Raise the alarm when a deployment's runbook cannot go on without a person."""
    log.error("a runbook cannot go on", run=id, why=why)
    now = house.now()
    async with house.store.transaction() as tx:
        deployment = await tx.deployment(id)
        if deployment is None:
            return
        await note(tx, now, "stuck", deployment, why=why)
        facts = {**facts_of(deployment), "why": why, "since": now.isoformat()}
        await tx.say(Message(f"{id}:stuck:{now.isoformat()}", "stuck", facts, deployment.undoes or id, to="channel"))
