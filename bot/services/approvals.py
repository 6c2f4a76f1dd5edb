"""Approvals: four eyes, N of a role, one commit, and the moment when a deployment may go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.domain.card import ApprovalNeed
from bot.domain.catalog import ApprovalRule, EnvironmentPolicy
from bot.domain.commands import Approve, Reject
from bot.domain.deployment import WAITING, Deployment, DeploymentId, State
from bot.domain.errors import NotAllowed, NotPossible
from bot.domain.people import Person
from bot.domain.readiness import Review
from bot.ports import Answer, Decision, Intent, Message, Transaction
from bot.services import readiness
from bot.services.deployments import compare_again
from bot.services.house import House, existing, facts_of, note
from bot.services.people import readable


def needs(rules: Sequence[ApprovalRule], decisions: Sequence[Decision], commit: str) -> tuple[ApprovalNeed, ...]:
    """Match approvals of this very commit with the rules. One person counts once in each rule they were counted for."""
    given = [decision for decision in decisions if decision.approved and decision.commit == commit]
    return tuple(
        ApprovalNeed(rule.role, rule.count, tuple(decision.by for decision in given if decision.role == rule.role)) for rule in rules
    )


def expires_at(deployment: Deployment, policy: EnvironmentPolicy) -> datetime:
    """Tell when a deployment that has not begun expires."""
    return deployment.requested_at + policy.approval_expires


async def approve(house: House, intent: Intent, command: Approve) -> Answer | None:
    """Store one approval of the pinned commit."""
    deployment, role = await _approver(house, intent.by, command.deployment, "approve")
    decision = Decision(deployment.id, intent.by, role, approved=True, commit=deployment.commit, at=house.now())
    async with house.store.transaction() as tx:
        if not await tx.once(intent.key):
            return None
        now = await existing(tx, deployment.id)
        if now.state is not State.AWAITING_APPROVAL:
            raise NotPossible(f"{now.title} is {now.state}; it does not wait for approval.")
        if not await tx.decide(decision):
            raise NotPossible(f"You have decided about {deployment.title} already.")
        await note(tx, house.now(), "approve", deployment, intent.by, role=role)
        await tx.say(
            Message(f"{deployment.id}:approved:{intent.by}", "approved", {**facts_of(deployment), "by": str(intent.by)}, deployment.id)
        )
        await tx.wake(deployment.id)
    return Answer("approved", facts_of(deployment))


async def reject(house: House, intent: Intent, command: Reject) -> Answer | None:
    """End a deployment that waits for approval, with a reason."""
    deployment, role = await _approver(house, intent.by, command.deployment, "reject")
    decision = Decision(deployment.id, intent.by, role, approved=False, commit=deployment.commit, at=house.now(), reason=command.reason)
    async with house.store.transaction() as tx:
        if not await tx.once(intent.key):
            return None
        if not await tx.move(deployment.id, State.REJECTED, at=house.now(), note=f"rejected by <@{intent.by.user}>: {command.reason}"):
            now = await existing(tx, deployment.id)
            raise NotPossible(f"{now.title} is {now.state}; it does not wait for approval.")
        await tx.decide(decision)
        await note(tx, house.now(), "reject", deployment, intent.by, reason=command.reason)
        await tx.release(deployment.id)
        await tx.wake(deployment.id)
    return Answer("rejected", {**facts_of(deployment), "reason": command.reason})


async def may_reject(house: House, by: Person, id: DeploymentId) -> None:
    """Look whether somebody may reject. Raises Refusal."""
    await _approver(house, by, id, "reject")


async def _approver(house: House, by: Person, id: DeploymentId, verb: str) -> tuple[Deployment, str]:
    async with house.store.reading() as reader:
        deployment = await existing(reader, id)
        decisions = await reader.decisions(id)
    rules = house.of(deployment)[1].approvals
    if by == deployment.requested_by:
        raise NotAllowed(_own(deployment, verb, rules), roles=[rule.role for rule in rules] if verb == "approve" else ())
    open_rules = [need.role for need in needs(rules, decisions, deployment.commit) if need.missing] or [rule.role for rule in rules]
    for role in open_rules:
        if await house.people.holds(by, role):
            return deployment, role
    raise NotAllowed(f"You cannot {verb} {deployment.title}. {_who(rules)}", roles=[rule.role for rule in rules])


def _own(deployment: Deployment, verb: str, rules: Sequence[ApprovalRule]) -> str:
    if verb == "reject":
        return f"You asked for {deployment.title} yourself. You can cancel it instead: on its card, or with /deploy cancel {deployment.id}."
    return f"You asked for {deployment.title} yourself; somebody else has to {verb} it. {_who(rules)}"


def _who(rules: Sequence[ApprovalRule]) -> str:
    needed = " and ".join(_approvals(rule) for rule in rules)
    return f"It needs {needed}." if needed else "It needs no approval."


def _approvals(rule: ApprovalRule) -> str:
    if rule.count == 1:
        return f"1 approval by somebody with the role {readable(rule.role)}"
    return f"{rule.count} approvals by people with the role {readable(rule.role)}"


# What the runbook looks at ----------------------------------------------------------------------------------------------------------------


async def cleared(house: House, id: DeploymentId) -> str | None:
    """Look whether a deployment may go: every gate green and every approval given, at this moment.

    ``go`` moves it to ROLLING_OUT in the same transaction that reads the approvals; ``over`` when it was ended; None to be asked again.
    """
    async with house.store.reading() as reader:
        deployment = await existing(reader, id)
        if deployment.state not in WAITING:
            return "go" if deployment.state is State.ROLLING_OUT else "over"
        review = await readiness.review(house, reader, deployment)
        live = await reader.live(deployment.service, deployment.environment)
    await readiness.start_tests(house, deployment, review)
    if live is not None and live.commit != deployment.base_commit:
        await compare_again(house, deployment, live)
    if deployment.lead is None or not review.is_ready:
        await readiness.ask_on_call(house, id)
    async with house.store.transaction() as tx:
        return await _settle(house, tx, id, review)


async def _settle(house: House, tx: Transaction, id: DeploymentId, review: Review) -> str | None:
    deployment = await existing(tx, id)
    policy = house.of(deployment)[1]
    now = house.now()
    if deployment.state not in WAITING:
        return "over"
    before = await tx.review(id)
    if before is None or before.gates != review.gates:
        await tx.save_review(id, review)
    if now >= expires_at(deployment, policy):
        return await _expire(house, tx, deployment)
    if not await tx.claim(deployment.service, deployment.environment, id):
        return None  # a rollback has taken the environment; ask again
    if not review.is_ready or deployment.lead is None:
        if deployment.state is not State.GATED:
            await tx.move(id, State.GATED, at=now)
        await readiness.say_evidence(tx, deployment, review, when="first")
        return None
    missing = [need for need in needs(policy.approvals, await tx.decisions(id), deployment.commit) if need.missing]
    if missing:
        if deployment.state is not State.AWAITING_APPROVAL:
            await tx.move(id, State.AWAITING_APPROVAL, at=now)
        return None
    return await _go(house, tx, deployment, review)


async def _expire(house: House, tx: Transaction, deployment: Deployment) -> str:
    await tx.move(deployment.id, State.EXPIRED, at=house.now(), note=f"it was {deployment.state} for too long")
    await note(tx, house.now(), "expired", deployment)
    await tx.release(deployment.id)
    return "over"


async def _go(house: House, tx: Transaction, deployment: Deployment, review: Review) -> str:
    await tx.move(deployment.id, State.ROLLING_OUT, at=house.now())
    for other in await tx.open_deployments(deployment.service, deployment.environment):
        if other.state is State.WATCHING:
            await tx.move(other.id, State.SUPERSEDED, at=house.now(), note=f"{deployment.id} followed before it was verified")
            await tx.wake(other.id)
    live = await tx.live(deployment.service, deployment.environment)
    await tx.change(deployment.id, base_commit=live.commit if live else "", base_version=live.version if live else "")
    await note(tx, house.now(), "go", deployment, base=live.commit if live else "")
    await readiness.say_evidence(tx, deployment, review, when="go")
    return "go"
