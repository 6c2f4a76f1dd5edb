"""How what a message asks for has ended: alarms and requests are edited to their end,
and ask nothing any more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from bot.domain.deployment import WAITING, Deployment, State
from bot.domain.rollout import StepState
from bot.domain.trouble import Sort, Trouble
from bot.domain.wentback import Outcome
from bot.domain.whys import Deed, why_of
from bot.ports.reader import Reader
from bot.ports.talk import Ending, Message
from bot.ports.time import Json
from bot.services.context import Context, facts_of_snapshot, facts_of_timeline
from bot.services.given import WORD, word_given
from bot.services.rollback_gates import waits_still
from bot.services.standstills import standstill
from bot.services.targets import undoable
from bot.services.word import besides, ended_word

_Rule = Callable[[Context, Reader, Deployment, Message], Awaitable[str]]

_BY_STATE: Mapping[State, str] = {
    State.ROLLED_BACK: "It is rolled back.", State.VERIFIED: "It has ended its watch.",
    State.ACCEPTED: "It has ended its watch, accepted without proof.",
    State.SUPERSEDED: "Another deployment followed.",
    State.CANCELLED: "It is cancelled.",
    State.REJECTED: "It is rejected.", State.EXPIRED: "It is expired.",
    State.IMPOSSIBLE: "It was not possible.",
    State.ROLLING_OUT: "It has begun.", State.WATCHING: "It is live.",
    State.ROLLING_BACK: "It is being rolled back.", State.FAILED: "It has failed.",
}  # fmt: skip


_TURNS = frozenset({"degraded", "blind", "thin", "countdown", "recovered", "proceed"})
"""What happens to a finding, as it is noted."""


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
    """Give what a retrospective begins with as it is known by now, where it was not known then."""
    if message.facts.get("reason"):
        return {}
    told = await reader.timeline(deployment.id)
    reason = await _why(reader, deployment, message) or ""
    return {"reason": reason, "timeline": list(facts_of_timeline(told))}


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
    is said on the same alarm.
    """
    trouble = await reader.trouble(deployment.id)
    if (
        message.template != "degraded"
        or deployment.state not in {State.ROLLING_OUT, State.WATCHING}
        or trouble is None
    ):
        return deployment.state is State.ROLLING_BACK
    return trouble.alarm == message.facts["finding"] and trouble.answered is None


async def _trial(context: Context, reader: Reader, deployment: Deployment, message: Message) -> str:
    """End an alarm about numbers, and a countdown, when the lead has spoken, when they are fine
    again, or when the trial is over.
    """
    if deployment.state not in {State.ROLLING_OUT, State.WATCHING}:
        return await _after_all(reader, deployment)
    trouble = await reader.trouble(deployment.id)
    if trouble is not None and trouble.alarm != message.facts.get("finding", trouble.alarm):
        return await _overtaken(reader, deployment, message.facts["finding"], trouble)
    told = await reader.timeline(deployment.id)
    turns = [entry for entry in (*told.begin, *told.end) if entry.action in _TURNS]
    if turns and turns[-1].action == "proceed":
        return f"Let go on by {turns[-1].actor.mention}: {turns[-1].facts.get('reason', '')}"
    if trouble is None or trouble.is_open:  # too few numbers, or none, do not show that it is over
        return ""
    is_over = (
        "The numbers are no longer worse"
        if trouble.sort is Sort.DEGRADED
        else "There are enough numbers to judge by now"
    )
    if await besides(context, reader, deployment):
        return f"{is_over}."
    return (
        f"{is_over}, so "
        f"{'its watch goes on' if deployment.state is State.WATCHING else 'it goes on'} by itself."
    )


async def _overtaken(reader: Reader, deployment: Deployment, finding: Json, since: Trouble) -> str:
    """Say that another finding has followed, and that a word was given about
    this one, or about both.
    """
    given = f"{WORD}{finding}:"
    word = next(
        (mark for mark in await reader.marks(deployment.id) if mark.key.startswith(given)), None
    )
    if any(mark.key == ended_word(finding) for mark in await reader.marks(deployment.id)):
        again = await word_given(reader, deployment, since)
        if again is not None:
            return f"Let go on by {again.by.mention}: {again.reason}"
        given = f"{word.by.mention} had let it go on: {word.reason}. " if word else ""
        return (
            f"{given}What kept it besides its numbers is over, so its numbers are asked about anew."
        )
    if word is None:
        return "Something else was found since; it is said anew."
    return (
        f"{word.by.mention} let it go on: {word.reason}. Something else was "
        "found since; it is said anew."
    )


