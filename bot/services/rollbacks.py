"""Rolling back, at the word of the deployment lead: what was seen is what is decided about."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bot.domain import rollback
from bot.domain.actions import Action
from bot.domain.called import called
from bot.domain.commands import RollBack
from bot.domain.deployment import Deployment, State
from bot.domain.errors import NotPossible, Offer
from bot.domain.live import Live
from bot.domain.observation import is_shown_bad
from bot.domain.offer import RollbackOffer
from bot.domain.people import Person
from bot.domain.rollback import Passage, Way
from bot.domain.share import part_of
from bot.domain.shown import ENDED, Seen, rest, token
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.ports.talk import Answer, Intent
from bot.services import whys
from bot.services.alone import only_lead
from bot.services.context import (
    Context,
    MovedError,
    act,
    as_shown,
    existing,
    facts_of,
    looking,
    unclear,
)
from bot.services.giving_up import asked, give_it_up, seen
from bot.services.hanging import hanging
from bot.services.offers import (
    confirmed_plan,
    has_rollback_lock,
    let_go_over,
    passed_over,
)
from bot.services.passing import is_free
from bot.services.rollback_starts import not_now, start_back, target_of
from bot.services.rollback_subjects import subject_of
from bot.services.targets import how_bad
from bot.services.ways import left_behind, stored_way_back, way_back


async def roll_back(context: Context, intent: Intent, command: RollBack) -> Answer | None:
    """Start the rollback that somebody saw, if they are its lead; answer one that was typed with
    the dialog. A second click is a no-op.
    """
    return await looking(lambda: _attempt(context, intent, command))


async def _attempt(context: Context, intent: Intent, command: RollBack) -> Answer | None:
    """Look at what would be undone, and decide about exactly that."""
    async with context.store.reading() as reader:
        deployment = await subject_of(context, reader, command)
        await _authorise(context, reader, intent, deployment)
        is_again = bool(command.deployment) and await _is_theirs(reader, deployment, intent.by)
        hangs = await hanging(context, reader, deployment)
    if hangs is not None and command.shown == token(Action.ROLL_BACK, seen(deployment, hangs)):
        return await act(context, intent, lambda tx: _give_up(context, intent, tx, command))
    if hangs is not None and not is_again:
        raise asked(deployment, hangs, command.reason, context.now())
    if is_again:
        return await act(context, intent, lambda tx: _again(context, intent, tx, command))
    async with context.store.reading() as reader:
        target = await target_of(context, reader, deployment, command.ref)
        way = await stored_way_back(context, reader, deployment, target)
        beside = await left_behind(
            reader, deployment.service, deployment.environment, leaving=deployment.commit
        )
    if way is None:
        way = await way_back(
            context, deployment.service, leaving=deployment.commit, to=target.commit, beside=beside
        )
    if not command.deployment or _is_of_before(command, deployment, target):
        return await _dialog(context, intent, command, deployment, target, way)
    return await act(context, intent, lambda tx: _decide(context, intent, tx, command, way))


async def _give_up(context: Context, intent: Intent, tx: Transaction, command: RollBack) -> Answer:
    """Give a rollback up that hangs, if that is what was shown."""
    deployment = await subject_of(context, tx, command)
    await _authorise(context, tx, intent, deployment)
    hangs = await hanging(context, tx, deployment)
    if hangs is None:
        raise MovedError
    as_shown(Action.ROLL_BACK, command.shown, seen(deployment, hangs))
    return await give_it_up(context, tx, deployment, hangs, intent.by, command.reason)


async def _again(
    context: Context, intent: Intent, tx: Transaction, command: RollBack
) -> Answer | None:
    """Take the reason of a second click where the first had none; else it is quiet: they were
    answered, and the card shows how it goes.

    Raises NotPossible for a click on what was not the button of this rollback, as on an older one
    that gave another rollback up.
    """
    deployment = await existing(tx, command.deployment)
    back = await tx.rollback_of(deployment.id)
    first = Seen(commit=deployment.commit, target=back.commit if back else "")
    if command.shown != token(Action.ROLL_BACK, replace(first, rest=ENDED)):
        as_shown(Action.ROLL_BACK, command.shown, first)
    why = await whys.of(tx, deployment)
    if why is None or not command.reason or why.reason:
        return None
    return await whys.give(context, intent, tx, deployment, why, command.reason)


async def _is_theirs(reader: Reader, deployment: Deployment, by: Person) -> bool:
    """Tell whether somebody has begun the rollback themselves that is under way."""
    back = (
        await reader.rollback_of(deployment.id) if deployment.state is State.ROLLING_BACK else None
    )
    return back is not None and back.requested_by == by


async def _decide(
    context: Context, intent: Intent, tx: Transaction, command: RollBack, way: Way
) -> Answer | None:
    deployment = await subject_of(context, tx, command)
    await _authorise(context, tx, intent, deployment)
    if command.deployment and await _is_theirs(tx, deployment, intent.by):
        return await _again(context, intent, tx, command)
    if deployment.state in {State.ROLLING_BACK, State.ROLLED_BACK}:
        raise NotPossible(await not_now(tx, deployment))
    target = await target_of(context, tx, deployment, command.ref)
    if _is_of_before(command, deployment, target):
        raise MovedError  # its watch has ended since it was looked at: that is asked about anew
    as_shown(Action.ROLL_BACK, command.shown, _seen(deployment, target))
    beside = await left_behind(
        tx, deployment.service, deployment.environment, leaving=deployment.commit
    )
    same_beside = way.beside == beside or not context.service(deployment.service).migrations
    if (way.leaving, way.to) != (deployment.commit, target.commit) or not same_beside:
        raise MovedError
    await _refuse(
        tx, deployment, target, way, context.now(), although_unknown=command.although_unknown
    )
    await tx.save_way_back(deployment.id, way)
    kept_out = await start_back(
        context, tx, deployment, target, by=intent.by, reason=command.reason
    )
    facts = {
        **facts_of(deployment),
        "target": target.version,
        "by": str(intent.by),
        "kept_out": kept_out,
    }
    return Answer("rolling_back", facts, await whys.offer(tx, deployment.id))


def _seen(deployment: Deployment, target: Live) -> Seen:
    return Seen(commit=deployment.commit, target=target.commit, rest=rest(deployment))


def _is_of_before(command: RollBack, deployment: Deployment, target: Live) -> bool:
    """Tell whether a button asked about a deployment before its watch had ended, which it has now:
    the question is put anew, with what is so now.
    """
    now = _seen(deployment, target)
    asked = token(Action.ROLL_BACK, replace(now, rest=""))
    return bool(now.rest) and bool(command.deployment) and command.shown == asked


async def _refuse(
    reader: Reader,
    deployment: Deployment,
    target: Live,
    way: Way,
    now: datetime,
    *,
    although_unknown: bool,
) -> None:
    """Refuse to go back over a migration, and over what nobody knows unless the lead
    says so. Raises NotPossible.
    """
    if way.ahead:
        how = f"It is deployed: /deploy {deployment.service} REF to {deployment.environment}."
        raise NotPossible(f"{way.sentence(deployment.version, target.version)} {how}")
    if way.passage is Passage.MIGRATION:
        confirmed = await confirmed_plan(reader, deployment, rollback.plan_for(way))
        plan = (
            f" Its plan, confirmed by {confirmed.by.mention}: {confirmed.reason}."
            if confirmed
            else ""
        )
        place = f"{deployment.service} {deployment.environment}"
        by = "it" if confirmed else "the migration's own plan"
        told = (
            f"Its lead decides; whoever has gone back by {by} says so: /deploy live "
            f"{place} is REF because TEXT."
        )
        if deployment.is_in_part_there and await is_free(reader, deployment, now):
            # nobody's word is taken yet
            told = f"Its lead can stop it where it is: /deploy cancel {deployment.id}."
        raise NotPossible(f"{way.sentence(deployment.version, target.version)}{plan} {told}")
    if way.passage is Passage.UNKNOWN and not although_unknown:
        shown = token(Action.ROLL_BACK, _seen(deployment, target))
        anyway = Offer(
            Action.ROLL_BACK,
            "Roll back all the same",
            deployment.id,
            carries=f"{shown} ?{target.commit}",
        )
        raise NotPossible(
            f"{way.sentence(deployment.version, target.version)} It is the lead's decision.", anyway
        )


async def _dialog(
    context: Context,
    intent: Intent,
    command: RollBack,
    deployment: Deployment,
    target: Live,
    way: Way,
) -> Answer | None:
    """Answer a typed rollback with what it would do, and the button that does it:
    the same as on the card.
    """
    async with context.store.reading() as reader:
        await _refuse(
            reader,
            deployment,
            target,
            way,
            context.now(),
            although_unknown=command.although_unknown,
        )
        seconds = await reader.rollback_seconds(deployment.service, deployment.environment)
        would = await _would_do(context, reader, deployment, target)
    offer = rollback.offer([target], way=way, leaving=deployment.commit, seconds=seconds)
    shown, anyway = (
        token(Action.ROLL_BACK, _seen(deployment, target)),
        "?" if command.although_unknown else "",
    )
    carries = f"{shown} {anyway}{target.commit} {command.reason}".strip()
    here, there = (deployment.version, deployment.commit), (target.version, target.commit)
    names = {"version": called(*here, beside=[there]), "target": called(*there, beside=[here])}
    button = Offer(
        Action.ROLL_BACK, f"Roll back to {names['target']}", deployment.id, carries=carries
    )
    facts = {
        **facts_of(deployment),
        **facts_of_offer(offer),
        **names,
        **would,
        "reason": command.reason,
        "ended_as": str(deployment.state) if _is_of_before(command, deployment, target) else "",
    }
    return await act(
        context, intent, lambda _tx: _said(Answer("rollback_dialog", facts, (button,)))
    )


async def _would_do(
    context: Context, reader: Reader, deployment: Deployment, target: Live
) -> dict[str, object]:
    """Give what else a rollback would do, and what speaks against it, as JSON values."""
    locks = context.of(deployment)[1].lock_after_rollback and not await has_rollback_lock(
        reader, deployment
    )
    doubt = await unclear(reader, deployment.service, deployment.environment)
    live = await reader.live(deployment.service, deployment.environment)
    trouble, steps, is_verified = (
        await reader.trouble(deployment.id), await reader.steps(deployment.id),
        await reader.was_verified(deployment),
    )  # fmt: skip
    coming, worse = await let_go_over(reader, deployment), await how_bad(reader, target)
    part = part_of(deployment, steps)
    passed = await passed_over(reader, deployment, target)
    back, kept_out = (
        await reader.rollback_of(deployment.id),
        await reader.quarantine(deployment.service, deployment.commit),
    )
    failed = (
        back
        if back is not None and back.state is State.FAILED and back.commit == target.commit
        else None
    )
    return {
        "locks": locks,
        "quarantines": is_shown_bad(trouble, steps, is_verified=is_verified) and not kept_out,
        "percent": part.percent if part else None,
        "coming": part.coming if part else 0,
        "cancels": coming[0].title if coming else "",
        "worse": rollback.against(worse),
        "passed": {"version": passed.version, "why": passed.why, "by": str(passed.by or "")}
        if passed
        else None,
        "counts_down": deployment.countdown_until.isoformat() if deployment.countdown_until else "",
        "unclear": doubt,
        "recorded": live.version if live else "",
        "failed_before": failed.state_since.isoformat() if failed else "",
        "was_given_up": failed is not None and failed.was_given_up,
    }


async def _said(answer: Answer) -> Answer:
    return answer


def facts_of_offer(offer: RollbackOffer) -> dict[str, object]:
    """Give what a rollback would do as JSON values."""
    return {
        "target": offer.version,
        "verified_at": offer.verified_at.isoformat() if offer.verified_at else "",
        "accepted": offer.accepted,
        "commits": offer.undoes.total if offer.undoes.known else None,
        "authors": list(offer.undoes.authors),
        "brings_back": offer.undoes.taken.total,
        "usual": offer.usual.total_seconds() if offer.usual else None, "is_known": offer.is_known,
    }  # fmt: skip


async def _authorise(
    context: Context, reader: Reader, intent: Intent, deployment: Deployment
) -> None:
    if intent.by == deployment.lead:
        return
    going, hangs = "", await hanging(context, reader, deployment)
    if deployment.state is State.ROLLING_BACK:
        going = await not_now(reader, deployment)
    if going and hangs is None:
        raise NotPossible(
            f"{going}{f' {deployment.lead.mention} leads it.' if deployment.lead else ''}"
        )
    what = f"{going} It takes longer than it should. " if hangs is not None else ""
    can = "give it up" if hangs is not None else "roll this back"
    raise only_lead(deployment, can, begins=what)
