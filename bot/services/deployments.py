"""Asking for a deployment, pinning its commit, waiting for its turn, cancelling it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from bot.domain.actions import Action
from bot.domain.catalog import EnvironmentPolicy, Permission, Service
from bot.domain.commands import Cancel, Deploy, DeployFirst
from bot.domain.deployment import CAN_ROLL_BACK, WAITING, Deployment, DeploymentId, Kind, State
from bot.domain.errors import IntegrationError, NotAllowed, NotPossible, Offer
from bot.domain.live import Live
from bot.domain.offer import RollbackOffer
from bot.domain.people import Person
from bot.domain.places import is_answer_to
from bot.domain.shown import token
from bot.ports.ci import Resolved
from bot.ports.engine import Later
from bot.ports.reader import Reader
from bot.ports.store import NewDeployment, Transaction
from bot.ports.talk import Answer, Intent
from bot.ports.time import Json
from bot.services import approvers, lasttime
from bot.services.ahead import redraw_behind
from bot.services.anew import ask_anew
from bot.services.context import (
    Context,
    act,
    as_shown,
    existing,
    facts_of,
    instead,
    is_again,
    note,
    seen,
    unclear,
)
from bot.services.hanging import gives_up, hanging_in, way_on
from bot.services.lasttime import facts_of_last_time
from bot.services.offers import rollback_offer
from bot.services.refs import look_up, moved_from, refused_late, what_was_taken
from bot.services.stopping import stop
from bot.services.watching import facts_of_watched, watched_in
from bot.services.ways import know_changes

log = structlog.get_logger(__name__)

RESOLUTION = timedelta(seconds=5)
"""How long a person waits to hear that a ref does not exist; then the deployment is stored,
and its runbook asks on.
"""
_STILL_COMING = WAITING | {State.ROLLING_OUT}


async def request(context: Context, intent: Intent, command: Deploy) -> Answer | None:
    """Ask for a deployment. The ref is looked up first, so that what cannot be deployed is
    refused to the person alone.
    """
    service = context.service(command.service)
    policy = context.policy(command.service, command.environment)
    strategy = command.strategy or policy.strategy
    if strategy not in context.catalog.strategies:
        raise NotPossible(
            f'I don\'t know the strategy "{strategy}". '
            f"{instead(strategy, context.catalog.strategies)}"
        )
    await context.people.require(intent.by, Permission.DEPLOY, "ask for a deployment")
    lead = (
        Person(context.catalog.team, command.lead)
        if command.lead
        else _lead_by_asking(service, intent.by)
    )
    if lead is not None and command.lead:
        await require_lead(context, service.name, lead)
    resolved = await _resolved(context, command)
    title = f"{service.name} {resolved.version if resolved else command.ref} → {policy.name}"
    await approvers.require(context, intent.by, policy.approvals, title)
    wanted = NewDeployment(
        kind=Kind.FORWARD, service=service.name, environment=policy.name,
        ref=command.ref, strategy=strategy, requested_by=intent.by,
        at=context.now(), lead=lead, reason=command.reason,
        channel=service.channel or intent.place.channel,
        version=resolved.version if resolved else command.ref,
        commit=resolved.commit if resolved else "",
    )  # fmt: skip
    return await act(context, intent, lambda tx: _ask(context, tx, wanted, resolved))


def _lead_by_asking(service: Service, by: Person) -> Person | None:
    """Say who leads what they ask for where no lead is named: without a schedule nobody would ever
    become it, or could roll back.
    """
    return None if service.has_on_call else by


async def require_lead(context: Context, service: str, person: Person) -> None:
    """Refuse to make somebody the lead who has no say in deployments: the lead alone decides about
    a rollout. Raises NotAllowed.
    """
    await context.people.admit(person, fresh=True)
    if not await _may_lead(context, service, person):
        sentence = (
            f"{person.mention} cannot lead: that takes somebody who may deploy, or who "
            f"is on call for {service}."
        )
        raise NotAllowed(sentence, roles=context.catalog.permissions.get(Permission.DEPLOY, ()))


async def _may_lead(context: Context, service: str, person: Person) -> bool:
    """Tell whether somebody can be a lead at this moment: by a role, or by being on call."""
    if await context.people.may_lead(person):
        return True
    shift = await context.providers[service].on_call.who(context.service(service), context.now())
    return shift is not None and shift.person == person


async def require_still(context: Context, deployment: Deployment, by: Person) -> None:
    """Refuse what goes forward, or decides for others, to a lead who could not be made the
    lead now. Raises NotAllowed.

    Going back and cancelling ask the lead's id alone: no lost role and no vendor's outage holds
    up what makes things safe.
    """
    if by == deployment.lead and not await _may_lead(context, deployment.service, by):
        raise NotAllowed(
            f"You lead {deployment.title}, but no role of yours may deploy any more, and you are "
            f"not on call for {deployment.service}. "
            "You can still roll it back. Whoever is on call can take over, or it is handed over: "
            f"/deploy lead {deployment.id} @user.",
            roles=context.catalog.permissions.get(Permission.HAND_OVER, ()),
        )


async def _resolved(context: Context, command: Deploy) -> Resolved | None:
    """Look up what a ref means; None when the provider does not answer now: the
    deployment's own runbook asks on.
    """
    async with context.store.reading() as reader:
        live = await reader.live(command.service, command.environment)
        releases = await reader.releases(command.service, command.environment)
    try:
        async with asyncio.timeout(RESOLUTION.total_seconds()):
            return await resolve(context, command.service, command.ref, live, releases)
    except TimeoutError:
        return None
    except IntegrationError as error:
        if error.retry:
            return None
        raise NotPossible(str(error)) from error


async def _ask(
    context: Context, tx: Transaction, wanted: NewDeployment, resolved: Resolved | None = None
) -> Answer:
    """Store a request and start its runbook. Raises NotPossible for what is needless or
    quarantined; nothing is touched yet.

    The answer says that it is asked for, what was taken where the ref could have meant something
    else, and what is being watched there.
    """
    if wanted.commit:
        quarantined = await tx.quarantine(wanted.service, wanted.commit)
        again = None if quarantined else await ask_anew(context, tx, wanted)
        if again is not None:
            return again
        resolved_to = Resolved(wanted.commit, wanted.version)
        refused = await _refused_now(
            context, tx, wanted.service, wanted.environment, resolved_to, by=wanted.requested_by
        )
        if refused is not None:
            raise refused
    deployment = await tx.add_deployment(wanted)
    took = what_was_taken(resolved, await moved_from(tx, deployment, wanted.version, wanted.commit))
    about: dict[str, Json] = {
        "ref": wanted.ref,
        "strategy": wanted.strategy,
        "reason": wanted.reason,
        **({"took": took} if took else {}),
    }
    await note(tx, context.now(), "deploy", deployment, wanted.requested_by, **about)
    await tx.start("deploy", deployment.id, deployment.id)
    watched = await watched_in(context, tx, deployment.service, deployment.environment)
    coming = await tx.open_deployments(deployment.service, deployment.environment)
    first = next(
        (each for each in coming if each.id != deployment.id and each.state in _STILL_COMING), None
    )
    before, is_unclear = (
        facts_of_last_time(await lasttime.of(tx, deployment)),
        await is_again(tx, deployment),
    )
    about = {"commit": deployment.commit, "took": took, "again": before, "unclear": is_unclear}
    about |= {
        "behind": first.id if first else "",
        "takes_back": first is not None and _takes_back(first, deployment.commit),
    }
    return Answer("asked", {**facts_of(deployment), **about, **facts_of_watched(watched)})


async def deploy_first(context: Context, intent: Intent, command: DeployFirst) -> Answer | None:
    """Deploy a card's commit to the environment before, as the clicker's own request."""
    async with context.store.reading() as reader:
        later = await existing(reader, command.deployment)
    await context.people.require(intent.by, Permission.DEPLOY, "ask for a deployment")
    before = context.policy(later.service, later.environment).after
    policy = context.policy(later.service, before) if before else None
    if policy is not None:
        await approvers.require(
            context, intent.by, policy.approvals, f"{later.service} {later.version} → {policy.name}"
        )
    return await act(
        context, intent, lambda tx: _ask_first(context, intent, tx, later, policy, command.shown)
    )


async def _ask_first(
    context: Context,
    intent: Intent,
    tx: Transaction,
    later: Deployment,
    policy: EnvironmentPolicy | None,
    shown: str,
) -> Answer | None:
    later = await existing(tx, later.id)
    if policy is None or later.state not in WAITING or not later.commit:
        raise NotPossible(f"{later.stands} and waits for no other environment.")
    as_shown(Action.DEPLOY_FIRST, shown, await seen(tx, later))
    first = await under_way(tx, later.service, policy.name, later.commit)
    if first is not None:
        raise NotPossible(f"{first.title} is under way already, as {first.id}.")
    if await is_there(tx, later.service, policy.name, later.commit):
        why = await tx.quarantine(later.service, later.commit)
        helps = (
            _quarantined(later.service, later.version, why)
            if why
            else "The gate opens when it has been watched and verified."
        )
        raise NotPossible(f"{later.version} is live in {policy.name} already. {helps}")
    service = context.service(later.service)
    return await _ask(
        context, tx,
        NewDeployment(
            kind=Kind.FORWARD, service=later.service,
            environment=policy.name, ref=later.ref, strategy=policy.strategy,
            requested_by=intent.by, at=context.now(),
            lead=_lead_by_asking(service, intent.by), reason=f"first step of {later.id}",
            channel=service.channel or intent.place.channel,
            version=later.version, commit=later.commit,
        ),
    )  # fmt: skip


async def under_way(
    reader: Reader, service: str, environment: str, commit: str
) -> Deployment | None:
    """Find a deployment under way that brings a commit to an environment."""
    return next(
        (
            each
            for each in await reader.open_deployments(service, environment)
            if _brings(each, commit)
        ),
        None,
    )


def _brings(deployment: Deployment, commit: str) -> bool:
    return (
        deployment.kind is Kind.FORWARD
        and deployment.commit == commit
        and deployment.state in _STILL_COMING
    )


def _takes_back(deployment: Deployment, commit: str) -> bool:
    return deployment.kind is Kind.ROLLBACK and deployment.base_commit == commit


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
        raise NotAllowed(f"Only {_who(context, deployment)} can cancel {deployment.id}.")
    as_shown(Action.CANCEL, command.shown, await seen(tx, deployment))
    await tx.move(deployment.id, State.CANCELLED, at=context.now(), by=intent.by)
    await note(tx, context.now(), "cancel", deployment, intent.by)
    await tx.release(deployment.id)
    await tx.wake(deployment.id)
    return Answer("cancelled", {**facts_of(deployment), "by": str(intent.by)})


def _who(context: Context, deployment: Deployment) -> str:
    people = [deployment.requested_by, *([deployment.lead] if deployment.lead else [])]
    named = [f"{person.mention}" for person in dict.fromkeys(people)]
    return " or ".join([*named, *context.people.named_by_role(Permission.HAND_OVER)])


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


# What the runbook does --------------------------------------------------------------------------


async def pin(context: Context, id: DeploymentId) -> bool:
    """Resolve the ref to a commit, once and for ever, and compare it with what is live; False when
    there is nothing to deploy.
    """
    async with context.store.reading() as reader:
        deployment = await existing(reader, id)
        live = await reader.live(deployment.service, deployment.environment)
        releases = await reader.releases(deployment.service, deployment.environment)
    if deployment.state is not State.REQUESTED:
        return deployment.state in WAITING
    resolved = Resolved(deployment.commit, deployment.version)
    if not deployment.commit:
        try:
            resolved = await resolve(context, deployment.service, deployment.ref, live, releases)
        except IntegrationError as error:
            if error.retry:
                raise
            return await _impossible(context, deployment, str(error))
    async with context.store.transaction() as tx:
        if not await pin_to(context, tx, deployment, resolved):
            return False
    await know_changes(context, id)
    return True


def _quarantined(service: str, version: str, why: str, here: str = "") -> str:
    """Say why a commit cannot be deployed, and what can; ``here`` is what it has in the
    place for which it is asked.
    """
    return (
        f"{version} is quarantined: {why}. {here}Deploy another version; what was right in this "
        "one can come as a new commit, "
        f"or the quarantine is lifted: /deploy unquarantine {service} {version} because TEXT."
    )


async def resolve(
    context: Context, service: str, ref: str, live: Live | None, releases: tuple[Live, ...]
) -> Resolved:
    """Say which commit a ref means now. ``previous`` is the version verified before the one that is
    live. Raises IntegrationError.
    """
    if ref != "previous":
        return await look_up(context, service, ref)
    others = (
        release
        for release in releases
        if release.verified_at and (live is None or release.commit != live.commit)
    )
    previous = next(others, None)
    if previous is None:
        raise IntegrationError(
            "There is no previous version that was verified here.", vendor="Go/No-Go", retry=False
        )
    return Resolved(previous.commit, previous.version)


async def pin_to(
    context: Context, tx: Transaction, deployment: Deployment, resolved: Resolved
) -> bool:
    """Pin a deployment to a commit and put it in the queue; False where that was done before, or
    there is nothing to deploy.
    """
    now = context.now()
    if (await existing(tx, deployment.id)).state is not State.REQUESTED:
        return False
    refused = await _refused_now(
        context, tx, deployment.service, deployment.environment, resolved, apart_from=deployment.id
    )
    if refused is not None:
        return await end(context, tx, deployment, str(refused))
    await tx.move(deployment.id, State.QUEUED, at=now)
    await tx.pin(deployment.id, resolved.commit, resolved.version)
    took = what_was_taken(
        resolved, await moved_from(tx, deployment, resolved.version, resolved.commit)
    )
    about: dict[str, Json] = {
        "ref": deployment.ref,
        "pinned": resolved.commit,
        "version": resolved.version,
    }
    await note(tx, now, "pinned", deployment, **(about | ({"took": took} if took else {})))
    return True


async def _refused_now(
    context: Context,
    reader: Reader,
    service: str,
    environment: str,
    resolved: Resolved,
    *,
    by: Person | None = None,
    apart_from: DeploymentId = "",
) -> NotPossible | None:
    """Say why a commit cannot be asked for in a place: it is quarantined, or it
    comes or is there already.

    What waits there for the end of its quarantine brings nothing: whoever asks (``by``) and can
    take it back is offered that.
    """
    why = await reader.quarantine(service, resolved.commit)
    coming = [
        each
        for each in await reader.open_deployments(service, environment)
        if each.id != apart_from
    ]
    first = next((each for each in coming if _brings(each, resolved.commit)), None)
    back = next((each for each in coming if _takes_back(each, resolved.commit)), None)
    if why and (first is not None or back is not None):
        refused = _quarantined(service, resolved.version, why, _comes_of_it(first, back))
        return NotPossible(
            refused, *(await _taking_back(reader, first, by) if first is not None else ())
        )
    needless = await needless_now(
        context, reader, service, environment, resolved, apart_from=apart_from
    )
    if needless or why:
        return NotPossible(needless or _quarantined(service, resolved.version, why))
    return None


def _comes_of_it(first: Deployment | None, back: Deployment | None) -> str:
    """Say what is under way there with a version that is quarantined: its rollback, and what was
    asked for or stands still.
    """
    said = f"{back.id} is rolling it back in {back.environment} now. " if back is not None else ""
    if first is None:
        return said
    if first.state in WAITING:
        return (
            f"{said}{first.id}, which is to bring it to {first.environment}, does not begin: "
            f"/deploy cancel {first.id} takes it back. "
        )
    return (
        f"{said}{first.id}, which has begun to bring it to {first.environment}, "
        "goes no further by itself. "
    )


async def _taking_back(reader: Reader, first: Deployment, by: Person | None) -> tuple[Offer, ...]:
    if first.state not in WAITING or by not in {first.requested_by, first.lead}:
        return ()
    return (
        Offer(
            Action.CANCEL,
            f"Cancel {first.id}",
            first.id,
            carries=token(Action.CANCEL, await seen(reader, first)),
        ),
    )


async def needless_now(
    context: Context,
    reader: Reader,
    service: str,
    environment: str,
    resolved: Resolved,
    *,
    apart_from: DeploymentId = "",
) -> str:
    """Say why there is nothing to do: somebody has asked for the same, or it
    is live already and whole.
    """
    coming = await reader.open_deployments(service, environment)
    first = next(
        (each for each in coming if _brings(each, resolved.commit) and each.id != apart_from), None
    )
    if first is not None:
        return f"{first.id} brings {resolved.version} to {environment} already."
    back = next(
        (each for each in coming if each.kind is Kind.ROLLBACK and each.commit == resolved.commit),
        None,
    )
    if back is not None:
        hangs = await hanging_in(context, reader, service, environment)
        how = f" It takes longer than it should. {way_on(back)}" if hangs is not None else ""
        return (
            f"The rollback of {back.undoes} is putting {resolved.version} back in {environment} "
            f"already, as {back.id}.{how}"
        )
    if await is_there(reader, service, environment, resolved.commit):
        return (
            f"{resolved.version} is live in {environment} already, so there is nothing to deploy."
        )
    return ""


async def is_there(reader: Reader, service: str, environment: str, commit: str) -> bool:
    """Tell whether a commit is known to be live and whole. What is unclear is not known; deploying
    proves what was only said.
    """
    live = await reader.live(service, environment)
    if (
        live is None
        or live.commit != commit
        or live.is_only_said
        or await unclear(reader, service, environment)
    ):
        return False
    current = await reader.current(service, environment)
    return current is None or current.state in {State.WATCHING, State.VERIFIED, State.ACCEPTED}


async def end_needless(context: Context, tx: Transaction, deployment: Deployment) -> bool:
    """End what waits for its turn, its gates or its approval although its commit has become live
    meanwhile; tell whether it has.
    """
    if not await is_there(tx, deployment.service, deployment.environment, deployment.commit):
        return False
    live = await tx.live(deployment.service, deployment.environment)
    by = await tx.deployment(live.deployment) if live and live.deployment else None
    how = f": {by.id} {'put it back' if by.kind is Kind.ROLLBACK else 'brought it'}" if by else ""
    place = f"{deployment.version} is live in {deployment.environment}"
    await end(context, tx, deployment, f"{place} already{how}, so there is nothing to deploy.")
    return True


async def _impossible(context: Context, deployment: Deployment, sentence: str) -> bool:
    async with context.store.transaction() as tx:
        return await end(context, tx, deployment, sentence)


async def end(context: Context, tx: Transaction, deployment: Deployment, sentence: str) -> bool:
    """End what has turned out to be impossible, unless somebody has ended it meanwhile."""
    if await tx.move(deployment.id, State.IMPOSSIBLE, at=context.now(), note=sentence):
        await note(tx, context.now(), "impossible", deployment, why=sentence)
        await tx.release(deployment.id)
        if not deployment.commit and deployment.requested_by.team == context.catalog.team:
            await tx.say(refused_late(deployment, sentence))
    return False


async def take_turn(context: Context, id: DeploymentId) -> bool | Later:
    """Take the environment's claim, first come first served; while another one has it there is
    nothing to look at until that is woken.
    """
    async with context.store.transaction() as tx:
        deployment = await existing(tx, id)
        if deployment.state not in WAITING:
            return False
        if deployment.state is not State.QUEUED:
            return True
        if not await tx.claim(
            deployment.service, deployment.environment, id, await passed_by(tx, deployment)
        ):
            return Later(context.intervals.parked)
        await tx.move(id, State.GATED, at=context.now())
        await redraw_behind(tx, deployment)
        return True


async def passed_by(reader: Reader, deployment: Deployment) -> tuple[DeploymentId, ...]:
    """Name what an answer to a failure does not queue behind: what was asked for before it cannot
    go until that is answered.
    """
    doubt = await reader.doubt(deployment.service, deployment.environment)
    if doubt is None or not is_answer_to(deployment, doubt):
        return ()
    coming = await reader.open_deployments(deployment.service, deployment.environment)
    return tuple(
        each.id for each in coming if each.state in WAITING and not is_answer_to(each, doubt)
    )
