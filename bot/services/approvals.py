"""Approvals: four eyes, N of a role, one commit over one base."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from bot.domain import approvals as rules_of_approval
from bot.domain.actions import Action
from bot.domain.approvals import ApprovalNeed, Uncounted
from bot.domain.catalog import ApprovalRule, EnvironmentPolicy
from bot.domain.commands import Approve, Reject
from bot.domain.decisions import Decision
from bot.domain.deployment import Deployment, DeploymentId, State
from bot.domain.errors import NotAllowed, NotPossible
from bot.domain.people import Person
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.ports.talk import Answer, Intent, Message
from bot.services import approvers
from bot.services.context import Context, act, as_shown, existing, facts_of, note, seen
from bot.services.people import Held


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
