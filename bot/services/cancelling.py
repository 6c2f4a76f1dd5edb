"""Taking back a request that has touched nothing, or saying why it is too late."""

from __future__ import annotations

from bot.domain.actions import Action
from bot.domain.catalog import Permission
from bot.domain.commands import Cancel
from bot.domain.deployment import CAN_ROLL_BACK, Deployment, Kind, State
from bot.domain.errors import NotAllowed, NotPossible
from bot.domain.offer import RollbackOffer
from bot.ports.store import Transaction
from bot.ports.talk import Answer, Intent
from bot.services.alone import only
from bot.services.context import (
    Context,
    act,
    as_shown,
    existing,
    facts_of,
    note,
    seen,
    unclear,
)
from bot.services.hanging import gives_up, hanging_in, way_on
from bot.services.offers import rollback_offer
from bot.services.stopping import stop


async def cancel(context: Context, intent: Intent, command: Cancel) -> Answer | None:
    """Take back a request that has touched nothing: by its requester, its
    lead or a release manager.

    What is rolling out and cannot be gone back from is stopped where it is, by its lead alone.
    """
    may = await context.people.may(intent.by, Permission.HAND_OVER)
    return await act(context, intent, lambda tx: _cancel(context, intent, tx, command, may=may))


async def _cancel(
    context: Context, intent: Intent, tx: Transaction, command: Cancel, *, may: bool
) -> Answer:
    deployment = await existing(tx, command.deployment)
    if not deployment.has_touched_nothing:
        offer = await rollback_offer(context, tx, deployment)
        if deployment.is_in_part_there and not offer.is_possible:
            return await stop(context, intent, tx, deployment, command.shown)
        if deployment.kind is Kind.ROLLBACK:
            raise NotPossible(await _too_late_for_rollback(context, tx, deployment))
        raise NotPossible(
            _too_late(
                deployment, await tx.current(deployment.service, deployment.environment), offer
            )
        )
    if not may and intent.by not in {deployment.requested_by, deployment.lead}:
        raise _not_yours(context, deployment)
    as_shown(Action.CANCEL, command.shown, await seen(tx, deployment))
    await tx.move(deployment.id, State.CANCELLED, at=context.now(), by=intent.by)
    await note(tx, context.now(), "cancel", deployment, intent.by)
    await tx.release(deployment.id)
    await tx.wake(deployment.id)
    return Answer("cancelled", {**facts_of(deployment), "by": str(intent.by)})


def _not_yours(context: Context, deployment: Deployment) -> NotAllowed:
    others = context.people.named_by_role(Permission.HAND_OVER)
    if deployment.requested_by != deployment.lead:
        others = [f"{deployment.requested_by.mention}, who asked for it,", *others]
    return only(deployment, f"cancel {deployment.id}", others)


def _too_late(deployment: Deployment, current: Deployment | None, offer: RollbackOffer) -> str:
    """Say where it stands instead of waiting, and what can be done there."""
    if deployment.state not in CAN_ROLL_BACK:
        return f"{deployment.is_over_already}; there is nothing to cancel."
    if current is None or current.id != deployment.id:
        return f"{deployment.title} was replaced already; there is nothing to cancel."
    if not offer.is_possible:
        return (
            f"{deployment.is_over_already}, and it cannot be rolled back from here: {offer.refused}"
        )
    lead = f"{deployment.lead.mention}, its lead," if deployment.lead else "Its lead"
    how = f"/rollback {deployment.service} {deployment.environment} because TEXT"
    return f"{deployment.is_over_already}. {lead} can roll it back: on its card, or with {how}."


async def _too_late_for_rollback(context: Context, tx: Transaction, back: Deployment) -> str:
    """Say what has become of a rollback: that it goes on, has failed, or what it put back
    and whether that is live.
    """
    named = f"{back.id}, the rollback of {back.undoes},"
    if back.state is State.ROLLING_OUT:
        is_late = await hanging_in(context, tx, back.service, back.environment) is not None
        if is_late:
            return f"{named} takes longer than it should. {way_on(back)}"
        return (
            f"{named} goes on. Once it takes longer than it should, the channel is "
            f"told; then {gives_up(back)}"
        )
    if back.state is State.FAILED:
        return (
            f"{named} has failed already; there is nothing to cancel. What can be done now is on "
            f"the card of {back.undoes}."
        )
    live = await tx.live(back.service, back.environment)
    sentence = f"{named} has put {back.version} back already; there is nothing to cancel."
    if await unclear(tx, back.service, back.environment):
        return f"{sentence} It is unclear what runs in {back.environment} now."
    how = f"To put another version there: /deploy {back.service} REF to {back.environment}."
    return (
        f"{sentence} {live.version} is live there now. {how}"
        if live is not None
        else f"{sentence} {how}"
    )
