"""Hold, glance and watch: how long what serves is looked at, and what its numbers end."""

from __future__ import annotations

from dataclasses import replace

from bot.domain.deployment import Acceptance, Deployment, DeploymentId, State
from bot.domain.health import (
    STALE,
    Snapshot,
    Verdict,
    moment,
)
from bot.domain.live import Live
from bot.domain.outcomes import Went
from bot.domain.rollout import Step, StepState, serves
from bot.ports.store import Transaction
from bot.ports.talk import Message
from bot.services import freezes, standstills
from bot.services.context import Context, existing, facts_of, facts_of_snapshot, note
from bot.services.findings import keeps
from bot.services.snapshots import numbers_at, snapshot
from bot.services.ways import know_way_back


async def hold(context: Context, id: DeploymentId, index: int) -> Went | None:
    """Observe a step until its hold is over and both the verdict and the
    rules let the rollout go on.

    Degraded or no data holds the rollout for as long as it lasts, unless the lead lets it
    go on or the rollback comes first. While a rule keeps it from the next step this one
    serves, and is observed.
    """
    await know_way_back(context, id)
    async with context.store.reading() as reader:
        deployment = await existing(reader, id)
        steps = await reader.steps(id)
    step = steps[index]
    if deployment.state is not State.ROLLING_OUT or step.deployed_at is None:
        return Went.OVER
    shot = await numbers_at(context, deployment, step, step.deployed_at)
    is_over = context.now() >= step.deployed_at + step.hold
    following = steps[index + 1] if index + 1 < len(steps) else None
    theirs = await freezes.of_the_provider(context, deployment) if is_over and following else ()
    async with context.store.transaction() as tx:
        now = await existing(tx, id)
        if now.state is not State.ROLLING_OUT:
            return Went.OVER
        to = following.percent if following else None
        if await keeps(context, tx, now, shot, is_over=is_over, following=to) or not is_over:
            return None
        if following and await standstills.stands_still(context, tx, now, following, theirs):
            return None
        return await _step_done(context, tx, now, step, shot)


async def glance(context: Context, id: DeploymentId, index: int, state: StepState) -> Went | None:
    """Look at what serves while the run of a step, or its smoke test, is under way, however long
    that hangs, waits or is refused.

    Before the first run has ended it is what that run has brought so far. What is found keeps
    no run that is under way; it is said, counts down, and keeps whatever has not begun.
    ``over`` once nothing is.
    """
    await know_way_back(context, id)
    async with context.store.reading() as reader:
        deployment, steps = await existing(reader, id), await reader.steps(id)
    if not _is_under_way(deployment, steps[index], state):
        return Went.OVER
    serving = serves(steps) or steps[index]
    began = serving.serves_since or serving.started_at
    if began is None or (
        serving.serves_since is None
        and (not serving.run or context.now() < began + context.intervals.hold)
    ):
        return None  # nothing of it is there yet, or only just
    shot = await numbers_at(context, deployment, serving, began)
    async with context.store.transaction() as tx:
        now = await existing(tx, id)
        if not _is_under_way(now, (await tx.steps(id))[index], state):
            return Went.OVER
        if serving.serves_since is None and not await _says_something(tx, id, shot):
            await _say_silence(tx, shot)
        else:
            await keeps(
                context,
                tx,
                now,
                shot,
                is_over=await _is_blind(context, tx, serving, id),
                following=None,
            )
    return None


async def _say_silence(tx: Transaction, shot: Snapshot) -> None:
    """Have the card say that there are no numbers, and why, or that they are there
    again; it keeps nothing.
    """
    last = (await tx.snapshots(shot.deployment))[-1:]
    is_back = (
        bool(last) and last[0].where == shot.where and bool(last[0].silence) and not shot.silence
    )
    if (shot.silence and shot.is_told_after(last)) or is_back:
        await tx.add_snapshot(shot)


async def _says_something(tx: Transaction, id: DeploymentId, shot: Snapshot) -> bool:
    """Tell whether the numbers of what is not deployed to its end matter: that they are well says
    nothing of the time when it is.
    """
    known = await tx.trouble(id)
    return shot.verdict is Verdict.DEGRADED or (known is not None and known.is_open)


async def _is_blind(context: Context, tx: Transaction, serving: Step, id: DeploymentId) -> bool:
    """Tell whether what serves has had its hold, and there has been nothing
    to judge it by for a time.
    """
    shots = [shot for shot in await tx.snapshots(id) if shot.verdict is not Verdict.NO_DATA]
    return (
        serving.deployed_at is not None
        and not serving.is_held(context.now())
        and (not shots or context.now() - shots[-1].at >= STALE)
    )


def _is_under_way(deployment: Deployment, step: Step, state: StepState) -> bool:
    return deployment.state is State.ROLLING_OUT and step.state is state


