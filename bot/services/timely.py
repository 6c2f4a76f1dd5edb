"""Words wait for Slack, and the world goes on: what is said is true when it is said, is put in
other words, or is not said any more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from bot.domain.deployment import WAITING, Deployment, State
from bot.domain.rollout import StepState
from bot.ports.reader import Reader
from bot.ports.talk import Message
from bot.ports.time import Json
from bot.services import endings
from bot.services.asked import facts_of_going_on
from bot.services.context import Context, facts_of_snapshot
from bot.services.findings import under_way_beside
from bot.services.given import word_given
from bot.services.hanging import facts_of_late, facts_of_now, late_run
from bot.services.leaving import under_way_as
from bot.services.offers import rollback_offer, still_held
from bot.services.quarantines import facts_here
from bot.services.rollback_gates import waits_still
from bot.services.starts import NO_LONGER, freed
from bot.services.summaries import facts_of_summary
from bot.services.word import besides, ends_by_itself, numbers_of

_Rule = Callable[[Context, Reader, Deployment, Message], Awaitable[Message | None]]

_UNDER_TRIAL = frozenset({State.ROLLING_OUT, State.WATCHING})
"""Where numbers are weighed: only here can a degraded one be let go on, or count down."""


async def still_true(context: Context, message: Message) -> Message | None:
    """Give a message as it may be said now; None when it has been overtaken. What asked for
    something that has ended says so.
    """
    rule = RULES.get(message.template)
    if rule is None or not message.deployment:
        return message
    async with context.store.reading() as reader:
        deployment = await reader.deployment(message.deployment)
        now = (
            await rule(context, reader, deployment, message) if deployment is not None else message
        )
    end = await endings.ended(context, message) if now is not None else None
    return (
        replace(now, facts={**now.facts, **end.facts, "end": end.sentence})
        if now is not None and end is not None
        else now
    )


def _then(message: Message, at: object = "", **now: Json) -> Message:
    """Have a message tell what happened as something that is past, with its time, and
    without what has been so since.
    """
    return replace(
        message, facts={**message.facts, **now, "overtaken": str(at or message.facts.get("at", ""))}
    )


async def _degraded(
    context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say that numbers are worse only while somebody can act on it: with the numbers, the lead and
    the countdown of now, as the card.
    """
    trouble = await reader.trouble(deployment.id)
    # which has its own alarm, and its own countdown
    is_another = trouble is not None and trouble.alarm != message.facts["finding"]
    if deployment.state not in _UNDER_TRIAL or is_another:
        return None
    now: dict[str, Json] = {"until": _until(deployment), "lead": str(deployment.lead or "")}
    if trouble is not None and trouble.is_open:
        shot = await numbers_of(reader, deployment, trouble)
        newest = facts_of_snapshot(shot) if shot is not None else message.facts["snapshot"]
        now["by_itself"] = str(await ends_by_itself(context, reader, deployment, trouble))
        now |= {"where": trouble.where, "beside": await under_way_beside(reader, deployment)}
        is_elsewhere = message.facts.get("where", trouble.where) != trouble.where
        now |= (
            {"snapshot": newest}
            if is_elsewhere or _findings(newest) != _findings(message.facts["snapshot"])
            else {}
        )
        now |= (
            {"held": await still_held(context, reader, deployment)}
            if message.facts.get("held")
            else {}
        )
    return replace(message, facts={**message.facts, **now})


