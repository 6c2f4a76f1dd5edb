"""How the same version ended the last time in a place: one rule for the answer, the card, the
check, and whoever approves.
"""

from __future__ import annotations

from bot.domain.deployment import Deployment, DeploymentId, Kind, State
from bot.domain.health import figures, worst
from bot.domain.lasttime import Ended, LastTime
from bot.domain.rollout import StepState, serving
from bot.ports.reader import Reader
from bot.ports.time import Json
from bot.services import wentback


async def last_time(
    reader: Reader, service: str, environment: str, commit: str, *, now: DeploymentId = ""
) -> LastTime | None:
    """Say how the newest deployment of a commit ended in a place, but for the one of ``now``; None
    where it went well, or was none.
    """
    if not commit:
        return None
    there = [
        each
        for each in await reader.of_commit(service, commit)
        if each.environment == environment and each.id != now
    ]
    last = next(
        (each for each in there if each.kind is Kind.FORWARD and each.started_at is not None), None
    )
    rule = _RULES.get(last.state) if last is not None else None
    return await rule(reader, last) if last is not None and rule is not None else None


async def of(reader: Reader, deployment: Deployment) -> LastTime | None:
    """Say how a deployment's version ended in its place the time before."""
    return await last_time(
        reader, deployment.service, deployment.environment, deployment.commit, now=deployment.id
    )


async def _failed(reader: Reader, last: Deployment) -> LastTime:
    shots, steps = await reader.snapshots(last.id), await reader.steps(last.id)
    if last.was_stopped:
        return LastTime(
            last.id,
            Ended.STOPPED,
            last.state_since,
            last.ended_by,
            serving(steps),
            figures(shots),
            last.note,
        )
    at = next((step for step in steps if step.state is StepState.FAILED), None)
    return LastTime(
        last.id,
        Ended.NOT_BACK if await wentback.stood(reader, last) else Ended.FAILED,
        last.state_since,
        None,
        at.percent if at else 0,
        worst(shots),
        last.note,
    )


async def _rolled_back(reader: Reader, last: Deployment) -> LastTime:
    back = await reader.rollback_of(last.id)
    by, numbers = back.requested_by if back else None, worst(await reader.snapshots(last.id))
    return LastTime(
        last.id,
        Ended.ROLLED_BACK,
        last.state_since,
        by,
        0,
        numbers,
        "" if last.note == numbers else last.note,
    )


_RULES = {State.FAILED: _failed, State.ROLLED_BACK: _rolled_back}


def facts_of_last_time(found: LastTime | None) -> dict[str, Json] | None:
    """Give it as JSON values."""
    if found is None:
        return None
    return {
        "deployment": found.deployment, "how": str(found.how),
        "at": found.at.isoformat(), "by": str(found.by or ""),
        "percent": found.percent, "numbers": found.numbers, "reason": found.reason,
    }  # fmt: skip
