"""The environment before: what is there of a version, what it waits for there, and whether
it can come there at all.
"""

from __future__ import annotations

from dataclasses import replace

from bot.domain.catalog import GateKind
from bot.domain.deployment import STANDS, Deployment, State
from bot.domain.places import Obstacle, obstacles
from bot.domain.rollback import Way
from bot.ports.reader import Reader
from bot.services.context import Context
from bot.services.given import in_question
from bot.services.needless import under_way
from bot.services.ways import between, left_behind, with_bringer


async def way_to(context: Context, deployment: Deployment) -> Way | None:
    """Judge going to a deployment's version from what is live in the environment before,
    where a gate asks for that.

    This asks the provider, so it happens outside of any view.
    """
    policy = context.of(deployment)[1]
    if (
        GateKind.STAGED not in {gate.kind for gate in policy.gates}
        or not context.service(deployment.service).migrations
    ):
        return None
    place = (deployment.service, policy.after)
    async with context.store.reading() as reader:
        live = await reader.live(*place)
        coming = await under_way(reader, *place, deployment.commit)
        beside = await left_behind(reader, *place, leaving=live.commit if live else "")
    if live is None or coming is not None or live.commit == deployment.commit:
        return None
    return await between(
        context, deployment.service, leaving=live.commit, to=deployment.commit, beside=beside
    )


async def kept_from(
    context: Context, reader: Reader, deployment: Deployment, way: Way | None
) -> str:
    """Say which migration keeps a version out of the environment before: sending somebody there
    would end at that place's own gate.
    """
    there = replace(deployment, environment=context.of(deployment)[1].after)
    live = await reader.live(there.service, there.environment)
    if way is None or live is None or way.leaving != live.commit:
        return ""
    found = obstacles(
        there, await reader.ground(there), await with_bringer(reader, there, way), context.now()
    )
    return next((each.sentence for each in found if each.kind is Obstacle.BACKWARDS), "")


async def waits(reader: Reader, first: Deployment | None) -> str:
    """Say what a deployment that is to come first waits for; empty where it is on
    its way, or there is none.
    """
    if first is None or not first.has_touched_nothing:
        is_asked = first is not None and await in_question(reader, first) is not None
        return "waits until its lead decides" if is_asked else ""
    if first.is_only_let_go:
        return "has not begun yet"
    review = await reader.review(first.id) if first.state is State.GATED else None
    blocking = [gate.title for gate in review.gates if gate.blocks] if review else []
    named = ", ".join(blocking[:3])
    if review is not None and not blocking and first.lead is None:
        return "nobody leads it"
    return f"{STANDS[first.state]} ({named})" if named else STANDS[first.state]