async def _after_all(reader: Reader, deployment: Deployment) -> str:
    """Name what came of it; who rolled it back, and to what."""
    back = next(
        (
            each
            for each in await reader.history(deployment.service, deployment.environment, limit=30)
            if each.undoes == deployment.id
        ),
        None,
    )
    if deployment.was_stopped and deployment.ended_by is not None:
        return f"It was stopped by {deployment.ended_by.mention}."
    if deployment.was_left and deployment.ended_by is not None:
        return f"{deployment.ended_by.mention} has said that something else is live there."
    if deployment.state is not State.ROLLED_BACK or back is None:
        return _BY_STATE.get(deployment.state, "")
    by = f"by {back.requested_by.mention}" if back.requested_by.team else "by itself"
    return f"It was rolled back to {back.version} {by}."


async def _failure(
    _context: Context, reader: Reader, deployment: Deployment, _message: Message
) -> str:
    """End a failure when it is rolled back, when something else was deployed over it, or when
    somebody has said what is live.
    """
    if deployment.state is State.ROLLED_BACK:
        return await _after_all(reader, deployment)
    current = await undoable(reader, deployment.service, deployment.environment)
    doubt = await reader.doubt(deployment.service, deployment.environment)
    is_still_there = (
        doubt is not None
        and deployment.commit in doubt.seen
        and current is not None
        and current.id == deployment.id
    )
    if is_still_there:
        # another version was said to be live, and this one gets requests all the same
        return ""
    live = await reader.live(deployment.service, deployment.environment)
    is_over = deployment.state in {State.FAILED, State.WATCHING}  # watched on, on that word
    if (
        live is not None
        and live.declared is not None
        and is_over
        and live.declared.at >= deployment.state_since
    ):
        return f"{live.declared.by.mention} has said that {live.version} is live there."
    if deployment.state in {State.WATCHING, State.ACCEPTED, State.SUPERSEDED}:
        return await _after_all(reader, deployment)
    is_replaced = (
        deployment.state is State.FAILED and current is not None and current.id != deployment.id
    )
    return "Another version has been deployed since." if is_replaced else ""


async def _back_and_worse(
    _context: Context, reader: Reader, deployment: Deployment, message: Message
) -> str:
    """End the word that what is back is worse itself, when something else is live."""
    live = await reader.live(deployment.service, deployment.environment)
    target = message.facts.get("target")
    return (
        f"{live.version} is live there now." if live is not None and live.version != target else ""
    )


async def _rolling_back(
    _context: Context, reader: Reader, deployment: Deployment, _message: Message
) -> str:
    if deployment.state is State.ROLLED_BACK:
        return await _after_all(reader, deployment)
    return "The rollback has failed." if deployment.state is State.FAILED else ""


async def _hangs(
    _context: Context, reader: Reader, deployment: Deployment, message: Message
) -> str:
    """End the alarm about a rollback that hangs when that one has ended: given up by whom, ended
    by whose word, or failed.
    """
    back = await reader.deployment(str(message.facts.get("rollback", "")))
    has_failed = back is not None and back.state is State.FAILED
    if back is not None and back.was_given_up and back.ended_by is not None:
        return f"It was given up by {back.ended_by.mention}."
    live = await reader.live(deployment.service, deployment.environment)
    if (
        back is not None
        and has_failed
        and live is not None
        and live.declared is not None
        and live.declared.at >= back.state_since
    ):
        return f"{live.declared.by.mention} has said that {live.version} is live there."
    if deployment.state is State.ROLLED_BACK:
        return await _after_all(reader, deployment)
    return "It has failed." if has_failed or deployment.state is not State.ROLLING_BACK else ""


async def _gate(context: Context, reader: Reader, deployment: Deployment, message: Message) -> str:
    """End the call to a gate at which a rollback waits when it has gone on, or has ended."""
    return await _hangs(context, reader, deployment, message) or (
        "" if await waits_still(reader, message) else "It has gone on."
    )


