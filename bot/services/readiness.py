"""The readiness review: gather the facts, ask the domain, let people tick and acknowledge, and say when a deployment may go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog

from bot.domain.catalog import AutomaticGate, EnvironmentPolicy, GateKind, Need
from bot.domain.commands import Acknowledge, Tick
from bot.domain.deployment import Deployment, DeploymentId, State
from bot.domain.errors import IntegrationError, NotAllowed, NotPossible
from bot.domain.people import Person
from bot.domain.readiness import (
    Gate,
    Review,
    frozen_by,
    item_gate,
    on_call_gate,
    quality_gate,
    rollback_gate,
    staged_gate,
    unfrozen_gate,
    unknown_gate,
    unlocked_gate,
)
from bot.ports import Answer, Intent, Json, Mark, Message, Reader, Shift, StartRequest, Transaction
from bot.services.deployments import under_way
from bot.services.house import House, existing, facts_of, note
from bot.services.offers import rollback_offer
from bot.services.people import readable

log = structlog.get_logger(__name__)

ON_CALL = "on-call"


async def review(house: House, reader: Reader, deployment: Deployment) -> Review:
    """Look at every gate of a pinned deployment now. Providers that do not answer make a gate unknown, never green."""
    policy = house.policy(deployment.service, deployment.environment)
    gates = [await _automatic(house, reader, deployment, gate) for gate in policy.gates]
    marks = {mark.key: mark for mark in await reader.marks(deployment.id)}
    for item in policy.checklist:
        mark = marks.get(f"item:{item.key}")
        gates.append(item_gate(item, by=mark.by if mark else None, at=mark.at if mark else None))
    return Review(house.now(), tuple(gates))


_Gate = Callable[[House, Reader, Deployment, Need], Awaitable[Gate]]


async def _automatic(house: House, reader: Reader, deployment: Deployment, gate: AutomaticGate) -> Gate:
    try:
        return await _GATES[gate.kind](house, reader, deployment, gate.need)
    except IntegrationError as error:
        return unknown_gate(gate.kind, f"{error.vendor} does not answer" if error.retry else str(error), gate.need)


async def _tests(house: House, _reader: Reader, deployment: Deployment, need: Need) -> Gate:
    quality = await house.providers[deployment.service].ci.quality(deployment.commit)
    return quality_gate(quality.state, quality.sentence, quality.url, need, startable=quality.startable)


async def start_tests(house: House, deployment: Deployment, review: Review) -> None:
    """Start the tests of a deployment that was asked for, where nobody else starts them; however often this is done, it is one run."""
    for correlation in filter(None, (gate.startable for gate in review.gates)):
        request = StartRequest(correlation, deployment.commit, "", "test", asked_by=str(deployment.requested_by))
        try:
            await house.providers[deployment.service].ci.start(request)
        except IntegrationError as error:
            log.warning("the tests could not be started", deployment=deployment.id, why=str(error))


async def _staged(house: House, reader: Reader, deployment: Deployment, need: Need) -> Gate:
    before = house.policy(deployment.service, deployment.environment).after
    live = await reader.live(deployment.service, before)
    first = await under_way(reader, deployment.service, before, deployment.commit)
    return staged_gate(
        before=before, coming=first.id if first else "", version=deployment.version, live_version=live.version if live else "",
        is_same=live is not None and live.commit == deployment.commit, verified_at=live.verified_at if live else None, need=need,
    )  # fmt: skip


async def _rollback(house: House, reader: Reader, deployment: Deployment, need: Need) -> Gate:
    offer = await rollback_offer(house, reader, deployment)
    return rollback_gate(target=offer.version, verified_at=offer.verified_at, refused=offer.refused, need=need)


async def _unlocked(house: House, reader: Reader, deployment: Deployment, need: Need) -> Gate:
    return unlocked_gate(await reader.locks(deployment.service, deployment.environment), house.now(), need)


async def _unfrozen(house: House, _reader: Reader, deployment: Deployment, need: Need) -> Gate:
    freezes, environment, now = house.catalog.freezes, deployment.environment, house.now()
    try:
        freezes += await house.providers[deployment.service].ci.freezes(environment)
    except IntegrationError:  # a freeze of our own is in force whatever the provider says
        if frozen_by(freezes, environment, now) is None:
            raise
    return unfrozen_gate(freezes, environment, now, need)


async def _on_call(house: House, reader: Reader, deployment: Deployment, need: Need) -> Gate:
    shift = await on_call_now(house, deployment)
    if shift is None:
        return on_call_gate(None, until=None, acknowledged_by=None, at=None, need=need)
    by, at = await _acknowledged(reader, deployment, shift)
    return on_call_gate(shift.person, until=shift.until, acknowledged_by=by, at=at, need=need)


async def _acknowledged(reader: Reader, deployment: Deployment, shift: Shift) -> tuple[Person | None, datetime | None]:
    if deployment.requested_by == shift.person:  # who asked for it knows about it
        return shift.person, deployment.requested_at
    for mark in await reader.marks(deployment.id):
        if mark.key == _on_call_key(shift.person):
            return mark.by, mark.at
    return None, None


def _on_call_key(person: Person) -> str:
    return f"{ON_CALL}:{person}"


_GATES: dict[GateKind, _Gate] = {
    GateKind.TESTS: _tests,
    GateKind.STAGED: _staged,
    GateKind.ROLLBACK: _rollback,
    GateKind.UNLOCKED: _unlocked,
    GateKind.UNFROZEN: _unfrozen,
    GateKind.ON_CALL: _on_call,
}


async def on_call_now(house: House, deployment: Deployment) -> Shift | None:
    """Ask the schedule who is on call for a deployment's service."""
    service, _, providers = house.of(deployment)
    return await providers.on_call.who(service, house.now())


