"""Rolling back: by the deployment lead, or by rule after a failed smoke test or a
countdown that nobody stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from bot.domain import rollback
from bot.domain.actions import Action
from bot.domain.called import called
from bot.domain.commands import RollBack
from bot.domain.declared import Origin
from bot.domain.deployment import CAN_ROLL_BACK, Deployment, DeploymentId, Kind, State
from bot.domain.errors import NotAllowed, NotPossible, Offer
from bot.domain.live import Live
from bot.domain.observation import is_shown_bad
from bot.domain.offer import RollbackOffer
from bot.domain.people import GONOGO, Person
from bot.domain.rollback import Passage, Way
from bot.domain.rollout import Step, serving
from bot.domain.shown import Seen, token
from bot.ports.reader import Reader
from bot.ports.store import NewDeployment, Transaction
from bot.ports.talk import Answer, Intent, Message
from bot.services import whys
from bot.services.context import (
    Context,
    MovedError,
    act,
    as_shown,
    existing,
    facts_of,
    looking,
    note,
    unclear,
)
from bot.services.giving_up import asked, give_it_up, seen
from bot.services.hanging import hanging
from bot.services.offers import (
    confirmed_plan,
    has_rollback_lock,
    let_go_over,
    passed_over,
    rollback_offer,
    why_not_by_rule,
)
from bot.services.passing import is_free
from bot.services.quarantines import keep_out_undone
from bot.services.strays import give_up
from bot.services.targets import brought_by, how_bad, releases_for, target_for, undoable
from bot.services.ways import left_behind, stored_way_back, way_back


async def roll_back(context: Context, intent: Intent, command: RollBack) -> Answer | None:
    """Start the rollback that somebody saw, if they are its lead; answer one that was typed with
    the dialog. A second click is a no-op.
    """
    return await looking(lambda: _attempt(context, intent, command))


async def _attempt(context: Context, intent: Intent, command: RollBack) -> Answer | None:
    """Look at what would be undone, and decide about exactly that."""
    async with context.store.reading() as reader:
        deployment = await _what(context, reader, command)
        await _authorise(context, reader, intent, deployment)
        is_again = bool(command.deployment) and await _is_theirs(reader, deployment, intent.by)
        hangs = await hanging(context, reader, deployment)
    if hangs is not None and command.shown == token(Action.ROLL_BACK, seen(deployment, hangs)):
        return await act(context, intent, lambda tx: _give_up(context, intent, tx, command))
    if hangs is not None and not is_again:
        raise asked(deployment, hangs, command.reason)
    if is_again:
        return await act(context, intent, lambda tx: _again(context, intent, tx, command))
    async with context.store.reading() as reader:
        target = await _target(context, reader, deployment, command.ref)
        way = await stored_way_back(context, reader, deployment, target)
        beside = await left_behind(
            reader, deployment.service, deployment.environment, leaving=deployment.commit
        )
    if way is None:
        way = await way_back(
            context, deployment.service, leaving=deployment.commit, to=target.commit, beside=beside
        )
    if not command.deployment:
        return await _dialog(context, intent, command, deployment, target, way)
    return await act(context, intent, lambda tx: _decide(context, intent, tx, command, way))


async def _give_up(context: Context, intent: Intent, tx: Transaction, command: RollBack) -> Answer:
    """Give a rollback up that hangs, if that is what was shown."""
    deployment = await _what(context, tx, command)
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
    as_shown(
        Action.ROLL_BACK,
        command.shown,
        Seen(commit=deployment.commit, target=back.commit if back else ""),
    )
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
    deployment = await _what(context, tx, command)
    await _authorise(context, tx, intent, deployment)
    if command.deployment and await _is_theirs(tx, deployment, intent.by):
        return await _again(context, intent, tx, command)
    if deployment.state in {State.ROLLING_BACK, State.ROLLED_BACK}:
        raise NotPossible(await _not_now(tx, deployment))
    target = await _target(context, tx, deployment, command.ref)
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
    kept_out = await _start(context, tx, deployment, target, by=intent.by, reason=command.reason)
    facts = {
        **facts_of(deployment),
        "target": target.version,
        "by": str(intent.by),
        "kept_out": kept_out,
    }
    return Answer("rolling_back", facts, await whys.offer(tx, deployment.id))


def _seen(deployment: Deployment, target: Live) -> Seen:
    return Seen(commit=deployment.commit, target=target.commit)


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
    offer = rollback.offer([target], way=way, leaving=deployment.commit, seconds=seconds)
    carries = (
        f"{token(Action.ROLL_BACK, _seen(deployment, target))} {target.commit} {command.reason}"
    ).strip()
    here, there = (deployment.version, deployment.commit), (target.version, target.commit)
    names = {"version": called(*here, beside=[there]), "target": called(*there, beside=[here])}
    button = Offer(
        Action.ROLL_BACK, f"Roll back to {names['target']}", deployment.id, carries=carries
    )
    facts = {
        **facts_of(deployment),
        **facts_of_offer(offer),
        **names,
        "locks": locks,
        "quarantines": is_shown_bad(trouble, steps, is_verified=is_verified) and not kept_out,
        "percent": serving(steps)
        if deployment.state is State.ROLLING_OUT and not any(step.is_under_way for step in steps)
        else None,
        "cancels": coming[0].title if coming else "",
        "worse": rollback.against(worse),
        "passed": {"version": passed.version, "why": passed.why, "by": str(passed.by or "")}
        if passed
        else None,
        "counts_down": deployment.countdown_until.isoformat() if deployment.countdown_until else "",
        "reason": command.reason,
        "unclear": doubt,
        "recorded": live.version if live else "",
        "failed_before": failed.state_since.isoformat() if failed else "",
        "was_given_up": failed is not None and failed.was_given_up,
    }
    return await act(
        context, intent, lambda _tx: _said(Answer("rollback_dialog", facts, (button,)))
    )


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


async def _what(context: Context, reader: Reader, command: RollBack) -> Deployment:
    if command.deployment:
        return await _named(reader, command.deployment)
    if not command.environment:
        raise NotPossible(
            f"Which environment? /rollback {command.service} ENVIRONMENT because TEXT."
        )
    context.policy(command.service, command.environment)
    current = await undoable(reader, command.service, command.environment)
    undone = await _just_undone(reader, command.service, command.environment)
    if (
        undone is not None
        and (current is None or not command.ref)
        and not await _has_to_go(reader, undone, current)
    ):
        raise NotPossible(await _no_further(context, reader, undone, current))
    if current is None:
        coming = await reader.open_deployments(command.service, command.environment)
        let_go = next((each for each in coming if each.is_only_let_go), None)
        nothing = (
            _not_begun(let_go, None)
            if let_go
            else await _nothing_to_undo(reader, command.service, command.environment)
        )
        raise NotPossible(nothing)
    return current


async def _nothing_to_undo(reader: Reader, service: str, environment: str) -> str:
    """Say why nothing can be rolled back where no deployment brought what is
    live, and what to do instead.
    """
    sentence = (
        f"No deployment of ours brought what is live in {service} {environment}, so there "
        "is nothing to roll back."
    )
    live = await reader.live(service, environment)
    if live is not None and live.declared is None:
        return await _put_back_already(reader, live) or sentence
    if live is None or live.declared is None:
        return sentence
    by = await brought_by(reader, live)
    if by is not None:
        sentence = f"{by.stands}, so there is nothing to roll back."
    was_said = live.declared.origin is Origin.SAID
    how = (
        f"is live there on the word of {live.declared.by.mention}"
        if was_said
        else "was live there before Go/No-Go came"
    )
    return (
        f"{sentence} {live.version} {how}. To put another version there: /deploy "
        f"{service} REF to {environment}."
    )


async def _put_back_already(reader: Reader, live: Live) -> str:
    """Say that a rollback has brought what is recorded as live, and what to do where it is unclear
    since; empty where none has.
    """
    back = await reader.deployment(live.deployment)
    if back is None or back.kind is not Kind.ROLLBACK:
        return ""
    place = f"{live.service} {live.environment}"
    undone, doubt = (
        await existing(reader, back.undoes),
        await unclear(reader, live.service, live.environment),
    )
    sentence = f"{undone.title} is rolled back already: {back.id} has put {live.version} back."
    if doubt:
        sentence += (
            f" It is unclear what runs: {doubt}. Say what is live: /deploy live "
            f"{place} is REF because TEXT."
        )
    return (
        f"{sentence} To put another version there: /deploy {live.service} "
        f"REF to {live.environment}."
    )


async def _named(reader: Reader, id: DeploymentId) -> Deployment:
    """Read the deployment of a card; what is no longer there cannot be rolled back."""
    deployment = await existing(reader, id)
    current = await undoable(reader, deployment.service, deployment.environment)
    if deployment.state in CAN_ROLL_BACK and (current is None or current.id != id):
        if deployment.is_only_let_go:
            raise NotPossible(_not_begun(deployment, current))
        if current is not None and current.state is State.ROLLING_OUT:
            raise NotPossible(
                f"{current.title} is on its way there now; roll back {current.id} instead."
            )
        live = await reader.live(deployment.service, deployment.environment)
        if current is None and live is not None and live.declared is not None:
            raise NotPossible(
                await _nothing_to_undo(reader, deployment.service, deployment.environment)
            )
        instead = (
            f" {current.title} is there now; roll back {current.id} instead." if current else ""
        )
        raise NotPossible(f"{deployment.title} was replaced and is not live any more.{instead}")
    return deployment


def _not_begun(deployment: Deployment, current: Deployment | None) -> str:
    there = (
        f" {current.title} is there; to have that away, roll back {current.id} instead."
        if current
        else ""
    )
    return (
        f"Nothing of {deployment.title} has been started yet, so it is cancelled: /deploy "
        f"cancel {deployment.id}.{there}"
    )


async def _just_undone(reader: Reader, service: str, environment: str) -> Deployment | None:
    """Give the newest deployment that touched an environment, if it has been rolled back."""
    newest = await reader.newest_started(service, environment)
    return newest if newest is not None and newest.state is State.ROLLED_BACK else None


async def _has_to_go(reader: Reader, undone: Deployment, current: Deployment | None) -> bool:
    """Tell whether going back further is no second reading of the same command.

    It is none where what is live now is quarantined, where it is unclear what runs, and where
    somebody has said since what is live.
    """
    live = await reader.live(undone.service, undone.environment)
    if live is not None and live.declared is not None and live.declared.at >= undone.state_since:
        return True
    if await unclear(reader, undone.service, undone.environment):
        return True
    return current is not None and bool(await reader.quarantine(current.service, current.commit))


async def _no_further(
    context: Context, reader: Reader, undone: Deployment, current: Deployment | None
) -> str:
    """Say that the newest deployment is rolled back; a command that comes a second time must not
    take the next one back too.
    """
    live = await reader.live(undone.service, undone.environment)
    sentence = (
        f"{undone.title} is rolled back already.{f' {live.version} is live.' if live else ''}"
    )
    further = await _further(context, reader, current) if current is not None else ""
    return (
        f"{sentence} {further}"
        if further
        else (
            f"{sentence} To put another version there: /deploy {undone.service} REF "
            f"to {undone.environment}."
        )
    )


async def _further(context: Context, reader: Reader, current: Deployment) -> str:
    """Say how what stands there now is rolled back, too; empty where it cannot be."""
    offer = await rollback_offer(context, reader, current)
    how = f"/rollback {current.service} {current.environment} to {offer.version} because TEXT"
    return f"To go back further: {how}, or the card of {current.id}." if offer.is_possible else ""


async def _authorise(
    context: Context, reader: Reader, intent: Intent, deployment: Deployment
) -> None:
    if intent.by == deployment.lead:
        return
    going, hangs = "", await hanging(context, reader, deployment)
    if deployment.state is State.ROLLING_BACK:
        going = await _not_now(reader, deployment)
    if going and hangs is None:
        raise NotPossible(
            f"{going}{f' {deployment.lead.mention} leads it.' if deployment.lead else ''}"
        )
    if deployment.lead is None:
        raise NotAllowed(
            f"{deployment.title} has no deployment lead yet. /deploy lead "
            f"{deployment.id} @user names one."
        )
    what = f"{going} It takes longer than it should. " if hangs is not None else ""
    can = "give it up" if hangs is not None else "roll this back"
    raise NotAllowed(
        f"{what}Only {deployment.lead.mention}, the deployment lead, can {can}.",
        Offer(Action.ASK_LEAD, "Ask the lead", deployment.id),
        Offer(
            Action.TAKE_OVER,
            "Take over as on-call…",
            deployment.id,
            carries=token(Action.TAKE_OVER, Seen(lead=str(deployment.lead))),
        ),
    )


async def _target(context: Context, reader: Reader, deployment: Deployment, ref: str) -> Live:
    if deployment.state not in CAN_ROLL_BACK:
        raise NotPossible(await _not_now(reader, deployment))
    releases = await releases_for(reader, deployment, None) if ref else ()
    if ref and not any(rollback.is_named(each, ref) for each in releases):
        await _refuse_left(reader, deployment, ref)
        await _refuse_kept_out(reader, deployment, ref, _others(releases, deployment))
    found = (
        rollback.chosen(releases, ref=ref, leaving=deployment.commit)
        if ref
        else await target_for(reader, deployment)
    )
    if found is None:
        instead = (
            f"To put another version there: /deploy {deployment.service} REF to "
            f"{deployment.environment}."
        )
        if deployment.is_in_part_there:
            instead = (
                "To put another version there, stop this one where it is first: "
                f"/deploy cancel {deployment.id}."
            )
        raise NotPossible(
            f"{(await rollback_offer(context, reader, deployment)).refused} {instead}"
        )
    return found


def _others(releases: Sequence[Live], deployment: Deployment) -> str:
    """Say what else one could ask for; what lies between is compared only then."""
    called = "Others that ended their watch here, as far as no migration lies between"
    return rollback.candidates_of(releases, leaving=deployment.commit, called=called)


async def _refuse_left(reader: Reader, deployment: Deployment, ref: str) -> None:
    """Refuse to put back what somebody has gone back from by hand. Raises NotPossible."""
    place = (deployment.service, deployment.environment)
    left = next(
        (each for each in await reader.left_by_hand(*place) if rollback.is_named(each, ref)), None
    )
    if left is not None:
        how = f"It counts again once it is deployed: /deploy {place[0]} REF to {place[1]}."
        raise NotPossible(
            f"{left.by.mention} has gone back from {left.version} by hand, so no "
            f"rollback puts it back. {how}"
        )


async def _refuse_kept_out(reader: Reader, deployment: Deployment, ref: str, others: str) -> None:
    """Refuse to go back to what is quarantined, by its version, and say why
    it is. Raises NotPossible.
    """
    kept_out = await reader.releases(
        deployment.service, deployment.environment, limit=None, kept_out=True
    )
    meant = next((each for each in kept_out if rollback.is_named(each, ref)), None)
    if meant is not None:
        known = await reader.quarantined(deployment.service, meant.commit)
        why = f"{known.reason} ({known.by.mention})" if known else ""
        raise NotPossible(
            f"{meant.version} is quarantined, so nothing goes back to it: {why}. {others}"
        )


async def _not_now(reader: Reader, deployment: Deployment) -> str:
    """Say why a deployment cannot be rolled back as it stands; of one that
    goes back already, what to.
    """
    coming = await reader.open_deployments(deployment.service, deployment.environment)
    back = next((each for each in coming if each.undoes == deployment.id), None)
    if back is not None:
        return f"{deployment.title} is rolling back to {back.version} already, as {back.id}."
    if deployment.state in {State.ROLLING_BACK, State.ROLLED_BACK}:
        return f"{deployment.is_over_already}."
    return f"{deployment.stands}; there is nothing to roll back."


async def by_rule(context: Context, tx: Transaction, deployment: Deployment, why: str) -> str:
    """Start the automatic rollback inside the transaction that found the reason; say why not, where
    it may not go by itself.
    """
    held = await why_not_by_rule(context, tx, deployment)
    if held:
        return held
    target = await _target(context, tx, deployment, "")
    await _start(context, tx, deployment, target, by=GONOGO, reason=why)
    return ""


async def _start(
    context: Context,
    tx: Transaction,
    deployment: Deployment,
    target: Live,
    *,
    by: Person,
    reason: str,
) -> bool:
    """Start a rollback, and keep out what it undoes if that was shown to be
    bad; tell whether it was.
    """
    now = context.now()
    if not await tx.move(deployment.id, State.ROLLING_BACK, at=now, note=reason):
        raise NotPossible(await _not_now(tx, deployment))
    back = await tx.add_deployment(
        NewDeployment(
            kind=Kind.ROLLBACK,
            service=deployment.service,
            environment=deployment.environment,
            ref=target.version,
            version=target.version,
            commit=target.commit,
            strategy=deployment.strategy,
            requested_by=by,
            at=now,
            lead=deployment.lead,
            reason=reason,
            channel=deployment.channel,
            undoes=deployment.id,
            base_commit=deployment.commit,
            base_version=deployment.version,
        )
    )
    await tx.set_countdown(deployment.id, None)
    await _end_what_else_is_there(context, tx, deployment)
    await tx.seize(deployment.service, deployment.environment, back.id)
    await tx.save_steps(back.id, [await _first_step(tx, deployment, now)])
    await note(
        tx,
        now,
        "rollback",
        deployment,
        by,
        to=target.commit,
        version=target.version,
        reason=reason,
        rollback=back.id,
    )
    facts = {**facts_of(deployment), "by": str(by), "target": target.version, "reason": reason}
    await tx.say(
        Message(
            f"{back.id}:rolling-back",
            "rolling_back",
            facts,
            deployment.id,
            to="channel" if by != GONOGO else "thread",
        )
    )
    await tx.start("roll_back", back.id, back.id)
    await tx.wake(deployment.id)
    return await keep_out_undone(context, tx, deployment, back)


async def _first_step(reader: Reader, undone: Deployment, now: datetime) -> Step:
    """Make the rollback's step; a CI provider that does not answer at this moment is silent about
    it as well, until it has answered.
    """
    silent = next(
        (step for step in await reader.steps(undone.id) if step.is_under_way and step.silent_since),
        None,
    )
    step = Step(0, "rollback", 100, timedelta(0))
    return replace(step, silent_since=now, refusal=silent.refusal) if silent is not None else step


async def _end_what_else_is_there(context: Context, tx: Transaction, undone: Deployment) -> None:
    """End what was let go over a deployment that is rolled back, which would bring it back; and the
    watch of what it was let go over.
    """
    for other in await let_go_over(tx, undone):
        begun = [
            step for step in await tx.steps(other.id) if step.is_under_way and not step.is_untouched
        ]
        for step in begun:
            await note(tx, context.now(), "given up", other, step=step.key, run=step.run)
            await give_up(context, tx, other, step)
        how_far = "its run was seen to begin" if begun else "anything of it was started"
        why = f"{undone.id}, which it was to replace, was rolled back before {how_far}"
        await tx.move(other.id, State.CANCELLED, at=context.now(), note=why)
        await note(tx, context.now(), "cancel", other, why=why)
        await tx.wake(other.id)
    watched = await tx.watched(undone.service, undone.environment)
    if watched is not None:
        await tx.move(
            watched.id,
            State.SUPERSEDED,
            at=context.now(),
            note=f"{undone.id} was let go over it, and is rolled back to another version",
        )
        await tx.wake(watched.id)
