"""How what an alarm or a call asks for has ended: by what, by whom, and in which words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from bot.domain.audit import Audited
from bot.domain.deployment import WAITING, Deployment, State
from bot.domain.rollout import StepState
from bot.domain.trouble import Sort, Trouble
from bot.ports.reader import Reader
from bot.ports.talk import Message
from bot.ports.time import Json
from bot.services.context import Context
from bot.services.given import WORD, word_given
from bot.services.rollback_gates import waits_still
from bot.services.standstills import standstill
from bot.services.targets import undoable
from bot.services.word import besides, ended_word

_BY_STATE: Mapping[State, str] = {
    State.ROLLED_BACK: "It was rolled back.", State.VERIFIED: "It has ended its watch.",
    State.ACCEPTED: "It has ended its watch, accepted without proof.",
    State.SUPERSEDED: "Another deployment followed.",
    State.CANCELLED: "It was cancelled.",
    State.REJECTED: "It was rejected.", State.EXPIRED: "It has expired.",
    State.IMPOSSIBLE: "It was not possible.",
    State.ROLLING_OUT: "It has begun.", State.WATCHING: "It went live.",
    State.ROLLING_BACK: "It is being rolled back.", State.FAILED: "It has failed.",
}  # fmt: skip

_TURNS: frozenset[Audited] = frozenset(
    {"degraded", "blind", "thin", "countdown", "recovered", "proceed"}
)
"""What happens to a finding, as it is noted."""


async def trial(context: Context, reader: Reader, deployment: Deployment, message: Message) -> str:
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
        return f"{deployment.ended_by.mention} has said that something else was live there."
    if deployment.state is not State.ROLLED_BACK or back is None:
        return _BY_STATE.get(deployment.state, "")
    by = f"by {back.requested_by.mention}" if back.requested_by.team else "by itself"
    return f"It was rolled back to {back.version} {by}."


async def failure(
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
        return f"{live.declared.by.mention} has said that {live.version} was live there."
    if deployment.state in {State.WATCHING, State.ACCEPTED, State.SUPERSEDED}:
        return await _after_all(reader, deployment)
    is_replaced = (
        deployment.state is State.FAILED and current is not None and current.id != deployment.id
    )
    if not is_replaced:
        return ""
    after = await reader.replaced(deployment.id)
    return (
        f"{after.version} came after it." if after else "Another version has been deployed since."
    )


async def back_and_worse(
    _context: Context, reader: Reader, deployment: Deployment, message: Message
) -> str:
    """End the word that what is back is worse itself, when something else is live."""
    live = await reader.live(deployment.service, deployment.environment)
    target = message.facts.get("target")
    return (
        f"{live.version} has come there since."
        if live is not None and live.version != target
        else ""
    )


async def rolling_back(
    _context: Context, reader: Reader, deployment: Deployment, _message: Message
) -> str:
    """End the word that a rollback goes once it has ended."""
    if deployment.state is State.ROLLED_BACK:
        return await _after_all(reader, deployment)
    return "The rollback has failed." if deployment.state is State.FAILED else ""


async def hangs(_context: Context, reader: Reader, deployment: Deployment, message: Message) -> str:
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
        return f"{live.declared.by.mention} has said that {live.version} was live there."
    if deployment.state is State.ROLLED_BACK:
        return await _after_all(reader, deployment)
    return "It has failed." if has_failed or deployment.state is not State.ROLLING_BACK else ""


async def gate(context: Context, reader: Reader, deployment: Deployment, message: Message) -> str:
    """End the call to a gate at which a rollback waits when it has gone on, or has ended."""
    return await hangs(context, reader, deployment, message) or (
        "" if await waits_still(reader, message) else "It has gone on."
    )


async def late(_context: Context, reader: Reader, deployment: Deployment, message: Message) -> str:
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


async def standing_still(
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


async def quarantine(
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


async def refusal(
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


async def acknowledgement(
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


async def lead_asked(
    _context: Context, reader: Reader, deployment: Deployment, message: Message
) -> str:
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
