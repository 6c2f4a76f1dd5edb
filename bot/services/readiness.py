"""The readiness review: ask the providers, then judge with what the store holds at that moment; let
people tick and acknowledge.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.domain.actions import Action
from bot.domain.catalog import AutomaticGate, EnvironmentPolicy, Freeze, GateKind, Need, Permission
from bot.domain.commands import Acknowledge, Tick
from bot.domain.decisions import Mark
from bot.domain.deployment import WAITING, Deployment, DeploymentId, State
from bot.domain.errors import IntegrationError, NotAllowed, NotAskedYet, NotPossible
from bot.domain.gates import (
    frozen_by,
    item_gate,
    not_its_own_gate,
    on_call_gate,
    put_again_gate,
    quality_gate,
    rollback_gate,
    unfrozen_gate,
    unknown_gate,
    unlocked_gate,
)
from bot.domain.people import Person
from bot.domain.places import Hindrance, Obstacle, obstacles
from bot.domain.quality import QualityState
from bot.domain.readiness import Gate, GateState, Review
from bot.domain.rollback import Way
from bot.domain.staged import staged_gate, verified_here_gate
from bot.ports.ci import Quality
from bot.ports.people import Shift
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.ports.talk import Answer, Intent, Message
from bot.ports.time import Json
from bot.services import before, givers, lasttime, plans, watching
from bot.services.ahead import redraw_behind
from bot.services.context import Context, act, as_shown, existing, facts_of, note, seen, unclear
from bot.services.given import in_question
from bot.services.givers import Givers
from bot.services.lasttime import facts_of_last_time
from bot.services.leaving import share_now
from bot.services.needless import under_way
from bot.services.offers import rollback_offer
from bot.services.passing import may_be_said, stands
from bot.services.people import readable
from bot.services.starts import wait_again
from bot.services.ways import is_mended, way_there, with_bringer

ON_CALL = "on-call"
BLOCKING = frozenset({GateState.OPEN, GateState.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Facts:
    """What the providers said about a deployment when they were asked; an error
    is what one said instead.
    """

    commit: str
    quality: Quality | IntegrationError | None
    freezes: tuple[Freeze, ...] | IntegrationError
    shift: Shift | IntegrationError | None
    way_back: Way | None = None
    """What lies between an imagined deployment and what it would be rolled back to."""
    way_first: Way | None = None
    """What lies between what is live in the environment before and its version,
    where a gate asks for that.
    """
    givers: Givers = field(default_factory=Givers)
    """Which of the people whose word it goes by could give it now."""

    def again(self, now: datetime, unsettled: timedelta) -> list[timedelta]:
        """Say when something else may be answered: at a turn, at the end of a shift, and soon where
        an answer will not stay.
        """
        given = (self.quality, self.freezes, self.shift)
        moments = [each.until for each in given if isinstance(each, NotAskedYet)]
        if isinstance(self.shift, Shift) and self.shift.until:
            moments.append(self.shift.until)
        is_unsettled = any(
            isinstance(each, IntegrationError) and not isinstance(each, NotAskedYet)
            for each in given
        )
        if isinstance(self.quality, Quality):
            is_unsettled = (
                is_unsettled
                or self.quality.state is QualityState.RUNNING
                or bool(self.quality.startable)
            )
        return [moment - now for moment in moments if moment > now] + [unsettled] * is_unsettled


async def ask_providers(context: Context, deployment: Deployment, *, fresh: bool = False) -> Facts:
    """Ask everything about a deployment that the store does not know; ``fresh``: people as they are
    now, not as they were a minute ago.

    This waits, so it happens outside of any view.
    """
    kinds = {gate.kind for gate in context.of(deployment)[1].gates}
    ci = context.providers[deployment.service].ci
    quality: Quality | IntegrationError | None = None
    freezes: tuple[Freeze, ...] | IntegrationError = ()
    try:
        quality = await ci.quality(deployment.commit) if GateKind.TESTS in kinds else None
    except IntegrationError as error:
        quality = error
    try:
        freezes = await ci.freezes(deployment.environment) if GateKind.UNFROZEN in kinds else ()
    except IntegrationError as error:
        freezes = error
    shift = await shift_now(context, deployment)
    asked = await givers.look_up(context, deployment, fresh=fresh)
    return Facts(
        deployment.commit,
        quality,
        freezes,
        shift,
        way_first=await before.way_to(context, deployment),
        givers=asked,
    )


async def shift_now(context: Context, deployment: Deployment) -> Shift | IntegrationError | None:
    """Ask who is on call, and give an error as the answer that it is."""
    try:
        return await on_call_now(context, deployment)
    except IntegrationError as error:
        return error


async def review(
    context: Context,
    reader: Reader,
    deployment: Deployment,
    facts: Facts,
    *,
    way: Way | None = None,
    way_back: Way | None = None,
) -> Review:
    """Judge every gate of a pinned deployment with what the store holds now. What a provider did
    not answer is unknown, never green.

    What keeps a deployment from going forward whatever is configured has a gate here too, as long
    as it does. ``way`` is what lies between what is live and a deployment that is only imagined,
    ``way_back`` between that one and what it would be rolled back to.
    """
    policy = context.policy(deployment.service, deployment.environment)
    facts = replace(facts, way_back=way_back)
    gates = [await _automatic(context, reader, deployment, facts, gate) for gate in policy.gates]
    configured = {gate.kind for gate in policy.gates}
    gates += [
        await gate_of(context, reader, deployment, each)
        for each in await hindrances(context, reader, deployment, way)
        if _OWN_GATE.get(each.kind) not in configured
    ]
    watch = await watching.gate(context, reader, deployment)
    asked = givers.gate(deployment, facts.givers)
    gates += [each for each in (watch, asked) if each]
    marks = {mark.key: mark for mark in await reader.marks(deployment.id)}
    for item in policy.checklist:
        mark = marks.get(f"item:{item.key}")
        doubt = facts.givers.doubt(mark.key, mark.by) if mark else None
        gates.append(
            item_gate(item, by=mark.by if mark else None, at=mark.at if mark else None, doubt=doubt)
        )
    return Review(context.now(), tuple(gates))


async def hindrances(
    context: Context, reader: Reader, deployment: Deployment, way: Way | None = None
) -> tuple[Hindrance, ...]:
    """Name what keeps a deployment that waits from going forward, whatever its
    environment's gates are.
    """
    way = (
        await with_bringer(reader, deployment, way)
        if way
        else await way_there(context, reader, deployment)
    )
    return obstacles(deployment, await reader.ground(deployment), way, context.now())


_OWN_GATE = {Obstacle.LOCKED: GateKind.UNLOCKED}
TITLES = {
    Obstacle.UNCLEAR: "known what runs",
    Obstacle.LOCKED: "not locked",
    Obstacle.QUARANTINED: "not quarantined",
    Obstacle.BACKWARDS: "database fits",
    Obstacle.UNKNOWN_WAY: "database fits",
    Obstacle.WATCHED: "no watch under way",
}


async def gate_of(
    context: Context, reader: Reader, deployment: Deployment, found: Hindrance
) -> Gate:
    """Show what keeps a deployment as a gate: with who can clear it, and how,
    as far as that is known.
    """
    state = GateState.UNKNOWN if found.kind is Obstacle.UNKNOWN_WAY else GateState.OPEN
    gate = Gate(
        str(found.kind), TITLES[found.kind], state, found.sentence,
        who=str(found.by or ""), clears_at=found.clears_at, by=found.by,
        at=found.at,
    )  # fmt: skip
    place = (deployment.service, deployment.environment)
    if (
        found.kind is not Obstacle.BACKWARDS
        or await may_be_said(reader, *place, context.now()) is None
    ):
        return gate
    current = await stands(reader, *place)
    lead = current.lead if current else None
    who = (
        str(lead)
        if lead
        else " or ".join(
            readable(role) for role in context.catalog.permissions.get(Permission.HAND_OVER, ())
        )
    )
    return replace(
        gate, who=gate.who or who, how=f"/deploy live {place[0]} {place[1]} is REF because TEXT"
    )


_Gate = Callable[[Context, Reader, Deployment, Facts, Need], Awaitable[Gate]]


async def _automatic(
    context: Context, reader: Reader, deployment: Deployment, facts: Facts, gate: AutomaticGate
) -> Gate:
    try:
        return await _GATES[gate.kind](context, reader, deployment, facts, gate.need)
    except IntegrationError as error:
        return unknown_gate(
            gate.kind, f"{error.vendor} does not answer" if error.retry else str(error), gate.need
        )


async def _tests(
    _context: Context, _reader: Reader, deployment: Deployment, facts: Facts, need: Need
) -> Gate:
    if isinstance(facts.quality, IntegrationError):
        raise facts.quality
    if facts.quality is None or facts.commit != deployment.commit:
        return unknown_gate(GateKind.TESTS, "not asked yet", need)
    said = facts.quality
    gate = quality_gate(
        said.state,
        said.sentence,
        said.url,
        need,
        startable=said.startable,
        again=said.is_repeatable,
        since=said.since,
    )
    return replace(gate, as_of=said.as_of)


async def _staged(
    context: Context, reader: Reader, deployment: Deployment, facts: Facts, need: Need
) -> Gate:
    first_in = context.policy(deployment.service, deployment.environment).after
    live = await reader.live(deployment.service, first_in)
    first = await under_way(reader, deployment.service, first_in, deployment.commit)
    here = await reader.live(deployment.service, deployment.environment)
    if here is not None and here.commit == deployment.commit and here.verified_at is not None:
        return verified_here_gate(deployment.version, need)
    leaving, watched = (
        await reader.current(deployment.service, first_in),
        await reader.watched(deployment.service, first_in),
    )
    if (
        leaving is not None
        and leaving.commit == deployment.commit
        and leaving.state is State.ROLLING_BACK
    ):
        return staged_gate(
            before=first_in, version=deployment.version, live_version="",
            is_same=False, verified_at=None, accepted="", need=need,
            leaving=True,
        )  # fmt: skip
    gate = staged_gate(
        before=first_in, coming=first.id if first else "", waits=await before.waits(reader, first),
        kept=await before.kept_from(context, reader, deployment, facts.way_first),
        version=deployment.version, live_version=live.version if live else "",
        is_same=live is not None and live.commit == deployment.commit,
        verified_at=live.verified_at if live else None,
        accepted=live.accepted if live else "", need=need,
        commits=(deployment.commit, live.commit if live else ""),
        said_by=live.said.by if live and live.said else None,
        unclear=await unclear(reader, deployment.service, first_in),
        in_trouble=watched is not None and await in_question(reader, watched) is not None,
    )  # fmt: skip
    share = (
        await share_now(reader, live)
        if live is not None and gate.state is GateState.GREEN
        else None
    )
    return (
        gate
        if share is None or share.has_requests
        else replace(gate, sentence=f"{gate.sentence}; {share.has_them_all}")
    )


async def _rollback(
    context: Context, reader: Reader, deployment: Deployment, facts: Facts, need: Need
) -> Gate:
    offer = await rollback_offer(context, reader, deployment, way=facts.way_back)
    live = await reader.live(deployment.service, deployment.environment)
    if not offer.version and live is not None and live.commit == deployment.commit:
        return put_again_gate(deployment.version, need)
    if offer.plan and not offer.is_own:
        return not_its_own_gate(offer, deployment.version, need)
    mends = await is_mended(context, reader, deployment, facts.way_back)
    return (
        plans.gate(context, deployment, offer, need, facts.givers)
        if offer.plan
        else rollback_gate(offer, need, mends=mends)
    )


async def _unlocked(
    context: Context, reader: Reader, deployment: Deployment, _facts: Facts, need: Need
) -> Gate:
    return unlocked_gate(
        await reader.locks(deployment.service, deployment.environment), context.now(), need
    )


async def _unfrozen(
    context: Context, _reader: Reader, deployment: Deployment, facts: Facts, need: Need
) -> Gate:
    own, environment, now = context.catalog.freezes, deployment.environment, context.now()
    if isinstance(facts.freezes, IntegrationError):
        # a freeze of our own is in force whatever the provider says
        if frozen_by(own, environment, now) is None:
            raise facts.freezes
        return unfrozen_gate(own, environment, now, need)
    return unfrozen_gate(own + facts.freezes, environment, now, need)


async def _on_call(
    _context: Context, reader: Reader, deployment: Deployment, facts: Facts, need: Need
) -> Gate:
    if isinstance(facts.shift, IntegrationError):
        raise facts.shift
    if facts.shift is None:
        return on_call_gate(None, until=None, acknowledged_by=None, at=None, need=need)
    by, at = await _acknowledged(reader, deployment, facts.shift)
    return replace(
        on_call_gate(
            facts.shift.person, until=facts.shift.until, acknowledged_by=by, at=at, need=need
        ),
        as_of=facts.shift.as_of,
    )


async def _acknowledged(
    reader: Reader, deployment: Deployment, shift: Shift
) -> tuple[Person | None, datetime | None]:
    if deployment.requested_by == shift.person:  # who asked for it knows about it
        return shift.person, deployment.requested_at
    for mark in await reader.marks(deployment.id):
        if mark.key == _on_call_key(shift.person):
            return mark.by, mark.at
    return None, None


def _on_call_key(person: Person) -> str:
    return f"{ON_CALL}:{person}"


_GATES: dict[GateKind, _Gate] = {
    GateKind.TESTS: _tests,
    GateKind.STAGED: _staged,
    GateKind.ROLLBACK: _rollback,
    GateKind.UNLOCKED: _unlocked,
    GateKind.UNFROZEN: _unfrozen,
    GateKind.ON_CALL: _on_call,
}


async def on_call_now(context: Context, deployment: Deployment) -> Shift | None:
    """Ask the schedule who is on call for a deployment's service."""
    service, _, providers = context.of(deployment)
    return await providers.on_call.who(service, context.now())


