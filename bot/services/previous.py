"""The version that was verified in a place before the one that is live there."""

from __future__ import annotations

from bot.domain.deployment import Kind, State
from bot.domain.live import Live
from bot.ports.reader import Reader

LOOKED_THROUGH = 30
"""How many deployments and rollbacks of a place are looked through for one that was verified."""
NEVER_ONE = "There is no previous version that was verified here."


def previous_of(live: Live | None, releases: tuple[Live, ...]) -> Live | None:
    """Give the newest version that was verified in a place and is not live there."""
    others = (
        release
        for release in releases
        if release.verified_at and (live is None or release.commit != live.commit)
    )
    return next(others, None)


async def why_none(reader: Reader, service: str, environment: str, live: Live | None) -> str:
    """Say why no version is the previous one, and name what was verified there all the same: what
    was gone back from since nobody gets without naming it.
    """
    commit, place = live.commit if live else "", (service, environment)
    kept_out = [
        each
        for each in await reader.releases(*place, limit=None, kept_out=True)
        if each.verified_at and each.commit != commit
    ]
    bad = {each.commit for each in kept_out}
    for each in await reader.history(*place, limit=LOOKED_THROUGH):
        is_gone = each.kind is Kind.FORWARD and each.state is State.ROLLED_BACK
        if is_gone and each.commit not in {commit, *bad} and await reader.was_verified(each):
            back = await reader.rollback_of(each.id)
            return _was(
                each.version, "was rolled back since", back.requested_by.mention if back else ""
            )
    for gone in await reader.left_by_hand(*place):
        if gone.commit not in {commit, *bad}:
            return _was(gone.version, "was gone back from by hand", gone.by.mention)
    if kept_out:
        why = await reader.quarantine(service, kept_out[0].commit)
        return f"{kept_out[0].version} was verified here, but is quarantined: {why}."
    return NEVER_ONE


def _was(version: str, how: str, by: str) -> str:
    said = f"{version} was verified here, but {how}"
    return f"{said}{f' by {by}' if by else ''}; name it to deploy it."