async def _not_by_itself(
    context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say why nothing goes back by itself as things are now, beside the buttons of now."""
    why = (
        await still_held(context, reader, deployment)
        if deployment.state in _UNDER_TRIAL
        else message.facts["why"]
    )
    return _with_lead(deployment, replace(message, facts={**message.facts, "why": why}))


async def _hangs(
    _context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say of a rollback that hangs what its lead has to know now: the numbers of what serves, where
    they say something else.
    """
    now = await facts_of_now(reader, str(message.facts["rollback"]))
    before, shot = message.facts["snapshot"], now["snapshot"]
    is_news = shot and (
        not before or (before["silence"], _findings(before)) != (shot["silence"], _findings(shot))
    )
    now = now if is_news else {key: value for key, value in now.items() if key != "snapshot"}
    return replace(message, facts={**message.facts, **now, "lead": str(deployment.lead or "")})


async def _late(
    context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say that a run of a rollout takes longer than it should only while it does."""
    found = await late_run(context, reader, deployment)
    if found is None or (found.step, found.is_smoke) != (
        message.facts["step"],
        message.facts["is_smoke"],
    ):
        return None
    return _with_lead(
        deployment,
        replace(
            message,
            facts={**message.facts, **await facts_of_late(context, reader, deployment, found)},
        ),
    )


def _findings(snapshot: Any) -> list[tuple[Json, Json]]:
    """Give what a snapshot says of each metric: that time has passed is no news."""
    return [(each["verdict"], each["sentence"]) for each in snapshot["findings"]]


async def _at_its_gate(
    _context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Call people to the gate of a rollback only while it waits there."""
    return _with_lead(deployment, message) if await waits_still(reader, message) else None


async def _while_it_rolls_out(
    _context: Context, _reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say that a rollout stands still only while it is one."""
    return _with_lead(deployment, message) if deployment.state is State.ROLLING_OUT else None


async def _stopped(
    _context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say of what was stopped why, once somebody has said it, whether it is quarantined still, and
    that a run is looked for while it is.
    """
    sought = any(
        each.deployment == deployment.id
        for each in await reader.strays(deployment.service, deployment.environment)
    )
    now = {**await endings.of_a_stop(reader, deployment, message), "is_sought": sought}
    return _with_lead(deployment, replace(message, facts={**message.facts, **now}))


async def _with_its_lead(
    _context: Context, _reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Name whoever leads it now."""
    return _with_lead(deployment, message)


async def _quarantined(
    context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say of what is quarantined what it has by now where it is under way,
    and who can have it away.
    """
    if deployment.state not in WAITING | _UNDER_TRIAL:
        return _with_lead(deployment, message)
    there = (await under_way_as(context, reader, deployment)).facts
    why = await reader.quarantine(deployment.service, deployment.commit) or message.facts.get(
        "why", ""
    )
    return _with_lead(
        deployment, replace(message, facts={**message.facts, "there": there, "why": why})
    )


def _with_lead(deployment: Deployment, message: Message) -> Message:
    return replace(message, facts={**message.facts, "lead": str(deployment.lead or "")})


async def _request(
    context: Context, _reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Ask nobody to acknowledge what has begun or is over, or after their shift."""
    until = str(message.facts.get("until") or "")
    is_over = bool(until) and datetime.fromisoformat(until) <= context.now()
    return message if deployment.state in WAITING and not is_over else None


async def _ask_lead(
    _context: Context, _reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Tell only who leads now that they lead."""
    return message if str(deployment.lead or "") == message.to else None


async def _summary(
    _context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Sum up how it is when that is said."""
    return replace(message, facts={**message.facts, **await facts_of_summary(reader, deployment)})


def _until(deployment: Deployment) -> str:
    return deployment.countdown_until.isoformat() if deployment.countdown_until else ""


async def _recovered(
    _context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say that numbers are worse no more only while they are not, and that a countdown is
    called off while none runs.
    """
    is_calm = deployment.countdown_until is None and not await _is_open(reader, deployment)
    return _with_lead(deployment, message) if deployment.state in _UNDER_TRIAL and is_calm else None


async def _is_open(reader: Reader, deployment: Deployment) -> bool:
    """Tell whether a finding keeps it that nobody has let it go on over."""
    trouble = await reader.trouble(deployment.id)
    return (
        trouble is not None
        and trouble.is_open
        and await word_given(reader, deployment, trouble) is None
    )


async def _while_it_stands(
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


async def _proceeds(
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
    is_kept = await _is_open(reader, deployment) or await besides(context, reader, deployment)
    if deployment.state not in _UNDER_TRIAL or is_kept or not is_coming:
        return _then(message)
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


async def _lock_said(
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
            return _with_lead(deployment, message)
        return _then(message, **now, **NO_LONGER)
    is_held = (facts["place"], facts["locked_by"], facts["reason"]) in holding
    if is_held and (not facts["keeps"] or deployment.state in WAITING | {State.ROLLING_OUT}):
        return replace(message, facts={**facts, "waits": deployment.state in WAITING})
    return _then(message, keeps=False)


async def _quarantine_said(
    context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say what a quarantine keeps, or lets go on, only while it does; and
    where its version is by now.
    """
    is_kept_out = bool(await reader.quarantine(deployment.service, deployment.commit))
    if is_kept_out is bool(message.facts["lifted"]) or not await _goes_on(
        context, reader, deployment, message
    ):
        return _then(message)
    here = {} if message.facts["lifted"] else await facts_here(context, reader, deployment)
    return _with_lead(deployment, replace(message, facts={**message.facts, **here}))


async def _lead_changed(
    context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say who leads it now while they do, and call them while they are asked for something."""
    is_lead = str(deployment.lead or "") == message.facts["lead"]
    return (
        message
        if is_lead
        and (not message.facts["calls"] or await endings.alarms(context, reader, deployment))
        else _then(message)
    )


async def _live(
    _context: Context, _reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say that it is being watched only while it is."""
    at = deployment.landed_at
    return (
        message
        if deployment.state is State.WATCHING
        else _then(message, at.isoformat() if at else "")
    )


async def _step_started(
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
        else _then(message, at.isoformat() if at else "")
    )


async def _verified(
    _context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Call it what is rolled back to only while it is that."""
    is_kept_out = bool(await reader.quarantine(deployment.service, deployment.commit))
    return (
        message
        if deployment.state in {State.VERIFIED, State.ACCEPTED} and not is_kept_out
        else _then(message)
    )


async def _rolled_back(
    context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say what a rollback has left behind as it is by now: its quarantine,
    its lock, what is unclear.
    """
    locks = await reader.locks(deployment.service, deployment.environment)
    now: dict[str, Json] = {
        "quarantined": bool(await reader.quarantine(deployment.service, deployment.commit)),
        "locked": any(
            each.deployment == deployment.id and each.holds(context.now()) for each in locks
        ),
    }
    now |= {} if await reader.doubt(deployment.service, deployment.environment) else {"unclear": ""}
    return replace(message, facts={**message.facts, **now})


async def _word_outdated(
    context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say that it stands still again only while it does, with the countdown of now."""
    trouble = await reader.trouble(deployment.id)
    if (
        deployment.state not in _UNDER_TRIAL
        or trouble is None
        or not await _is_open(reader, deployment)
    ):
        return None
    by_itself = str(await ends_by_itself(context, reader, deployment, trouble))
    return replace(
        message, facts={**message.facts, "until": _until(deployment), "by_itself": by_itself}
    )


async def _way_back(
    context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say where it goes back to while somebody can have it go back, and as it is by now."""
    if message.facts.get("puts_back"):
        return _with_lead(deployment, message) if deployment.state is State.ROLLING_BACK else None
    offer = await rollback_offer(context, reader, deployment)
    if message.template == "way_back_again":
        return (
            _with_lead(deployment, message)
            if offer.is_possible and offer.version == message.facts["back_in"]
            else None
        )
    is_over = deployment.state in {State.ROLLING_BACK, State.ROLLED_BACK, State.SUPERSEDED}
    now = {"instead": offer.version if offer.is_possible else "", "refused": offer.refused}
    is_again = offer.is_possible and offer.version == message.facts["kept_out"]
    return (
        None
        if is_over or is_again
        else _with_lead(deployment, replace(message, facts={**message.facts, **now}))
    )


async def _given_up_ended(
    _context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Ask to look only while it is unclear what runs."""
    is_unclear = await reader.doubt(deployment.service, deployment.environment) is not None
    return _with_lead(
        deployment,
        replace(
            message, facts={**message.facts, "doubtful": message.facts["doubtful"] and is_unclear}
        ),
    )


async def _as_it_was(
    _context: Context, _reader: Reader, _deployment: Deployment, message: Message
) -> Message | None:
    """Say what happened; its end brings what has become known since."""
    return message


async def _while_it_is_back(
    context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say how what is back does only while it is live."""
    is_over = await endings.RULES["back_and_worse"](context, reader, deployment, message)
    return None if is_over else _with_lead(deployment, message)


async def _not_stopped(
    _context: Context, reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Ask for a run to be stopped only while the rollback goes on, or a run that was given up
    is still followed there.
    """
    strays = await reader.strays(deployment.service, deployment.environment)
    return message if deployment.state is State.ROLLING_BACK or strays else None


async def _while_it_waits(
    _context: Context, _reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say whose approval counts only while it waits for approvals."""
    return message if deployment.state in WAITING else None


async def _gates(
    _context: Context, _reader: Reader, deployment: Deployment, message: Message
) -> Message | None:
    """Say how its gates are only while it waits at them."""
    return message if deployment.state in WAITING else _then(message)


RULES: Mapping[str, _Rule] = {
    "acknowledge_request": _request,
    "ask_lead": _ask_lead,
    "degraded": _degraded,
    "gates": _gates,
    "given_up_ended": _given_up_ended,
    "lead_changed": _lead_changed,
    "live": _live,
    "lock_said": _lock_said,
    "not_by_itself": _not_by_itself,
    "not_stopped": _not_stopped,
    "proceeds": _proceeds,
    "quarantine_said": _quarantine_said,
    "quarantined": _quarantined,
    "recounted": _while_it_waits,
    "recovered": _recovered,
    "retrospective": _as_it_was,
    "rolled_back": _rolled_back,
    "rollback_hangs": _hangs,
    "rollback_waits": _at_its_gate,
    "run_hangs": _late,
    "standstill": _while_it_stands,
    "stands_still": _while_it_rolls_out,
    "step_started": _step_started,
    "stopped": _stopped,
    "summary": _summary,
    "verified": _verified,
    "word_outdated": _word_outdated,
    **dict.fromkeys(("back_and_worse", "looked_after"), _while_it_is_back),
    **dict.fromkeys(("failed", "smoke_failed", "refused", "rolling_back"), _with_its_lead),
    **dict.fromkeys(("way_back_lost", "way_back_again"), _way_back),
}
"""What claims that something is so: asked again when it is said. Who is asked for something that
has ended reads its end at once.
"""

RECORDS = frozenset(
    {
        "approved", "audit_broken", "audit_head", "countdown_stopped",
        "gate_not_opened", "gate_opened", "morning_summary", "not_waited",
        "plan_confirmed", "restored", "rollback_given_up", "rollback_late",
        "said_live", "said_why", "snapshot", "step_done", "stuck",
        "unseen",
    }
)  # fmt: skip
"""What tells that somebody did or said something, what was measured, or how it was at a time that
it names: said as it was.
"""

AT_ONCE = frozenset({"no_channel", "unsayable"})
"""What waits for nothing: it is made when it is said."""
