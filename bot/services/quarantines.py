"""Quarantine and what is live, on somebody's word: what the bot cannot know, a person with the right to may say, with a reason."""

from __future__ import annotations

from bot.domain.audit import Entry
from bot.domain.catalog import Permission
from bot.domain.commands import Quarantine, SayLive, Unquarantine
from bot.domain.deployment import WAITING, Acceptance, Deployment, Kind, State
from bot.domain.errors import IntegrationError, NotAllowed, NotPossible
from bot.domain.places import Doubt, Unclear
from bot.domain.rollout import StepState
from bot.ports import Answer, Intent, Live, Message, Resolved, Transaction
from bot.services.house import House, act, facts_of, note
from bot.services.strays import give_up


async def quarantine(house: House, intent: Intent, command: Quarantine) -> Answer | None:
    """Keep a commit of a service from being deployed, or gone back to, anywhere."""
    await house.people.require(intent.by, Permission.LOCK, "quarantine a version")
    resolved = await _resolved(house, command.service, command.ref)
    return await act(house, intent, lambda tx: _quarantine(house, intent, tx, command, resolved))


async def _quarantine(house: House, intent: Intent, tx: Transaction, command: Quarantine, resolved: Resolved) -> Answer:
    known = await tx.quarantine(command.service, resolved.commit)
    if known:
        raise NotPossible(f"{resolved.version} is quarantined already: {known}")
    await tx.put_in_quarantine(command.service, resolved.commit, reason=command.reason, by=intent.by, at=house.now())
    await _written(tx, intent, "quarantine", command.service, resolved, command.reason)
    live_in = [name for name in house.service(command.service).environments if await _is_live(tx, command.service, name, resolved.commit)]
    await _tell(tx, intent, resolved, command, lifted=False)
    facts = {"service": command.service, "version": resolved.version, "reason": command.reason, "live_in": live_in}
    return Answer("quarantined", facts)


async def _is_live(tx: Transaction, service: str, environment: str, commit: str) -> bool:
    live = await tx.live(service, environment)
    return live is not None and live.commit == commit


async def _tell(tx: Transaction, intent: Intent, resolved: Resolved, command: Quarantine | Unquarantine, *, lifted: bool) -> None:
    """Say it in the thread of every deployment of the commit, and have its card drawn again; what stands or waits looks again."""
    for deployment in await tx.of_commit(command.service, resolved.commit):
        facts = {**facts_of(deployment), "by": str(intent.by), "reason": command.reason, "lifted": lifted}
        await tx.say(Message(f"{deployment.id}:quarantine:{intent.key}", "quarantine_said", facts, deployment.id))
        await tx.redraw(deployment.id)
        await tx.wake(deployment.id)


async def unquarantine(house: House, intent: Intent, command: Unquarantine) -> Answer | None:
    """Let a commit be deployed again, with a reason that stays."""
    await house.people.require(intent.by, Permission.LOCK, "lift a quarantine")
    resolved = await _resolved(house, command.service, command.ref)
    return await act(house, intent, lambda tx: _unquarantine(intent, tx, command, resolved))


async def _unquarantine(intent: Intent, tx: Transaction, command: Unquarantine, resolved: Resolved) -> Answer:
    if not await tx.lift_quarantine(command.service, resolved.commit):
        raise NotPossible(f"{resolved.version} of {command.service} is not quarantined; nothing was changed.")
    await _written(tx, intent, "unquarantine", command.service, resolved, command.reason)
    await _tell(tx, intent, resolved, command, lifted=True)
    return Answer("unquarantined", {"service": command.service, "version": resolved.version, "reason": command.reason})


async def say_live(house: House, intent: Intent, command: SayLive) -> Answer | None:
    """Record what is live on somebody's word: it ends the doubt about an environment, and proves nothing about the version."""
    house.policy(command.service, command.environment)
    may = await house.people.may(intent.by, Permission.HAND_OVER)
    resolved = await _resolved(house, command.service, command.ref)
    return await act(house, intent, lambda tx: _say_live(house, intent, tx, command, resolved, may=may))


async def _say_live(house: House, intent: Intent, tx: Transaction, command: SayLive, resolved: Resolved, *, may: bool) -> Answer:
    service, environment = command.service, command.environment
    standing = await tx.standing(service, environment)
    if not may and (standing is None or intent.by != standing.lead):
        lead = f"<@{standing.lead.user}>, its lead, or " if standing and standing.lead else ""
        who = " or ".join(house.people.named_by_role(Permission.HAND_OVER)) or "whoever keeps gonogo.yaml"
        raise NotAllowed(f"You cannot say what is live in {service} {environment}. {lead}{who} can.")
    doubt = await tx.doubt(service, environment)
    for shown in await tx.open_deployments(service, environment):
        if _is_of_a_copy(shown, doubt) and (shown.state, shown.commit) != (State.WATCHING, resolved.commit):
            await _leave(house, tx, shown, intent)
    holder = await tx.deployment(await tx.holder(service, environment))
    if holder is not None and holder.state not in WAITING:
        raise NotPossible(
            f"{holder.id} is under way in {service} {environment}; what is live is changing. Wait for its end, or stop it first."
        )
    live = await tx.live(service, environment)
    same = live if live is not None and live.commit == resolved.commit else None
    now = house.now()
    said = Live(
        service, environment, resolved.commit, resolved.version, now, same.deployment if same else "", intent.by,
        same.verified_at if same else None, same.accepted if same else Acceptance.ON_WORD,
    )  # fmt: skip
    await tx.set_live(said)
    await tx.cast_doubt(service, environment, None)
    await _written(tx, intent, "live", service, resolved, command.reason, environment=environment)
    facts = {"service": service, "environment": environment, "version": resolved.version, "reason": command.reason}
    return Answer("said_live", {**facts, "strays": len(await tx.strays(service, environment))})


def _is_of_a_copy(shown: Deployment, doubt: Doubt | None) -> bool:
    """Tell whether a deployment is under way only because the database was put back from a copy. A rollback goes on, and ends by itself."""
    is_moving = shown.kind is Kind.FORWARD and shown.state in {State.ROLLING_OUT, State.WATCHING}
    return is_moving and doubt is not None and doubt.kind is Unclear.RESTORED and shown.state_since <= doubt.since


async def _leave(house: House, tx: Transaction, deployment: Deployment, intent: Intent) -> None:
    """Let go of a deployment whose end the database has lost. A run of it that may still be going is stopped and looked for."""
    now, why = house.now(), "the database was put back from a copy, and somebody said what is live instead"
    for step in await tx.steps(deployment.id):
        if step.state in {StepState.RUNNING, StepState.SMOKE}:
            await give_up(house, tx, deployment, step)
    await tx.move(deployment.id, State.SUPERSEDED if deployment.state is State.WATCHING else State.FAILED, at=now, note=why)
    await note(tx, now, "left", deployment, intent.by, why=why)
    await tx.release(deployment.id)
    await tx.wake(deployment.id)


async def _resolved(house: House, service: str, ref: str) -> Resolved:
    house.service(service)
    try:
        return await house.providers[service].ci.resolve(ref)
    except IntegrationError as error:
        if error.retry:
            raise
        raise NotPossible(str(error)) from error


async def _written(
    tx: Transaction, intent: Intent, action: str, service: str, resolved: Resolved, reason: str, *, environment: str = ""
) -> None:
    facts = {"service": service, "environment": environment, "commit": resolved.commit, "version": resolved.version, "reason": reason}
    await tx.audit(Entry(at=intent.at, actor=intent.by, action=action, facts=facts))
