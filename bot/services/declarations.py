"""What is live, on somebody's word: it is asked for where the bot cannot know, and shown
for what it is ever after.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from bot.domain.actions import Action
from bot.domain.audit import Entry
from bot.domain.catalog import Permission
from bot.domain.commands import SayLive
from bot.domain.counted import Counted, is_more, whole
from bot.domain.declared import Declared, Left, Origin
from bot.domain.deployment import WAITING, Acceptance, Deployment, Kind, State
from bot.domain.errors import IntegrationError, NotAllowed, NotPossible, Offer
from bot.domain.live import Live
from bot.domain.places import Doubt, Ground, Unclear, is_left
from bot.domain.shown import Seen, token
from bot.ports.ci import Resolved
from bot.ports.metrics import Cohort, Window
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.ports.talk import Answer, Intent, Message
from bot.ports.time import Json
from bot.services import resuming, unseen
from bot.services.context import Context, MovedError, act, as_shown, existing, looking, note
from bot.services.deployments import require_still
from bot.services.hanging import hanging_in
from bot.services.leaving import share_now
from bot.services.passing import Ends, Passing, compared_with, ends, may_be_said, stands, there
from bot.services.quarantines import resolved_ref
from bot.services.serving import facts_of_beside, serves_beside
from bot.services.snapshots import observe
from bot.services.strays import cut_off
from bot.services.targets import ended_before

RECENT = timedelta(minutes=5)
"""Whose numbers are looked at before somebody says what is live."""
PATIENCE = 2.0
"""Seconds that the dialog waits for what the providers say."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What somebody wants to say, and what the store knows about the place at this moment."""

    service: str
    environment: str
    said: Resolved
    ground: Ground
    live: Live | None
    quarantine: str
    passing: Passing
    by_hand: Doubt | None
    """That nothing makes it unclear, and that one goes back from there by hand alone."""
    ends: tuple[Ends, ...] = ()
    """The deployments that the word ends, and what is under way of them."""
    hangs: Doubt | None = None
    """That a rollback hangs there, so that nobody knows what it has done."""

    @property
    def doubt(self) -> Doubt | None:
        """Say why a person's word is asked for."""
        return self.ground.doubt or self.hangs or self.by_hand

    @property
    def word(self) -> Declared | None:
        """Give the word on which something is live, which another word can correct."""
        return self.live.said if self.live else None

    @property
    def seen(self) -> Seen:
        """Say what the dialog shows: among the rest the doubt, and every run of which nobody
        knows whether it has ended.
        """
        doubt, base = self.doubt, self.live.commit if self.live else ""
        named = [f"{doubt.kind} {doubt.since.isoformat()}"] if doubt else []
        named += [*(stray.run for stray in self.ground.strays), self.quarantine, self.passing.mark]
        named += [each.mark for each in self.ends]
        return Seen(
            commit=self.said.commit, named=self.said.version, base=base, doubt=" ".join(named)
        )


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
        still = await unseen.still_seen(context, command.service, command.environment, asked)
        beside = Beside(passing, asked, still)
        return await act(
            context,
            intent,
            lambda tx: _declare(context, intent, tx, command, said, beside, may=may),
        )
    async with context.store.reading() as reader:
        leaving = await _leaving(context, reader, command, said, passing)
        claim = await _claimed(context, reader, command, said, passing, leaving)
        share = (
            await share_now(reader, claim.live) if claim.live and claim.ground.is_clear else None
        )
        serves = facts_of_beside(
            await serves_beside(context, reader, claim.service, claim.environment, claim.live)
        )
    facts = {
        **facts_of_claim(claim),
        **await _evidence(context, claim, asked),
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
    named = [f"{current.lead.mention}, its lead,"] if current and current.lead else []
    named += context.people.named_by_role(Permission.HAND_OVER) or ["whoever keeps gonogo.yaml"]
    who = " or ".join(named)
    raise NotAllowed(
        f"You cannot say what is live in {service} {environment}. {who[0].upper()}{who[1:]} can.",
        roles=context.catalog.permissions.get(Permission.HAND_OVER, ()),
    )


async def gone_by_hand(
    context: Context, reader: Reader, command: SayLive, passing: Passing
) -> Doubt | None:
    """Say that one gets to the version by hand alone, over a migration, so that nobody but a person
    can tell when that has been done.
    """
    since = (
        await may_be_said(reader, command.service, command.environment, context.now())
        if passing.migrations
        else None
    )
    if since is None:
        return None
    current = await stands(reader, command.service, command.environment)
    why = (
        f"no button goes back over {passing.migrations[0]}: whoever has gone "
        "back by its own plan says so"
    )
    return Doubt(Unclear.FAILED, why, since, current.id if current else "")


async def _hangs(context: Context, reader: Reader, command: SayLive) -> Doubt | None:
    """Say that a rollback hangs there, so that whoever has gone back by hand is heard."""
    found = await hanging_in(context, reader, command.service, command.environment)
    if found is None:
        return None
    back = await existing(reader, found.rollback)
    why = f"{back.id}, the rollback of {back.undoes} to {back.version}, hangs"
    return Doubt(Unclear.FAILED, why, found.since, back.undoes)


async def _claimed(
    context: Context,
    reader: Reader,
    command: SayLive,
    said: Resolved,
    passing: Passing,
    leaving: Sequence[Deployment],
) -> Claim:
    """Read what the store knows about the place. Raises NotPossible where
    nobody's word is asked for.
    """
    place = (command.service, command.environment)
    live = await reader.live(*place)
    ground = Ground(
        "", "", "", doubt=await reader.doubt(*place), strays=await reader.strays(*place)
    )
    hangs, by_hand = await _hangs(context, reader, command), None
    if hangs is None and ground.is_clear:
        by_hand = await gone_by_hand(context, reader, command, passing)
    ending = tuple([await ends(reader, each) for each in leaving])
    claim = Claim(
        *place,
        said,
        ground,
        live,
        await reader.quarantine(command.service, said.commit),
        passing,
        by_hand,
        ending,
        hangs,
    )
    corrects = claim.word is not None and live is not None and live.commit != said.commit
    if live is not None and ground.is_clear and claim.doubt is None and not corrects:
        raise NotPossible(_known(live))
    return claim


def _known(live: Live) -> str:
    """Say that nobody's word is asked for, and what can be done where it is not so."""
    place = f"{live.service} {live.environment}"
    how = f"brought there by {live.deployment}" if live.deployment else "as it was declared"
    return (
        f"{live.version} is live in {place}, {how}, and nothing has made that unclear, so nobody's "
        "word is needed; nothing was changed. "
        f"If something else was put there past Go/No-Go, put {live.version} back by hand, or "
        "deploy another version: "
        f"/deploy {live.service} REF to {live.environment}."
    )


async def _leaving(
    context: Context, reader: Reader, command: SayLive, said: Resolved, passing: Passing
) -> tuple[Deployment, ...]:
    """Name the deployments that are let go of when this is live instead. Raises
    NotPossible while one is under way.
    """
    place = (command.service, command.environment)
    doubt = await reader.doubt(*place) or await gone_by_hand(context, reader, command, passing)
    leaving = await _left(context, reader, *place, doubt, said.commit)
    holder = await _under_way(reader, *place, leaving)
    if holder is not None:
        where = f"{command.service} {command.environment}"
        how = "Wait for its end, or stop it first."
        if holder.kind is Kind.ROLLBACK:
            how = (
                "Wait for its end. If it takes longer than it should, the channel is told, "
                "and then this can be said."
            )
        raise NotPossible(f"{holder.id} is under way in {where}; what is live is changing. {how}")
    return leaving


async def _left(
    context: Context,
    reader: Reader,
    service: str,
    environment: str,
    doubt: Doubt | None,
    commit: str,
) -> tuple[Deployment, ...]:
    """Name what a word ends that this commit is live: what is not there then, and a rollback that
    hangs, with what it undoes.
    """
    holder = await reader.deployment(await reader.holder(service, environment))
    hangs = await hanging_in(context, reader, service, environment)
    given_up = (
        {hangs.rollback, holder.undoes} if hangs is not None and holder is not None else set()
    )
    coming = await reader.open_deployments(service, environment)
    return tuple(each for each in coming if is_left(each, doubt, commit) or each.id in given_up)


async def _under_way(
    reader: Reader, service: str, environment: str, leaving: Sequence[Deployment]
) -> Deployment | None:
    """Name what changes in a place what is live, and is not ended by a word."""
    holder = await reader.deployment(await reader.holder(service, environment))
    return (
        holder
        if holder is not None and holder.state not in WAITING and holder not in leaving
        else None
    )


async def kept_from_a_word(
    context: Context, reader: Reader, service: str, environment: str
) -> Deployment | None:
    """Name what is under way where it is unclear what runs, and whose end somebody's word waits
    for: the rule of the word itself.
    """
    doubt = await reader.doubt(service, environment)
    live = await reader.live(service, environment)
    leaving = await _left(context, reader, service, environment, doubt, live.commit if live else "")
    return await _under_way(reader, service, environment, leaving)


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
    leaving = await _leaving(context, tx, command, said, passing)
    claim = await _claimed(context, tx, command, said, passing, leaving)
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
        context, tx, claim, intent, command.reason, still, taken_up.until if taken_up else None
    )


