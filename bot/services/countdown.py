"""The countdown to the automatic rollback: each finding has its own, from its own alarm on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.domain.catalog import AutomaticRollback
from bot.domain.decisions import Mark
from bot.domain.deployment import Deployment
from bot.domain.people import GONOGO, Person
from bot.domain.trouble import Trouble
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.ports.talk import Message
from bot.services.context import Context, existing, facts_of, note
from bot.services.offers import rollback_offer, why_not_by_rule
from bot.services.word import ends_by_itself, stopped_for


@dataclass(frozen=True, slots=True)
class KeptOut:
    """Who put in quarantine what a countdown would have gone back to."""

    version: str
    by: Person


async def countdown(
    context: Context, tx: Transaction, deployment: Deployment, trouble: Trouble
) -> tuple[datetime | None, str]:
    """Tell when the automatic rollback begins, or why nothing counts down although the
    environment would have it.

    Once that was said of a finding it stays so: no countdown begins later than its alarm.
    """
    policy = context.of(deployment)[1]
    if (
        await is_stopped(tx, deployment, trouble)
        or policy.automatic_rollback is not AutomaticRollback.COUNTDOWN
    ):
        return None, ""
    held = await why_not_by_rule(context, tx, deployment)
    if held and deployment.countdown_until is not None:
        await call_off(context, tx, deployment, trouble, held)
    elif held:
        await tx.mark(Mark(deployment.id, stopped_for(trouble), GONOGO, context.now()))
    if held or deployment.countdown_until is not None:
        return None if held else deployment.countdown_until, held
    until = context.now() + policy.countdown
    offer = await rollback_offer(context, tx, deployment)
    await tx.set_countdown(deployment.id, until)
    await note(
        tx,
        context.now(),
        "countdown",
        deployment,
        where=trouble.where,
        until=until.isoformat(),
        to=offer.commit,
    )
    return until, ""


async def call_off_held(
    context: Context, tx: Transaction, deployment: Deployment, kept_out: KeptOut | None = None
) -> bool:
    """Call off a countdown in the moment in which nothing may go back by itself any more; tell
    whether one was, and that was said.
    """
    trouble = await tx.trouble(deployment.id)
    why = (
        await why_not_by_rule(context, tx, deployment)
        if deployment.countdown_until is not None
        else ""
    )
    if not why or trouble is None:
        return False
    await call_off(context, tx, deployment, trouble, why, kept_out)
    return True


async def call_off(
    context: Context,
    tx: Transaction,
    deployment: Deployment,
    trouble: Trouble,
    why: str,
    kept_out: KeptOut | None = None,
) -> None:
    """End a countdown that leads nowhere any more, and say so: for this finding nothing goes
    back by itself from now on.
    """
    await tx.set_countdown(deployment.id, None)
    await tx.mark(Mark(deployment.id, stopped_for(trouble), GONOGO, context.now()))
    await note(tx, context.now(), "countdown off", deployment, where=trouble.where, why=why)
    by_itself = str(await ends_by_itself(context, tx, deployment, trouble))
    about = (
        {"by": str(kept_out.by), "kept_out": kept_out.version}
        if kept_out
        else {"by": "", "kept_out": ""}
    )
    facts = {
        **facts_of(deployment),
        "why": why,
        **about,
        "finding": trouble.alarm,
        "by_itself": by_itself,
    }
    await tx.say(
        Message(
            f"{deployment.id}:held:{trouble.number}",
            "not_by_itself",
            facts,
            deployment.id,
            to="channel",
        )
    )
    await tx.redraw(deployment.id)
    await tx.wake(deployment.id)


async def was_held(reader: Reader, deployment: Deployment) -> bool:
    """Tell whether nothing goes back by itself for what is found now, because that was said or
    because the lead has stopped it.
    """
    trouble = await reader.trouble(deployment.id)
    return trouble is not None and trouble.is_open and await is_stopped(reader, deployment, trouble)


async def is_stopped(reader: Reader, deployment: Deployment, trouble: Trouble | None) -> bool:
    """Tell whether nothing goes back by itself for a finding."""
    return trouble is not None and any(
        mark.key == stopped_for(trouble) for mark in await reader.marks(deployment.id)
    )


async def counts_for(
    tx: Transaction, deployment: Deployment, known: Trouble | None, trouble: Trouble
) -> Deployment:
    """End the countdown of a finding that another has followed: nothing goes back for what has not
    been said for its full time.
    """
    if known is None or known.number == trouble.number or deployment.countdown_until is None:
        return deployment
    await tx.set_countdown(deployment.id, None)
    return await existing(tx, deployment.id)
