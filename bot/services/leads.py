"""The deployment lead: handing over, taking over, being asked."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.actions import Action
from bot.domain.catalog import Permission
from bot.domain.commands import AskLead, HandOver, TakeOver
from bot.domain.decisions import Mark
from bot.domain.deployment import OVER, Deployment, DeploymentId, State
from bot.domain.errors import NotAllowed, NotPossible, Offer
from bot.domain.people import Person
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.ports.talk import Answer, Intent, Message
from bot.services import provider_facts
from bot.services.ahead import redraw_behind
from bot.services.alone import led_by, only
from bot.services.context import Context, act, as_shown, existing, facts_of, note, seen
from bot.services.deployments import require_lead, require_still
from bot.services.endings import alarms
from bot.services.leaving import how_away
from bot.services.refusals import has_a_say
from bot.services.targets import undoable


@dataclass(frozen=True, slots=True)
class Change:
    """Who led when it was looked at, and who is to lead: of two who change a lead at once, one
    is told that it is done.
    """

    before: Person | None
    to: Person


async def hand_over(context: Context, intent: Intent, command: HandOver) -> Answer | None:
    """Name another lead: by the lead, or by somebody who may hand over any."""
    to = Person(context.catalog.team, command.to)
    may = await context.people.may(intent.by, Permission.HAND_OVER)
    async with context.store.reading() as reader:
        deployment = await still_open(reader, command.deployment)
    if not may and intent.by != deployment.lead:
        raise _not_yours(context, deployment)
    if not may:
        await require_still(context, deployment, intent.by)
    await require_lead(context, deployment.service, to)
    return await act(
        context,
        intent,
        lambda tx: _hand_over(context, intent, tx, command, Change(deployment.lead, to), may=may),
    )


async def _hand_over(
    context: Context,
    intent: Intent,
    tx: Transaction,
    command: HandOver,
    change: Change,
    *,
    may: bool,
) -> Answer:
    deployment = await still_open(tx, command.deployment)
    if not may and intent.by != deployment.lead:
        raise _not_yours(context, deployment)
    return await _lead(context, intent, tx, deployment, change, reason="", answer="lead")


def _not_yours(context: Context, deployment: Deployment) -> NotAllowed:
    others = context.people.named_by_role(Permission.HAND_OVER) or ["whoever keeps gonogo.yaml"]
    return only(deployment, f"hand over the lead of {deployment.id}", others)


async def take_over(context: Context, intent: Intent, command: TakeOver) -> Answer | None:
    """Take the lead as the person on call, at once, with a reason."""
    looked_at = await may_take_over(context, intent.by, command.deployment)
    return await act(
        context,
        intent,
        lambda tx: _take_over(context, intent, tx, command, Change(looked_at.lead, intent.by)),
    )


async def _take_over(
    context: Context, intent: Intent, tx: Transaction, command: TakeOver, change: Change
) -> Answer:
    deployment = await still_open(tx, command.deployment)
    as_shown(Action.TAKE_OVER, command.shown, await seen(tx, deployment))
    return await _lead(
        context, intent, tx, deployment, change, reason=command.reason, answer="taken_over"
    )


async def may_take_over(context: Context, by: Person, id: DeploymentId) -> Deployment:
    """Look whether somebody may take the lead. Raises NotAllowed, which names who is on
    call and who may hand over.
    """
    async with context.store.reading() as reader:
        deployment = await still_open(reader, id)
    shift = await provider_facts.on_call_now(context, deployment)
    if by == deployment.lead or (shift is not None and shift.person == by):
        return deployment
    who = f"{shift.person.mention} is on call now." if shift else "Nobody is on call now."
    handing = " or ".join(
        [*led_by(deployment), *context.people.named_by_role(Permission.HAND_OVER)]
    )
    how = (
        f" {handing[0].upper()}{handing[1:]} can hand it over: /deploy lead {id} @user."
        if handing
        else ""
    )
    raise NotAllowed(
        f"Only the person on call for {deployment.service} can take over. {who}{how}",
        Offer("ask_lead", "Ask the lead", id),
    )


async def still_open(reader: Reader, id: DeploymentId) -> Deployment:
    """Give a deployment whose lead has something left to decide. Raises NotPossible."""
    deployment = await existing(reader, id)
    if deployment.state in OVER - {State.VERIFIED, State.ACCEPTED, State.FAILED}:
        raise NotPossible(f"{deployment.stands}; its lead has nothing left to decide.")
    if deployment.state in OVER:
        current = await undoable(reader, deployment.service, deployment.environment)
        if current is None or current.id != deployment.id:
            raise NotPossible(
                f"{deployment.title} was replaced and is not live any more; its lead "
                "has nothing left to decide."
            )
    return deployment


async def _lead(
    context: Context,
    intent: Intent,
    tx: Transaction,
    deployment: Deployment,
    change: Change,
    *,
    reason: str,
    answer: str,
) -> Answer:
    to = change.to
    if deployment.lead == to:
        who = "You lead" if to == intent.by else f"{to.mention} leads"
        raise NotPossible(f"{who} {deployment.title} already; nothing was changed.")
    if deployment.lead != change.before:
        who = f"{deployment.lead.mention} has become" if deployment.lead else "Nobody is"
        raise NotPossible(
            f"{who} the lead of {deployment.title} while yours was looked at; nothing was "
            "changed. Say it again if it still holds."
        )
    await tx.set_lead(deployment.id, to)
    await redraw_behind(tx, deployment)
    await note(tx, context.now(), "lead", deployment, intent.by, to=str(to), reason=reason)
    facts = {
        **facts_of(deployment),
        "lead": str(to),
        "before": str(deployment.lead or ""),
        "by": str(intent.by),
        "reason": reason,
    }
    calls = to != intent.by and await alarms(context, tx, deployment)
    said = {**facts, "calls": calls, "at": context.now().isoformat()}
    await tx.say(
        Message(
            f"{deployment.id}:lead:{intent.key}",
            "lead_changed",
            said,
            deployment.id,
            to="channel" if calls else "thread",
        )
    )
    await tx.wake(deployment.id)
    return Answer(
        answer,
        {
            **facts,
            "goes_back": deployment.state is State.ROLLING_BACK,
            "away": await how_away(context, tx, deployment),
        },
    )


async def ask_lead(context: Context, intent: Intent, command: AskLead) -> Answer | None:
    """Tell the lead that somebody wants them to look; once per person and lead."""
    if not await has_a_say(context, intent.by, command.deployment):
        raise NotAllowed(
            f"You cannot ask the lead to look. {context.people.who_can(Permission.VIEW)}"
        )
    return await act(context, intent, lambda tx: _ask_lead(context, intent, tx, command))


async def _ask_lead(context: Context, intent: Intent, tx: Transaction, command: AskLead) -> Answer:
    deployment = await existing(tx, command.deployment)
    if deployment.lead is None:
        raise NotPossible(f"{deployment.title} has no lead yet.")
    facts = {**facts_of(deployment), "by": str(intent.by)}
    is_first = await tx.mark(
        Mark(deployment.id, f"asked:{intent.by}:{deployment.lead}", intent.by, context.now())
    )
    if is_first:
        await note(tx, context.now(), "ask_lead", deployment, intent.by, lead=str(deployment.lead))
    await tx.say(
        Message(
            f"{deployment.id}:ask:{intent.by}:{deployment.lead}",
            "ask_lead",
            facts,
            deployment.id,
            to=str(deployment.lead),
        )
    )
    return Answer("asked_lead", {**facts_of(deployment), "is_first": is_first})
