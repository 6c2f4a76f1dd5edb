"""A lock that comes or goes is said in the thread of every deployment that it concerns: by
whom, why, and what follows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from bot.domain.deployment import WAITING, Deployment, DeploymentId, Kind, is_of
from bot.domain.locks import Lock
from bot.domain.people import Person
from bot.ports.store import Transaction
from bot.ports.talk import Message
from bot.ports.time import Json
from bot.services.context import facts_of
from bot.services.standstills import NO_LONGER, Freed

NOTHING: Mapping[DeploymentId, Freed] = {}


async def say_locked(tx: Transaction, lock: Lock, key: str) -> None:
    """Say that a place is locked now; ``key`` names the occasion."""
    for deployment in await _concerned(tx, lock):
        keeps = {"keeps": not is_of(lock.deployment, deployment.id), **NO_LONGER, **_other(None)}
        await _say(
            tx,
            lock,
            deployment,
            key,
            {
                "by": str(lock.by),
                "at": lock.at.isoformat(),
                "lifted": False,
                "rollback": lock.deployment,
                **keeps,
            },
        )


async def say_unlocked(
    tx: Transaction,
    lock: Lock,
    key: str,
    by: Person,
    at: datetime,
    freed: Mapping[DeploymentId, Freed] = NOTHING,
    *,
    still: Sequence[Lock] = (),
) -> None:
    """Say that a lock is gone, also in the thread of the rollback that set it.

    ``freed`` says what goes on to what, ``still`` which other locks hold there.
    """
    for deployment in await _concerned(tx, lock):
        other = next((each for each in still if each.service in {"", deployment.service}), None)
        goes_on = freed[deployment.id].facts if deployment.id in freed else NO_LONGER
        then = {"keeps": False, **goes_on, **_other(other)}
        await _say(
            tx,
            lock,
            deployment,
            key,
            {"by": str(by), "at": at.isoformat(), "lifted": True, "rollback": "", **then},
        )


def _other(lock: Lock | None) -> dict[str, Json]:
    if lock is None:
        return {"other": "", "other_by": "", "other_reason": ""}
    return {"other": lock.place, "other_by": str(lock.by), "other_reason": lock.reason}


async def _concerned(tx: Transaction, lock: Lock) -> list[Deployment]:
    coming = [
        each
        for each in await tx.open_deployments(lock.service, lock.environment)
        if each.kind is Kind.FORWARD
    ]
    undone = await tx.deployment(lock.deployment) if lock.deployment else None
    return [*coming, undone] if undone is not None and undone not in coming else coming


async def _say(
    tx: Transaction, lock: Lock, deployment: Deployment, key: str, what: Mapping[str, Json]
) -> None:
    facts: dict[str, Json] = {
        **facts_of(deployment), **what, "place": lock.place,
        "reason": lock.reason, "locked_by": str(lock.by),
        "until": lock.until.isoformat() if lock.until else "", "waits": deployment.state in WAITING,
    }  # fmt: skip
    await tx.say(Message(f"{deployment.id}:lock:{key}", "lock_said", facts, deployment.id))
