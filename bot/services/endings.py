"""How what a message asks for has ended: alarms and requests are edited to their end,
and ask nothing any more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from bot.domain.deployment import Deployment, State
from bot.domain.wentback import Outcome
from bot.domain.whys import Deed, why_of
from bot.ports.reader import Reader
from bot.ports.talk import Ending, Message
from bot.ports.time import Json
from bot.services.alarm_ends import (
    acknowledgement,
    back_and_worse,
    failure,
    gate,
    hangs,
    late,
    lead_asked,
    quarantine,
    refusal,
    rolling_back,
    standing_still,
    trial,
)
from bot.services.context import Context, facts_of_snapshot, facts_of_timeline
from bot.services.successors import facts_of_successor, successor

_Rule = Callable[[Context, Reader, Deployment, Message], Awaitable[str]]


async def ended(context: Context, message: Message) -> Ending | None:
    """Say how it ended, in one sentence; None while it still asks. What is being rolled back has
    its end, and another one soon.
    """
    rule = RULES.get(message.template)
    if rule is None:
        return None
    async with context.store.reading() as reader:
        deployment = await reader.deployment(message.deployment)
        sentence = (
            await rule(context, reader, deployment, message) if deployment is not None else ""
        )
        comes_again = deployment is not None and await _may_ask_again(reader, deployment, message)
        last = _LAST.get(message.template)
        facts = (
            await last(reader, deployment, message)
            if sentence and deployment is not None and last is not None
            else {}
        )
    return Ending(sentence, is_final=not comes_again, facts=facts) if sentence else None


async def _last_numbers(
    reader: Reader, deployment: Deployment, message: Message
) -> Mapping[str, Json]:
    """Give the last numbers that an alarm about them was for: it does not end with
    those of its first look.
    """
    first, trouble = message.facts.get("snapshot"), await reader.trouble(deployment.id)
    shots = [
        shot
        for shot in await reader.snapshots(deployment.id)
        if first and str(shot.verdict) == first["verdict"] and shot.where
    ]
    if trouble is not None and trouble.alarm != message.facts.get("finding", trouble.alarm):
        told = await reader.timeline(deployment.id)
        next_one = (
            each.at
            for each in (*told.begin, *told.end)
            if each.facts.get("finding") == trouble.alarm
        )
        until = next(next_one, None)
        shots = [shot for shot in shots if until is not None and shot.at < until]
    return {"snapshot": facts_of_snapshot(shots[-1]), "where": shots[-1].where} if shots else {}


async def of_a_stop(reader: Reader, deployment: Deployment, message: Message) -> Mapping[str, Json]:
    """Say of what was stopped why, and whether its quarantine has been lifted since."""
    is_kept_out = bool(await reader.quarantine(deployment.service, deployment.commit))
    reason = deployment.note if deployment.was_stopped else message.facts.get("reason", "")
    return {"reason": reason, "lifted": bool(message.facts.get("kept_out")) and not is_kept_out}


async def _drafted(reader: Reader, deployment: Deployment, message: Message) -> Mapping[str, Json]:
    """Give what a retrospective begins with as it is known by now, where it was not known then;
    and what has come after that.
    """
    after = facts_of_successor(await successor(reader, deployment))
    if message.facts.get("reason"):
        return {"after": after}
    told = await reader.timeline(deployment.id)
    reason = await _why(reader, deployment, message) or ""
    return {"reason": reason, "timeline": list(facts_of_timeline(told)), "after": after}


async def _why(reader: Reader, deployment: Deployment, message: Message) -> str:
    """Give the reason of what a retrospective is about, as long as that
    is the last that was done.
    """
    why = why_of(deployment, await reader.rollback_of(deployment.id))
    return (
        why.reason
        if why is not None and _OUTCOMES.get(why.deed) == message.facts.get("outcome")
        else ""
    )


_OUTCOMES: Mapping[Deed, str] = {
    Deed.ROLLBACK: Outcome.ROLLED_BACK,
    Deed.STOP: Outcome.STOPPED,
    Deed.GIVE_UP: Outcome.GIVEN_UP,
}

_LAST: Mapping[str, Callable[[Reader, Deployment, Message], Awaitable[Mapping[str, Json]]]] = {
    "degraded": _last_numbers, "stopped": of_a_stop, "retrospective": _drafted,
}  # fmt: skip
"""What a message that has ended says besides, as it was last and not as it was first."""


async def _may_ask_again(reader: Reader, deployment: Deployment, message: Message) -> bool:
    """Tell whether a message may have another end, or ask anew: what was worse and comes back soon
    is said on the same alarm, and what comes after it on a retrospective.
    """
    if message.template == "retrospective":
        is_followed = await successor(reader, deployment) is not None
        return not (is_followed and await _settled(reader, deployment, message))
    trouble = await reader.trouble(deployment.id)
    if (
        message.template != "degraded"
        or deployment.state not in {State.ROLLING_OUT, State.WATCHING}
        or trouble is None
    ):
        return deployment.state is State.ROLLING_BACK
    return trouble.alarm == message.facts["finding"] and trouble.answered is None


async def _retrospective(
    _context: Context, reader: Reader, deployment: Deployment, message: Message
) -> str:
    """End the draft of a retrospective when its reason is known, when something else was done
    since, which has a draft of its own, or when another version has come.
    """
    if await successor(reader, deployment) is not None:
        return "Something else has come after it."
    return await _settled(reader, deployment, message)


async def _settled(reader: Reader, deployment: Deployment, message: Message) -> str:
    """Say why a draft waits for no reason any more; empty while it does."""
    if message.facts.get("reason") or await _why(reader, deployment, message):
        return "The reason is known."
    why = why_of(deployment, await reader.rollback_of(deployment.id))
    return (
        ""
        if why is not None and why.is_asked and _OUTCOMES[why.deed] == message.facts.get("outcome")
        else "Nobody is asked why any more."
    )


RULES: Mapping[str, _Rule] = {
    "degraded": trial, "failed": failure, "stopped": failure,
    "smoke_failed": failure, "rolling_back": rolling_back,
    "back_and_worse": back_and_worse, "rollback_hangs": hangs,
    "rollback_waits": gate, "run_hangs": late,
    "refused": refusal, "stands_still": standing_still,
    "quarantined": quarantine, "not_by_itself": trial,
    "acknowledge_request": acknowledgement, "ask_lead": lead_asked, "retrospective": _retrospective,
}  # fmt: skip

_OF_A_DEPLOYMENT = frozenset(RULES) - {
    "acknowledge_request",
    "ask_lead",
    "retrospective",
    "rolling_back",
    "stopped",
}
"""Those that call its lead, whoever that is: not what asks one person, and
not what only announces.
"""


async def alarms(context: Context, reader: Reader, deployment: Deployment) -> bool:
    """Tell whether an alarm about a deployment still asks its lead to decide: a new one
    has not been called by it.
    """
    for message in await reader.asking(deployment.id):
        rule = RULES[message.template] if message.template in _OF_A_DEPLOYMENT else None
        if rule is not None and not await rule(context, reader, deployment, message):
            return True
    return False
