"""The queue of a place: whose turn it is. A rollback waits for nobody; it seizes the claim."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from bot.domain.deployment import BEFORE_TURN, Deployment, DeploymentId, Kind, is_of


def is_next(
    id: DeploymentId,
    holder: DeploymentId,
    open_there: Iterable[Deployment],
    passing: Collection[DeploymentId] = (),
) -> bool:
    """Tell whether a deployment may take a place's claim: it has it already, or nobody comes first.

    First comes whoever ``holder`` names, and what was asked for earlier, as long as they
    still need the place to themselves; what is only watched needs it no more, nor does
    what is to be passed by.
    """
    if is_of(holder, id):
        return True
    asked = number(id)
    return not any(
        other.state in BEFORE_TURN and other.id not in passing
        for other in open_there
        if is_of(holder, other.id) or (other.kind is Kind.FORWARD and number(other.id) < asked)
    )


def number(id: DeploymentId) -> int:
    """Give the number by which people name a deployment: the later it was asked for, the higher."""
    return int(id.rpartition("-")[2])
