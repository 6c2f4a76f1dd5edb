"""Why it was rolled back, said afterwards: a rollback waits for no reason, and whoever began it gives theirs when it runs."""

from __future__ import annotations

from dataclasses import replace

from bot.domain import rollback
from bot.domain.actions import Action
from bot.domain.commands import SayWhy
from bot.domain.deployment import Deployment, DeploymentId, State
from bot.domain.errors import NotAllowed, NotPossible
from bot.domain.locks import Lock
from bot.domain.people import Person
from bot.ports import Answer, Intent, Message, Reader, Transaction
from bot.services.house import House, act, as_shown, existing, facts_of, note, seen


async def may_say_why(house: House, by: Person, id: DeploymentId) -> None:
    """Look whether somebody may give the reason of a rollback. Raises Refusal."""
    async with house.store.reading() as reader:
        await _without_reason(reader, by, id)


async def say_why(house: House, intent: Intent, command: SayWhy) -> Answer | None:
    """Store the reason of a rollback that was begun without one, and tell it where the rollback is told."""
    return await act(house, intent, lambda tx: _say_why(house, intent, tx, command))


async def _say_why(house: House, intent: Intent, tx: Transaction, command: SayWhy) -> Answer:
    undone = await _without_reason(tx, intent.by, command.deployment)
    as_shown(Action.SAY_WHY, command.shown, await seen(tx, undone))
    return await give(house, intent, tx, undone, command.reason)


async def give(house: House, intent: Intent, tx: Transaction, undone: Deployment, reason: str) -> Answer:
    """Write the reason of a rollback wherever it is told."""
    await tx.change(undone.id, note=reason)
    back = await tx.rollback_of(undone.id)
    if back is not None:
        await tx.change(back.id, reason=reason)
    await _on_its_lock(tx, undone, reason)
    await note(tx, house.now(), "say_why", undone, intent.by, reason=reason)
    facts = {**facts_of(undone), "by": str(intent.by), "reason": reason}
    await tx.say(Message(f"{back.id if back else undone.id}:why", "rollback_why", facts, undone.id))
    return Answer("why_said", {**facts, "has_lock": await has_lock(house, tx, undone)})


async def has_lock(house: House, reader: Reader, undone: Deployment) -> bool:
    """Tell whether there is a lock that says why it was rolled back, or will be one when it is."""
    is_coming = undone.state is State.ROLLING_BACK and house.of(undone)[1].lock_after_rollback
    return is_coming or bool(await _its_locks(reader, undone))


async def _its_locks(reader: Reader, undone: Deployment) -> list[Lock]:
    return [lock for lock in await reader.locks(undone.service, undone.environment) if lock.deployment == undone.id]


async def _on_its_lock(tx: Transaction, undone: Deployment, reason: str) -> None:
    """Write the reason on the lock that the rollback has set."""
    for lock in await _its_locks(tx, undone):
        await tx.remove_lock(lock)
        await tx.add_lock(replace(lock, reason=rollback.why_locked(undone.version, reason)))


async def _without_reason(reader: Reader, by: Person, id: DeploymentId) -> Deployment:
    """Read what was rolled back without a reason. Raises NotAllowed and NotPossible."""
    undone = await existing(reader, id)
    if undone.state not in {State.ROLLING_BACK, State.ROLLED_BACK}:
        raise NotPossible(f"{undone.stands}; it was not rolled back.")
    back = await reader.rollback_of(id)
    if by not in {undone.lead, back.requested_by if back else None}:
        lead = undone.lead.mention if undone.lead else "its lead"
        raise NotAllowed(f"Only {lead}, who led it, can say why {undone.title} was rolled back.")
    if undone.note:
        raise NotPossible(f"Why {undone.title} was rolled back is said already: {undone.note}")
    return undone
