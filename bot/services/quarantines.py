"""Quarantine, on somebody's word: what the bot cannot know, a person with the right
to may say, with a reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from bot.domain import plain, rollback
from bot.domain.audit import Entry
from bot.domain.called import name_of
from bot.domain.catalog import Permission
from bot.domain.commands import Quarantine, Unquarantine
from bot.domain.deployment import OPEN, Deployment, DeploymentId, State
from bot.domain.errors import IntegrationError, NotPossible
from bot.domain.health import worst_seen
from bot.domain.observation import is_shown_bad
from bot.domain.people import GONOGO, Person
from bot.domain.rollback import KeptOutBy
from bot.ports.ci import Resolved
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.ports.talk import Answer, Intent, Message
from bot.ports.time import Json
from bot.services import standstills
from bot.services.context import Context, act, existing, facts_of, note
from bot.services.countdown import KeptOut, call_off_held, was_held
from bot.services.leaving import going_back_to, has_requests, put_back_now, under_way_with, way_out
from bot.services.obstacles import NOTHING
from bot.services.offers import rollback_offer
from bot.services.refs import look_up
from bot.services.word import end_words

PATIENCE = 1.0
"""How long the CI provider is waited for where what is meant is known here, in seconds."""


async def quarantine(context: Context, intent: Intent, command: Quarantine) -> Answer | None:
    """Keep a commit of a service from being deployed, or gone back to, anywhere."""
    await context.people.require(intent.by, Permission.LOCK, "quarantine a version")
    meant_here = await _meant_here(context, command.service, command.ref)
    return await act(
        context, intent, lambda tx: _quarantine(context, intent, tx, command, meant_here)
    )


@dataclass(frozen=True, slots=True)
class _Meant:
    """What a ref means to a quarantine."""

    resolved: Resolved
    known: str = ""
    """The commit that it was here, where the CI provider does not say which one it is now."""
    told: str = ""
    """What the CI provider says instead; empty where it does not answer."""


async def _meant_here(context: Context, service: str, ref: str) -> _Meant:
    """Look up what is to be kept out, or let in again. What has been pinned here waits for no CI
    provider, and outlives its tag.

    Raises NotPossible, and IntegrationError for what has never been here.
    """
    context.service(service)
    async with context.store.reading() as reader:
        pinned = await reader.pinned(service, ref)
    if len(pinned) != 1:
        return _Meant(await resolved_ref(context, service, ref))
    try:
        async with asyncio.timeout(PATIENCE):
            now = await look_up(context, service, ref)
    except (IntegrationError, TimeoutError) as error:
        answers = isinstance(error, IntegrationError) and not error.retry
        return _Meant(
            Resolved(pinned[0], ref),
            pinned[0][: plain.SHORT],
            plain.line(str(error)) if answers else "",
        )
    rollback.refuse_moved(ref, list(dict.fromkeys([now.commit, *pinned])))
    return _Meant(now)


async def _quarantine(
    context: Context, intent: Intent, tx: Transaction, command: Quarantine, meant_here: _Meant
) -> Answer:
    resolved = meant_here.resolved
    known = await tx.quarantine(command.service, resolved.commit)
    if known:
        raise NotPossible(f"{resolved.version} is quarantined already: {known}")
    going_back = await going_back_to(context, tx, command.service, resolved.commit)
    await tx.put_in_quarantine(
        command.service, resolved.commit, reason=command.reason, by=intent.by, at=context.now()
    )
    await _written(tx, intent, "quarantine", command.service, resolved, command.reason)
    await _tell(context, tx, intent, resolved, command, lifted=False)
    about = (resolved.commit, resolved.version)
    ways_back = await _tell_ways_back(
        context, tx, going_back, command.service, *about, by=intent.by, key=intent.key
    )
    facts = {
        "service": command.service, "version": resolved.version,
        "reason": command.reason, "ways_back": ways_back,
        **await _where(context, tx, command.service, resolved.commit),
    }  # fmt: skip
    return Answer("quarantined", {**facts, "unanswered": meant_here.known, "told": meant_here.told})


async def _tell_ways_back(
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


async def _tell_ways_again(
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


async def _where(
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
    here = _of(deployment, await _where(context, reader, deployment.service, deployment.commit))
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


async def _tell(
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
    where = await _where(context, tx, command.service, resolved.commit)
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


async def unquarantine(context: Context, intent: Intent, command: Unquarantine) -> Answer | None:
    """Let a commit be deployed again, with a reason that stays."""
    await context.people.require(intent.by, Permission.LOCK, "lift a quarantine")
    resolved = (await _meant_here(context, command.service, command.ref)).resolved
    return await act(
        context, intent, lambda tx: _unquarantine(context, intent, tx, command, resolved)
    )


async def _unquarantine(
    context: Context, intent: Intent, tx: Transaction, command: Unquarantine, resolved: Resolved
) -> Answer:
    stood = await standstills.kept(
        context, tx, await tx.of_commit(command.service, resolved.commit)
    )
    if not await tx.lift_quarantine(command.service, resolved.commit):
        raise NotPossible(
            f"{resolved.version} of {command.service} is not quarantined; nothing was changed."
        )
    await _written(tx, intent, "unquarantine", command.service, resolved, command.reason)
    going = await standstills.freed(context, tx, stood)
    await end_words(context, tx, going)
    await _tell(context, tx, intent, resolved, command, lifted=True, going=going)
    ways_again = await _tell_ways_again(context, tx, intent, command.service, resolved)
    facts = {
        "service": command.service,
        "version": resolved.version,
        "reason": command.reason,
        "ways_again": ways_again,
    }
    return Answer("unquarantined", {**facts, "goes_on": standstills.facts_of_freed(stood, going)})


async def resolved_ref(context: Context, service: str, ref: str) -> Resolved:
    """Look up what a ref means, for a decision about one commit and no other.

    Raises NotPossible for one that does not exist or has meant another commit here,
    IntegrationError while the provider does not answer.
    """
    context.service(service)
    try:
        resolved = await look_up(context, service, ref)
    except IntegrationError as error:
        if error.retry:
            raise
        raise NotPossible(str(error)) from error
    if ref == name_of(resolved.version):
        async with context.store.reading() as reader:
            before = await reader.known_as(service, ref)
        rollback.refuse_moved(ref, list(dict.fromkeys([resolved.commit, *before])))
    return resolved


async def _written(
    tx: Transaction,
    intent: Intent,
    action: str,
    service: str,
    resolved: Resolved,
    reason: str,
    *,
    environment: str = "",
) -> None:
    facts = {
        "service": service,
        "environment": environment,
        "commit": resolved.commit,
        "version": resolved.version,
        "reason": reason,
    }
    await tx.audit(Entry(at=intent.at, actor=intent.by, action=action, facts=facts))


async def keep_out_undone(
    context: Context, tx: Transaction, undone: Deployment, back: Deployment
) -> bool:
    """Keep a commit out that was shown to be bad, in the moment in which its rollback is
    decided; tell whether it was.

    One whose numbers were good at its end is not judged by the wish to have it away.
    """
    is_verified = await tx.was_verified(undone)
    is_bad = (
        is_shown_bad(
            await tx.trouble(undone.id), await tx.steps(undone.id), is_verified=is_verified
        )
        or back.requested_by == GONOGO
    )
    if is_bad:
        because = back.reason or worst_seen(await tx.snapshots(undone.id))
        why = rollback.why_quarantined(
            undone.environment, at=back.requested_at, because=because, how=KeptOutBy.ROLLBACK
        )
        await keep_out(
            context,
            tx,
            undone,
            by=back.requested_by,
            at=back.requested_at,
            why=why,
            how=KeptOutBy.ROLLBACK,
        )
    return is_bad


async def keep_out(
    context: Context,
    tx: Transaction,
    shown_bad: Deployment,
    *,
    by: Person,
    at: datetime,
    why: str,
    how: KeptOutBy,
) -> None:
    """Quarantine the commit of what was shown to be bad, and tell everybody whom
    that concerns elsewhere.
    """
    about = (shown_bad.service, shown_bad.commit)
    is_known = bool(await tx.quarantine(*about))
    going_back = await going_back_to(context, tx, *about)
    await tx.put_in_quarantine(*about, by=by, at=at, reason=why)
    key = f"{shown_bad.id}:{context.now().isoformat()}"
    await _tell_ways_back(context, tx, going_back, *about, shown_bad.version, by=by, key=key)
    if not is_known:
        await note(tx, at, "quarantined", shown_bad, by, how=str(how))
        await _say_quarantined(context, tx, shown_bad, why)
    await tell_where_live(context, tx, shown_bad, by=by, why=why, how=how)


async def _say_quarantined(context: Context, tx: Transaction, undone: Deployment, why: str) -> None:
    """Tell the leads of the same commit elsewhere: what is under way there stands still, and is
    theirs to decide, unless it goes back.
    """
    for place in await under_way_with(context, tx, undone.service, undone.commit):
        if place.deployment != undone.id:
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
