"""Baseline, snapshots, hold and watch: what the numbers say, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.domain import plain
from bot.domain.catalog import AutomaticRollback, EnvironmentPolicy, Service
from bot.domain.deployment import Acceptance, Deployment, DeploymentId, State
from bot.domain.errors import IntegrationError
from bot.domain.health import (
    STALE,
    Finding,
    Observed,
    Snapshot,
    Verdict,
    lacking_since,
    moment,
    overall,
)
from bot.domain.judgement import judge
from bot.domain.live import Live
from bot.domain.normal import Normal
from bot.domain.outcomes import Went
from bot.domain.rollout import Step, StepState, serves
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
from bot.ports.metrics import Cohort, Window
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.ports.talk import Message
from bot.ports.time import Json
from bot.services import freezes, starts
from bot.services.context import Context, existing, facts_of, facts_of_snapshot, note
from bot.services.countdown import countdown, counts_for, is_stopped
from bot.services.given import has_word, word_given
from bot.services.normal import normal_for
from bot.services.rollbacks import by_rule
from bot.services.ways import know_way_back
from bot.services.word import asked_anew, ends_by_itself, is_outlasted, known_there

TREND = 12
"""How many values a sparkline shows."""


async def take_baseline(context: Context, deployment: Deployment) -> None:
    """Store what is normal, before the first step: at the go, and again right before the first
    run where that comes later.
    """
    service, policy, _ = context.of(deployment)
    now = context.now()
    async with context.store.reading() as reader:
        normal = await normal_for(context, reader, deployment)
    end = normal.until if normal.before else now
    observed = await observe(context, service, policy, Window(end - policy.baseline, end), Cohort())
    findings = tuple(
        replace(judge(spec, None, observed.get(spec.key)), verdict=Verdict.HEALTHY)
        for spec in service.metric_specs
        if spec.key in observed
    )
    verdict = Verdict.HEALTHY if findings else Verdict.NO_DATA
    async with context.store.transaction() as tx:
        await tx.save_normal(deployment.id, normal)
        await tx.add_snapshot(Snapshot(deployment.id, "baseline", now, verdict, findings))


async def observe(
    context: Context, service: Service, policy: EnvironmentPolicy, window: Window, cohort: Cohort
) -> Mapping[str, Observed]:
    """Ask for the numbers of a window; a source that does not answer has none."""
    return (await observed(context, service, policy, window, cohort))[0]


async def observed(
    context: Context, service: Service, policy: EnvironmentPolicy, window: Window, cohort: Cohort
) -> tuple[Mapping[str, Observed], str]:
    """Ask for the numbers of a window; give beside them what the source said instead,
    where it does not answer.
    """
    try:
        return await context.providers[service.name].metrics.observe(
            service, policy, window, cohort
        ), ""
    except IntegrationError as error:
        return {}, plain.line(str(error)).rstrip(".")


async def snapshot(
    context: Context,
    deployment: Deployment,
    *,
    label: str,
    where: str,
    since: datetime,
    percent: int,
    looks: int,
) -> Snapshot:
    """Compare the new version with the old one: at the same time while both serve, with the time
    before once only the new one does.

    Where what is there was worse itself, the time before that is what it is compared with.
    """
    service, policy, _ = context.of(deployment)
    window = Window(since, context.now())
    async with context.store.reading() as reader:
        normal = await reader.normal(deployment.id) or Normal(deployment.started_at or since)
        earlier = await reader.snapshots(deployment.id)
    current, silence = await observed(context, service, policy, window, Cohort(deployment.commit))
    compared = await _compared_with(context, deployment, normal, window, percent)
    # where the team has chosen none, nothing is missing
    specs = service.metric_specs if policy.is_watched else ()
    findings = tuple(
        judge(spec, compared.numbers.get(spec.key), current.get(spec.key), looks, silence=silence)
        for spec in specs
    )
    verdict = overall(findings, proves=compared.proves)
    lacking = lacking_since(earlier, where, since) if verdict is Verdict.NO_DATA else None
    silence = silence if specs else ""
    return Snapshot(
        deployment.id,
        label,
        window.end,
        verdict,
        _with_trends(earlier, findings),
        compared.named,
        where,
        silence,
        lacking,
    )


@dataclass(frozen=True, slots=True)
class _Compared:
    """What a new version is compared with."""

    numbers: Mapping[str, Observed]
    named: str
    proves: bool = True


_WORSE_ITSELF = ", which was worse itself"


async def _compared_with(
    context: Context, deployment: Deployment, normal: Normal, window: Window, percent: int
) -> _Compared:
    """Find what to compare with. What nobody has measured any more of the time before is taken from
    now, which proves nothing.
    """
    service, policy, _ = context.of(deployment)
    others, before = (
        Cohort(deployment.commit, others=True),
        Window(normal.until - policy.baseline, normal.until),
    )
    began = deployment.started_at or window.start
    if percent < 100 and normal.is_beside:  # noqa: PLR2004 - per cent
        beside = await observe(context, service, policy, window, others)
        return _Compared(
            beside,
            f"the old version at the same time{_WORSE_ITSELF if normal.is_far else ''}",
            proves=not normal.is_far,
        )
    found = await observe(context, service, policy, before, others)
    if not normal.before or normal.is_far:
        return _Compared(
            found,
            f"the time before{_WORSE_ITSELF if normal.is_far else ''}",
            proves=not normal.is_far,
        )
    lacking = [spec for spec in service.metric_specs if spec.key not in found]
    if not lacking:
        return _Compared(found, f"the time before {normal.before}, which was worse")
    now = window if percent < 100 else Window(began - policy.baseline, began)  # noqa: PLR2004 - per cent
    instead = await observe(context, service, policy, now, others)
    return _Compared({**instead, **found}, f"{normal.before}{_WORSE_ITSELF}", proves=False)


def _with_trends(earlier: Sequence[Snapshot], findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    def trend(finding: Finding) -> tuple[float, ...]:
        values = [
            old.current
            for shot in earlier
            for old in shot.findings
            if old.key == finding.key and old.current is not None
        ]
        now = [finding.current] if finding.current is not None else []
        return tuple([*values, *now][-TREND:])

    return tuple(replace(finding, trend=trend(finding)) for finding in findings)


# The hold after a step --------------------------------------------------------------------------


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
        if await _keeps(context, tx, now, shot, is_over=is_over, following=to) or not is_over:
            return None
        if following and await starts.stands_still(context, tx, now, following, theirs):
            return None
        return await _step_done(context, tx, now, step, shot)


async def numbers_at(
    context: Context, deployment: Deployment, step: Step, began: datetime
) -> Snapshot:
    """Compare the new version with the old one as it serves at a step since a time, or for
    as long as one looks back.
    """
    looks = max(1, int(step.hold / context.intervals.hold))
    since = max(began, context.now() - max(step.hold, context.of(deployment)[1].baseline))
    return await snapshot(
        context,
        deployment,
        label=step.label,
        where=step.key,
        since=since,
        percent=step.percent,
        looks=looks,
    )


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
            await _keeps(
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


async def _keeps(
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
    counts_down, is_held = (
        policy.automatic_rollback is AutomaticRollback.COUNTDOWN,
        await is_stopped(tx, deployment, known),
    )
    began = max(
        (step.started_at for step in await tx.steps(deployment.id) if step.started_at), default=None
    )
    trouble = continued(
        known,
        trouble,
        context.now(),
        counts_down=counts_down,
        is_held=is_held,
        lead=deployment.lead,
        went_on_at=began,
    )
    if has_vanished:
        shot = (await tx.snapshots(deployment.id))[-1]
        await tx.redraw(deployment.id)
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


# The watch after landing ------------------------------------------------------------------------


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
        if await _keeps(context, tx, now, shot, is_over=is_over, following=None) or not is_over:
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
            note=f"{live.version} is live instead",
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
