"""Who carries out which command, and what is asked before: who is it, may they, is it still
meant. A refusal is an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from bot.domain.actions import Action
from bot.domain.audit import Entry
from bot.domain.commands import (
    Acknowledge,
    Approve,
    AskLead,
    Cancel,
    Check,
    Command,
    ConfirmPlan,
    Deploy,
    DeployFirst,
    GoNow,
    HandOver,
    Help,
    History,
    Lock,
    Locks,
    OpenGate,
    Proceed,
    Quarantine,
    Reject,
    Retest,
    RollBack,
    SayLive,
    SayWhy,
    Status,
    StopCountdown,
    TakeOver,
    Tick,
    Unlock,
    Unquarantine,
    Watch,
    to_json,
)
from bot.domain.deployment import DeploymentId
from bot.domain.errors import IntegrationError, NotAllowed, NotPossible, Refusal
from bot.domain.people import Person
from bot.domain.validation import check_reason
from bot.ports.talk import Answer, Intent
from bot.services import (
    approvals,
    cancelling,
    checking,
    declarations,
    deployments,
    gates,
    history,
    leading,
    leads,
    locks,
    overview,
    plans,
    quarantines,
    refusals,
    retests,
    rollbacks,
    ticks,
    watching,
    whys,
)
from bot.services.context import Context
from bot.services.targets import undoable

UseCase = Callable[[Context, Intent, Any], Awaitable[Answer | None]]


async def _greeted() -> Answer:
    return Answer("mentioned")


USE_CASES: dict[type[Command], UseCase] = {
    Deploy: deployments.request,
    DeployFirst: deployments.deploy_first,
    GoNow: watching.go_now,
    Cancel: cancelling.cancel,
    Check: checking.check,
    Status: overview.status,
    History: history.history,
    Lock: locks.lock,
    Unlock: locks.unlock,
    Locks: locks.locks,
    Quarantine: quarantines.quarantine,
    Unquarantine: quarantines.unquarantine,
    SayLive: declarations.say_live,
    HandOver: leads.hand_over,
    TakeOver: leads.take_over,
    AskLead: leads.ask_lead,
    Watch: leading.watch,
    ConfirmPlan: plans.confirm,
    Proceed: leading.proceed,
    StopCountdown: leading.stop_countdown,
    SayWhy: whys.say_why,
    Approve: approvals.approve,
    Reject: approvals.reject,
    Tick: ticks.tick,
    Acknowledge: ticks.acknowledge,
    RollBack: rollbacks.roll_back,
    OpenGate: gates.open_gate,
    Retest: retests.retest,
    Help: lambda _context, _intent, _command: _greeted(),
}
"""Who carries out what. A typed ``Help`` is answered at the door; the one that comes here
is a mention of the bot.
"""

MEANT_FOR = timedelta(minutes=15)
"""How old a command may be that lets something go forward, or changes who decides."""
STOPS_FOR = timedelta(hours=1)
"""The same for one that stops something or goes back."""
_STOPS = (RollBack, Cancel, Reject, Lock, Quarantine)
STOPPING = (*_STOPS, StopCountdown, TakeOver)
"""Commands that stop something, or that somebody needs in order to stop it. They wait for no slot,
and not long for anything else.
"""
UNDOES: dict[type[Command], type[Command]] = {
    Unlock: Lock,
    Unquarantine: Quarantine,
    HandOver: TakeOver,
}
"""What takes back which of them: these two keep their order, however long it takes."""

PATIENCE = 1.0
"""Seconds that a schedule has before a dialog is opened without its answer;
Slack opens none after three.
"""
QUESTIONS = (Check, Status, History, Locks)
"""Commands that only ask. They are not kept for a vendor, have slots of their own,
and nobody minds their age.
"""


_MAY: dict[Action, Callable[[Context, Person, DeploymentId], Awaitable[object]]] = {
    Action.REJECT: approvals.may_reject,
    Action.CONFIRM_PLAN: plans.may_confirm,
    Action.PROCEED: leading.may_proceed,
    Action.STOP_COUNTDOWN: leading.may_stop_countdown,
    Action.SAY_WHY: whys.may_say_why,
    Action.TAKE_OVER: leads.may_take_over,
}


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
                await _MAY[action](context, by, id)
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
        refusal = await _to_whom(context, intent, refused)
        await _audit_refusal(context, intent, str(refusal))
        return await refusals.told(context, intent.by, refusal)


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
    return STOPS_FOR if isinstance(command, _STOPS) else MEANT_FOR


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
    if (
        not isinstance(command, Deploy | Lock | RollBack | Quarantine | Unquarantine | SayLive)
        or "@" not in command.reason
    ):
        return command
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            return replace(command, reason=await context.people.named(command.reason))
    return command


async def _audit_refusal(context: Context, intent: Intent, sentence: str) -> None:
    about = getattr(intent.command, "deployment", "")
    facts = {"why": sentence, "command": to_json(intent.command)}
    async with context.store.transaction() as tx:
        await tx.audit(
            Entry(context.now(), intent.by, intent.command.verb, about, "refused", facts)
        )
