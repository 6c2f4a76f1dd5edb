"""How a rollback ends: the books are closed once the old version is back, or it is said that it is
not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from bot.domain import rollback
from bot.domain.changes import Changes
from bot.domain.deployment import Acceptance, Deployment, DeploymentId, Kind, State
from bot.domain.health import worst_seen
from bot.domain.live import Live
from bot.domain.locks import Lock
from bot.domain.observation import is_of_what_is_back
from bot.domain.outcomes import Closed
from bot.domain.people import GONOGO, Person
from bot.domain.places import Unclear
from bot.domain.rollout import Step, StepState
from bot.domain.wentback import Outcome, WentBack
from bot.ports.store import Transaction
from bot.ports.talk import Message
from bot.ports.time import Json
from bot.services import wentback
from bot.services.context import Context, existing, facts_of, facts_of_timeline, note
from bot.services.obstacles import say_locked
from bot.services.offers import put_back
from bot.services.targets import ended_before


async def close(context: Context, id: DeploymentId) -> Closed:
    """Record that the old version is back: lock the environment, draft the retrospective."""
    now = context.now()
    async with context.store.transaction() as tx:
        back = await existing(tx, id)
        undone = await existing(tx, back.undoes)
        if not await tx.move(undone.id, State.ROLLED_BACK, at=now, note=back.reason):
            return Closed.OVER
        before = await ended_before(tx, back.service, back.environment, back.commit)
        accepted = before.accepted if before else str(Acceptance.ON_WORD)
        await tx.move(id, State.ACCEPTED if accepted else State.VERIFIED, at=now)
        steps = [
            replace(step, state=StepState.DONE, finished_at=now) for step in await tx.steps(id)
        ]
        await tx.save_steps(id, steps)
        await tx.set_live(
            Live(
                back.service, back.environment, back.commit,
                back.version, now, id, back.requested_by,
                before.verified_at if before else None, accepted,
            )
        )  # fmt: skip
        await clear(tx, back, steps)
        await _name_the_worst(tx, undone, back)
        await note(tx, now, "rolled back", undone, back.requested_by, to=back.commit)
        await _tell(context, tx, undone, back)
        await _lock(context, tx, undone, back)
        await tx.release(id)
        await tx.wake(undone.id)
    return Closed.ROLLED_BACK


async def clear(tx: Transaction, deployment: Deployment, steps: Sequence[Step]) -> None:
    """End the doubt about a place that a whole deployment or rollback has just filled, if its last
    run began after the doubt did.

    That the database was put back is ended by no rollback: what lay between, and what it went
    back over, is in no book.
    """
    doubt = await tx.doubt(deployment.service, deployment.environment)
    if doubt is not None and doubt.kind is Unclear.RESTORED and deployment.kind is Kind.ROLLBACK:
        return
    began = [step.started_at for step in steps if step.started_at]
    if doubt is not None and (
        doubt.kind is Unclear.FAILED or (began and max(began) >= doubt.since)
    ):
        await tx.cast_doubt(deployment.service, deployment.environment, None)


async def _name_the_worst(tx: Transaction, undone: Deployment, back: Deployment) -> None:
    """Have the quarantine that the rollback has brought name the worst that was seen since,
    where nobody has said why.
    """
    known = await tx.quarantined(undone.service, undone.commit)
    if (
        known is None
        or back.reason
        or (known.by, known.at) != (back.requested_by, back.requested_at)
    ):
        return
    numbers = await _numbers(tx, undone, back)
    why = rollback.why_quarantined(
        undone.environment, at=known.at, because=numbers, how=rollback.KeptOutBy.ROLLBACK
    )
    await tx.set_quarantine_reason(undone.service, undone.commit, why)


async def _numbers(tx: Transaction, undone: Deployment, back: Deployment) -> str:
    """Say the worst that was seen of it, also while the rollback was under way."""
    shot, way_back = await tx.meanwhile(back.id), await tx.steps(back.id)
    is_of_it = shot is not None and not is_of_what_is_back(shot, way_back)
    return worst_seen(
        [*await tx.snapshots(undone.id), *((shot,) if shot is not None and is_of_it else ())]
    )


async def _lock(context: Context, tx: Transaction, undone: Deployment, back: Deployment) -> None:
    if context.of(undone)[1].lock_after_rollback:
        reason = rollback.why_locked(undone.version, back.reason)
        lock = Lock(
            undone.service,
            undone.environment,
            reason,
            back.requested_by,
            context.now(),
            deployment=undone.id,
        )
        if await tx.add_lock(lock):
            await say_locked(tx, lock, back.id)


async def _tell(context: Context, tx: Transaction, undone: Deployment, back: Deployment) -> None:
    changes = await tx.changes(undone.id) or Changes(known=False)
    came = await wentback.of(tx, undone) or WentBack(back.requested_at, back.requested_by)
    facts = {
        **facts_of(undone), "by": str(back.requested_by),
        "target": back.version, "reason": back.reason,
        "seconds": (context.now() - came.asked_at).total_seconds(),
        "came": wentback.facts_of_going_back(came), "authors": list(changes.authors),
        "quarantined": bool(await tx.quarantine(undone.service, undone.commit)),
        "locked": context.of(undone)[1].lock_after_rollback,
        "unclear": await put_back(tx, undone),
    }  # fmt: skip
    await tx.say(Message(f"{undone.id}:rolled-back", "rolled_back", facts, undone.id))
    about = {
        **facts_of(undone),
        "outcome": str(Outcome.ROLLED_BACK),
        "target": back.version,
        "percent": 0,
        "reason": back.reason,
    }
    await draft_retrospective(context, tx, undone, about, key=f"{undone.id}:retrospective")


async def draft_retrospective(
    context: Context, tx: Transaction, deployment: Deployment, facts: dict[str, Json], *, key: str
) -> None:
    """Draft the retrospective of what was rolled back, or stopped, in its thread."""
    told = await tx.timeline(deployment.id)
    happened = [*told.begin, *told.end]
    people = {str(e.actor) for e in happened} | {
        str(e.facts["to"]) for e in happened if e.action == "lead"
    }
    facts = {
        "stood": "", **facts, "timeline": facts_of_timeline(told), "people": sorted(people),
        "item_titles": context.items_of(deployment), "owner": str(deployment.requested_by),
        "due": (context.now() + timedelta(days=3)).isoformat(),
    }  # fmt: skip
    await tx.say(Message(key, "retrospective", facts, deployment.id))


async def could_not(context: Context, id: DeploymentId) -> Closed:
    """Say that the rollback itself failed: the environment is unknown, a person has to act now."""
    async with context.store.transaction() as tx:
        back = await existing(tx, id)
        newest = await tx.rollback_of(back.undoes)
        if newest is not None and newest.id == id:
            # else it was given up, and another one is under way
            await have_failed(context, tx, back)
    return Closed.FAILED


@dataclass(frozen=True, slots=True)
class GivenUp:
    """That its lead has given a rollback up."""

    by: Person
    reason: str = ""
    put_back: str = ""
    """What serves again all the same."""


async def have_failed(
    context: Context, tx: Transaction, back: Deployment, *, given_up: GivenUp | None = None
) -> None:
    """Let what a rollback was to undo have failed with it, unless that is settled. A lead that has
    given it up is not called.
    """
    undone = await existing(tx, back.undoes)
    why = next(
        (step.sentence for step in await tx.steps(back.id) if step.sentence), "the run failed"
    )
    told = f"the rollback to {back.version} failed: {why}" if given_up is None else given_up.reason
    if not await tx.move(undone.id, State.FAILED, at=context.now(), note=told):
        return
    by = GONOGO if given_up is None else given_up.by
    await note(
        tx,
        context.now(),
        "rollback failed",
        undone,
        by,
        to=back.commit,
        why=why,
        given_up=given_up is not None,
    )
    facts: dict[str, Json] = {
        **facts_of(undone),
        "step": "rollback",
        "percent": 100,
        "why": why,
        "url": "",
        "held": "",
        "back": False,
    }
    facts |= {
        "earlier": "",
        "cancelled": False,
        "put_back": given_up.put_back if given_up else "",
        "given_up": given_up is not None,
    }
    await tx.say(
        Message(f"{undone.id}:rollback-failed:{back.id}", "failed", facts, undone.id, to="channel")
    )
    await _tell_its_thread(context, tx, undone, back, given_up)
    await tx.release(back.id)
    await tx.wake(undone.id)


async def _tell_its_thread(
    context: Context,
    tx: Transaction,
    undone: Deployment,
    back: Deployment,
    given_up: GivenUp | None,
) -> None:
    """Leave in the thread who gave a rollback up, and what a retrospective of it begins with."""
    about: dict[str, Json] = {**facts_of(undone), "target": back.version, "rollback": back.id}
    if given_up is not None:
        seconds = (context.now() - back.requested_at).total_seconds()
        facts = {
            **about,
            "by": str(given_up.by),
            "reason": given_up.reason,
            "seconds": seconds,
            "put_back": given_up.put_back,
        }
        await tx.say(Message(f"{back.id}:given-up", "rollback_given_up", facts, undone.id))
    how = Outcome.FAILED_BACK if given_up is None else Outcome.GIVEN_UP
    drafted = {
        **about,
        "outcome": str(how),
        "stood": await wentback.stood(tx, undone),
        "percent": 0,
        "reason": given_up.reason if given_up else "",
    }
    await draft_retrospective(context, tx, undone, drafted, key=f"{back.id}:retrospective")
