"""What hangs and is said: a rollback, or a run of a rollout, that takes longer than it
should calls its lead, once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bot.domain.decisions import Mark
from bot.domain.deployment import Deployment, DeploymentId, Kind, State
from bot.domain.hanging import Hanging, LateRun, is_hanging, late, patience
from bot.domain.people import GONOGO
from bot.domain.places import Hindrance, Obstacle
from bot.domain.rollout import Step, StepState
from bot.ports.reader import Reader
from bot.ports.talk import Message
from bot.ports.time import Json
from bot.services.context import Context, existing, facts_of, facts_of_kept, facts_of_snapshot, note
from bot.services.standstills import kept_by, standstill, why_not_on
from bot.services.wentback import numbers_meanwhile

HANGS: Final = "hangs"
"""What is noted once, in the audit log too, of a rollback that takes longer than it should."""
LATE: Final = "late"
"""The same of a run of a rollout."""
LATE_SAID = "late-said:"
"""How the mark begins that says: the lead was called to a run that takes longer than it should."""


async def hanging(context: Context, reader: Reader, undone: Deployment) -> Hanging | None:
    """Give the rollback of a deployment if it takes longer than it should; None while all is well,
    and where none is under way.
    """
    back = await reader.rollback_of(undone.id) if undone.state is State.ROLLING_BACK else None
    found = await _hung(context, reader, back) if back is not None else None
    if back is None or found is None or found.started_at is None:
        return None
    return Hanging(
        back.id,
        back.version,
        back.commit,
        found.started_at,
        found.run_url,
        is_back=found.serves_since is not None,
    )


async def hanging_in(
    context: Context, reader: Reader, service: str, environment: str
) -> Hanging | None:
    """Give the rollback that hangs in a place, if one does."""
    holder = await reader.deployment(await reader.holder(service, environment))
    undone = (
        await reader.deployment(holder.undoes)
        if holder is not None and holder.kind is Kind.ROLLBACK
        else None
    )
    return await hanging(context, reader, undone) if undone is not None else None


async def _hung(context: Context, reader: Reader, back: Deployment) -> Step | None:
    if back.state is not State.ROLLING_OUT:
        return None
    usual = await reader.rollback_seconds(back.service, back.environment)
    return next(
        (step for step in await reader.steps(back.id) if is_hanging(step, usual, context.now())),
        None,
    )


def way_on(undone: Deployment) -> str:
    """Name what helps where a rollback hangs."""
    said = gives_up(undone)
    return f"{said[0].upper()}{said[1:]}"


def gives_up(undone: Deployment) -> str:
    """Say how a rollback that hangs is given up, as the end of a sentence."""
    who = f"{undone.lead.mention}, its lead," if undone.lead else "its lead"
    return f"{who} can give it up: /rollback {undone.service} {undone.environment} because TEXT."


async def say(context: Context, deployment: Deployment) -> None:
    """Raise the alarm about what hangs, once: about a rollback, or about each run of a rollout."""
    await (_say_rollback if deployment.kind is Kind.ROLLBACK else _say_run)(context, deployment)


async def _say_rollback(context: Context, back: Deployment) -> None:
    async with context.store.reading() as reader:
        undone = await reader.deployment(back.undoes)
        found = await hanging(context, reader, undone) if undone is not None else None
    if undone is None or found is None:
        return
    facts: dict[str, Json] = {**facts_of(undone), "target": found.version, "rollback": back.id}
    facts |= {"since": found.since.isoformat(), "url": found.url}
    async with context.store.reading() as reader:
        facts |= await facts_of_now(reader, back.id)
    async with context.store.transaction() as tx:
        if await tx.mark(Mark(back.id, HANGS, GONOGO, context.now())):
            await note(tx, context.now(), HANGS, undone, rollback=back.id)
            told = {
                key: facts[key] for key in (*facts_of(undone), "target", "rollback", "since", "url")
            }
            await tx.say(Message(f"{back.id}:late", "rollback_late", told, undone.id))
        await tx.say(Message(f"{back.id}:hangs", "rollback_hangs", facts, undone.id, to="channel"))


async def facts_of_now(reader: Reader, rollback: DeploymentId) -> dict[str, Json]:
    """Give as JSON values how a rollback stands: the numbers of what serves, whether that is what
    it has put back, where it waits.
    """
    shot, steps = await numbers_meanwhile(reader, rollback), await reader.steps(rollback)
    waits = next((step for step in steps if step.waiting_stage), None)
    gate: dict[str, Json] = {
        "gate": waits.waiting_stage if waits else "",
        "opens_here": bool(waits and waits.passable_stage),
    }
    is_back = any(step.serves_since is not None for step in steps)
    return {"snapshot": facts_of_snapshot(shot) if shot else None, "is_back": is_back, **gate}


async def late_run(context: Context, reader: Reader, deployment: Deployment) -> LateRun | None:
    """Give the run of a rollout that takes longer than it should; None while all is well, and
    where none is under way.
    """
    if deployment.kind is not Kind.FORWARD or deployment.state is not State.ROLLING_OUT:
        return None
    step = next((step for step in await reader.steps(deployment.id) if step.is_on_its_way), None)
    if step is None:
        return None
    usual = await reader.step_seconds(deployment.service, deployment.environment, step.key)
    others = () if usual else await reader.run_seconds(deployment.service)
    return late(step, patience(usual, others), context.now())


@dataclass(frozen=True, slots=True)
class KeptOn:
    """What keeps a rollout from going on once its run under way has ended."""

    why: str = ""
    """As a sentence; empty where nothing does."""
    by: Hindrance | None = None
    is_last: bool = False
    """Whether no other step comes: then nothing but a quarantine is told, which keeps it
    from the end of its watch.
    """


async def kept_on(context: Context, reader: Reader, deployment: Deployment) -> KeptOn:
    """Say what keeps a rollout from going on, also once its run under way has ended."""
    steps = await reader.steps(deployment.id)
    is_last = not any(step.state is StepState.PENDING or step.is_gated for step in steps)
    found = {each.sentence: each for each in await standstill(context, reader, deployment)}
    for why in await why_not_on(context, reader, deployment):
        by = found.get(why)
        if not is_last or (by is not None and by.kind is Obstacle.QUARANTINED):
            return KeptOn(why, by, is_last)
    return KeptOn()


async def facts_of_late(
    context: Context, reader: Reader, deployment: Deployment, found: LateRun
) -> dict[str, Json]:
    """Give a run that takes longer than it should, and what keeps its rollout
    besides, as JSON values.
    """
    kept = await kept_on(context, reader, deployment)
    keeper = facts_of_kept(kept_by(context, kept.by)) if kept.by is not None else None
    return {**_facts_of_run(found), "keeps": kept.why, "kept": keeper, "is_last": kept.is_last}


def _facts_of_run(found: LateRun) -> dict[str, Json]:
    silent = found.silent_since.isoformat() if found.silent_since else ""
    return {
        "step": found.step, "percent": found.percent, "is_smoke": found.is_smoke,
        "since": found.since.isoformat(), "url": found.url,
        "says": found.says, "silent_since": silent, "basis": str(found.allowed.basis),
        "allowed": found.allowed.time.total_seconds(),
        "took_before": found.allowed.took.total_seconds(),
    }  # fmt: skip


async def _say_run(context: Context, deployment: Deployment) -> None:
    async with context.store.reading() as reader:
        found = await late_run(context, reader, deployment)
        key = f"{LATE_SAID}{found.step}:{found.is_smoke}" if found is not None else ""
        if found is None or any(mark.key == key for mark in await reader.marks(deployment.id)):
            return
    async with context.store.transaction() as tx:
        now = await existing(tx, deployment.id)
        found = await late_run(context, tx, now)
        if found is None or not await tx.mark(Mark(now.id, key, GONOGO, context.now())):
            return
        await note(tx, context.now(), LATE, now, step=found.step, smoke=found.is_smoke)
        facts = {**facts_of(now), **await facts_of_late(context, tx, now, found)}
        await tx.say(Message(f"{now.id}:{key}", "run_hangs", facts, now.id, to="channel"))
        await tx.redraw(now.id)