async def _late(_context: Context, reader: Reader, deployment: Deployment, message: Message) -> str:
    """End the alarm about a rollout's run that takes longer than it should when that run has
    ended, or the rollout is over.
    """
    if deployment.state is not State.ROLLING_OUT:
        return await _after_all(reader, deployment)
    going = StepState.SMOKE if message.facts["is_smoke"] else StepState.RUNNING
    if any(
        step.key == message.facts["step"] and step.state is going
        for step in await reader.steps(deployment.id)
    ):
        return ""
    return "It has ended well."


async def _standstill(
    context: Context, reader: Reader, deployment: Deployment, message: Message
) -> str:
    """End a standstill when the step that it was about has begun, or when
    something else keeps it now.
    """
    if deployment.state is not State.ROLLING_OUT:
        return await _after_all(reader, deployment)
    step = next(
        (step for step in await reader.steps(deployment.id) if step.key == message.facts["step"]),
        None,
    )
    if step is None or step.state is not StepState.PENDING:
        return "It has gone on."
    keeping = [
        (each.sentence, each.at.isoformat() if each.at else "")
        for each in await standstill(context, reader, deployment)
    ]
    said = [(each["why"], each["since"]) for each in (message.facts, *message.facts["also"])]
    if all(each in said for each in keeping):
        return ""
    is_over = not any(each in keeping for each in said)
    return (
        "That is over; something else keeps it now."
        if is_over
        else "Something else keeps it besides now; it is said anew."
    )


async def _quarantine(
    _context: Context, reader: Reader, deployment: Deployment, _message: Message
) -> str:
    """End the word that what is under way is quarantined."""
    if deployment.state not in {State.ROLLING_OUT, State.WATCHING}:
        return await _after_all(reader, deployment)
    return (
        ""
        if await reader.quarantine(deployment.service, deployment.commit)
        else "The quarantine is lifted."
    )


async def _refusal(
    _context: Context, reader: Reader, deployment: Deployment, _message: Message
) -> str:
    """End what a CI provider refuses when no step waits for it any more."""
    if any(
        step.silent_since for step in await reader.steps(deployment.id)
    ) and deployment.state in {State.ROLLING_OUT, State.ROLLING_BACK}:
        return ""
    return (
        "The CI provider answers again."
        if deployment.state is State.ROLLING_OUT
        else await _after_all(reader, deployment)
    )


async def _request(
    context: Context, reader: Reader, deployment: Deployment, message: Message
) -> str:
    """End a request to acknowledge when it was, when the deployment waits no
    more, or after the shift.
    """
    if any(mark.key == f"on-call:{message.to}" for mark in await reader.marks(deployment.id)):
        return "You have acknowledged it."
    if deployment.state not in WAITING:
        return f"{_BY_STATE.get(deployment.state, '')} Nothing is asked of you any more.".strip()
    until = str(message.facts.get("until") or "")
    return "Your shift is over." if until and datetime.fromisoformat(until) <= context.now() else ""


async def _retrospective(
    _context: Context, reader: Reader, deployment: Deployment, message: Message
) -> str:
    """End the draft of a retrospective when its reason is known, or when something else was done
    since, which has a draft of its own.
    """
    if message.facts.get("reason") or await _why(reader, deployment, message):
        return "The reason is known."
    why = why_of(deployment, await reader.rollback_of(deployment.id))
    return (
        ""
        if why is not None and why.is_asked and _OUTCOMES[why.deed] == message.facts.get("outcome")
        else "Nobody is asked why any more."
    )


async def _lead(_context: Context, reader: Reader, deployment: Deployment, message: Message) -> str:
    """End a request to the lead when somebody else leads, or when there
    is nothing left to decide.
    """
    if deployment.lead is not None and str(deployment.lead) != message.to:
        return f"{deployment.lead.mention} leads it now."
    over = {
        State.ROLLED_BACK,
        State.SUPERSEDED,
        State.CANCELLED,
        State.REJECTED,
        State.EXPIRED,
        State.IMPOSSIBLE,
    }
    return await _after_all(reader, deployment) if deployment.state in over else ""


RULES: Mapping[str, _Rule] = {
    "degraded": _trial, "failed": _failure, "stopped": _failure,
    "smoke_failed": _failure, "rolling_back": _rolling_back,
    "back_and_worse": _back_and_worse, "rollback_hangs": _hangs,
    "rollback_waits": _gate, "run_hangs": _late,
    "refused": _refusal, "stands_still": _standstill,
    "quarantined": _quarantine, "not_by_itself": _trial,
    "acknowledge_request": _request, "ask_lead": _lead, "retrospective": _retrospective,
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
