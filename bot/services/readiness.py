"""The readiness review: every gate is judged by what the providers said and what the store holds
at that moment.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from datetime import datetime

from bot.domain.catalog import AutomaticGate, GateKind, Need, Permission
from bot.domain.deployment import Deployment, State
from bot.domain.errors import IntegrationError
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
from bot.domain.readiness import Gate, GateState, Review
from bot.domain.rollback import Way
from bot.domain.staged import staged_gate, verified_here_gate
from bot.ports.people import Shift
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.ports.talk import Message
from bot.ports.time import Json
from bot.services import before, givers, lasttime, plans, watching
from bot.services.context import Context, facts_of, unclear
from bot.services.given import in_question
from bot.services.lasttime import facts_of_last_time
from bot.services.leaving import share_now
from bot.services.needless import under_way
from bot.services.offers import rollback_offer
from bot.services.passing import may_be_said, stands
from bot.services.people import readable
from bot.services.provider_facts import Facts
from bot.services.ways import is_mended, way_there, with_bringer

ON_CALL = "on-call"


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
        if mark.key == on_call_key(shift.person):
            return mark.by, mark.at
    return None, None


def on_call_key(person: Person) -> str:
    """Name the tick by which a person on call acknowledges."""
    return f"{ON_CALL}:{person}"


_GATES: dict[GateKind, _Gate] = {
    GateKind.TESTS: _tests,
    GateKind.STAGED: _staged,
    GateKind.ROLLBACK: _rollback,
    GateKind.UNLOCKED: _unlocked,
    GateKind.UNFROZEN: _unfrozen,
    GateKind.ON_CALL: _on_call,
}


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
        "tally": asdict(review.tally),
        "again": again,
    }
    await tx.say(Message(f"{deployment.id}:gates:{when}", "gates", facts, deployment.id))