async def ask_on_call(
    context: Context, tx: Transaction, deployment: Deployment, facts: Facts
) -> Deployment:
    """Ask the person on call to acknowledge, once per person, and make them the
    lead where none is named.
    """
    shift = facts.shift
    if shift is None or isinstance(shift, IntegrationError):
        return deployment
    asks = (
        any(gate.kind is GateKind.ON_CALL for gate in context.of(deployment)[1].gates)
        and shift.person != deployment.requested_by
    )
    if deployment.lead is None:
        await tx.set_lead(deployment.id, shift.person)
        await redraw_behind(tx, deployment)
        await note(
            tx, context.now(), "lead", deployment, to=str(shift.person), because=shift.source
        )
        deployment = await existing(tx, deployment.id)
    if asks:
        about = {**facts_of(deployment), "until": shift.until.isoformat() if shift.until else ""}
        key = f"{deployment.id}:acknowledge:{shift.person}"
        await tx.say(
            Message(key, "acknowledge_request", about, deployment.id, to=str(shift.person))
        )
    return deployment


async def acknowledge(context: Context, intent: Intent, command: Acknowledge) -> Answer | None:
    """Store that the person on call knows about the deployment."""
    async with context.store.reading() as reader:
        deployment = await existing(reader, command.deployment)
    shift = await on_call_now(context, deployment)
    if shift is None:
        raise NotPossible(
            f"Nobody is on call for {deployment.service} now, so nobody can acknowledge."
        )
    if intent.by != shift.person:
        raise NotAllowed(
            f"Only {shift.person.mention}, who is on call for "
            f"{deployment.service}, can acknowledge."
        )
    return await act(context, intent, lambda tx: _acknowledge(context, intent, tx, command))


