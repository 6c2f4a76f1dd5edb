"""What is live, on somebody's word: it is asked for where the bot cannot know, and shown
for what it is ever after.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime

from bot.domain.actions import Action
from bot.domain.audit import Entry
from bot.domain.catalog import Permission
from bot.domain.commands import SayLive
from bot.domain.declared import Declared, Left, Origin
from bot.domain.deployment import Acceptance, Deployment, State
from bot.domain.errors import NotAllowed, Offer
from bot.domain.live import Live
from bot.domain.shown import token
from bot.ports.ci import Resolved
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.ports.talk import Answer, Intent, Message
from bot.ports.time import Json
from bot.services import resuming, unseen
from bot.services.alone import led_by
from bot.services.claims import Claim, claimed, let_go_of
from bot.services.context import Context, MovedError, act, as_shown, looking, note
from bot.services.deployments import require_still
from bot.services.leaving import share_now
from bot.services.passing import Passing, compared_with, there
from bot.services.quarantines import resolved_ref
from bot.services.serving import facts_of_beside, serves_beside
from bot.services.strays import cut_off
from bot.services.targets import ended_before
from bot.services.witnesses import evidence_for


@dataclass(frozen=True, slots=True)
class Beside:
    """What was found out, before the word is taken, about what may be there beside
    the version that is said.
    """

    passing: Passing
    asked: unseen.Asked
    still: tuple[unseen.Still, ...]


async def say_live(context: Context, intent: Intent, command: SayLive) -> Answer | None:
    """Record what is live on somebody's word, after a dialog that shows what it goes against. It
    proves nothing about the version.
    """
    context.policy(command.service, command.environment)
    may = await context.people.may(intent.by, Permission.HAND_OVER)
    async with context.store.reading() as reader:
        current = await _authorise(context, reader, intent, command, may=may)
    if not may and current is not None:
        await require_still(context, current, intent.by)
    elif not may:
        await context.people.require(intent.by, Permission.DEPLOY, "say what is live")
    said = Resolved(command.ref, command.version or command.ref)
    if not command.shown:
        said = await resolved_ref(context, command.service, command.ref)
    return await looking(lambda: _attempt(context, intent, command, said, may=may))


async def _attempt(
    context: Context, intent: Intent, command: SayLive, said: Resolved, *, may: bool
) -> Answer | None:
    """Look at what the word passes over, and answer with the dialog, or
    decide about exactly that.
    """
    async with context.store.reading() as reader:
        present = await there(reader, command.service, command.environment, but=said.commit)
        asked = await unseen.to_ask(reader, command.service, command.environment, but=said.commit)
    passing = await compared_with(context, command.service, said.commit, present)
    if command.shown:
        still = await unseen.still_seen(
            context, command.service, command.environment, asked, said.commit
        )
        beside = Beside(passing, asked, still)
        return await act(
            context,
            intent,
            lambda tx: _declare(context, intent, tx, command, said, beside, may=may),
        )
    async with context.store.reading() as reader:
        leaving = await let_go_of(context, reader, command, said, passing)
        claim = await claimed(context, reader, command, said, passing, leaving)
        share = (
            await share_now(reader, claim.live) if claim.live and claim.ground.is_clear else None
        )
        serves = facts_of_beside(
            await serves_beside(context, reader, claim.service, claim.environment, claim.live)
        )
    facts = {
        **facts_of_claim(claim),
        **await evidence_for(context, claim, asked),
        "reason": command.reason,
    }
    facts |= {"share": asdict(share) if share else None, "serves": serves}
    carries = f"{token(Action.SAY_LIVE, claim.seen)} {said.commit} {said.version} {command.reason}"
    button = Offer(
        Action.SAY_LIVE,
        f"Say that {said.version} is live",
        f"{claim.service}/{claim.environment}",
        carries=carries,
    )
    return await act(context, intent, lambda _tx: _said(Answer("live_dialog", facts, (button,))))


async def _said(answer: Answer) -> Answer:
    return answer


async def _authorise(
    context: Context, reader: Reader, intent: Intent, command: SayLive, *, may: bool
) -> Deployment | None:
    """Let whoever may hand over any lead say it, the lead of what stands there, which is given,
    and who has said it before.

    Raises NotAllowed.
    """
    service, environment = command.service, command.environment
    current = await reader.current(service, environment)
    if may or (current is not None and intent.by == current.lead):
        return current
    live = await reader.live(service, environment)
    if live is not None and live.said is not None and live.said.by == intent.by:
        return None
    named = led_by(current) if current else []
    named += context.people.named_by_role(Permission.HAND_OVER) or ["whoever keeps gonogo.yaml"]
    who = " or ".join(named)
    raise NotAllowed(
        f"You cannot say what is live in {service} {environment}. {who[0].upper()}{who[1:]} can.",
        roles=context.catalog.permissions.get(Permission.HAND_OVER, ()),
    )


async def _declare(
    context: Context,
    intent: Intent,
    tx: Transaction,
    command: SayLive,
    said: Resolved,
    beside: Beside,
    *,
    may: bool,
) -> Answer:
    await _authorise(context, tx, intent, command, may=may)
    passing = beside.passing
    if await there(tx, command.service, command.environment, but=said.commit) != passing.there:
        raise MovedError
    if (
        await unseen.to_ask(tx, command.service, command.environment, but=said.commit)
        != beside.asked
    ):
        raise MovedError
    leaving = await let_go_of(context, tx, command, said, passing)
    claim = await claimed(context, tx, command, said, passing, leaving)
    as_shown(Action.SAY_LIVE, command.shown, claim.seen)
    for deployment in leaving:
        await _leave(context, tx, deployment, intent, said.version)
    live = await _live(context, tx, claim, intent, command.reason)
    taken_up = await resuming.take_up(context, tx, live, intent.by)
    if taken_up is not None:
        live = replace(live, deployment=taken_up.deployment.id, by=taken_up.deployment.requested_by)
    await tx.set_live(live)
    if live.declared is not None:
        place, now = (claim.service, claim.environment), context.now()
        left = [Left(*place, each.commit, each.version, intent.by, now) for each in passing.behind]
        await tx.leave_by_hand(live.declared, left)
    await tx.cast_doubt(claim.service, claim.environment, None)
    still = await unseen.doubt(context, tx, live, beside.still)
    return await _told(
        context, tx, claim, intent, live, still, taken_up.until if taken_up else None
    )


async def _told(
    context: Context,
    tx: Transaction,
    claim: Claim,
    intent: Intent,
    live: Live,
    still: str,
    watched: datetime | None,
) -> Answer:
    """Have it read by everybody: in the audit log, in the channel, and by whoever said it."""
    at = live.declared.at if live.declared is not None else live.since
    reason = live.declared.reason if live.declared is not None else ""
    facts = {**facts_of_claim(claim), "reason": reason, "by": str(intent.by), "still": still}
    facts["at"] = at.isoformat()
    facts["watched_until"] = watched.isoformat() if watched else ""
    about = {
        "commit": claim.said.commit,
        "version": claim.said.version,
        "reason": reason,
        "before": facts["recorded"],
    }
    place = {"service": claim.service, "environment": claim.environment}
    await tx.audit(
        Entry(
            intent.at,
            intent.by,
            "live",
            facts={**place, **about, "over": list(claim.passing.migrations)},
        )
    )
    channel = context.service(claim.service).channel or intent.place.channel
    await tx.say(Message(f"live:{intent.key}", "said_live", facts, to="channel", channel=channel))
    return Answer("said_live", facts)


async def _live(
    context: Context, tx: Transaction, claim: Claim, intent: Intent, reason: str
) -> Live:
    """Make the record: what is known of this commit here stays known, and
    nothing is proved by the word.
    """
    place, now = (claim.service, claim.environment), context.now()
    same = claim.live if claim.live is not None and claim.live.commit == claim.said.commit else None
    before = same or await ended_before(tx, *place, claim.said.commit)
    word = Declared(
        *place, claim.said.commit, claim.said.version, Origin.SAID, intent.by, now, reason
    )
    return Live(
        *place, claim.said.commit, claim.said.version, now,
        same.deployment if same else "", same.by if same else intent.by,
        before.verified_at if before else None,
        before.accepted if before else Acceptance.SAID, word,
    )  # fmt: skip


async def _leave(
    context: Context, tx: Transaction, deployment: Deployment, intent: Intent, instead: str
) -> None:
    """Let go of a deployment that is not what is live. A run of it that may still be going
    is stopped and looked for.

    Whose word ends a watch is kept: another word can correct it, and the watch is taken up again.
    """
    now, why = context.now(), f"{instead} was said to be live instead"
    for step in await tx.steps(deployment.id):
        if step.is_under_way:
            await cut_off(context, tx, deployment, step, why)
    is_watched = deployment.state is State.WATCHING
    by = intent.by if is_watched else None
    await tx.move(
        deployment.id, State.SUPERSEDED if is_watched else State.FAILED, at=now, note=why, by=by
    )
    await note(tx, now, "left", deployment, intent.by, why=why)
    await tx.release(deployment.id)
    await tx.wake(deployment.id)


def _proof(live: Live | None) -> str:
    """Say what is known of the version that is recorded."""
    if live is None:
        return ""
    return (
        "verified good"
        if live.verified_at
        else f"accepted, {live.accepted}"
        if live.accepted
        else "not verified"
    )


def facts_of_claim(claim: Claim) -> dict[str, Json]:
    """Give what is said, and what it goes against, as JSON values."""
    live = claim.live
    return {
        "service": claim.service, "environment": claim.environment, "version": claim.said.version,
        "recorded": live.version if live else "", "recorded_by": live.deployment if live else "",
        "since": live.since.isoformat() if live else "",
        "is_same": live is not None and live.commit == claim.said.commit,
        "unclear": claim.ground.in_words or (claim.hangs.why if claim.hangs else ""),
        "hangs": not claim.ground.in_words and claim.hangs is not None,
        "by_hand": claim.by_hand.why if claim.by_hand else "",
        "said_by": str(claim.word.by) if claim.word else "", "proof": _proof(claim.live),
        "migrations": list(claim.passing.migrations), "is_compared": claim.passing.is_compared,
        "quarantined": claim.quarantine, "strays": len(claim.ground.strays),
        "ends": [each.facts for each in claim.ends],
    }  # fmt: skip
