"""Why something was done with one click, said afterwards: a rollback, a stop and the end of a
rollback that hangs wait for no reason.

Whoever did it, and the lead, give it when there is time;
``bot.domain.whys`` says what asks for one.
"""

from __future__ import annotations

from dataclasses import replace

from bot.domain import rollback
from bot.domain.actions import Action
from bot.domain.commands import SayWhy
from bot.domain.deployment import Deployment, DeploymentId, State, is_of
from bot.domain.errors import NotAllowed, NotPossible, Offer
from bot.domain.locks import Lock
from bot.domain.people import Person
from bot.domain.shown import token
from bot.domain.whys import Deed, Why, why_of
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.ports.talk import Answer, Intent, Message
from bot.services.context import Context, act, as_shown, existing, facts_of, note, seen

_SAID = {
    Deed.ROLLBACK: "{} was rolled back",
    Deed.STOP: "{} was stopped",
    Deed.GIVE_UP: "the rollback of {} was given up",
}


async def may_say_why(context: Context, by: Person, id: DeploymentId) -> None:
    """Look whether somebody may give the reason of what was done. Raises Refusal."""
    async with context.store.reading() as reader:
        await _without_reason(reader, by, id)


async def say_why(context: Context, intent: Intent, command: SayWhy) -> Answer | None:
    """Store the reason of what was done without one, and tell it where that is told."""
    return await act(context, intent, lambda tx: _say_why(context, intent, tx, command))


async def offer(reader: Reader, id: DeploymentId) -> tuple[Offer, ...]:
    """Offer to say why, where that is asked."""
    deployment = await existing(reader, id)
    why = await of(reader, deployment)
    if why is None or not why.is_asked:
        return ()
    return (
        Offer(
            Action.SAY_WHY,
            "Say why…",
            id,
            carries=token(Action.SAY_WHY, await seen(reader, deployment)),
        ),
    )


async def of(reader: Reader, deployment: Deployment) -> Why | None:
    """Give what was done to a deployment that asks for a reason."""
    return why_of(deployment, await reader.rollback_of(deployment.id))


async def _say_why(context: Context, intent: Intent, tx: Transaction, command: SayWhy) -> Answer:
    deployment, why = await _without_reason(tx, intent.by, command.deployment)
    as_shown(Action.SAY_WHY, command.shown, await seen(tx, deployment))
    return await give(context, intent, tx, deployment, why, command.reason)


async def give(
    context: Context, intent: Intent, tx: Transaction, deployment: Deployment, why: Why, reason: str
) -> Answer:
    """Write the reason of what was done wherever that is told."""
    await _WRITE[why.deed](tx, deployment, why, reason)
    await _of_its_quarantine(tx, deployment, why, reason)
    await note(
        tx, context.now(), "say_why", deployment, intent.by, reason=reason, deed=str(why.deed)
    )
    facts = {**facts_of(deployment), "by": str(intent.by), "reason": reason, "deed": str(why.deed)}
    await tx.say(
        Message(f"{why.back or deployment.id}:why:{why.deed}", "said_why", facts, deployment.id)
    )
    return Answer("why_said", {**facts, "has_lock": await has_lock(context, tx, deployment)})


async def _of_rollback(tx: Transaction, undone: Deployment, why: Why, reason: str) -> None:
    await tx.set_note(undone.id, reason)
    if why.back:
        await tx.set_reason(why.back, reason)
    for lock in await _its_locks(tx, undone):
        await tx.remove_lock(lock)
        await tx.add_lock(replace(lock, reason=rollback.why_locked(undone.version, reason)))


async def _of_stop(tx: Transaction, stopped: Deployment, _why: Why, reason: str) -> None:
    await tx.set_note(stopped.id, reason)


async def _of_giving_up(tx: Transaction, undone: Deployment, why: Why, reason: str) -> None:
    await tx.set_note(why.back, reason)
    await tx.set_note(undone.id, reason)


async def _of_its_quarantine(
    tx: Transaction, deployment: Deployment, why: Why, reason: str
) -> None:
    """Have the quarantine that came with it say why, too, wherever that is told."""
    known = await tx.quarantined(deployment.service, deployment.commit)
    back = await tx.deployment(why.back) if why.back else None
    since = back.requested_at if back is not None else deployment.state_since
    if known is None or known.by != why.by or known.at < since or why.deed is Deed.GIVE_UP:
        return
    await tx.set_quarantine_reason(
        deployment.service, deployment.commit, rollback.with_reason(known.reason, reason)
    )
    for each in await tx.of_commit(deployment.service, deployment.commit):
        await tx.redraw(each.id)


_WRITE = {Deed.ROLLBACK: _of_rollback, Deed.STOP: _of_stop, Deed.GIVE_UP: _of_giving_up}


def _who(deployment: Deployment, why: Why) -> str:
    """Name those who may say why: who did it, and who leads it now."""
    if deployment.lead is None or deployment.lead == why.by:
        return (
            f"{why.by.mention}, who led it" if deployment.lead else f"{why.by.mention}, who did it"
        )
    return f"{why.by.mention}, who did it, or {deployment.lead.mention}, who leads it now"


async def has_lock(context: Context, reader: Reader, undone: Deployment) -> bool:
    """Tell whether there is a lock that says why it was rolled back, or will be one when it is."""
    is_coming = undone.state is State.ROLLING_BACK and context.of(undone)[1].lock_after_rollback
    is_there = undone.state is State.ROLLED_BACK and bool(await _its_locks(reader, undone))
    return is_coming or is_there


async def _its_locks(reader: Reader, undone: Deployment) -> list[Lock]:
    return [
        lock
        for lock in await reader.locks(undone.service, undone.environment)
        if is_of(lock.deployment, undone.id)
    ]


async def _without_reason(reader: Reader, by: Person, id: DeploymentId) -> tuple[Deployment, Why]:
    """Read what was done without a reason. Raises NotAllowed and NotPossible."""
    deployment = await existing(reader, id)
    why = await of(reader, deployment)
    if why is None:
        raise NotPossible(f"{deployment.stands}; it was neither rolled back nor stopped.")
    said = _SAID[why.deed].format(deployment.title)
    if by not in {deployment.lead, why.by}:
        raise NotAllowed(f"Only {_who(deployment, why)}, can say why {said}.")
    if why.reason:
        raise NotPossible(f"Why {said} is said already: {why.reason}")
    return deployment, why
