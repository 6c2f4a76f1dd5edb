"""Why a commit cannot be asked for in a place now, or need not be."""

from __future__ import annotations

from bot.domain.actions import Action
from bot.domain.deployment import WAITING, Deployment, DeploymentId, Kind, State
from bot.domain.errors import NotPossible, Offer
from bot.domain.people import Person
from bot.domain.shown import token
from bot.ports.ci import Resolved
from bot.ports.reader import Reader
from bot.services.context import (
    Context,
    seen,
    unclear,
)
from bot.services.hanging import hanging_in, way_on

STILL_COMING = WAITING | {State.ROLLING_OUT}


async def under_way(
    reader: Reader, service: str, environment: str, commit: str
) -> Deployment | None:
    """Find a deployment under way that brings a commit to an environment."""
    return next(
        (
            each
            for each in await reader.open_deployments(service, environment)
            if _brings(each, commit)
        ),
        None,
    )


def _brings(deployment: Deployment, commit: str) -> bool:
    return (
        deployment.kind is Kind.FORWARD
        and deployment.commit == commit
        and deployment.state in STILL_COMING
    )


def takes_back(deployment: Deployment, commit: str) -> bool:
    """Tell whether a rollback takes a commit away."""
    return deployment.kind is Kind.ROLLBACK and deployment.base_commit == commit


def why_kept_out(service: str, version: str, why: str, here: str = "") -> str:
    """Say why a commit cannot be deployed, and what can; ``here`` is what it has in the
    place for which it is asked.
    """
    return (
        f"{version} is quarantined: {why}. {here}Deploy another version; what was right in this "
        "one can come as a new commit, "
        f"or the quarantine is lifted: /deploy unquarantine {service} {version} because TEXT."
    )


async def refused_now(
    context: Context,
    reader: Reader,
    service: str,
    environment: str,
    resolved: Resolved,
    *,
    by: Person | None = None,
    apart_from: DeploymentId = "",
) -> NotPossible | None:
    """Say why a commit cannot be asked for in a place: it is quarantined, or it
    comes or is there already.

    What waits there for the end of its quarantine brings nothing: whoever asks (``by``) and can
    take it back is offered that.
    """
    why = await reader.quarantine(service, resolved.commit)
    coming = [
        each
        for each in await reader.open_deployments(service, environment)
        if each.id != apart_from
    ]
    first = next((each for each in coming if _brings(each, resolved.commit)), None)
    back = next((each for each in coming if takes_back(each, resolved.commit)), None)
    if why and (first is not None or back is not None):
        refused = why_kept_out(service, resolved.version, why, _comes_of_it(first, back))
        return NotPossible(
            refused, *(await _taking_back(reader, first, by) if first is not None else ())
        )
    needless = await needless_now(
        context, reader, service, environment, resolved, apart_from=apart_from
    )
    if needless or why:
        return NotPossible(needless or why_kept_out(service, resolved.version, why))
    return None


def _comes_of_it(first: Deployment | None, back: Deployment | None) -> str:
    """Say what is under way there with a version that is quarantined: its rollback, and what was
    asked for or stands still.
    """
    said = f"{back.id} is rolling it back in {back.environment} now. " if back is not None else ""
    if first is None:
        return said
    if first.state in WAITING:
        return (
            f"{said}{first.id}, which is to bring it to {first.environment}, does not begin: "
            f"/deploy cancel {first.id} takes it back. "
        )
    return (
        f"{said}{first.id}, which has begun to bring it to {first.environment}, "
        "goes no further by itself. "
    )


async def _taking_back(reader: Reader, first: Deployment, by: Person | None) -> tuple[Offer, ...]:
    if first.state not in WAITING or by not in {first.requested_by, first.lead}:
        return ()
    return (
        Offer(
            Action.CANCEL,
            f"Cancel {first.id}",
            first.id,
            carries=token(Action.CANCEL, await seen(reader, first)),
        ),
    )


async def needless_now(
    context: Context,
    reader: Reader,
    service: str,
    environment: str,
    resolved: Resolved,
    *,
    apart_from: DeploymentId = "",
) -> str:
    """Say why there is nothing to do: somebody has asked for the same, or it
    is live already and whole.
    """
    coming = await reader.open_deployments(service, environment)
    first = next(
        (each for each in coming if _brings(each, resolved.commit) and each.id != apart_from), None
    )
    if first is not None:
        return f"{first.id} brings {resolved.version} to {environment} already."
    back = next(
        (each for each in coming if each.kind is Kind.ROLLBACK and each.commit == resolved.commit),
        None,
    )
    if back is not None:
        hangs = await hanging_in(context, reader, service, environment)
        how = f" It takes longer than it should. {way_on(back)}" if hangs is not None else ""
        return (
            f"The rollback of {back.undoes} is putting {resolved.version} back in {environment} "
            f"already, as {back.id}.{how}"
        )
    if await is_there(reader, service, environment, resolved.commit):
        return (
            f"{resolved.version} is live in {environment} already, so there is nothing to deploy."
        )
    return ""


async def is_there(reader: Reader, service: str, environment: str, commit: str) -> bool:
    """Tell whether a commit is known to be live and whole. What is unclear is not known; deploying
    proves what was only said.
    """
    live = await reader.live(service, environment)
    if (
        live is None
        or live.commit != commit
        or live.is_only_said
        or await unclear(reader, service, environment)
    ):
        return False
    current = await reader.current(service, environment)
    return current is None or current.state in {State.WATCHING, State.VERIFIED, State.ACCEPTED}
