"""Who carries out which command, and what is asked before: who is it, may they, is it still
meant. A refusal is an answer.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from bot.dispatch import correcting
from bot.dispatch.tables import (
    MAY_ASK_WHY,
    QUESTIONS,
    STOPS,
    USE_CASES,
    WITH_REASON,
)
from bot.domain.actions import Action
from bot.domain.audit import Entry
from bot.domain.commands import Command, RollBack, to_json
from bot.domain.deployment import DeploymentId
from bot.domain.errors import IntegrationError, NotAllowed, NotPossible, Refusal
from bot.domain.people import Person
from bot.domain.validation import check_reason
from bot.ports.talk import Answer, Intent
from bot.services import refusals
from bot.services.context import Context
from bot.services.targets import undoable

MEANT_FOR = timedelta(minutes=15)
"""How old a command may be that lets something go forward, or changes who decides."""
STOPS_FOR = timedelta(hours=1)
"""The same for one that stops something or goes back."""

PATIENCE = 1.0
"""Seconds that a schedule has before a dialog is opened without its answer;
Slack opens none after three.
"""


async def may_ask(context: Context, action: Action, id: DeploymentId, by: Person) -> None:
    """Look before a dialog asks why: a reason that is typed for nothing is lost. Raises Refusal
    where the answer is known to be no.

    Nobody waits for a schedule or a directory that is slow: then the dialog opens, and the
    answer follows what was typed.
    """
    with suppress(IntegrationError, TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await context.people.admit(by)
            try:
                await MAY_ASK_WHY[action](context, by, id)
            except Refusal as refusal:
                raise await refusals.to_whom(context, by, refusal, id) from refusal


async def carry_out(context: Context, intent: Intent) -> Answer | None:
    """Carry out one command: who is it, may they, do it, and say what happened. A refusal is
    an answer and is audited.
    """
    async with context.store.reading() as reader:
        if await reader.taken(intent.key):
            # carried out before a crash: answered as it was, whatever is so by now
            return await reader.kept(intent.key)
    try:
        refuse_stale(intent, context.now())
        check_reason(str(getattr(intent.command, "reason", "")))
        await _let_in(context, intent)
        command = await _with_names(context, intent.command)
        return await USE_CASES[type(command)](context, intent, command)
    except Refusal as refused:
        better = correcting.misread(context, intent.command, refused)
        refusal = await _to_whom(context, intent, better)
        await _audit_refusal(context, intent, str(refusal))
        return await correcting.told(context, intent, refusal)


async def _to_whom(context: Context, intent: Intent, refusal: Refusal) -> Refusal:
    """Tell outsiders no more than that they are: a rollback is looked at before the
    directory has said who asks.
    """
    with suppress(IntegrationError, TimeoutError):
        async with asyncio.timeout(PATIENCE):
            try:
                await context.people.admit(intent.by)
            except NotAllowed as stranger:
                return stranger
    about = intent.command
    named, service, environment = (
        str(getattr(about, each, "")) for each in ("deployment", "service", "environment")
    )
    async with context.store.reading() as reader:
        meant = None if named else await undoable(reader, service, environment)
    return await refusals.to_whom(
        context, intent.by, refusal, meant.id if meant else named, service
    )


def meant_for(command: Command) -> timedelta:
    """Say how old a command may be that is still carried out."""
    return STOPS_FOR if isinstance(command, STOPS) else MEANT_FOR


def refuse_stale(intent: Intent, now: datetime) -> None:
    """Refuse what was said so long ago that it may not be meant any more: the bot was
    away. Raises NotPossible.
    """
    age = now - intent.at
    if age > meant_for(intent.command) and not isinstance(intent.command, QUESTIONS):
        minutes = int(age.total_seconds() // 60)
        raise NotPossible(
            f"You said this {minutes} minutes ago, and it could not be done until now; nothing "
            "was done. Look again, and say it anew."
        )


async def _let_in(context: Context, intent: Intent) -> None:
    """Ask who it is. What gives a right waits until the person is known now.

    The lead's id alone is enough to roll back: no directory holds that up.
    """
    if isinstance(intent.command, RollBack):
        context.people.remembered(intent.by)
    else:
        await context.people.admit(intent.by, fresh=not isinstance(intent.command, QUESTIONS))


async def _with_names(context: Context, command: Command) -> Command:
    """Call people in a reason by their names: many will read it, and it notifies nobody. Nobody
    waits for a slow directory.
    """
    reason = str(getattr(command, "reason", ""))
    if not isinstance(command, WITH_REASON) or "@" not in reason:
        return command
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            said = {"reason": await context.people.named(reason)}
            return replace(command, **said)
    return command


async def _audit_refusal(context: Context, intent: Intent, sentence: str) -> None:
    about = getattr(intent.command, "deployment", "")
    facts = {"why": sentence, "command": to_json(intent.command)}
    async with context.store.transaction() as tx:
        await tx.audit(
            Entry(context.now(), intent.by, intent.command.verb, about, "refused", facts)
        )
