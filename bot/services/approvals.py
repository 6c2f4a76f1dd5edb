"""Approvals: four eyes, N of a role, one commit over one base, and the moment
when a deployment may go.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.domain import approvals as rules_of_approval
from bot.domain.actions import Action
from bot.domain.approvals import ApprovalNeed, Uncounted
from bot.domain.catalog import ApprovalRule, EnvironmentPolicy
from bot.domain.commands import Approve, Reject
from bot.domain.decisions import Decision
from bot.domain.deployment import OUT_OF_TIME, WAITING, Deployment, DeploymentId, Kind, State
from bot.domain.errors import NotAllowed, NotPossible
from bot.domain.outcomes import Went
from bot.domain.people import Person
from bot.domain.readiness import Review
from bot.ports.ci import Quality
from bot.ports.engine import Later
from bot.ports.people import Shift
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.ports.talk import Answer, Intent, Message
from bot.services import approvers, provider_facts, readiness, starts, ticks
from bot.services.ahead import redraw_behind
from bot.services.context import Context, MovedError, act, as_shown, existing, facts_of, note, seen
from bot.services.needless import is_there
from bot.services.people import Held
from bot.services.queueing import end_needless, passed_by
from bot.services.shared import afresh
from bot.services.starts import wait_again
from bot.services.ways import know_changes, know_way_back

COUNTS_FOR = timedelta(minutes=2)
"""How long the answers that something was let go on count, as long as nothing of it has begun; then
everything is asked again.
"""


def needs(
    rules: Sequence[ApprovalRule],
    decisions: Sequence[Decision],
    deployment: Deployment,
    *,
    now: Mapping[Person, Held] | None = None,
) -> tuple[ApprovalNeed, ...]:
    """Match the approvals of what is being deployed, over what is live, with the rules.

    ``now`` says which roles the approvers hold at this moment; without it they are taken to hold
    what they held when they approved.
    """
    given = {
        each.by: _counting(each) if now is None else now.get(each.by, Held()).roles
        for each in decisions
        if each.approved
        and (each.commit, each.base) == (deployment.commit, deployment.base_commit)
        and each.by != deployment.requested_by
    }
    return rules_of_approval.needs(rules, given)


def _counting(decision: Decision) -> Collection[str]:
    return () if decision.why_not else decision.roles


def uncounted(decisions: Sequence[Decision], deployment: Deployment) -> tuple[Uncounted, ...]:
    """Name who approved what is being deployed, and does not count now."""
    same = [
        each
        for each in decisions
        if (each.commit, each.base) == (deployment.commit, deployment.base_commit)
    ]
    return tuple(
        Uncounted(each.by, each.why_not) for each in same if each.approved and each.why_not
    )


def expires_at(deployment: Deployment, policy: EnvironmentPolicy) -> datetime:
    """Tell when a deployment that has not begun expires."""
    return deployment.requested_at + policy.approval_expires


async def approve(context: Context, intent: Intent, command: Approve) -> Answer | None:
    """Store one approval of the pinned commit, over what is live now."""
    roles = await _approver(context, intent.by, command.deployment, "approve")
    return await act(context, intent, lambda tx: _approve(context, intent, tx, command, roles))


async def _approve(
    context: Context, intent: Intent, tx: Transaction, command: Approve, roles: tuple[str, ...]
) -> Answer:
    deployment = await existing(tx, command.deployment)
    if deployment.state is not State.AWAITING_APPROVAL:
        raise NotPossible(await _not_waiting(tx, deployment))
    as_shown(Action.APPROVE, command.shown, await seen(tx, deployment))
    decision = Decision(
        deployment.id,
        intent.by,
        roles,
        approved=True,
        commit=deployment.commit,
        base=deployment.base_commit,
        at=context.now(),
    )
    if not await tx.decide(decision):
        raise NotPossible(f"You have decided about {deployment.title} already.")
    await note(
        tx,
        context.now(),
        "approve",
        deployment,
        intent.by,
        roles=list(roles),
        base=deployment.base_commit,
    )
    about = {**facts_of(deployment), "by": str(intent.by)}
    await tx.say(
        Message(
            f"{deployment.id}:approved:{intent.by}:{deployment.base_commit[:12]}",
            "approved",
            about,
            deployment.id,
        )
    )
    await tx.wake(deployment.id)
    return Answer("approved", facts_of(deployment))


async def reject(context: Context, intent: Intent, command: Reject) -> Answer | None:
    """End a deployment that waits for approval, with a reason."""
    roles = await _approver(context, intent.by, command.deployment, "reject")
    return await act(context, intent, lambda tx: _reject(context, intent, tx, command, roles))


async def _reject(
    context: Context, intent: Intent, tx: Transaction, command: Reject, roles: tuple[str, ...]
) -> Answer:
    deployment = await existing(tx, command.deployment)
    if not await tx.move(
        deployment.id, State.REJECTED, at=context.now(), note=command.reason, by=intent.by
    ):
        raise NotPossible(await _not_waiting(tx, deployment))
    as_shown(Action.REJECT, command.shown, await seen(tx, deployment))
    await tx.decide(
        Decision(
            deployment.id, intent.by, roles, approved=False,
            commit=deployment.commit, base=deployment.base_commit, at=context.now(),
            reason=command.reason,
        )
    )  # fmt: skip
    await note(tx, context.now(), "reject", deployment, intent.by, reason=command.reason)
    await tx.release(deployment.id)
    await tx.wake(deployment.id)
    return Answer("rejected", {**facts_of(deployment), "reason": command.reason})


async def _not_waiting(reader: Reader, deployment: Deployment) -> str:
    """Say where a deployment stands that does not wait for approval; of one that waits for
    its gates, which those are.
    """
    review = await reader.review(deployment.id) if deployment.state is State.GATED else None
    first, *others = review.blocking if review and review.blocking else (None,)
    if first is None:
        return f"{deployment.stands}; it does not wait for approval."
    more = f" and {len(others)} more" if others else ""
    return (
        f"{deployment.stands}, not for approval now. Open: {first.title} ({first.sentence}){more}."
    )


async def may_reject(context: Context, by: Person, id: DeploymentId) -> None:
    """Look whether somebody may reject. Raises Refusal."""
    await _approver(context, by, id, "reject")


async def _approver(context: Context, by: Person, id: DeploymentId, verb: str) -> tuple[str, ...]:
    """Name the approving roles that somebody holds. Raises NotAllowed for the requester,
    and for whoever holds none.
    """
    async with context.store.reading() as reader:
        deployment = await existing(reader, id)
    rules = context.of(deployment)[1].approvals
    if by == deployment.requested_by:
        lacking = await approvers.lacks(context, by, rules) if verb == "approve" else ""
        now = f" Now {lacking}: the role has to be given to one more person." if lacking else ""
        sentence = f"{_own(deployment, verb, rules)}{now}"
        raise NotAllowed(sentence, roles=[rule.role for rule in rules] if verb == "approve" else ())
    held = tuple([rule.role for rule in rules if await context.people.holds(by, rule.role)])
    if not held:
        raise NotAllowed(
            f"You cannot {verb} {deployment.title}. {_who(rules)}",
            roles=[rule.role for rule in rules],
        )
    return held


def _own(deployment: Deployment, verb: str, rules: Sequence[ApprovalRule]) -> str:
    if verb == "reject":
        return (
            f"You asked for {deployment.title} yourself. You can cancel it instead: on its card, "
            f"or with /deploy cancel {deployment.id}."
        )
    return (
        f"You asked for {deployment.title} yourself; somebody else has to {verb} it. {_who(rules)}"
    )


def _who(rules: Sequence[ApprovalRule]) -> str:
    return f"It needs {approvers.in_words(rules)}." if rules else "It needs no approval."


# What the runbook looks at ----------------------------------------------------------------------


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
    await know_changes(context, id)
    await know_way_back(context, id)
    async with context.store.reading() as reader:
        deployment = await existing(reader, id)
        decisions = await reader.decisions(id)
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