async def look_again(context: Context, id: DeploymentId, index: int) -> Went | None:
    """Look at the step before one that stood still: its numbers are to be answered for again."""
    async with context.store.reading() as reader:
        before = (await reader.steps(id))[index - 1] if index else None
    return (
        Went.GO
        if before is None or before.state is not StepState.HOLDING
        else await hold(context, id, index - 1)
    )


async def _step_done(
    context: Context, tx: Transaction, deployment: Deployment, step: Step, shot: Snapshot
) -> Went:
    await tx.save_steps(
        deployment.id, [replace(step, state=StepState.DONE, finished_at=context.now())]
    )
    await note(tx, context.now(), "step done", deployment, step=step.key, verdict=str(shot.verdict))
    facts = {
        **facts_of(deployment),
        "step": step.key,
        "percent": step.percent,
        "snapshot": facts_of_snapshot(shot),
    }
    await tx.say(
        Message(
            f"{deployment.id}:done:{step.key}",
            "snapshot",
            facts,
            deployment.id,
            chart=bool(shot.findings),
        )
    )
    return Went.GO


async def watch(context: Context, id: DeploymentId) -> Went | None:
    """Watch a landed deployment. At its end it is verified by its numbers, or accepted: on a word,
    or because nothing could judge.
    """
    await know_way_back(context, id)
    async with context.store.reading() as reader:
        deployment = await existing(reader, id)
    if deployment.state is not State.WATCHING or deployment.landed_at is None:
        return Went.OVER
    policy = context.of(deployment)[1]
    gone = context.now() - deployment.landed_at
    looks = max(1, int(policy.watch / context.intervals.hold))
    shot = await snapshot(
        context, deployment, label=moment(policy.snapshots, gone),
        where="watch", since=deployment.landed_at, percent=100, looks=looks
    )  # fmt: skip
    is_over = gone >= policy.watch
    async with context.store.transaction() as tx:
        now = await existing(tx, id)
        if now.state is not State.WATCHING or now.landed_at != deployment.landed_at:
            # also where it was cut off and taken up again meanwhile: that watch is another
            # one, and has its own looks
            return Went.OVER
        if await keeps(context, tx, now, shot, is_over=is_over, following=None) or not is_over:
            return None
        return await _settled(context, tx, now, shot)


async def _settled(
    context: Context, tx: Transaction, deployment: Deployment, shot: Snapshot
) -> Went | None:
    """End the watch. A commit that is quarantined meanwhile, or a place that is unclear, keeps it,
    whatever word was given.
    """
    ground = await tx.ground(deployment)
    trouble = await tx.trouble(deployment.id)
    by_word = trouble is not None and trouble.is_open
    if ground.quarantine or not ground.is_clear:
        return None
    live = await tx.live(deployment.service, deployment.environment)
    if live is not None and live.commit != deployment.commit:
        # it is not there any more, whatever its numbers say
        await tx.move(
            deployment.id,
            State.SUPERSEDED,
            at=context.now(),
            note=f"{live.version} was live instead",
        )
        return Went.GO
    said = live.declared if live is not None else None  # while it was watched
    accepted = _acceptance(context, deployment, shot, by_word=by_word, was_said=said is not None)
    now = context.now()
    await tx.move(deployment.id, State.ACCEPTED if accepted else State.VERIFIED, at=now)
    await tx.set_acceptance(deployment.id, str(accepted or ""))
    await tx.set_live(
        Live(
            deployment.service, deployment.environment, deployment.commit,
            deployment.version, live.since if live else now,
            deployment.id, deployment.requested_by,
            None if accepted else now, str(accepted or ""), said,
        )
    )  # fmt: skip
    await note(
        tx,
        now,
        "accepted" if accepted else "verified",
        deployment,
        verdict=str(shot.verdict),
        accepted=str(accepted or ""),
    )
    facts = {
        **facts_of(deployment),
        "snapshot": facts_of_snapshot(shot),
        "accepted": str(accepted or ""),
    }
    await tx.say(
        Message(
            f"{deployment.id}:verified", "verified", facts, deployment.id, chart=bool(shot.findings)
        )
    )
    return Went.GO


def _acceptance(
    context: Context, deployment: Deployment, shot: Snapshot, *, by_word: bool, was_said: bool
) -> Acceptance | None:
    """Say why a watch that ends is no proof; None when its numbers are."""
    if not context.of(deployment)[1].is_watched:
        return Acceptance.UNWATCHED
    if was_said:
        return Acceptance.SAID
    if by_word:
        return Acceptance.ON_WORD
    if shot.verdict is Verdict.UNPROVED:
        return Acceptance.COMPARED
    return None if shot.verdict is Verdict.HEALTHY else Acceptance.LITTLE
