"""The countdown to the automatic rollback: each finding has its own, from its own alarm on."""

from __future__ import annotations

from datetime import datetime

from bot.domain.catalog import AutomaticRollback
from bot.domain.deployment import Deployment
from bot.domain.people import GONOGO
from bot.domain.trouble import Trouble
from bot.ports import Mark, Message, Transaction
from bot.services.house import House, existing, facts_of, note
from bot.services.offers import rollback_offer, why_not_by_rule
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


async def call_off(house: House, tx: Transaction, deployment: Deployment, trouble: Trouble, why: str) -> None:
    """End a countdown that leads nowhere any more, and say so: for this finding nothing goes back by itself from now on."""
    await tx.change(deployment.id, countdown_until=None)
    await tx.mark(Mark(deployment.id, stopped_for(trouble), GONOGO, house.now()))
    await note(tx, house.now(), "countdown off", deployment, where=trouble.where, why=why)
    facts = {**facts_of(deployment), "why": why}
    await tx.say(Message(f"{deployment.id}:held:{trouble.number}", "not_by_itself", facts, deployment.id, to="channel"))
    await tx.redraw(deployment.id)
    await tx.wake(deployment.id)


async def counts_for(tx: Transaction, deployment: Deployment, known: Trouble | None, trouble: Trouble) -> Deployment:
    """End the countdown of a finding that another has followed: nothing goes back for what has not been said for its full time."""
    if known is None or known.number == trouble.number or deployment.countdown_until is None:
        return deployment
    await tx.change(deployment.id, countdown_until=None)
    return await existing(tx, deployment.id)
