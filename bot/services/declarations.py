"""What is live, on somebody's word: it is asked for where the bot cannot know, and shown for what it is ever after."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from bot.domain.audit import Entry
from bot.domain.card import Action
from bot.domain.catalog import Permission
from bot.domain.commands import SayLive
from bot.domain.declared import Declared, Origin
from bot.domain.deployment import CAN_ROLL_BACK, WAITING, Acceptance, Deployment, Kind, State
from bot.domain.errors import IntegrationError, NotAllowed, NotPossible, Offer
from bot.domain.places import Doubt, Ground, Unclear
from bot.domain.rollback import Passage
from bot.domain.rollout import StepState
from bot.domain.shown import Seen, token
from bot.ports import Answer, Cohort, Intent, Json, Live, Message, Reader, Resolved, Transaction, Window
from bot.services.deployments import require_still
from bot.services.health import observe
from bot.services.house import House, act, as_shown, note
from bot.services.offers import rollback_offer
from bot.services.quarantines import resolved_ref
from bot.services.strays import give_up
from bot.services.ways import between

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

    @property
    def doubt(self) -> str:
        """Name the doubt, and every run of which nobody knows whether it has ended."""
        doubt = self.ground.doubt
        named = [f"{doubt.kind} {doubt.since.isoformat()}"] if doubt else []
        return " ".join([*named, *(stray.run for stray in self.ground.strays)])

    @property
    def seen(self) -> Seen:
        """Say what the dialog shows."""
        base = self.live.commit if self.live else ""
        return Seen(commit=self.said.commit, named=self.said.version, base=base, doubt=f"{self.doubt} {self.quarantine}")


async def say_live(house: House, intent: Intent, command: SayLive) -> Answer | None:
    """Record what is live on somebody's word, after a dialog that shows what it goes against. It proves nothing about the version."""
    house.policy(command.service, command.environment)
    may = await house.people.may(intent.by, Permission.HAND_OVER)
    async with house.store.reading() as reader:
        standing = await _authorise(house, reader, intent, command, may=may)
    if standing is not None and not may:
        await require_still(house, standing, intent.by)
    if command.shown:
        said = Resolved(command.ref, command.version or command.ref)
        return await act(house, intent, lambda tx: _declare(house, intent, tx, command, said, may=may))
    said = await resolved_ref(house, command.service, command.ref)
    async with house.store.reading() as reader:
        leaving = await _leaving(house, reader, command, said)
        claim = await _claimed(house, reader, command, said)
        failed = await reader.failed_since(command.service, command.environment)
    passed = await _passed_over(house, claim, (*failed, *(each.commit for each in leaving)))
    facts = {**facts_of_claim(claim), **await _evidence(house, claim), **passed, "reason": command.reason}
    carries = f"{token(Action.SAY_LIVE, claim.seen)} {said.commit} {said.version} {command.reason}"
    button = Offer(Action.SAY_LIVE, f"Say that {said.version} is live", f"{claim.service}/{claim.environment}", carries=carries)
    return await act(house, intent, lambda _tx: _said(Answer("live_dialog", facts, (button,))))


async def _said(answer: Answer) -> Answer:
    return answer


async def _authorise(house: House, reader: Reader, intent: Intent, command: SayLive, *, may: bool) -> Deployment | None:
    """Let whoever may hand over any lead say it, and the lead of what stands there, which is given. Raises NotAllowed."""
    service, environment = command.service, command.environment
    standing = await reader.standing(service, environment)
    if may or (standing is not None and intent.by == standing.lead):
        return standing
    named = [f"{standing.lead.mention}, its lead,"] if standing and standing.lead else []
    named += house.people.named_by_role(Permission.HAND_OVER) or ["whoever keeps gonogo.yaml"]
    who = " or ".join(named)
    raise NotAllowed(
        f"You cannot say what is live in {service} {environment}. {who[0].upper()}{who[1:]} can.",
        roles=house.catalog.permissions.get(Permission.HAND_OVER, ()),
    )


async def _by_hand(house: House, reader: Reader, service: str, environment: str) -> Doubt | None:
    """Say that what stands there is gone back from by hand alone, so that nobody but a person can tell when that has been done."""
    holder = await reader.deployment(await reader.holder(service, environment))
    standing = holder if holder is not None and holder.state not in WAITING else await reader.standing(service, environment)
    if standing is None or standing.kind is not Kind.FORWARD or standing.state not in CAN_ROLL_BACK:
        return None
    offer = await rollback_offer(house, reader, standing)
    if not offer.plan or (standing.state is State.ROLLING_OUT and await reader.trouble(standing.id) is None):
        return None
    why = f"no button goes back from {standing.version}, which adds a migration: whoever has gone back by its own plan says so"
    return Doubt(Unclear.FAILED, why, standing.state_since, standing.id)