async def _acknowledge(
    context: Context, intent: Intent, tx: Transaction, command: Acknowledge
) -> Answer:
    deployment = await _with_open_checklist(tx, command.deployment)
    as_shown(Action.ACKNOWLEDGE, command.shown, await seen(tx, deployment))
    key = _on_call_key(intent.by)
    await tx.mark(Mark(deployment.id, key, intent.by, context.now()))
    await note(tx, context.now(), "acknowledge", deployment, intent.by, keys=[key], taken_back=[])
    await tx.wake(deployment.id)
    return Answer("acknowledged", facts_of(deployment))


async def tickable(
    context: Context, id: DeploymentId, person: Person
) -> tuple[tuple[str, str, bool], ...]:
    """List the checklist items that a person may tick: key, title, ticked. Raises
    NotAllowed when there are none.
    """
    async with context.store.reading() as reader:
        deployment = await existing(reader, id)
        marks = {mark.key for mark in await _counting(reader, id)}
    policy = context.policy(deployment.service, deployment.environment)
    items = [item for item in policy.checklist if await context.people.holds(person, item.role)]
    if not items:
        roles = [item.role for item in policy.checklist]
        raise NotAllowed(
            f"None of the open items is yours. They can be ticked by: {_roles(policy)}.",
            roles=roles,
        )
    return tuple((item.key, item.title, f"item:{item.key}" in marks) for item in items)


