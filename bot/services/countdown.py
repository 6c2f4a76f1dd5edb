"""The countdown to the automatic rollback: each finding has its own, from its own alarm on."""

from __future__ import annotations

from datetime import datetime

from bot.domain.catalog import AutomaticRollback
from bot.domain.deployment import Deployment
from bot.domain.trouble import Trouble
from bot.ports import Transaction
from bot.services.house import House, existing, note
from bot.services.offers import rollback_offer
from bot.services.rollbacks import why_not_by_rule
from bot.services.word import stopped_for


async def countdown(house: House, tx: Transaction, deployment: Deployment, trouble: Trouble) -> tuple[datetime | None, str]:
    """Tell when the automatic rollback begins, or why nothing counts down although the environment would have it."""
    policy = house.of(deployment)[1]
    stopped = any(mark.key == stopped_for(trouble) for mark in await tx.marks(deployment.id))
    if stopped or policy.automatic_rollback is not AutomaticRollback.COUNTDOWN:
        return None, ""
    held = await why_not_by_rule(house, tx, deployment)
    if held or deployment.countdown_until is not None:
        return deployment.countdown_until, held
    until = house.now() + policy.countdown
    offer = await rollback_offer(house, tx, deployment)
    await tx.change(deployment.id, countdown_until=until)
    await note(tx, house.now(), "countdown", deployment, where=trouble.where, until=until.isoformat(), to=offer.commit)
    return until, ""


async def counts_for(tx: Transaction, deployment: Deployment, known: Trouble | None, trouble: Trouble) -> Deployment:
    """End the countdown of a finding that another has followed: nothing goes back for what has not been said for its full time."""
    if known is None or known.number == trouble.number or deployment.countdown_until is None:
        return deployment
    await tx.change(deployment.id, countdown_until=None)
    return await existing(tx, deployment.id)
