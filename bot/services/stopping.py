"""Stopping a rollout that cannot be gone back from: it goes no further, and what it has brought
may be there until something else comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.domain.actions import Action
from bot.domain.deployment import Deployment, State
from bot.domain.health import figures, shows_requests, worst_seen
from bot.domain.observation import is_shown_bad
from bot.domain.people import Person
from bot.domain.places import Doubt, Unclear
from bot.domain.rollback import KeptOutBy, why_quarantined
from bot.domain.rollout import Step, StepState, serving
from bot.domain.wentback import Outcome
from bot.ports.store import Transaction
from bot.ports.talk import Answer, Intent, Message
from bot.services.alone import only_lead
from bot.services.context import Context, as_shown, facts_of, note, seen
from bot.services.quarantines import keep_out
from bot.services.rollback_steps import draft_retrospective
from bot.services.strays import cut_off
from bot.services.whys import offer

_MOVING = frozenset({StepState.RUNNING, StepState.SMOKE, StepState.HOLDING})


async def stop(
    context: Context, intent: Intent, tx: Transaction, deployment: Deployment, shown: str
) -> Answer:
    """End a rollout where it is, on its lead's word; whatever was asked for after it was found
    worse is an answer to it.

    Raises NotAllowed for everybody else: who could roll it back can stop it.
    """
    if intent.by != deployment.lead:
        raise only_lead(deployment, f"stop {deployment.title}, which is rolling out already")
    as_shown(Action.CANCEL, shown, await seen(tx, deployment))
    steps = await tx.steps(deployment.id)
    now, percent = context.now(), serving(steps)
    kept_out = await _is_bad(tx, deployment, steps)
    moving = [step for step in steps if step.state in _MOVING]
    for step in moving:
        await cut_off(context, tx, deployment, step, "stopped by its lead")
    since = await _known_since(tx, deployment) or now
    numbers = figures(await tx.snapshots(deployment.id))
    at, had = f" at {percent} %" if percent else "", f" with {numbers}" if numbers else ""
    why = f"{deployment.version} ({deployment.id}) was stopped by its lead{at}{had}"
    await tx.cast_doubt(
        deployment.service, deployment.environment, Doubt(Unclear.FAILED, why, since, deployment.id)
    )
    await tx.move(deployment.id, State.FAILED, at=now, by=intent.by)
    await note(
        tx,
        now,
        "stop",
        deployment,
        intent.by,
        step=moving[-1].key if moving else "",
        percent=percent,
    )
    await tx.release(deployment.id)
    await tx.wake(deployment.id)
    facts = {**facts_of(deployment), "by": str(intent.by), "percent": percent, "kept_out": kept_out}
    facts["cut"] = any(step.is_under_way for step in moving)
    facts["seen"] = shows_requests(await tx.snapshots(deployment.id))
    said = {**facts, "is_sought": facts["cut"], "reason": "", "lifted": False}
    await tx.say(Message(f"{deployment.id}:stopped", "stopped", said, deployment.id, to="channel"))
    if kept_out:
        await _keep_out(context, tx, deployment, intent.by)
    about = {
        **facts_of(deployment),
        "outcome": str(Outcome.STOPPED),
        "target": "",
        "percent": percent,
        "reason": "",
    }
    await draft_retrospective(
        context, tx, deployment, about, key=f"{deployment.id}:stopped:retrospective"
    )
    return Answer("stopped", facts, await offer(tx, deployment.id))


async def _known_since(tx: Transaction, deployment: Deployment) -> datetime | None:
    """Say since when it is known to be worse: whatever has been asked for since
    then is an answer to that.
    """
    trouble = await tx.trouble(deployment.id)
    if trouble is None or not trouble.is_open:
        return None
    told = await tx.timeline(deployment.id)
    return next(
        (
            entry.at
            for entry in (*reversed(told.end), *reversed(told.begin))
            if entry.action == "degraded"
        ),
        None,
    )


async def _is_bad(tx: Transaction, deployment: Deployment, steps: Sequence[Step]) -> bool:
    """Tell whether it was shown to be bad, by the rule of a rollback."""
    is_verified = await tx.was_verified(deployment)
    return is_shown_bad(await tx.trouble(deployment.id), steps, is_verified=is_verified)


async def _keep_out(context: Context, tx: Transaction, deployment: Deployment, by: Person) -> None:
    """Quarantine what was shown to be bad: it is not deployed again as the answer to itself."""
    numbers, now = worst_seen(await tx.snapshots(deployment.id)), context.now()
    why = why_quarantined(deployment.environment, at=now, because=numbers, how=KeptOutBy.STOP)
    await keep_out(context, tx, deployment, by=by, at=now, why=why, how=KeptOutBy.STOP)
