"""What numbers set going that are worse, or that nobody has: an alarm with its countdown, a
question to the lead, and their end.
"""

from __future__ import annotations

from bot.domain.catalog import AutomaticRollback
from bot.domain.deployment import Deployment
from bot.domain.health import (
    Snapshot,
    Verdict,
)
from bot.domain.rollout import StepState
from bot.domain.trouble import (
    Sort,
    Trouble,
    carried,
    continued,
    found,
    is_refuted,
    is_unrefuted,
    kept,
    over,
    sort_of,
)
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.ports.talk import Message
from bot.ports.time import Json
from bot.services.context import Context, existing, facts_of, facts_of_snapshot, note
from bot.services.countdown import countdown, counts_for, is_stopped
from bot.services.given import has_word, word_given
from bot.services.rollback_starts import by_rule
from bot.services.word import asked_anew, ends_by_itself, is_outlasted, known_there


async def keeps(
    context: Context,
    tx: Transaction,
    deployment: Deployment,
    shot: Snapshot,
    *,
    is_over: bool,
    following: int | None,
) -> bool:
    """Tell whether the numbers keep a rollout or a watch from going on, and
    do what follows from them.
    """
    known = await known_there(tx, deployment, shot)
    has_vanished = shot.verdict is not Verdict.DEGRADED and is_unrefuted(known, shot)
    says = (
        shot.verdict is not Verdict.NO_DATA
        or is_over
        or shot.is_told_after((await tx.snapshots(deployment.id))[-1:])
    )
    if not has_vanished and says:  # what says nothing takes no place of what was worse
        await tx.add_snapshot(shot)
    policy, strategy = (
        context.of(deployment)[1],
        context.catalog.strategies.get(deployment.strategy),
    )
    sort = (
        Sort.DEGRADED
        if has_vanished
        else sort_of(shot.verdict, policy, strategy, is_over=is_over, following=following)
    )
    if sort is None:
        if shot.verdict is not Verdict.NO_DATA or is_over:
            # numbers that are missing for a moment have not recovered
            await _calm(context, tx, deployment, shot, known)
        return False
    before, known = known, await asked_anew(context, tx, deployment, known)
    trouble = kept(known) if has_vanished and known else found(known, sort, shot)
    if before is not None and not (before == known and await has_word(tx, deployment, before)):
        trouble = carried(before, trouble, shot)
    trouble = await _continued(context, tx, deployment, known, trouble)
    if has_vanished:
        shot = (await tx.snapshots(deployment.id))[-1]
        await tx.redraw(deployment.id)
    return await _follow(context, tx, deployment, shot, known, trouble)


async def _continued(
    context: Context,
    tx: Transaction,
    deployment: Deployment,
    known: Trouble | None,
    trouble: Trouble,
) -> Trouble:
    """Give a finding with what goes on of the one before it: its number, its countdown."""
    policy = context.of(deployment)[1]
    counts_down, is_held = (
        policy.automatic_rollback is AutomaticRollback.COUNTDOWN,
        await is_stopped(tx, deployment, known),
    )
    began = max(
        (step.started_at for step in await tx.steps(deployment.id) if step.started_at), default=None
    )
    return continued(
        known,
        trouble,
        context.now(),
        counts_down=counts_down,
        is_held=is_held,
        lead=deployment.lead,
        went_on_at=began,
    )


async def _follow(
    context: Context,
    tx: Transaction,
    deployment: Deployment,
    shot: Snapshot,
    known: Trouble | None,
    trouble: Trouble,
) -> bool:
    """Do what follows from a finding, and tell whether it keeps what is under way."""
    if trouble != known:
        await _is_worse(context, tx, deployment, shot, trouble)
        deployment = await counts_for(tx, deployment, known, trouble)
    if await has_word(tx, deployment, trouble):
        await tx.set_countdown(deployment.id, None)
        return await is_outlasted(context, tx, deployment, trouble)
    await (_degraded if trouble.sort is Sort.DEGRADED else _ask)(
        context, tx, deployment, shot, trouble
    )
    await _outdate(context, tx, deployment, shot, known, trouble)
    return True


async def _is_worse(
    context: Context, tx: Transaction, deployment: Deployment, shot: Snapshot, trouble: Trouble
) -> None:
    """Store a finding, or that it has got worse."""
    await tx.save_trouble(deployment.id, trouble)
    about: dict[str, Json] = {
        "where": shot.where,
        "label": shot.label,
        "why": shot.why,
        "finding": trouble.number,
    }
    named = trouble.sort
    await note(
        tx, context.now(),
        "degraded" if named is Sort.DEGRADED else "blind" if named is Sort.BLIND else "thin",
        deployment, **about
    )  # fmt: skip