async def ask_on_call(house: House, id: DeploymentId) -> None:
    """Ask the person on call to acknowledge, once per person, and make them the lead when none was named."""
    async with house.store.reading() as reader:
        deployment = await existing(reader, id)
    try:
        shift = await on_call_now(house, deployment)
    except IntegrationError:
        return
    if shift is None:
        return
    asks = any(gate.kind is GateKind.ON_CALL for gate in house.of(deployment)[1].gates) and shift.person != deployment.requested_by
    async with house.store.transaction() as tx:
        if deployment.lead is None:
            await tx.change(id, lead=shift.person)
            await note(tx, house.now(), "lead", deployment, to=str(shift.person), because=shift.source)
        if asks:
            facts = {**facts_of(deployment), "until": shift.until.isoformat() if shift.until else ""}
            await tx.say(Message(f"{id}:acknowledge:{shift.person}", "acknowledge_request", facts, id, to=str(shift.person)))


async def acknowledge(house: House, intent: Intent, command: Acknowledge) -> Answer | None:
    """Store that the person on call knows about the deployment."""
    async with house.store.reading() as reader:
        deployment = await existing(reader, command.deployment)
    shift = await on_call_now(house, deployment)
    if shift is None:
        raise NotPossible(f"Nobody is on call for {deployment.service} now, so nobody can acknowledge.")
    if intent.by != shift.person:
        raise NotAllowed(f"Only <@{shift.person.user}>, who is on call for {deployment.service}, can acknowledge.")
    await _mark(house, intent, deployment, (_on_call_key(intent.by),), "acknowledge")
    return Answer("acknowledged", facts_of(deployment))


async def tickable(house: House, id: DeploymentId, person: Person) -> tuple[tuple[str, str, bool], ...]:
    """List the checklist items that a person may tick: key, title, ticked. Raises NotAllowed when there are none."""
    async with house.store.reading() as reader:
        deployment = await existing(reader, id)
        marks = {mark.key for mark in await reader.marks(id)}
    policy = house.policy(deployment.service, deployment.environment)
    items = [item for item in policy.checklist if await house.people.holds(person, item.role)]
    if not items:
        roles = [item.role for item in policy.checklist]
        raise NotAllowed(f"None of the open items is yours. They can be ticked by: {_roles(policy)}.", roles=roles)
    return tuple((item.key, item.title, f"item:{item.key}" in marks) for item in items)


def _roles(policy: EnvironmentPolicy) -> str:
    return ", ".join(sorted({readable(item.role) for item in policy.checklist})) or "nobody"


async def tick(house: House, intent: Intent, command: Tick) -> Answer | None:
    """Tick the items that the person chose, untick those of theirs that they cleared. Only items of their own roles count."""
    mine = {key: ticked for key, _, ticked in await tickable(house, command.deployment, intent.by)}
    foreign = sorted(set(command.items) - set(mine))
    if foreign:
        raise NotAllowed(f"You cannot tick {', '.join(foreign)}: that belongs to another role.")
    async with house.store.reading() as reader:
        deployment = await existing(reader, command.deployment)
    new = tuple(f"item:{key}" for key in command.items if not mine[key])
    gone = tuple(f"item:{key}" for key, ticked in mine.items() if ticked and key not in command.items)
    await _mark(house, intent, deployment, new, "tick", gone=gone)
    return Answer("ticked", {**facts_of(deployment), "items": list(command.items)})


async def _mark(
    house: House, intent: Intent, deployment: Deployment, keys: tuple[str, ...], action: str, *, gone: tuple[str, ...] = ()
) -> None:
    if deployment.state not in {State.REQUESTED, State.QUEUED, State.GATED, State.AWAITING_APPROVAL}:
        raise NotPossible(f"{deployment.title} is {deployment.state} already; its checklist is closed.")
    async with house.store.transaction() as tx:
        if not await tx.once(intent.key):
            return
        for key in keys:
            await tx.mark(Mark(deployment.id, key, intent.by, house.now()))
        for key in gone:
            await tx.unmark(deployment.id, key)
        await note(tx, house.now(), action, deployment, intent.by, keys=list(keys), taken_back=list(gone))
        await tx.wake(deployment.id)


def facts_of_gate(gate: Gate) -> dict[str, Json]:
    """Give a gate's facts as JSON values."""
    return {
        "key": gate.key, "title": gate.title, "state": str(gate.state), "sentence": gate.sentence, "who": gate.who,
        "by": str(gate.by or ""), "need": str(gate.need), "clears_at": gate.clears_at.isoformat() if gate.clears_at else "",
        "at": gate.at.isoformat() if gate.at else "",
    }  # fmt: skip


async def say_evidence(tx: Transaction, deployment: Deployment, review: Review, *, when: str) -> None:
    """Put every gate with its evidence into the thread, once for each occasion."""
    facts = {**facts_of(deployment), "gates": [facts_of_gate(gate) for gate in review.gates]}
    await tx.say(Message(f"{deployment.id}:gates:{when}", "gates", facts, deployment.id))
