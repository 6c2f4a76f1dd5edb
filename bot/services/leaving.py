"""How one gets rid of what is live in a place: one rule for everything that prints a command for
it, and for that command itself.
"""

from __future__ import annotations

from bot.domain.deployment import AT_REST, CAN_ROLL_BACK, Deployment, Kind, State
from bot.domain.live import Live
from bot.domain.rollback import Leaving
from bot.domain.share import Share, brought_by_now, share_of
from bot.ports.board import UnderWay, WayOut
from bot.ports.reader import Reader
from bot.services.context import Context
from bot.services.offers import rollback_offer
from bot.services.targets import target_for, undoable


async def way_out(context: Context, reader: Reader, live: Live) -> WayOut:
    """Say how what is live can be made to go from where it is."""
    return await out_of(context, reader, live.service, live.environment, commit=live.commit)


async def out_of(
    context: Context, reader: Reader, service: str, environment: str, *, commit: str = ""
) -> WayOut:
    """Say how what can be rolled back in a place goes from there, if it is this commit;
    without one, whatever it is.
    """
    found = await undoable(reader, service, environment)
    if (
        found is not None
        and found.commit != (commit or found.commit)
        and found.state is State.ROLLING_OUT
    ):
        return WayOut(environment, Leaving.REPLACED, found.id, str(found.lead or ""))
    back = (
        await reader.rollback_of(found.id)
        if found is not None and found.state is State.ROLLING_BACK
        else None
    )
    if found is not None and back is not None and found.commit == (commit or found.commit):
        return WayOut(environment, Leaving.UNDONE, back.id, str(found.lead or ""))
    if (
        found is None
        or found.commit != (commit or found.commit)
        or found.state not in CAN_ROLL_BACK
    ):
        return WayOut(environment, Leaving.DEPLOY)
    offer = await rollback_offer(context, reader, found)
    how = Leaving.PLAN if offer.plan else Leaving.ROLLBACK if offer.is_possible else Leaving.DEPLOY
    return WayOut(environment, how, found.id, str(found.lead or ""))


async def under_way_with(
    context: Context, reader: Reader, service: str, commit: str
) -> list[UnderWay]:
    """Name the places where a commit is under way, whoever quarantines it; what is being rolled
    back already goes by itself.
    """
    found = [
        each
        for each in await reader.open_deployments(service)
        if each.commit == commit and each.kind is Kind.FORWARD
    ]
    return [
        await under_way_as(context, reader, each)
        for each in found
        if each.state is not State.ROLLING_BACK
    ]


async def under_way_as(context: Context, reader: Reader, deployment: Deployment) -> UnderWay:
    """Say what a deployment that is under way has brought to its place by now, and who can
    have it away from there.
    """
    now = brought_by_now(deployment, await reader.steps(deployment.id))
    people = (
        [deployment.lead]
        if now.is_begun
        else dict.fromkeys([deployment.lead, deployment.requested_by])
    )
    who = tuple(str(each) for each in people if each is not None)
    how = await how_away(context, reader, deployment) if now.is_begun else Leaving.CANCEL
    return UnderWay(
        deployment.environment, deployment.id, how, who, now.is_begun, now.percent, now.coming
    )


async def how_away(context: Context, reader: Reader, deployment: Deployment) -> Leaving:
    """Say what whoever leads a deployment alone can do about it, once it is there."""
    offer = await rollback_offer(context, reader, deployment)
    if offer.is_possible:
        return Leaving.ROLLBACK
    if deployment.is_in_part_there:
        return Leaving.STOP
    return Leaving.PLAN if offer.plan else Leaving.DEPLOY


async def share_now(reader: Reader, live: Live) -> Share | None:
    """Say what share of the requests what is recorded as live has now; None where nothing else gets
    any, as far as is known.
    """
    over = await undoable(reader, live.service, live.environment)
    if over is None:
        return None
    back = await reader.rollback_of(over.id) if over.state is State.ROLLING_BACK else None
    return share_of(live.commit, over, await reader.steps(over.id), back)


async def has_requests(reader: Reader, live: Live) -> bool:
    """Tell whether what is recorded as live gets any: what rolls out over it, or is taken back
    again, may have them all.
    """
    share = await share_now(reader, live)
    return share is None or share.has_requests


async def going_back_to(
    context: Context, reader: Reader, service: str, commit: str
) -> list[Deployment]:
    """Name what is under way, or has failed, and would go back to a commit: without that it has
    another way back, or none.
    """
    found = [
        await undoable(reader, service, environment)
        for environment in context.service(service).environments
    ]
    open_ones = [
        each for each in found if each is not None and each.state in CAN_ROLL_BACK - AT_REST
    ]
    targets = [await target_for(reader, each) for each in open_ones]
    return [
        each
        for each, target in zip(open_ones, targets, strict=True)
        if target is not None and target.commit == commit
    ]


async def put_back_now(
    context: Context, reader: Reader, service: str, commit: str
) -> list[tuple[Deployment, Deployment]]:
    """Name the rollbacks that are putting a commit back at this moment, which nothing stops,
    each with what it undoes.
    """
    found = [
        await undoable(reader, service, environment)
        for environment in context.service(service).environments
    ]
    undone = [each for each in found if each is not None and each.state is State.ROLLING_BACK]
    backs = [await reader.rollback_of(each.id) for each in undone]
    return [
        (back, each)
        for back, each in zip(backs, undone, strict=True)
        if back is not None and back.commit == commit
    ]