def _roles(policy: EnvironmentPolicy) -> str:
    return ", ".join(sorted({readable(item.role) for item in policy.checklist})) or "nobody"


async def tick(context: Context, intent: Intent, command: Tick) -> Answer | None:
    """Tick and untick what the person changed in the dialog. Only items of their own roles count,
    and nobody else's tick is touched.
    """
    mine = [key for key, _, _ in await tickable(context, command.deployment, intent.by)]
    changed = set(command.items) ^ set(command.before)
    foreign = sorted(changed - set(mine))
    if foreign:
        raise NotAllowed(f"You cannot tick {', '.join(foreign)}: that belongs to another role.")
    return await act(context, intent, lambda tx: _tick(context, intent, tx, command, mine))


async def _counting(reader: Reader, id: DeploymentId) -> list[Mark]:
    """List the ticks that count, as they were judged last; one that does not can be given
    anew, by somebody who may.
    """
    review = await reader.review(id)
    not_counted = (
        {(gate.key, gate.by) for gate in review.gates if gate.state in BLOCKING}
        if review
        else set()
    )
    return [mark for mark in await reader.marks(id) if (mark.key, mark.by) not in not_counted]


async def _tick(
    context: Context, intent: Intent, tx: Transaction, command: Tick, mine: Sequence[str]
) -> Answer:
    deployment = await existing(tx, command.deployment)
    if set(command.before) - set(command.items):
        await wait_again(context, tx, deployment)
    deployment = await _with_open_checklist(tx, command.deployment)
    as_shown(Action.TICK, command.shown, await seen(tx, deployment))
    added = [f"item:{key}" for key in command.items if key not in command.before]
    gone = [f"item:{key}" for key in command.before if key not in command.items]
    counting = {mark.key for mark in await _counting(tx, deployment.id)}
    for key in [*gone, *(key for key in added if key not in counting)]:
        await tx.unmark(deployment.id, key)
    new = [
        key for key in added if await tx.mark(Mark(deployment.id, key, intent.by, context.now()))
    ]
    if new or gone:  # a look through the checklist is no event
        await note(tx, context.now(), "tick", deployment, intent.by, keys=new, taken_back=gone)
        await tx.wake(deployment.id)
    ticked = counting.union(added).difference(gone)
    return Answer(
        "ticked",
        {**facts_of(deployment), "items": [key for key in mine if f"item:{key}" in ticked]},
    )