async def _told(
    context: Context,
    tx: Transaction,
    claim: Claim,
    intent: Intent,
    reason: str,
    still: str,
    watched: datetime | None,
) -> Answer:
    """Have it read by everybody: in the audit log, in the channel, and by whoever said it."""
    facts = {**facts_of_claim(claim), "reason": reason, "by": str(intent.by), "still": still}
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


# What the providers say -------------------------------------------------------------------------


async def _evidence(context: Context, claim: Claim, asked: unseen.Asked) -> dict[str, Json]:
    """Ask the metrics whose requests they see, and the CI provider how the last run of what is
    recorded ended; nobody waits for long.
    """
    facts: dict[str, Json] = {
        "minutes": int(RECENT.total_seconds() // 60),
        "traffic": None,
        "run": "",
        "run_url": "",
    }
    try:
        async with asyncio.timeout(PATIENCE):
            facts["traffic"] = await _traffic(context, claim, asked)
            facts |= await _last_run(context, claim)
    except (TimeoutError, IntegrationError):
        return facts
    return facts


async def _traffic(context: Context, claim: Claim, asked: unseen.Asked) -> list[Json]:
    """Count the requests of the last minutes by version; None for one of which
    the metrics say nothing.
    """
    cohorts = {claim.said.version: Cohort(claim.said.commit)}
    for each in asked.of:
        cohorts[f"{each.version} ({each.commit[:7]})"] = Cohort(each.commit)
    cohorts[f"everything but {claim.said.version}"] = Cohort(claim.said.commit, others=True)
    now, policy, service = (
        context.now(),
        context.policy(claim.service, claim.environment),
        context.service(claim.service),
    )
    found_of: list[Counted] = []
    for name, cohort in cohorts.items():
        windows = (Window(now - RECENT, now), Window(now - unseen.LATELY, now))
        long, lately = [
            await observe(context, service, policy, window, cohort) for window in windows
        ]
        counts = [_requests(each.requests for each in found.values()) for found in (long, lately)]
        found_of.append(Counted(name, *counts))
    first, *others, rest = found_of
    all_of_it = whole(first, others, rest)
    shown = [first, *others, *([rest] if is_more(others, rest) else [])]
    return [{**asdict(each), "share": each.share(all_of_it)} for each in shown]


def _requests(counts: Iterable[float]) -> float | None:
    return max(counts, default=None)


async def _last_run(context: Context, claim: Claim) -> dict[str, Json]:
    async with context.store.reading() as reader:
        steps = (
            await reader.steps(claim.live.deployment)
            if claim.live and claim.live.deployment
            else ()
        )
    last = next((step for step in reversed(steps) if step.run), None)
    if last is None:
        return {}
    run = await context.providers[claim.service].ci.look(last.run)
    return {"run": str(run.state), "run_url": run.url}
