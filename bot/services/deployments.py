"""Asking for a deployment: whose it is, who leads it, and the answer to whoever asks."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from bot.domain.actions import Action
from bot.domain.catalog import EnvironmentPolicy, Permission, Service
from bot.domain.commands import Deploy, DeployFirst
from bot.domain.deployment import WAITING, Deployment, Kind
from bot.domain.errors import IntegrationError, NotAllowed, NotPossible
from bot.domain.people import Person
from bot.ports.ci import Resolved
from bot.ports.store import NewDeployment, Transaction
from bot.ports.talk import Answer, Intent
from bot.ports.time import Json
from bot.services import approvers, lasttime
from bot.services.anew import ask_anew
from bot.services.context import (
    Context,
    act,
    as_shown,
    existing,
    facts_of,
    is_again,
    no_such,
    note,
    seen,
)
from bot.services.lasttime import facts_of_last_time
from bot.services.needless import (
    STILL_COMING,
    is_there,
    refused_now,
    takes_back,
    under_way,
    why_kept_out,
)
from bot.services.queueing import resolve
from bot.services.refs import moved_from, what_was_taken
from bot.services.watching import facts_of_watched, watched_in

RESOLUTION = timedelta(seconds=5)
"""How long a person waits to hear that a ref does not exist; then the deployment is stored,
and its runbook asks on.
"""


async def request(context: Context, intent: Intent, command: Deploy) -> Answer | None:
    """Ask for a deployment. The ref is looked up first, so that what cannot be deployed is
    refused to the person alone.
    """
    service = context.service(command.service)
    policy = context.policy(command.service, command.environment)
    strategy = command.strategy or policy.strategy
    if strategy not in context.catalog.strategies:
        sentence = f'I don\'t know the strategy "{strategy}".'
        raise no_such(sentence, "strategy", strategy, context.catalog.strategies)
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
        place = (command.service, command.environment)
        live, releases = await reader.live(*place), await reader.releases(*place)
    try:
        async with asyncio.timeout(RESOLUTION.total_seconds()):
            return await resolve(context, place, command.ref, live, releases)
    except TimeoutError:
        return None
    except IntegrationError as error:
        if error.retry:
            return None
        raise NotPossible(str(error), meant=error.meant) from error


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
        refused = await refused_now(
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
        (each for each in coming if each.id != deployment.id and each.state in STILL_COMING), None
    )
    before, is_unclear = (
        facts_of_last_time(await lasttime.of(tx, deployment)),
        await is_again(tx, deployment),
    )
    about = {"commit": deployment.commit, "took": took, "again": before, "unclear": is_unclear}
    about |= {
        "behind": first.id if first else "",
        "takes_back": first is not None and takes_back(first, deployment.commit),
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
            why_kept_out(later.service, later.version, why)
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
