"""A lock that comes or goes is said in the thread of every deployment that it concerns: by whom, why, and what follows."""

from __future__ import annotations

from collections.abc import Mapping

from bot.domain.deployment import WAITING, Deployment, DeploymentId, Kind
from bot.domain.locks import Lock
from bot.domain.people import Person
from bot.ports import Json, Message, Transaction
from bot.services.house import facts_of

NOTHING: Mapping[DeploymentId, int] = {}


async def say_locked(tx: Transaction, lock: Lock, key: str) -> None:
    """Say that a place is locked now; ``key`` names the occasion."""
    for deployment in await _concerned(tx, lock):
        await _say(tx, lock, deployment, key, by=lock.by, lifted=False)


async def say_unlocked(tx: Transaction, lock: Lock, key: str, by: Person, freed: Mapping[DeploymentId, int] = NOTHING) -> None:
    """Say that a lock is gone, also in the thread of the rollback that set it; ``freed`` says what goes on to which percentage."""
    for deployment in await _concerned(tx, lock):
        await _say(tx, lock, deployment, key, by=by, lifted=True, percent=freed.get(deployment.id))


async def _concerned(tx: Transaction, lock: Lock) -> list[Deployment]:
    coming = [each for each in await tx.open_deployments(lock.service, lock.environment) if each.kind is Kind.FORWARD]
    undone = await tx.deployment(lock.deployment) if lock.deployment else None
    return [*coming, undone] if undone is not None and undone not in coming else coming


async def _say(
    tx: Transaction, lock: Lock, deployment: Deployment, key: str, *, by: Person, lifted: bool, percent: int | None = None
) -> None:
    facts: dict[str, Json] = {
        **facts_of(deployment), "by": str(by), "lifted": lifted, "place": lock.service, "reason": lock.reason, "locked_by": str(lock.by),
        "until": lock.until.isoformat() if lock.until else "", "waits": deployment.state in WAITING, "percent": percent,
        "keeps": not lifted and deployment.id != lock.deployment,
    }  # fmt: skip
    await tx.say(Message(f"{deployment.id}:lock:{key}", "lock_said", facts, deployment.id))
