"""From a ref to the front of the queue: the commit is pinned once, and waits for its turn."""

from __future__ import annotations

import structlog

from bot.domain.deployment import WAITING, Deployment, DeploymentId, Kind, State
from bot.domain.errors import IntegrationError
from bot.domain.live import Live
from bot.domain.places import is_answer_to
from bot.ports.ci import Resolved
from bot.ports.engine import Later
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.ports.time import Json
from bot.services.ahead import redraw_behind
from bot.services.context import (
    Context,
    existing,
    note,
)
from bot.services.needless import is_there, refused_now
from bot.services.previous import previous_of, why_none
from bot.services.refs import look_up, moved_from, refused_late, what_was_taken
from bot.services.ways import know_changes

log = structlog.get_logger(__name__)


async def pin(context: Context, id: DeploymentId) -> bool:
    """Resolve the ref to a commit, once and for ever, and compare it with what is live; False when
    there is nothing to deploy.
    """
    async with context.store.reading() as reader:
        deployment = await existing(reader, id)
        place = (deployment.service, deployment.environment)
        live, releases = await reader.live(*place), await reader.releases(*place)
    if deployment.state is not State.REQUESTED:
        return deployment.state in WAITING
    resolved = Resolved(deployment.commit, deployment.version)
    if not deployment.commit:
        try:
            resolved = await resolve(context, place, deployment.ref, live, releases)
        except IntegrationError as error:
            if error.retry:
                raise
            return await _impossible(context, deployment, str(error))
    async with context.store.transaction() as tx:
        if not await pin_to(context, tx, deployment, resolved):
            return False
    await know_changes(context, id)
    return True


async def resolve(
    context: Context,
    place: tuple[str, str],
    ref: str,
    live: Live | None,
    releases: tuple[Live, ...],
) -> Resolved:
    """Say which commit a ref means now. ``previous`` is the version verified before the one that is
    live. Raises IntegrationError.
    """
    if ref != "previous":
        return await look_up(context, place[0], ref)
    previous = previous_of(live, releases)
    if previous is None:
        async with context.store.reading() as reader:
            why = await why_none(reader, *place, live)
        raise IntegrationError(why, vendor="Go/No-Go", retry=False)
    return Resolved(previous.commit, previous.version)


async def pin_to(
    context: Context, tx: Transaction, deployment: Deployment, resolved: Resolved
) -> bool:
    """Pin a deployment to a commit and put it in the queue; False where that was done before, or
    there is nothing to deploy.
    """
    now = context.now()
    if (await existing(tx, deployment.id)).state is not State.REQUESTED:
        return False
    refused = await refused_now(
        context, tx, deployment.service, deployment.environment, resolved, apart_from=deployment.id
    )
    if refused is not None:
        return await end(context, tx, deployment, str(refused))
    await tx.move(deployment.id, State.QUEUED, at=now)
    await tx.pin(deployment.id, resolved.commit, resolved.version)
    took = what_was_taken(
        resolved, await moved_from(tx, deployment, resolved.version, resolved.commit)
    )
    about: dict[str, Json] = {
        "ref": deployment.ref,
        "pinned": resolved.commit,
        "version": resolved.version,
    }
    await note(tx, now, "pinned", deployment, **(about | ({"took": took} if took else {})))
    return True


async def end_needless(context: Context, tx: Transaction, deployment: Deployment) -> bool:
    """End what waits for its turn, its gates or its approval although its commit has become live
    meanwhile; tell whether it has.
    """
    if not await is_there(tx, deployment.service, deployment.environment, deployment.commit):
        return False
    live = await tx.live(deployment.service, deployment.environment)
    by = await tx.deployment(live.deployment) if live and live.deployment else None
    how = f": {by.id} {'put it back' if by.kind is Kind.ROLLBACK else 'brought it'}" if by else ""
    place = f"{deployment.version} is live in {deployment.environment}"
    await end(context, tx, deployment, f"{place} already{how}, so there is nothing to deploy.")
    return True


async def _impossible(context: Context, deployment: Deployment, sentence: str) -> bool:
    async with context.store.transaction() as tx:
        return await end(context, tx, deployment, sentence)


async def end(context: Context, tx: Transaction, deployment: Deployment, sentence: str) -> bool:
    """End what has turned out to be impossible, unless somebody has ended it meanwhile."""
    if await tx.move(deployment.id, State.IMPOSSIBLE, at=context.now(), note=sentence):
        await note(tx, context.now(), "impossible", deployment, why=sentence)
        await tx.release(deployment.id)
        if not deployment.commit and deployment.requested_by.team == context.catalog.team:
            await tx.say(refused_late(deployment, sentence))
    return False


async def take_turn(context: Context, id: DeploymentId) -> bool | Later:
    """Take the environment's claim, first come first served; while another one has it there is
    nothing to look at until that is woken.
    """
    async with context.store.transaction() as tx:
        deployment = await existing(tx, id)
        if deployment.state not in WAITING:
            return False
        if deployment.state is not State.QUEUED:
            return True
        if not await tx.claim(
            deployment.service, deployment.environment, id, await passed_by(tx, deployment)
        ):
            return Later(context.intervals.parked)
        await tx.move(id, State.GATED, at=context.now())
        await redraw_behind(tx, deployment)
        return True


async def passed_by(reader: Reader, deployment: Deployment) -> tuple[DeploymentId, ...]:
    """Name what an answer to a failure does not queue behind: what was asked for before it cannot
    go until that is answered.
    """
    doubt = await reader.doubt(deployment.service, deployment.environment)
    if doubt is None or not is_answer_to(deployment, doubt):
        return ()
    coming = await reader.open_deployments(deployment.service, deployment.environment)
    return tuple(
        each.id for each in coming if each.state in WAITING and not is_answer_to(each, doubt)
    )
