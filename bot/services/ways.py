"""What lies between two versions: asked of the CI provider outside of any view, and stored, so that
a rule can go by it at any moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from bot.domain import rollback
from bot.domain.changes import Changes, taken_by
from bot.domain.deployment import CAN_ROLL_BACK, WAITING, Deployment, DeploymentId, Kind
from bot.domain.errors import IntegrationError
from bot.domain.live import Live
from bot.domain.rollback import Passage, Way
from bot.ports.reader import Reader
from bot.services.context import Context, existing
from bot.services.targets import last_resort, target_for

TOLD = 50
"""Among how many deployments of a place the one is looked for that brought a migration."""
COMPARISON = timedelta(seconds=5)
"""How long anything waits for a comparison; nobody waits at a fire for a list of files."""


async def compare(context: Context, service: str, base: str, head: str) -> Changes:
    """List what ``head`` has and ``base`` has not; not known when the
    provider cannot tell in time.
    """
    if not base or not head:
        return Changes(known=False)
    try:
        async with asyncio.timeout(COMPARISON.total_seconds()):
            changes = await context.providers[service].ci.compare(base, head)
    except (IntegrationError, TimeoutError):
        return Changes(known=False, base=base)
    return replace(changes, base=base)


async def both_ways(
    context: Context, service: str, base: str, head: str
) -> tuple[Changes, Changes]:
    """List what ``head`` has and ``base`` has not, and the other way round; each names what it
    takes away of the other.
    """
    if base == head:
        return Changes(base=base), Changes(base=base)
    there, back = await asyncio.gather(
        compare(context, service, base, head), compare(context, service, head, base)
    )
    there, back = (
        replace(each, migrations=_migrations(context, service, each)) for each in (there, back)
    )
    return replace(there, taken=taken_by(there, back)), replace(back, taken=taken_by(back, there))


def _migrations(context: Context, service: str, changes: Changes) -> tuple[str, ...]:
    return rollback.migrations_in(changes, context.service(service).migrations)


async def between(
    context: Context, service: str, *, leaving: str, to: str, beside: Sequence[str] = ()
) -> Way:
    """Judge going from one commit to another, by asking the provider what would be undone."""
    return (await compared(context, service, leaving=leaving, to=to, beside=beside))[1]


async def compared(
    context: Context, service: str, *, leaving: str, to: str, beside: Sequence[str] = ()
) -> tuple[Changes, Way]:
    """Say what going from one commit to another changes, and judge the way; ``beside`` are commits
    that may be there as well.
    """
    migrations = context.service(service).migrations
    (changes, undoes), *others = await asyncio.gather(
        *(both_ways(context, service, each, to) for each in (leaving, *beside))
    )
    first = rollback.way(leaving=leaving, to=to, undoes=undoes, migrations=migrations)
    along = [
        rollback.way(leaving=each, to=to, undoes=back, migrations=migrations)
        for each, (_, back) in zip(beside, others, strict=True)
    ]
    return changes, rollback.together(first, along)


async def way_back(
    context: Context, service: str, *, leaving: str, to: str, beside: Sequence[str] = ()
) -> Way:
    """Judge going back from one commit to another, as a rollback does it."""
    changes, found = await compared(context, service, leaving=leaving, to=to, beside=beside)
    return rollback.back(found, changes, context.service(service).migrations)


async def left_behind(
    reader: Reader, service: str, environment: str, *, leaving: str
) -> tuple[str, ...]:
    """Name the commits beside ``leaving`` that may be in a place, with their migrations: what
    failed there since it was last known.
    """
    return tuple(
        each for each in await reader.failed_since(service, environment) if each != leaving
    )


async def way_there(context: Context, reader: Reader, deployment: Deployment) -> Way | None:
    """Give what is stored of the way to a deployment that waits; what has failed there since it was
    compared makes it unknown.
    """
    found = await _stored_way_there(context, reader, deployment)
    return await with_bringer(reader, deployment, found) if found is not None else None


async def with_bringer(reader: Reader, deployment: Deployment, way: Way) -> Way:
    """Name with a way over a migration the version that brought it to the place, as
    the deployments there tell.
    """
    if way.passage is not Passage.MIGRATION:
        return way
    for each in await reader.history(deployment.service, deployment.environment, limit=TOLD):
        changes = (
            await reader.changes(each.id)
            if each.started_at is not None and each.kind is Kind.FORWARD
            else None
        )
        if (
            changes is not None
            and changes.known
            and not changes.backwards
            and way.path in changes.files
        ):
            return replace(way, brought_by=each.version)
    return way


async def _stored_way_there(context: Context, reader: Reader, deployment: Deployment) -> Way | None:
    stored = await reader.way_there(deployment.id)
    beside = await left_behind(
        reader, deployment.service, deployment.environment, leaving=deployment.base_commit
    )
    if (
        not beside
        or (stored is not None and stored.beside == beside)
        or not context.service(deployment.service).migrations
    ):
        return stored
    return Way(deployment.base_commit, deployment.commit, Passage.UNKNOWN, beside=beside)


async def stored_way_back(
    context: Context, reader: Reader, deployment: Deployment, target: Live
) -> Way | None:
    """Give what is known of the way from a deployment back to a release: as compared for it, or
    as its own changes tell.
    """
    known = await reader.way_back(deployment.id)
    beside = await left_behind(
        reader, deployment.service, deployment.environment, leaving=deployment.commit
    )
    same = known is not None and (known.leaving, known.to, known.beside) == (
        deployment.commit,
        target.commit,
        beside,
    )
    if known is not None and same and known.passage is not Passage.UNKNOWN:
        return known
    if beside and context.service(deployment.service).migrations:
        return None
    changes = await reader.changes(deployment.id)
    undoes = changes if changes is not None and changes.base == target.commit else None
    migrations = context.service(deployment.service).migrations
    found = rollback.way(
        leaving=deployment.commit, to=target.commit, undoes=undoes, migrations=migrations
    )
    found = rollback.back(found, _brings(undoes), migrations)
    return None if found.passage is Passage.UNKNOWN else found


async def is_mended(
    context: Context, reader: Reader, deployment: Deployment, way: Way | None
) -> bool:
    """Tell whether a deployment goes over what is bad itself, and no migration lies on the way back
    to that, as far as is known.
    """
    to = await last_resort(reader, deployment)
    way = (
        (way or await stored_way_back(context, reader, deployment, to)) if to is not None else None
    )
    return to is not None and way is not None and (way.to, way.passage) == (to.commit, Passage.FREE)


def _brings(undoes: Changes | None) -> Changes | None:
    """Say what going back would bring, from what a deployment took away; not known of one that is
    part of what it replaced.
    """
    if undoes is None or undoes.backwards:
        return None
    return Changes(files=undoes.taken.files, known=undoes.taken.known)


async def are_known(context: Context, reader: Reader, deployment: Deployment) -> bool:
    """Tell whether what lies between a deployment, what is live and what it would go back to is
    stored: then nothing has to be compared.
    """
    return (
        await _uncompared(reader, deployment) is None
        and await _unknown_way_back(context, reader, deployment) is None
    )


async def know_way_back(context: Context, id: DeploymentId) -> None:
    """See to it that the way back of a deployment that can be rolled back is known and stored, as
    far as the provider tells.
    """
    async with context.store.reading() as reader:
        deployment = await existing(reader, id)
        wanted = await _unknown_way_back(context, reader, deployment)
    if wanted is None:
        return
    target, beside = wanted
    way = await way_back(
        context, deployment.service, leaving=deployment.commit, to=target.commit, beside=beside
    )
    async with context.store.transaction() as tx:
        await tx.save_way_back(id, way)


async def _unknown_way_back(
    context: Context, reader: Reader, deployment: Deployment
) -> tuple[Live, tuple[str, ...]] | None:
    """Give what a deployment would go back to, and what may be there beside it, where the way is
    not known; None where it is, or where there is none.
    """
    if deployment.state not in CAN_ROLL_BACK | WAITING or not deployment.commit:
        return None
    target = await target_for(reader, deployment)
    if target is None:
        return None
    known = await stored_way_back(context, reader, deployment, target)
    if known is not None and known.undoes.known:
        return None
    return target, await left_behind(
        reader, deployment.service, deployment.environment, leaving=deployment.commit
    )


async def know_changes(context: Context, id: DeploymentId) -> None:
    """See to it that a deployment that waits is compared with what is live now: people approve
    what they read on its card.
    """
    async with context.store.reading() as reader:
        deployment = await existing(reader, id)
        wanted = await _uncompared(reader, deployment)
    if wanted is None:
        return
    base, version, beside = wanted
    changes, way = await compared(
        context, deployment.service, leaving=base, to=deployment.commit, beside=beside
    )
    async with context.store.transaction() as tx:
        now = await tx.live(deployment.service, deployment.environment)
        if (await existing(tx, id)).state in WAITING and (now.commit if now else "") == base:
            await tx.set_base(id, base, version)
            await tx.save_changes(id, changes)
            await tx.save_way_there(id, way)


async def _uncompared(
    reader: Reader, deployment: Deployment
) -> tuple[str, str, tuple[str, ...]] | None:
    """Give the commit and version that a deployment that waits has to be compared with, and what
    may be there beside it; None where it is compared.
    """
    if deployment.state not in WAITING or not deployment.commit:
        return None
    live = await reader.live(deployment.service, deployment.environment)
    base, version = (live.commit, live.version) if live else ("", "")
    changes, there = await reader.changes(deployment.id), await reader.way_there(deployment.id)
    beside = await left_behind(reader, deployment.service, deployment.environment, leaving=base)
    knows_changes = (
        changes is not None
        and changes.base == base
        and (not base or (changes.known and changes.taken.known))
    )
    knows_way = (
        there is not None
        and (there.leaving, there.to, there.beside) == (base, deployment.commit, beside)
        and there.passage is not Passage.UNKNOWN
    )
    if knows_changes and knows_way and deployment.base_commit == base:
        return None
    return base, version, beside
