"""Locks: keep deployments out of an environment, with a reason that everybody can read."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from bot.domain.actions import Action
from bot.domain.audit import Entry
from bot.domain.catalog import Permission
from bot.domain.commands import Lock as LockCommand
from bot.domain.commands import Locks, Unlock
from bot.domain.deployment import WAITING, Kind, State
from bot.domain.errors import NotPossible, Offer
from bot.domain.locks import Lock
from bot.domain.shown import Seen, token
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.ports.talk import Answer, Intent
from bot.ports.time import Json
from bot.services import standstills
from bot.services.context import Context, act, existing
from bot.services.obstacles import say_locked, say_unlocked
from bot.services.word import end_words


async def lock(context: Context, intent: Intent, command: LockCommand) -> Answer | None:
    """Lock one service's environment, or everybody's."""
    _known(context, command.service, command.environment)
    await context.people.require(intent.by, Permission.LOCK, "lock an environment")
    now = context.now()
    until = now + command.duration if command.duration else None
    new = Lock(command.service, command.environment, command.reason, intent.by, now, until)
    return await act(context, intent, lambda tx: _lock(intent, tx, new))


async def _lock(intent: Intent, tx: Transaction, new: Lock) -> Answer:
    if not await tx.add_lock(new):
        same = (
            old
            for old in await tx.locks(new.service, new.environment)
            if old.service == new.service and not old.deployment
        )
        held = next(same)
        raise NotPossible(
            f"{_begun(held.place)} is locked already, by {held.by.mention}: {held.reason}"
        )
    await _written(tx, intent, "lock", new)
    await say_locked(tx, new, intent.key)
    await _look_again(tx, new)
    under_way, waiting = await _kept(tx, new, {State.ROLLING_OUT}), await _kept(tx, new, WAITING)
    return Answer("locked", {**facts_of_lock(new), "under_way": under_way, "waiting": waiting})


async def _kept(reader: Reader, lock: Lock, states: Collection[State]) -> list[Json]:
    """Name what a lock keeps that is in one of these states."""
    coming = await reader.open_deployments(lock.service, lock.environment)
    return [each.title for each in coming if each.state in states and each.kind is Kind.FORWARD]


async def unlock(context: Context, intent: Intent, command: Unlock) -> Answer | None:
    """Remove exactly the lock that was seen; where several hold and none was
    named, say which there are.
    """
    await context.people.require(intent.by, Permission.LOCK, "unlock an environment")
    return await act(context, intent, lambda tx: _unlock(context, intent, tx, command))


async def _unlock(context: Context, intent: Intent, tx: Transaction, command: Unlock) -> Answer:
    service, environment = command.service, command.environment
    if command.deployment:
        deployment = await existing(tx, command.deployment)
        service, environment = deployment.service, deployment.environment
    holding = [lock for lock in await tx.locks(service, environment) if lock.holds(context.now())]
    own = [
        lock
        for lock in holding
        if lock.service == service and command.deployment in {"", lock.deployment}
    ]
    if command.shown:
        own = [lock for lock in own if token(Action.UNLOCK, Seen(lock=lock.mark)) == command.shown]
    if not own:
        _known(context, service, environment)
        raise NotPossible(
            _no_such_lock(service, environment, holding, of_rollback=command.deployment != "")
        )
    if len(own) > 1:
        raise NotPossible(_which(own), *[_offer(lock) for lock in own])
    gone = own[0]
    stood = await standstills.kept(
        context, tx, await tx.open_deployments(gone.service, gone.environment)
    )
    await tx.remove_lock(gone)
    await _written(tx, intent, "unlock", gone)
    going = await standstills.freed(context, tx, stood)
    await end_words(context, tx, going)
    await say_unlocked(
        tx,
        gone,
        intent.key,
        intent.by,
        intent.at,
        going,
        still=[lock for lock in holding if lock != gone],
    )
    await _look_again(tx, gone)
    still = [facts_of_lock(lock) for lock in holding if lock != gone]
    return Answer(
        "unlocked",
        {
            **facts_of_lock(gone),
            "still": still,
            "goes_on": standstills.facts_of_freed(stood, going),
        },
    )


def _no_such_lock(
    service: str, environment: str, still: Sequence[Lock], *, of_rollback: bool
) -> str:
    """Say that there is no lock of just this place, and which other one holds it all the same."""
    first = (
        "The lock of this rollback is gone already."
        if of_rollback
        else _none_there(service, environment)
    )
    held = [lock for lock in still if lock.service in {service, ""}] or list(still)
    if not held:
        return (
            f"{first} Nothing is locked there now."
            if of_rollback
            else f"{first} /deploy locks lists what is locked."
        )
    lock = held[0]
    how = f"/deploy unlock {lock.service or 'all'} {environment}"
    return (
        f"{first} {_begun(lock.place)} is locked, by {lock.by.mention}: "
        f"{lock.reason}. {how} takes that away."
    )


def _which(own: Sequence[Lock]) -> str:
    listed = "; ".join(f"by {lock.by.mention}: {lock.reason}" for lock in own)
    which = "Which of them is taken away? That of a rollback has a button on its card, too."
    return f"{_begun(own[0].place)} has {len(own)} locks ({listed}). {which}"


def _offer(lock: Lock) -> Offer:
    """Offer to take away one of several locks: that of a rollback, or the
    one that somebody typed.
    """
    label = (
        f"Take away the lock of {lock.deployment}"
        if lock.deployment
        else "Take away the lock that was typed"
    )
    about = lock.deployment or f"{lock.service or 'all'}/{lock.environment}"
    return Offer(Action.UNLOCK, label, about, carries=token(Action.UNLOCK, Seen(lock=lock.mark)))


async def locks(context: Context, intent: Intent, _command: Locks) -> Answer:
    """List every lock that holds."""
    await context.people.require(intent.by, Permission.VIEW, "see the locks")
    async with context.store.reading() as reader:
        found = [lock for lock in await reader.locks() if lock.holds(context.now())]
    return Answer("locks", {"locks": [facts_of_lock(lock) for lock in found]})


def facts_of_lock(lock: Lock) -> dict[str, Json]:
    """Give a lock's facts as JSON values."""
    return {
        "service": lock.service, "environment": lock.environment,
        "reason": lock.reason, "by": str(lock.by),
        "at": lock.at.isoformat(), "until": lock.until.isoformat() if lock.until else "",
    }  # fmt: skip


def _none_there(service: str, environment: str) -> str:
    return (
        f"There is no lock on {service} in {environment} alone."
        if service
        else f"There is no lock on everything in {environment}."
    )


def _begun(place: str) -> str:
    """Begin a sentence with a place; a service is written as it is."""
    return (
        place.replace("everything in ", "Everything in ", 1)
        if place.startswith("everything in ")
        else place
    )


def _known(context: Context, service: str, environment: str) -> None:
    if service:
        context.policy(service, environment)
    else:
        context.environment(environment)


async def _written(
    tx: Transaction, intent: Intent, action: Literal["lock", "unlock"], lock: Lock
) -> None:
    await tx.audit(
        Entry(
            at=intent.at,
            actor=intent.by,
            action=action,
            deployment=lock.deployment,
            facts=facts_of_lock(lock),
        )
    )


async def _look_again(tx: Transaction, lock: Lock) -> None:
    """Have every deployment that the lock concerns look at its gates again."""
    for deployment in await tx.open_deployments(lock.service, lock.environment):
        await tx.wake(deployment.id)