async def _claimed(house: House, reader: Reader, command: SayLive, said: Resolved) -> Claim:
    """Read what the store knows about the place. Raises NotPossible where that is what is live there."""
    place = (command.service, command.environment)
    live = await reader.live(*place)
    doubt = await reader.doubt(*place) or await _by_hand(house, reader, *place)
    ground = Ground("", "", "", doubt=doubt, strays=await reader.strays(*place))
    if live is not None and ground.is_clear:
        raise NotPossible(_known(live))
    return Claim(*place, said, ground, live, await reader.quarantine(command.service, said.commit))


def _known(live: Live) -> str:
    """Say that nobody's word is asked for, and what can be done where it is not so."""
    place = f"{live.service} {live.environment}"
    how = f"brought there by {live.deployment}" if live.deployment else "as it was declared"
    return (
        f"{live.version} is live in {place}, {how}, and nothing has made that unclear, so nobody's word is needed; nothing was changed. "
        f"If something else was put there past Go/No-Go, put {live.version} back by hand, or deploy another version: "
        f"/deploy {live.service} REF to {live.environment}."
    )


async def _leaving(house: House, reader: Reader, command: SayLive, said: Resolved) -> tuple[Deployment, ...]:
    """Name the deployments that are let go of when this is live instead. Raises NotPossible while one is under way."""
    place = (command.service, command.environment)
    doubt = await reader.doubt(*place) or await _by_hand(house, reader, *place)
    leaving = tuple(each for each in await reader.open_deployments(*place) if _is_left(each, doubt, said.commit))
    holder = await reader.deployment(await reader.holder(*place))
    if holder is not None and holder.state not in WAITING and holder not in leaving:
        where = f"{command.service} {command.environment}"
        raise NotPossible(f"{holder.id} is under way in {where}; what is live is changing. Wait for its end, or stop it first.")
    return leaving


def _is_left(shown: Deployment, doubt: Doubt | None, commit: str) -> bool:
    """Tell whether a deployment ends when this commit is what is live instead.

    One that is watched ends, because it is not there. One that rolls out ends where it is under way only because the database was put
    back from a copy, or where its numbers are bad and no button goes back. A rollback goes on, and ends by itself.
    """
    if shown.kind is not Kind.FORWARD or shown.state not in {State.ROLLING_OUT, State.WATCHING}:
        return False
    if shown.state is State.WATCHING:
        return shown.commit != commit
    return doubt is not None and (doubt.deployment == shown.id or (doubt.kind is Unclear.RESTORED and shown.state_since <= doubt.since))


async def _declare(house: House, intent: Intent, tx: Transaction, command: SayLive, said: Resolved, *, may: bool) -> Answer:
    await _authorise(house, tx, intent, command, may=may)
    claim = await _claimed(house, tx, command, said)
    as_shown(Action.SAY_LIVE, command.shown, claim.seen)
    for deployment in await _leaving(house, tx, command, said):
        await _leave(house, tx, deployment, intent)
    await tx.set_live(await _live(house, tx, claim, intent, command.reason))
    await tx.cast_doubt(claim.service, claim.environment, None)
    facts = {**facts_of_claim(claim), "reason": command.reason, "by": str(intent.by)}
    about = {"commit": said.commit, "version": said.version, "reason": command.reason, "before": facts["recorded"]}
    place = {"service": claim.service, "environment": claim.environment}
    await tx.audit(Entry(intent.at, intent.by, "live", facts={**place, **about}))
    channel = house.service(claim.service).channel or intent.place.channel
    await tx.say(Message(f"live:{intent.key}", "said_live", facts, to="channel", channel=channel))
    return Answer("said_live", facts)


