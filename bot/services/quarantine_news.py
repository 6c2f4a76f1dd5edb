"""Who is told of a quarantine: whoever has the commit live, under way, or as their way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from bot.domain.commands import Quarantine, Unquarantine
from bot.domain.deployment import OPEN, Deployment, DeploymentId, State, is_of
from bot.domain.people import Person
from bot.domain.rollback import KeptOutBy
from bot.ports.ci import Resolved
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.ports.talk import Intent, Message
from bot.ports.time import Json
from bot.services import standstills
from bot.services.context import Context, existing, facts_of, note
from bot.services.countdown import KeptOut, call_off_held, was_held
from bot.services.leaving import going_back_to, has_requests, put_back_now, under_way_with, way_out
from bot.services.obstacles import NOTHING
from bot.services.offers import rollback_offer


async def tell_ways_back(
    context: Context,
    tx: Transaction,
    lost: Sequence[Deployment],
    service: str,
    commit: str,
    version: str,
    *,
    by: Person,
    key: str,
) -> list[dict[str, Json]]:
    """Tell the leads of what goes back to a version that is quarantined now: to what instead, or
    that a rollback puts it back already.
    """
    told: list[dict[str, Json]] = []
    for each in lost:
        offer = await rollback_offer(context, tx, each)
        back: dict[str, Json] = {
            "instead": offer.version if offer.is_possible else "",
            "refused": offer.refused,
            "puts_back": "",
        }
        if not await call_off_held(context, tx, each, KeptOut(version, by)):
            # which says it as well
            await _tell_way_back(tx, each, back, version, by=by, key=key)
        told.append({**_named(each), **back})
    for back_again, undone in await put_back_now(context, tx, service, commit):
        back = {"instead": "", "refused": "", "puts_back": back_again.id}
        await _tell_way_back(tx, undone, back, version, by=by, key=key)
        told.append({**_named(undone), **back})
    return told


def _named(deployment: Deployment) -> dict[str, Json]:
    """Name a deployment in the answer to whoever has quarantined its way
    back, or let it in again.
    """
    return {**facts_of(deployment), "title": deployment.title}


async def _tell_way_back(
    tx: Transaction,
    deployment: Deployment,
    back: dict[str, Json],
    version: str,
    *,
    by: Person,
    key: str,
) -> None:
    facts = {**facts_of(deployment), **back, "kept_out": version, "by": str(by)}
    await tx.say(
        Message(
            f"{deployment.id}:way back:{key}", "way_back_lost", facts, deployment.id, to="channel"
        )
    )
    await tx.redraw(deployment.id)


async def tell_ways_again(
    context: Context, tx: Transaction, intent: Intent, service: str, resolved: Resolved
) -> list[Json]:
    """Tell the leads of what can be rolled back again to a version that is quarantined no more;
    what was said of itself stays so.
    """
    told: list[Json] = []
    for each in await going_back_to(context, tx, service, resolved.commit):
        if (await rollback_offer(context, tx, each)).is_possible:
            facts = {
                **facts_of(each),
                "by": str(intent.by),
                "back_in": resolved.version,
                "held": await was_held(tx, each),
            }
            await tx.say(
                Message(
                    f"{each.id}:way back again:{intent.key}",
                    "way_back_again",
                    facts,
                    each.id,
                    to="channel",
                )
            )
            await tx.redraw(each.id)
            told.append(_named(each))
    return told


async def where_live(
    context: Context, reader: Reader, service: str, commit: str
) -> list[dict[str, Json]]:
    """Name the environments where a commit is live, each with how it goes from there."""
    places = [
        await reader.live(service, environment)
        for environment in context.service(service).environments
    ]
    lives = [
        live
        for live in places
        if live is not None and live.commit == commit and await has_requests(reader, live)
    ]
    return [asdict(await way_out(context, reader, live)) for live in lives]


async def where_it_is(
    context: Context, reader: Reader, service: str, commit: str
) -> dict[str, list[dict[str, Json]]]:
    """Say of every place what a commit has there now, each place once: what is live there,
    or else what is under way.
    """
    live_in = await where_live(context, reader, service, commit)
    named = {place["environment"] for place in live_in}
    under_way = [
        each.facts
        for each in await under_way_with(context, reader, service, commit)
        if each.environment not in named
    ]
    return {"live_in": live_in, "under_way_in": under_way}


def _of(deployment: Deployment, where: Mapping[str, list[dict[str, Json]]]) -> dict[str, Json]:
    return {
        name: [place for place in places if place["deployment"] == deployment.id]
        for name, places in where.items()
    }


async def facts_here(context: Context, reader: Reader, deployment: Deployment) -> dict[str, Json]:
    """Say what a deployment has brought of its commit by now, and what
    puts that back all the same.
    """
    here = _of(
        deployment, await where_it_is(context, reader, deployment.service, deployment.commit)
    )
    return {
        "returns": await _returns(context, reader, deployment.service, deployment.commit),
        **here,
    }


async def _returns(context: Context, reader: Reader, service: str, commit: str) -> list[Json]:
    return [back.id for back, _ in await put_back_now(context, reader, service, commit)]


async def tell_where_live(
    context: Context, tx: Transaction, undone: Deployment, *, by: Person, why: str, how: KeptOutBy
) -> None:
    """Say in the threads of what is live of a commit that was shown to be bad
    elsewhere that it is quarantined.
    """
    returns = await _returns(context, tx, undone.service, undone.commit)
    for place in await where_live(context, tx, undone.service, undone.commit):
        deployment = await tx.deployment(place["deployment"])
        if (
            deployment is not None
            and deployment.id != undone.id
            and deployment.commit == undone.commit
        ):
            facts = {
                **facts_of(deployment), "by": str(by), "reason": why,
                "lifted": False, "kept_out_by": str(how), "because_of": undone.id,
                "returns": returns, "live_in": [place], "under_way_in": [],
                "at": context.now().isoformat(), **standstills.NO_LONGER,
            }  # fmt: skip
            await tx.say(
                Message(
                    f"{deployment.id}:quarantine:{undone.id}",
                    "quarantine_said",
                    facts,
                    deployment.id,
                )
            )
            await tx.redraw(deployment.id)


async def tell_all(
    context: Context,
    tx: Transaction,
    intent: Intent,
    resolved: Resolved,
    command: Quarantine | Unquarantine,
    *,
    lifted: bool,
    going: Mapping[DeploymentId, standstills.Freed] = NOTHING,
) -> None:
    """Say it in the thread of every deployment of the commit, and have its card drawn again; what
    stands or waits looks again.
    """
    where = await where_it_is(context, tx, command.service, resolved.commit)
    returns = await _returns(context, tx, command.service, resolved.commit)
    for deployment in await tx.of_commit(command.service, resolved.commit):
        here = _of(deployment, where)
        about: dict[str, Json] = {
            "by": str(intent.by),
            "at": context.now().isoformat(),
            "reason": command.reason,
            "lifted": lifted,
            "kept_out_by": str(KeptOutBy.WORD),
            "because_of": "",
            "returns": returns,
            **(going[deployment.id].facts if deployment.id in going else standstills.NO_LONGER),
        }
        facts = {**facts_of(deployment), **about, **here}
        await tx.say(
            Message(
                f"{deployment.id}:quarantine:{intent.key}", "quarantine_said", facts, deployment.id
            )
        )
        if deployment.state in {*OPEN, State.FAILED}:  # what has failed may be rolled back yet
            await note(
                tx,
                context.now(),
                "quarantine lifted" if lifted else "quarantined",
                deployment,
                intent.by,
                why=command.reason,
            )
        await tx.redraw(deployment.id)
        await tx.wake(deployment.id)


async def say_quarantined(context: Context, tx: Transaction, undone: Deployment, why: str) -> None:
    """Tell the leads of the same commit elsewhere: what is under way there stands still, and is
    theirs to decide, unless it goes back.
    """
    for place in await under_way_with(context, tx, undone.service, undone.commit):
        if not is_of(place.deployment, undone.id):
            other = await existing(tx, place.deployment)
            await note(tx, context.now(), "quarantined", other, why=why)
            facts = {
                **facts_of(other),
                "why": why,
                "waits": not place.is_begun,
                "there": place.facts,
            }
            await tx.say(
                Message(
                    f"{other.id}:quarantined:{undone.id}",
                    "quarantined",
                    facts,
                    other.id,
                    to="channel",
                )
            )
            await tx.redraw(other.id)
            await tx.wake(other.id)
