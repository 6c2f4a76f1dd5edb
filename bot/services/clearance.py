"""The moment when a deployment may go: every gate green and every approval given, with everything
asked afresh.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from bot.domain.decisions import Decision
from bot.domain.deployment import OUT_OF_TIME, WAITING, Deployment, DeploymentId, Kind, State
from bot.domain.outcomes import Went
from bot.domain.people import Person
from bot.domain.readiness import Review
from bot.ports.ci import Quality
from bot.ports.engine import Later
from bot.ports.people import Shift
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.ports.talk import Message
from bot.services import provider_facts, readiness, starts, ticks
from bot.services.ahead import redraw_behind
from bot.services.approvals import expires_at, needs
from bot.services.context import Context, MovedError, existing, facts_of, note
from bot.services.needless import is_there
from bot.services.people import Held
from bot.services.queueing import end_needless, passed_by
from bot.services.shared import afresh
from bot.services.starts import wait_again
from bot.services.ways import are_known, know_changes, know_way_back

COUNTS_FOR = timedelta(minutes=2)
"""How long the answers that something was let go on count, as long as nothing of it has begun; then
everything is asked again.
"""


@dataclass(frozen=True, slots=True)
class Looked:
    """What was asked outside before the decision: the providers' facts, and which
    roles the approvers hold now.
    """

    facts: provider_facts.Facts
    approvers: Mapping[Person, Held]
    is_fresh: bool = False
    """Whether it was asked past what is shared; nothing goes on anything else."""


async def cleared(context: Context, id: DeploymentId) -> Went | Later:
    """Look whether a deployment may go: every gate green and every approval given, at this moment.

    The providers and the directory are asked first, past what is shared when it may go. Everything
    that the store knows is asked in the transaction that moves it to ROLLING_OUT; nothing is
    written when nothing has changed. ``over`` when it was ended.
    """
    deployment, decisions = await _known(context, id)
    if deployment.state not in WAITING:
        return Went.GO if deployment.state is State.ROLLING_OUT else Went.OVER
    looked = await _look(context, deployment, decisions)
    if isinstance(looked.facts.quality, Quality) and looked.facts.quality.startable:
        await starts.start_tests(context, deployment, looked.facts.quality)
        with afresh():
            looked = await _look(context, deployment, decisions)
    async with context.store.reading() as reader:
        if await _nothing_new(context, reader, deployment, looked):
            return await look_again_in(context, reader, id, looked)
        may_go = await _may_go(context, reader, deployment, looked)
    try:
        return await _decided(context, id, await _afresh(context, id) if may_go else looked)
    except MovedError:  # what kept it last has gone since
        return await _decided(context, id, await _afresh(context, id))


async def _known(context: Context, id: DeploymentId) -> tuple[Deployment, Sequence[Decision]]:
    """Read a deployment and what was decided about it, once it is compared with what is live and
    with what it would go back to.
    """
    async with context.store.reading() as reader:
        deployment, decisions = await existing(reader, id), await reader.decisions(id)
        if await are_known(context, reader, deployment):
            return deployment, decisions
    await know_changes(context, id)
    await know_way_back(context, id)
    async with context.store.reading() as reader:
        return await existing(reader, id), await reader.decisions(id)


async def cleared_still(context: Context, id: DeploymentId) -> Went | Later:
    """Ask once more what something was let go on, where that was a while ago and nothing of it has
    begun: a lock or a refusal came between.

    Where it could not go at this moment it waits for its gates and approvals again, and
    is ``cleared`` as before.
    """
    async with context.store.reading() as reader:
        deployment = await existing(reader, id)
    may_begin = deployment.kind is Kind.FORWARD and (
        deployment.state in WAITING or deployment.is_only_let_go
    )
    if not may_begin or (
        deployment.state is State.ROLLING_OUT
        and context.now() - deployment.state_since <= COUNTS_FOR
    ):
        return Went.GO
    if deployment.is_only_let_go and not await _would_go(context, deployment):
        async with context.store.transaction() as tx:
            await wait_again(context, tx, await existing(tx, id))
    return await cleared(context, id)


async def _would_go(context: Context, deployment: Deployment) -> bool:
    """Tell whether it would be let go now, with everything asked afresh."""
    looked = await _afresh(context, deployment.id)
    async with context.store.reading() as reader:
        live = await reader.live(deployment.service, deployment.environment)
        is_compared = deployment.base_commit == (live.commit if live else "")
        is_in_time = context.now() < expires_at(deployment, context.of(deployment)[1])
        return is_compared and is_in_time and await _may_go(context, reader, deployment, looked)


async def _decided(context: Context, id: DeploymentId, looked: Looked) -> Went | Later:
    async with context.store.transaction() as tx:
        return await _settle(context, tx, id, looked) or await look_again_in(
            context, tx, id, looked
        )


async def _afresh(context: Context, id: DeploymentId) -> Looked:
    """Ask everything past what is shared: nothing goes on an answer that was given
    to somebody else before.
    """
    async with context.store.reading() as reader:
        deployment, decisions = await existing(reader, id), await reader.decisions(id)
    with afresh():
        return await _look(context, deployment, decisions, fresh=True)


async def _look(
    context: Context, deployment: Deployment, decisions: Sequence[Decision], *, fresh: bool = False
) -> Looked:
    facts = await provider_facts.ask_providers(context, deployment, fresh=fresh)
    return Looked(
        facts, await _roles_now(context, deployment, decisions, fresh=fresh), is_fresh=fresh
    )


async def _may_go(context: Context, reader: Reader, deployment: Deployment, looked: Looked) -> bool:
    """Tell whether it would go with what is shared; then everything is asked once more."""
    given = needs(
        context.of(deployment)[1].approvals,
        await reader.decisions(deployment.id),
        deployment,
        now=looked.approvers,
    )
    review = await readiness.review(context, reader, deployment, looked.facts)
    return review.is_ready and not any(need.missing for need in given)


async def look_again_in(
    context: Context, reader: Reader, id: DeploymentId, looked: Looked
) -> Later:
    """Say when to look again: ever more rarely, but soon while an answer will not stay, and at
    every moment that is known.
    """
    deployment, review, now = await existing(reader, id), await reader.review(id), context.now()
    since = max(deployment.state_since, review.at) if review else deployment.state_since
    ends = [gate.clears_at for gate in review.gates if gate.clears_at] if review else []
    begins = [
        freeze.start
        for freeze in context.catalog.freezes
        if freeze.environment == deployment.environment
    ]
    moments = [
        moment - now
        for moment in (*ends, *begins, expires_at(deployment, context.of(deployment)[1]))
        if moment > now
    ]
    are_known = looked.facts.givers.are_known and all(
        held.is_known for held in looked.approvers.values()
    )
    unknown = [] if are_known else [context.intervals.slowest]
    return Later(
        min(
            [
                context.intervals.while_waiting(now - since),
                *moments,
                *unknown,
                *looked.facts.again(now, context.intervals.slowest),
            ]
        )
    )


async def _roles_now(
    context: Context, deployment: Deployment, decisions: Sequence[Decision], *, fresh: bool
) -> dict[Person, Held]:
    """Ask which approving roles the approvers hold now; whoever cannot be looked up holds none."""
    roles = {rule.role for rule in context.of(deployment)[1].approvals}
    return {
        each.by: await context.people.held_now(each.by, roles, fresh=fresh)
        for each in decisions
        if each.approved
    }


async def _nothing_new(
    context: Context, reader: Reader, before: Deployment, looked: Looked
) -> bool:
    """Tell whether the decision would be the one that is stored: then nothing is written."""
    deployment = await existing(reader, before.id)
    known, review = (
        await reader.review(before.id),
        await readiness.review(context, reader, deployment, looked.facts),
    )
    is_held = await reader.holder(deployment.service, deployment.environment) == deployment.id
    waits = not review.is_ready or deployment.lead is None
    return (
        deployment.state is State.GATED
        and is_held
        and waits
        and not await is_there(
            reader, deployment.service, deployment.environment, deployment.commit
        )
        and not any(
            _differs(each, looked.approvers[each.by])
            for each in await reader.decisions(before.id)
            if each.by in looked.approvers
        )
        and known is not None
        and known.gates == review.gates
        and context.now() < expires_at(deployment, context.of(deployment)[1])
        and (deployment.lead is not None or not isinstance(looked.facts.shift, Shift))
    )


async def _settle(
    context: Context, tx: Transaction, id: DeploymentId, looked: Looked
) -> Went | None:
    """Decide by what was asked. Raises MovedError, and writes nothing, where it would go on
    answers that are shared.
    """
    deployment = await existing(tx, id)
    policy = context.of(deployment)[1]
    now = context.now()
    if deployment.state not in WAITING:
        return Went.GO if deployment.state is State.ROLLING_OUT else Went.OVER
    if await end_needless(context, tx, deployment):
        return Went.OVER
    review = await readiness.review(context, tx, deployment, looked.facts)
    await _recount(context, tx, deployment, looked)
    if not review.is_ready or deployment.lead is None:
        deployment = await ticks.ask_on_call(context, tx, deployment, looked.facts)
    before = await tx.review(id)
    if before is None or before.gates != review.gates:
        await tx.save_review(id, review)
    if now >= expires_at(deployment, policy):
        return await _expire(context, tx, deployment)
    if not await tx.claim(
        deployment.service, deployment.environment, id, await passed_by(tx, deployment)
    ):
        return None  # a rollback has taken the environment; ask again
    live = await tx.live(deployment.service, deployment.environment)
    is_compared = deployment.base_commit == (live.commit if live else "")
    if not review.is_ready_to_approve or deployment.lead is None or not is_compared:
        await _stand(context, tx, deployment, State.GATED)
        await readiness.say_evidence(tx, deployment, review, when="first")
        return None
    given = needs(policy.approvals, await tx.decisions(id), deployment, now=looked.approvers)
    is_approved = not any(need.missing for need in given)
    if not is_approved or not review.is_ready:  # what is approved waits for the end of a watch
        await _stand(
            context, tx, deployment, State.GATED if is_approved else State.AWAITING_APPROVAL
        )
        return None
    if not looked.is_fresh:
        raise MovedError
    return await _go(context, tx, deployment, review)


async def _recount(
    context: Context, tx: Transaction, deployment: Deployment, looked: Looked
) -> None:
    """Store which approvals count now, so that the card shows no other; who does not count any
    more is said in the thread.
    """
    for decision in await tx.decisions(deployment.id):
        held = looked.approvers.get(decision.by)
        if held is None or not decision.approved or not _differs(decision, held):
            continue
        await tx.recount(
            replace(
                decision, roles=tuple(sorted(held.roles)) or decision.roles, why_not=held.why_not
            )
        )
        if decision.why_not != held.why_not:
            await note(
                tx, context.now(), "recounted", deployment, of=str(decision.by), why=held.why_not
            )
            about = {**facts_of(deployment), "by": str(decision.by), "why": held.why_not}
            key = f"{deployment.id}:recounted:{decision.by}:{context.now().isoformat()}"
            await tx.say(Message(key, "recounted", about, deployment.id))


def _differs(decision: Decision, held: Held) -> bool:
    return decision.why_not != held.why_not or (
        bool(held.roles) and frozenset(decision.roles) != held.roles
    )


async def _stand(context: Context, tx: Transaction, deployment: Deployment, state: State) -> None:
    if deployment.state is not state:
        await tx.move(deployment.id, state, at=context.now())
        await redraw_behind(tx, deployment)


async def _expire(context: Context, tx: Transaction, deployment: Deployment) -> Went:
    await tx.move(
        deployment.id, State.EXPIRED, at=context.now(), note=OUT_OF_TIME[deployment.state]
    )
    await note(tx, context.now(), "expired", deployment)
    await tx.release(deployment.id)
    return Went.OVER


async def _go(context: Context, tx: Transaction, deployment: Deployment, review: Review) -> Went:
    await tx.move(deployment.id, State.ROLLING_OUT, at=context.now())
    await redraw_behind(tx, deployment)
    await note(tx, context.now(), "go", deployment, base=deployment.base_commit)
    await readiness.say_evidence(tx, deployment, review, when="go")
    return Went.GO