async def _live(house: House, tx: Transaction, claim: Claim, intent: Intent, reason: str) -> Live:
    """Make the record: what is known of this commit here stays known, and nothing is proved by the word."""
    place, now = (claim.service, claim.environment), house.now()
    same = claim.live if claim.live is not None and claim.live.commit == claim.said.commit else None
    before = same or next((each for each in await tx.releases(*place, limit=None) if each.commit == claim.said.commit), None)
    word = Declared(*place, claim.said.commit, claim.said.version, Origin.SAID, intent.by, now, reason)
    return Live(
        *place, claim.said.commit, claim.said.version, now, same.deployment if same else "", same.by if same else intent.by,
        before.verified_at if before else None, before.accepted if before else Acceptance.SAID, word,
    )  # fmt: skip


async def _leave(house: House, tx: Transaction, deployment: Deployment, intent: Intent) -> None:
    """Let go of a deployment that is not what is live. A run of it that may still be going is stopped and looked for."""
    now, why = house.now(), "what is live was unclear, and somebody said what it is instead"
    for step in await tx.steps(deployment.id):
        if step.state in {StepState.RUNNING, StepState.SMOKE}:
            await give_up(house, tx, deployment, step)
    await tx.move(deployment.id, State.SUPERSEDED if deployment.state is State.WATCHING else State.FAILED, at=now, note=why)
    await note(tx, now, "left", deployment, intent.by, why=why)
    await tx.release(deployment.id)
    await tx.wake(deployment.id)


def facts_of_claim(claim: Claim) -> dict[str, Json]:
    """Give what is said, and what it goes against, as JSON values."""
    live = claim.live
    return {
        "service": claim.service, "environment": claim.environment, "version": claim.said.version,
        "recorded": live.version if live else "", "recorded_by": live.deployment if live else "",
        "since": live.since.isoformat() if live else "", "is_same": live is not None and live.commit == claim.said.commit,
        "unclear": claim.ground.in_words, "quarantined": claim.quarantine, "strays": len(claim.ground.strays),
    }  # fmt: skip


async def _passed_over(house: House, claim: Claim, others: Sequence[str]) -> dict[str, Json]:
    """Name the migrations that may be there and that the version has not: after the word nothing asks about them any more."""
    there = [*([claim.live.commit] if claim.live else []), *others]
    commits = [commit for commit in dict.fromkeys(there) if commit != claim.said.commit]
    if not commits:
        return {"migrations": [], "is_compared": True}
    way = await between(house, claim.service, leaving=commits[0], to=claim.said.commit, beside=commits[1:])
    left = list(way.undoes.migrations or (way.path,)) if way.passage is Passage.MIGRATION else []
    return {"migrations": left, "is_compared": way.passage is not Passage.UNKNOWN}


# What the providers say -------------------------------------------------------------------------------------------------------------------


async def _evidence(house: House, claim: Claim) -> dict[str, Json]:
    """Ask the metrics whose requests they see, and the CI provider how the last run of what is recorded ended; nobody waits for long."""
    facts: dict[str, Json] = {"minutes": int(RECENT.total_seconds() // 60), "traffic": None, "run": "", "run_url": ""}
    try:
        async with asyncio.timeout(PATIENCE):
            facts["traffic"] = await _traffic(house, claim)
            facts |= await _last_run(house, claim)
    except (TimeoutError, IntegrationError):
        return facts
    return facts


async def _traffic(house: House, claim: Claim) -> list[Json]:
    """Count the requests of the last minutes by version; None for one of which the metrics say nothing."""
    cohorts = {claim.said.version: Cohort(claim.said.commit)}
    if claim.live is not None and claim.live.commit != claim.said.commit:
        cohorts[f"{claim.live.version} ({claim.live.commit[:7]})"] = Cohort(claim.live.commit)
    cohorts[f"everything but {claim.said.version}"] = Cohort(claim.said.commit, others=True)
    now, policy = house.now(), house.policy(claim.service, claim.environment)
    service, window = house.service(claim.service), Window(now - RECENT, now)
    seen = {name: await observe(house, service, policy, window, cohort) for name, cohort in cohorts.items()}
    return [{"of": name, "requests": _requests(each.requests for each in found.values())} for name, found in seen.items()]


def _requests(counts: Iterable[float]) -> float | None:
    return max(counts, default=None)


async def _last_run(house: House, claim: Claim) -> dict[str, Json]:
    async with house.store.reading() as reader:
        steps = await reader.steps(claim.live.deployment) if claim.live and claim.live.deployment else ()
    last = next((step for step in reversed(steps) if step.run), None)
    if last is None:
        return {}
    run = await house.providers[claim.service].ci.look(last.run)
    return {"run": str(run.state), "run_url": run.url}
