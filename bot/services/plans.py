"""The way back over migrations: no button goes it, so people say that the migrations
have a plan of their own.

A word counts for one plan: the version that it leads back to and the migrations that it undoes.
When either is another, it is asked again.
"""

from __future__ import annotations

from bot.domain.actions import Action
from bot.domain.catalog import Need
from bot.domain.commands import ConfirmPlan
from bot.domain.decisions import Mark
from bot.domain.deployment import WAITING, Deployment, DeploymentId
from bot.domain.errors import NotAllowed, NotPossible
from bot.domain.gates import plan_gate
from bot.domain.offer import RollbackOffer
from bot.domain.people import Person
from bot.domain.readiness import Gate, GateState
from bot.domain.shown import Seen
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.ports.talk import Answer, Intent, Message
from bot.ports.time import Json
from bot.services.context import Context, act, as_shown, existing, facts_of, note
from bot.services.givers import Givers
from bot.services.offers import plan_mark, rollback_offer
from bot.services.people import readable


def gate(
    context: Context, deployment: Deployment, offer: RollbackOffer, need: Need, givers: Givers
) -> Gate:
    """Judge whether the plan that going back takes has been confirmed by somebody who may."""
    roles, confirmed = context.of(deployment)[1].plan_by, offer.confirmed
    doubt = givers.doubt(plan_mark(offer.plan), confirmed.by) if confirmed else None
    return plan_gate(offer, need, who=" or ".join(roles), confirmed=confirmed, doubt=doubt)


async def may_confirm(context: Context, by: Person, id: DeploymentId) -> None:
    """Look whether somebody may confirm a plan, and whether there is one. Raises Refusal."""
    async with context.store.reading() as reader:
        deployment = await existing(reader, id)
    await _authorise(context, by, deployment)
    async with context.store.reading() as reader:
        await _to_confirm(context, reader, id)


async def _authorise(context: Context, by: Person, deployment: Deployment) -> None:
    roles = context.of(deployment)[1].plan_by
    if not any([await context.people.holds(by, role) for role in roles]):
        named = " or ".join(readable(role) for role in roles)
        who = (
            f"People with the role {named} can."
            if named
            else "No role can; name one in gonogo.yaml (plan_by)."
        )
        raise NotAllowed(
            f"You cannot confirm how one goes back from {deployment.title}. {who}", roles=roles
        )


async def _to_confirm(
    context: Context, reader: Reader, id: DeploymentId
) -> tuple[Deployment, RollbackOffer]:
    """Give what is to be confirmed. Raises NotPossible."""
    deployment = await existing(reader, id)
    if deployment.state not in WAITING:
        raise NotPossible(f"{deployment.is_over_already}; its gates are closed.")
    offer = await rollback_offer(context, reader, deployment)
    if not offer.plan:
        raise NotPossible(
            f"Going back from {deployment.title} takes no plan of a migration's own, so "
            "there is nothing to confirm."
        )
    return deployment, offer


async def confirm(context: Context, intent: Intent, command: ConfirmPlan) -> Answer | None:
    """Store that the migrations have a plan of their own, and in which words."""
    await may_confirm(context, intent.by, command.deployment)
    return await act(context, intent, lambda tx: _confirm(context, intent, tx, command))


async def _confirm(
    context: Context, intent: Intent, tx: Transaction, command: ConfirmPlan
) -> Answer:
    deployment, offer = await _to_confirm(context, tx, command.deployment)
    as_shown(
        Action.CONFIRM_PLAN,
        command.shown,
        Seen(commit=deployment.commit, target=offer.commit, plan=offer.plan),
    )
    review = await tx.review(deployment.id)
    if review and any(
        gate.plan == offer.plan and gate.by and gate.state is not GateState.GREEN
        for gate in review.gates
    ):
        # who has confirmed it could not do so now
        await tx.unmark(deployment.id, plan_mark(offer.plan))
    if not await tx.mark(
        Mark(deployment.id, plan_mark(offer.plan), intent.by, context.now(), command.reason)
    ):
        raise NotPossible(f"How one goes back from {deployment.title} is confirmed already.")
    facts: dict[str, Json] = {
        "reason": command.reason,
        "migrations": list(offer.undoes.migrations),
        "target": offer.version,
    }
    await note(
        tx, context.now(), "confirm_plan", deployment, intent.by, **(facts | {"to": offer.commit})
    )
    about = {**facts_of(deployment), **facts, "by": str(intent.by)}
    await tx.say(
        Message(f"{deployment.id}:plan:{offer.plan}", "plan_confirmed", about, deployment.id)
    )
    await tx.wake(deployment.id)
    return Answer("plan_confirmed", {**facts_of(deployment), **facts})
