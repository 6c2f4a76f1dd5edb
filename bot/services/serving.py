"""What serves in a place beside what is recorded as live, or instead of it, with what
share and which numbers.
"""

from __future__ import annotations

from dataclasses import replace

from bot.domain.called import called
from bot.domain.deployment import Deployment, DeploymentId, State, is_of
from bot.domain.health import Snapshot
from bot.domain.live import Live
from bot.domain.share import Beside, Part, beside
from bot.ports.reader import Reader
from bot.ports.time import Json
from bot.services.context import Context, facts_of_snapshot, unclear
from bot.services.hanging import hanging
from bot.services.targets import undoable
from bot.services.wentback import numbers_meanwhile

BASELINE = "baseline"
"""The label of the numbers from before a rollout."""


async def newest_numbers(reader: Reader, id: DeploymentId) -> Snapshot | None:
    """Read the newest numbers that judge a deployment; the baseline is none of them."""
    shots = await reader.snapshots(id)
    return next((shot for shot in reversed(shots) if shot.label != BASELINE), None)


async def numbers_of_live(reader: Reader, live: Live) -> Snapshot | None:
    """Read the newest numbers of what is recorded as live. Those from before somebody said that
    it is live are of an older time: nobody knows what was there between.
    """
    shot = await newest_numbers(reader, live.deployment)
    is_older = shot is not None and live.said is not None and shot.at <= live.said.at
    return None if is_older else shot


async def serves_beside(
    context: Context, reader: Reader, service: str, environment: str, live: Live | None
) -> Beside | None:
    """Say what else serves in a place than what is recorded as live: while it comes, while it
    goes, and where it was left.
    """
    over = await undoable(reader, service, environment)
    if over is None:
        return None
    back = (
        await reader.rollback_of(over.id)
        if over.state in {State.ROLLING_BACK, State.FAILED}
        else None
    )
    way_back = await reader.steps(back.id) if back is not None else ()
    found = beside(live.commit if live else "", over, await reader.steps(over.id), back, way_back)
    if found is None or (
        found.part is Part.LEFT and not await unclear(reader, service, environment)
    ):
        return None
    shot = await _numbers(reader, found, over, back)
    seen_at = max(found.at, shot.at) if shot is not None and found.percent else found.at
    is_of_it = is_of(found.deployment, over.id)
    name = (
        called(over.version, over.commit, beside=[(live.version, live.commit)] if live else ())
        if is_of_it
        else found.version
    )
    return replace(
        found, version=name, snapshot=shot, at=seen_at, hangs=await hanging(context, reader, over)
    )


async def _numbers(
    reader: Reader, found: Beside, over: Deployment, back: Deployment | None
) -> Snapshot | None:
    """Read the newest numbers of what serves: those from the time of a rollback are of what it
    undoes until it has put the other back.
    """
    shot = await numbers_meanwhile(reader, back.id) if back is not None else None
    if back is not None and is_of(found.deployment, back.id):
        return shot
    return shot or await newest_numbers(reader, over.id)


def facts_of_beside(found: Beside | None) -> dict[str, Json] | None:
    """Give what serves beside what is recorded as live as JSON values."""
    if found is None:
        return None
    hangs: dict[str, Json] | None = None
    if found.hangs is not None:
        hangs = {"rollback": found.hangs.rollback, "since": found.hangs.since.isoformat()}
    return {
        "part": str(found.part), "deployment": found.deployment,
        "version": found.version, "percent": found.percent, "cut": found.cut,
        "at": found.at.isoformat(),
        "snapshot": facts_of_snapshot(found.snapshot) if found.snapshot else None, "hangs": hangs,
    }  # fmt: skip