async def _with_open_checklist(reader: Reader, id: DeploymentId) -> Deployment:
    deployment = await existing(reader, id)
    if deployment.state not in WAITING:
        raise NotPossible(f"{deployment.is_over_already}; its checklist is closed.")
    return deployment


def facts_of_gate(gate: Gate) -> dict[str, Json]:
    """Give a gate's facts as JSON values."""
    return {
        "key": gate.key, "title": gate.title, "state": str(gate.state),
        "sentence": gate.sentence, "who": gate.who,
        "by": str(gate.by or ""), "need": str(gate.need),
        "clears_at": gate.clears_at.isoformat() if gate.clears_at else "",
        "at": gate.at.isoformat() if gate.at else "", "how": gate.how,
        "as_of": gate.as_of.isoformat() if gate.as_of else "",
    }  # fmt: skip


async def say_evidence(
    tx: Transaction, deployment: Deployment, review: Review, *, when: str
) -> None:
    """Put every gate with its evidence into the thread, once for each occasion."""
    again = facts_of_last_time(await lasttime.of(tx, deployment))
    facts = {
        **facts_of(deployment),
        "gates": [facts_of_gate(gate) for gate in review.gates],
        "again": again,
    }
    await tx.say(Message(f"{deployment.id}:gates:{when}", "gates", facts, deployment.id))
