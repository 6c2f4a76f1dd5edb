"""The checklist and the acknowledgement: what people say themselves before a deployment goes."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.actions import Action
from bot.domain.catalog import EnvironmentPolicy, GateKind
from bot.domain.commands import Acknowledge, Tick
from bot.domain.decisions import Mark
from bot.domain.deployment import WAITING, Deployment, DeploymentId
from bot.domain.errors import IntegrationError, NotAllowed, NotPossible
from bot.domain.people import Person
from bot.domain.readiness import GateState
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.ports.talk import Answer, Intent, Message
from bot.services.ahead import redraw_behind
from bot.services.context import Context, act, as_shown, existing, facts_of, note, seen
from bot.services.people import readable
from bot.services.provider_facts import Facts, on_call_now
from bot.services.readiness import on_call_key
from bot.services.starts import wait_again

BLOCKING = frozenset({GateState.OPEN, GateState.UNKNOWN})


async def ask_on_call(
    context: Context, tx: Transaction, deployment: Deployment, facts: Facts
) -> Deployment:
    """Ask the person on call to acknowledge, once per person, and make them the
    lead where none is named.
    """
    shift = facts.shift
    if shift is None or isinstance(shift, IntegrationError):
        return deployment
    asks = (
        any(gate.kind is GateKind.ON_CALL for gate in context.of(deployment)[1].gates)
        and shift.person != deployment.requested_by
    )
    if deployment.lead is None:
        await tx.set_lead(deployment.id, shift.person)
        await redraw_behind(tx, deployment)
        await note(
            tx, context.now(), "lead", deployment, to=str(shift.person), because=shift.source
        )
        deployment = await existing(tx, deployment.id)
    if asks:
        about = {**facts_of(deployment), "until": shift.until.isoformat() if shift.until else ""}
        key = f"{deployment.id}:acknowledge:{shift.person}"
        await tx.say(
            Message(key, "acknowledge_request", about, deployment.id, to=str(shift.person))
        )
    return deployment


async def acknowledge(context: Context, intent: Intent, command: Acknowledge) -> Answer | None:
    """Store that the person on call knows about the deployment."""
    async with context.store.reading() as reader:
        deployment = await existing(reader, command.deployment)
    shift = await on_call_now(context, deployment)
    if shift is None:
        raise NotPossible(
            f"Nobody is on call for {deployment.service} now, so nobody can acknowledge."
        )
    if intent.by != shift.person:
        raise NotAllowed(
            f"Only {shift.person.mention}, who is on call for "
            f"{deployment.service}, can acknowledge."
        )
    return await act(context, intent, lambda tx: _acknowledge(context, intent, tx, command))


async def _acknowledge(
    context: Context, intent: Intent, tx: Transaction, command: Acknowledge
) -> Answer:
    deployment = await _with_open_checklist(tx, command.deployment)
    as_shown(Action.ACKNOWLEDGE, command.shown, await seen(tx, deployment))
    key = on_call_key(intent.by)
    await tx.mark(Mark(deployment.id, key, intent.by, context.now()))
    await note(tx, context.now(), "acknowledge", deployment, intent.by, keys=[key], taken_back=[])
    await tx.wake(deployment.id)
    return Answer("acknowledged", facts_of(deployment))


async def tickable(
    context: Context, id: DeploymentId, person: Person
) -> tuple[tuple[str, str, bool], ...]:
    """List the checklist items that a person may tick: key, title, ticked. Raises
    NotAllowed when there are none.
    """
    async with context.store.reading() as reader:
        deployment = await existing(reader, id)
        marks = {mark.key for mark in await _counting(reader, id)}
    policy = context.policy(deployment.service, deployment.environment)
    items = [item for item in policy.checklist if await context.people.holds(person, item.role)]
    if not items:
        roles = [item.role for item in policy.checklist]
        raise NotAllowed(
            f"None of the open items is yours. They can be ticked by: {_roles(policy)}.",
            roles=roles,
        )
    return tuple((item.key, item.title, f"item:{item.key}" in marks) for item in items)


def _roles(policy: EnvironmentPolicy) -> str:
    return ", ".join(sorted({readable(item.role) for item in policy.checklist})) or "nobody"


async def tick(context: Context, intent: Intent, command: Tick) -> Answer | None:
    """Tick and untick what the person changed in the dialog. Only items of their own roles count,
    and nobody else's tick is touched.
    """
    mine = [key for key, _, _ in await tickable(context, command.deployment, intent.by)]
    changed = set(command.items) ^ set(command.before)
    foreign = sorted(changed - set(mine))
    if foreign:
        raise NotAllowed(f"You cannot tick {', '.join(foreign)}: that belongs to another role.")
    return await act(context, intent, lambda tx: _tick(context, intent, tx, command, mine))


async def _counting(reader: Reader, id: DeploymentId) -> list[Mark]:
    """List the ticks that count, as they were judged last; one that does not can be given
    anew, by somebody who may.
    """
    review = await reader.review(id)
    not_counted = (
        {(gate.key, gate.by) for gate in review.gates if gate.state in BLOCKING}
        if review
        else set()
    )
    return [mark for mark in await reader.marks(id) if (mark.key, mark.by) not in not_counted]


async def _tick(
    context: Context, intent: Intent, tx: Transaction, command: Tick, mine: Sequence[str]
) -> Answer:
    deployment = await existing(tx, command.deployment)
    if set(command.before) - set(command.items):
        await wait_again(context, tx, deployment)
    deployment = await _with_open_checklist(tx, command.deployment)
    as_shown(Action.TICK, command.shown, await seen(tx, deployment))
    added = [f"item:{key}" for key in command.items if key not in command.before]
    gone = [f"item:{key}" for key in command.before if key not in command.items]
    counting = {mark.key for mark in await _counting(tx, deployment.id)}
    for key in [*gone, *(key for key in added if key not in counting)]:
        await tx.unmark(deployment.id, key)
    new = [
        key for key in added if await tx.mark(Mark(deployment.id, key, intent.by, context.now()))
    ]
    if new or gone:  # a look through the checklist is no event
        await note(tx, context.now(), "tick", deployment, intent.by, keys=new, taken_back=gone)
        await tx.wake(deployment.id)
    ticked = counting.union(added).difference(gone)
    return Answer(
        "ticked",
        {**facts_of(deployment), "items": [key for key in mine if f"item:{key}" in ticked]},
    )


async def _with_open_checklist(reader: Reader, id: DeploymentId) -> Deployment:
    deployment = await existing(reader, id)
    if deployment.state not in WAITING:
        raise NotPossible(f"{deployment.is_over_already}; its checklist is closed.")
    return deployment