async def _outdate(
    context: Context,
    tx: Transaction,
    deployment: Deployment,
    shot: Snapshot,
    known: Trouble | None,
    trouble: Trouble,
) -> None:
    """Say of a word that was given before for something else that a finding is no part of it, and
    what ends that: also a countdown.
    """
    is_new = (
        known is not None
        and known.is_open
        and known.where == trouble.where
        and known.number != trouble.number
    )
    word = await word_given(tx, deployment, known) if known is not None and is_new else None
    now = await existing(tx, deployment.id)
    if word is not None and now.state is deployment.state:  # and does not go back already
        facts = {
            **facts_of(now),
            "by": str(word.by),
            "reason": word.reason,
            "snapshot": facts_of_snapshot(shot),
        }
        facts["until"] = now.countdown_until.isoformat() if now.countdown_until else ""
        facts["by_itself"] = str(await ends_by_itself(context, tx, now, trouble))
        await tx.say(
            Message(
                f"{deployment.id}:outdated:{trouble.number}", "word_outdated", facts, deployment.id
            )
        )


async def _degraded(
    context: Context, tx: Transaction, deployment: Deployment, shot: Snapshot, trouble: Trouble
) -> None:
    """Say what is worse, and go back by itself once its countdown is over."""
    until, held = await countdown(context, tx, deployment, trouble)
    if until is not None and context.now() >= until:
        await by_rule(context, tx, deployment, shot.why)
        return
    if trouble.continues:
        return
    about = {
        "where": trouble.where,
        "finding": trouble.number,
        "until": until.isoformat() if until else "",
        "held": held,
    }
    about["by_itself"] = str(await ends_by_itself(context, tx, deployment, trouble))
    facts = {
        **facts_of(deployment),
        "snapshot": facts_of_snapshot(shot),
        "beside": await under_way_beside(tx, deployment),
        **about,
    }
    await tx.say(
        Message(
            f"{deployment.id}:degraded:{trouble.number}",
            "degraded",
            facts,
            deployment.id,
            to="channel",
            chart=True,
        )
    )


async def under_way_beside(reader: Reader, deployment: Deployment) -> str:
    """Name what is under way all the same: ``run of 25 %``,
    ``smoke test of 5 %``; empty for nothing.
    """
    step = next((step for step in await reader.steps(deployment.id) if step.is_on_its_way), None)
    return (
        f"{'smoke test' if step.state is StepState.SMOKE else 'run'} of {step.percent} %"
        if step
        else ""
    )


async def _ask(
    context: Context, tx: Transaction, deployment: Deployment, shot: Snapshot, trouble: Trouble
) -> None:
    """Ask the lead what to do where the numbers say nothing, unless they are asked already."""
    if trouble.continues:
        return
    about = {
        "where": trouble.where,
        "finding": trouble.number,
        "until": "",
        "held": "",
        "beside": await under_way_beside(tx, deployment),
    }
    about["by_itself"] = str(await ends_by_itself(context, tx, deployment, trouble))
    facts = {**facts_of(deployment), "snapshot": facts_of_snapshot(shot), **about}
    key = f"{deployment.id}:{trouble.sort}:{trouble.number}"
    await tx.say(Message(key, "degraded", facts, deployment.id, to="channel"))


async def _calm(
    context: Context, tx: Transaction, deployment: Deployment, shot: Snapshot, known: Trouble | None
) -> None:
    """End what was the matter: the numbers are no longer worse. A countdown that runs is
    called off, and that is said.
    """
    if known is None or not known.is_open:
        return
    await tx.save_trouble(deployment.id, over(known, context.now()))
    if known.sort is Sort.DEGRADED and is_refuted(known, shot):
        # else the rollout has gone on, and there are too few numbers yet
        counted = deployment.countdown_until is not None
        await note(
            tx, context.now(), "recovered", deployment, finding=known.number, counted=counted
        )
    if deployment.countdown_until is not None:
        await tx.set_countdown(deployment.id, None)
        facts: dict[str, Json] = {**facts_of(deployment), "counted": True}
        await tx.say(
            Message(
                f"{deployment.id}:recovered:{known.number}",
                "recovered",
                facts,
                deployment.id,
                to="channel",
            )
        )
    elif (
        known.sort is Sort.DEGRADED
        and is_refuted(known, shot)
        and not await has_word(tx, deployment, known)
    ):
        # once for each alarm
        facts = {**facts_of(deployment), "counted": False}
        await tx.say(
            Message(
                f"{deployment.id}:recovered:alarm {known.alarm}", "recovered", facts, deployment.id
            )
        )
