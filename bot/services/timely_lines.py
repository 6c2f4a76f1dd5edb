"""What tells in a thread how it goes is said while it is so, or as something that is past."""

from __future__ import annotations

from dataclasses import replace

from bot.domain.deployment import WAITING, Deployment, State, is_of
from bot.domain.rollout import StepState
from bot.ports.reader import Reader
from bot.ports.talk import Message
from bot.ports.time import Json
from bot.services import endings
from bot.services.asked import facts_of_going_on
from bot.services.context import Context
from bot.services.quarantine_news import facts_here
from bot.services.standstills import NO_LONGER, freed
from bot.services.successors import successor
from bot.services.summaries import facts_of_summary
from bot.services.timely_calls import UNDER_TRIAL, counts_until, is_open, with_lead
from bot.services.word import besides, ends_by_itself


def then(message: Message, at: object = "", **now: Json) -> Message:
    """Have a message tell what happened as something that is past, with its time, and
    without what has been so since.
    """
    return replace(
        message, facts={**message.facts, **now, "overtaken": str(at or message.facts.get("at", ""))}
    )


async def summary(
    _context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Sum up how it is when that is said."""
    return replace(message, facts={**message.facts, **await facts_of_summary(reader, deployment)})


async def recovered(
    _context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say that numbers are worse no more only while they are not, and that a countdown is
    called off while none runs.
    """
    is_calm = deployment.countdown_until is None and not await is_open(reader, deployment)
    return with_lead(deployment, message) if deployment.state in UNDER_TRIAL and is_calm else None


async def while_it_stands(
    context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say in the thread that it stands still for as long as the call in the
    channel asks for something.
    """
    return (
        None
        if await endings.RULES["stands_still"](context, reader, deployment, message)
        else message
    )


async def proceeds(
    context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say that it goes on where it will; else that its lead let it."""
    where, following = str(message.facts["where"]), message.facts["following"]
    coming = [
        step.percent
        for step in await reader.steps(deployment.id)
        if step.state is StepState.PENDING
    ]
    is_coming = (
        following in coming
        if following is not None
        else (where == "watch") == (deployment.state is State.WATCHING)
    )
    is_kept = await is_open(reader, deployment) or await besides(context, reader, deployment)
    if deployment.state not in UNDER_TRIAL or is_kept or not is_coming:
        return then(message)
    return replace(
        message,
        facts={**message.facts, **await facts_of_going_on(context, reader, deployment, where)},
    )


async def _goes_on(
    context: Context, reader: Reader, deployment: Deployment, message: Message
) -> bool:
    """Tell whether nothing keeps a rollout from the step that it was said to go on to, nor says
    that it is kept no more.
    """
    if message.facts["percent"] is None:
        return True
    going = (
        await freed(context, reader, [deployment]) if deployment.state is State.ROLLING_OUT else {}
    )
    return {key: message.facts[key] for key in NO_LONGER} == (
        going[deployment.id].facts if deployment.id in going else None
    )


async def lock_said(
    context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say what a lock that came or went keeps or lets go on only while it does."""
    facts, locks = message.facts, await reader.locks(deployment.service, deployment.environment)
    holding = {
        (each.place, str(each.by), each.reason) for each in locks if each.holds(context.now())
    }
    if facts["lifted"]:
        kept = (
            not facts["other"]
            or (facts["other"], facts["other_by"], facts["other_reason"]) in holding
        )
        now = {} if kept else {"other": ""}
        if kept and await _goes_on(context, reader, deployment, message):
            return with_lead(deployment, message)
        return then(message, **now, **NO_LONGER)
    is_held = (facts["place"], facts["locked_by"], facts["reason"]) in holding
    if is_held and (not facts["keeps"] or deployment.state in WAITING | {State.ROLLING_OUT}):
        return replace(message, facts={**facts, "waits": deployment.state in WAITING})
    return then(message, keeps=False)


async def quarantine_said(
    context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say what a quarantine keeps, or lets go on, only while it does; and
    where its version is by now.
    """
    is_kept_out = bool(await reader.quarantine(deployment.service, deployment.commit))
    if is_kept_out is bool(message.facts["lifted"]) or not await _goes_on(
        context, reader, deployment, message
    ):
        return then(message)
    here = {} if message.facts["lifted"] else await facts_here(context, reader, deployment)
    return with_lead(deployment, replace(message, facts={**message.facts, **here}))


async def lead_changed(
    context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say who leads it now while they do, and call them while they are asked for something."""
    is_lead = str(deployment.lead or "") == message.facts["lead"]
    return (
        message
        if is_lead
        and (not message.facts["calls"] or await endings.alarms(context, reader, deployment))
        else then(message)
    )


async def live(
    _context: Context, _reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say that it is being watched only while it is."""
    at = deployment.landed_at
    return (
        message
        if deployment.state is State.WATCHING
        else then(message, at.isoformat() if at else "")
    )


async def step_started(
    _context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say that a step is being deployed only while it is."""
    step = next(
        (step for step in await reader.steps(deployment.id) if step.key == message.facts["step"]),
        None,
    )
    at = step.started_at if step is not None else None
    return (
        message
        if step is not None and step.state is StepState.RUNNING
        else then(message, at.isoformat() if at else "")
    )


async def verified(
    _context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Call it what is rolled back to only while it is that."""
    is_kept_out = bool(await reader.quarantine(deployment.service, deployment.commit))
    return (
        message
        if deployment.state in {State.VERIFIED, State.ACCEPTED} and not is_kept_out
        else then(message)
    )


async def rolled_back(
    context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say what a rollback has left behind as it is by now: its quarantine,
    its lock, what is unclear.
    """
    locks = await reader.locks(deployment.service, deployment.environment)
    now: dict[str, Json] = {
        "quarantined": bool(await reader.quarantine(deployment.service, deployment.commit)),
        "locked": any(
            is_of(each.deployment, deployment.id) and each.holds(context.now()) for each in locks
        ),
    }
    now |= {} if await reader.doubt(deployment.service, deployment.environment) else {"unclear": ""}
    said = replace(message, facts={**message.facts, **now})
    return then(said) if await successor(reader, deployment) is not None else said


async def word_outdated(
    context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say that it stands still again only while it does, with the countdown of now."""
    trouble = await reader.trouble(deployment.id)
    if (
        deployment.state not in UNDER_TRIAL
        or trouble is None
        or not await is_open(reader, deployment)
    ):
        return None
    by_itself = str(await ends_by_itself(context, reader, deployment, trouble))
    return replace(
        message, facts={**message.facts, "until": counts_until(deployment), "by_itself": by_itself}
    )


async def as_it_was(
    _context: Context, _reader: Reader, _deployment: Deployment, message: Message
) -> Message | None:
    """Say what happened; its end brings what has become known since."""
    return message


async def while_it_waits(
    _context: Context, _reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say whose approval counts only while it waits for approvals."""
    return message if deployment.state in WAITING else None


async def gates(
    _context: Context, _reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say how its gates are only while it waits at them."""
    return message if deployment.state in WAITING else then(message)
