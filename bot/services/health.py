"""Baseline, snapshots, hold and watch: what the numbers say, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta

from bot.domain.catalog import AutomaticRollback, EnvironmentPolicy, Service
from bot.domain.deployment import Deployment, DeploymentId, State
from bot.domain.errors import IntegrationError
from bot.domain.health import Finding, Observed, Snapshot, Verdict, judge, overall
from bot.domain.rollout import Step, StepState
from bot.ports import Cohort, Json, Live, Message, Transaction, Window
from bot.services.house import House, existing, facts_of, note
from bot.services.offers import rollback_offer
from bot.services.rollbacks import by_rule

GO, OVER = "go", "over"
TREND = 12
"""How many values a sparkline shows."""


async def take_baseline(house: House, deployment: Deployment) -> None:
    """Store what is normal, before the first step."""
    service, policy, _ = house.of(deployment)
    now = house.now()
    observed = await _observe(house, service, policy, Window(now - policy.baseline, now), Cohort())
    findings = tuple(
        replace(judge(spec, None, observed.get(spec.key)), verdict=Verdict.HEALTHY) for spec in service.metric_specs if spec.key in observed
    )
    verdict = Verdict.HEALTHY if findings else Verdict.NO_DATA
    async with house.store.transaction() as tx:
        await tx.add_snapshot(Snapshot(deployment.id, "baseline", now, verdict, findings))


async def _observe(house: House, service: Service, policy: EnvironmentPolicy, window: Window, cohort: Cohort) -> Mapping[str, Observed]:
    try:
        return await house.providers[service.name].metrics.observe(service, policy, window, cohort)
    except IntegrationError:
        return {}


async def snapshot(house: House, deployment: Deployment, *, label: str, since: datetime, percent: int, looks: int) -> Snapshot:
    """Compare the new version with the old one: at the same time while both serve, with the time before once only the new one does."""
    service, policy, _ = house.of(deployment)
    now = house.now()
    window = Window(since, now)
    current = await _observe(house, service, policy, window, Cohort(deployment.commit))
    side_by_side = percent < 100  # noqa: PLR2004 - per cent
    if side_by_side:
        baseline = await _observe(house, service, policy, window, Cohort(deployment.commit, others=True))
    else:
        start = deployment.started_at or since
        baseline = await _observe(house, service, policy, Window(start - policy.baseline, start), Cohort(deployment.commit, others=True))
    findings = tuple(judge(spec, baseline.get(spec.key), current.get(spec.key), looks) for spec in service.metric_specs)
    compared = "the old version at the same time" if side_by_side else "the time before"
    return Snapshot(deployment.id, label, now, overall(findings), await _with_trends(house, deployment.id, findings), compared)


async def _with_trends(house: House, id: DeploymentId, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    async with house.store.reading() as reader:
        earlier = await reader.snapshots(id)

    def trend(finding: Finding) -> tuple[float, ...]:
        values = [old.current for shot in earlier for old in shot.findings if old.key == finding.key and old.current is not None]
        now = [finding.current] if finding.current is not None else []
        return tuple([*values, *now][-TREND:])

    return tuple(replace(finding, trend=trend(finding)) for finding in findings)


def facts_of_snapshot(shot: Snapshot) -> dict[str, Json]:
    """Give a snapshot's facts as JSON values."""
    findings = [{**asdict(finding), "verdict": str(finding.verdict), "trend": list(finding.trend)} for finding in shot.findings]
    return {
        "label": shot.label,
        "verdict": str(shot.verdict),
        "compared_with": shot.compared_with,
        "at": shot.at.isoformat(),
        "findings": findings,
    }


# The hold after a step --------------------------------------------------------------------------------------------------------------------


async def hold(house: House, id: DeploymentId, index: int) -> str | None:
    """Observe a step until its hold is over and the verdict lets the rollout go on.

    Degraded or no data holds the rollout for as long as it lasts, unless the lead lets it go on or the rollback comes first.
    """
    async with house.store.reading() as reader:
        deployment = await existing(reader, id)
        step = (await reader.steps(id))[index]
        proceeds = any(mark.key == f"proceed:{step.key}" for mark in await reader.marks(id))
    if deployment.state is not State.ROLLING_OUT or step.deployed_at is None:
        return OVER
    looks = max(1, int(step.hold / house.pace.hold))
    shot = await snapshot(house, deployment, label=_label(step), since=step.deployed_at, percent=step.percent, looks=looks)
    is_over = house.now() >= step.deployed_at + step.hold
    async with house.store.transaction() as tx:
        return await _weigh(house, tx, deployment, step, shot, is_over=is_over, proceeds=proceeds)


def _label(step: Step) -> str:
    return f"{step.key.split('-')[0]} {step.percent} %"


async def _weigh(
    house: House, tx: Transaction, deployment: Deployment, step: Step, shot: Snapshot, *, is_over: bool, proceeds: bool
) -> str | None:
    now = await existing(tx, deployment.id)
    if now.state is not State.ROLLING_OUT:
        return OVER
    blind = shot.verdict is Verdict.NO_DATA
    if _is_shown(now, shot, is_over=is_over):
        await tx.add_snapshot(shot)
    if proceeds:
        await _calm(house, tx, deployment)
        return await _step_done(house, tx, deployment, step, shot) if is_over else None
    if _is_bad(now, shot):
        return await _degraded(house, tx, deployment, shot, where=step.key)
    await _calm(house, tx, deployment)
    if not is_over:
        return None
    if blind:
        return await _blind(tx, deployment, shot, where=step.key)
    return await _step_done(house, tx, deployment, step, shot)


def _is_bad(deployment: Deployment, shot: Snapshot) -> bool:
    """Tell whether the numbers are worse. Numbers that disappear while a countdown runs have not recovered."""
    vanished = shot.verdict is Verdict.NO_DATA and deployment.countdown_until is not None
    return shot.verdict is Verdict.DEGRADED or vanished


def _is_shown(deployment: Deployment, shot: Snapshot, *, is_over: bool) -> bool:
    """Tell whether a snapshot is stored: one without data only at the end, and never in place of the numbers that began a countdown."""
    return shot.verdict is not Verdict.NO_DATA or (is_over and deployment.countdown_until is None)


async def _step_done(house: House, tx: Transaction, deployment: Deployment, step: Step, shot: Snapshot) -> str:
    await tx.save_steps(deployment.id, [replace(step, state=StepState.DONE, finished_at=house.now())])
    await note(tx, house.now(), "step done", deployment, step=step.key, verdict=str(shot.verdict))
    facts = {**facts_of(deployment), "step": step.key, "percent": step.percent, "snapshot": facts_of_snapshot(shot)}
    await tx.say(Message(f"{deployment.id}:done:{step.key}", "snapshot", facts, deployment.id, chart=True))
    return GO


async def _degraded(house: House, tx: Transaction, deployment: Deployment, shot: Snapshot, *, where: str) -> str | None:
    await _found(house, tx, deployment, shot, where=where)
    until = await _countdown(house, tx, deployment, where=where)
    if until is not None and house.now() >= until:
        if await by_rule(house, tx, deployment, _why(shot)):
            return OVER
        until = None
        await tx.change(deployment.id, countdown_until=None)  # the way back is gone meanwhile; the card says why
    facts = {**facts_of(deployment), "snapshot": facts_of_snapshot(shot), "where": where, "until": until.isoformat() if until else ""}
    await tx.say(Message(f"{deployment.id}:degraded:{where}", "degraded", facts, deployment.id, to="channel", chart=True))
    return None


async def _found(house: House, tx: Transaction, deployment: Deployment, shot: Snapshot, *, where: str) -> None:
    """Write down when the numbers were found to be worse, once at each step as long as they do not recover."""
    turns = [entry for entry in await tx.entries(deployment.id) if entry.action in {"degraded", "recovered"}]
    is_known = bool(turns) and turns[-1].action == "degraded" and turns[-1].facts.get("where") == where
    if shot.verdict is Verdict.DEGRADED and not is_known:
        await note(tx, house.now(), "degraded", deployment, where=where, label=shot.label, why=_why(shot))


async def _countdown(house: House, tx: Transaction, deployment: Deployment, *, where: str) -> datetime | None:
    """Tell when the automatic rollback begins; None where nothing counts down: it is off, was stopped, or there is no way back.

    The alarm that follows speaks of the first countdown. One that begins after the numbers had recovered is news of its own.
    """
    policy = house.of(deployment)[1]
    stopped = any(mark.key == f"countdown stopped:{where}" for mark in await tx.marks(deployment.id))
    if stopped or policy.automatic_rollback is not AutomaticRollback.COUNTDOWN:
        return None
    counting = (await existing(tx, deployment.id)).countdown_until
    offer = await rollback_offer(house, tx, deployment)
    if counting is not None or not offer.is_possible:
        return counting
    until = house.now() + policy.countdown
    is_news = any(entry.action == "countdown" and entry.facts.get("where") == where for entry in await tx.entries(deployment.id))
    await tx.change(deployment.id, countdown_until=until)
    await note(tx, house.now(), "countdown", deployment, where=where, until=until.isoformat(), to=offer.commit)
    if is_news:
        facts = {**facts_of(deployment), "until": until.isoformat(), "target": offer.version}
        await tx.say(Message(f"{deployment.id}:countdown:{until.isoformat()}", "countdown", facts, deployment.id, to="channel"))
    return until


def _why(shot: Snapshot) -> str:
    worst = [finding.sentence for finding in shot.findings if finding.verdict is Verdict.DEGRADED]
    return worst[0] if worst else f"the verdict at {shot.label} was {shot.verdict}"


async def _blind(tx: Transaction, deployment: Deployment, shot: Snapshot, *, where: str) -> str | None:
    facts = {**facts_of(deployment), "snapshot": facts_of_snapshot(shot), "where": where, "until": ""}
    await tx.say(Message(f"{deployment.id}:no-data:{where}", "degraded", facts, deployment.id, to="channel"))
    return None


async def _calm(house: House, tx: Transaction, deployment: Deployment) -> None:
    """Call off the countdown, if one runs: the numbers are no longer worse."""
    until = (await existing(tx, deployment.id)).countdown_until
    if until is None:
        return
    await tx.change(deployment.id, countdown_until=None)
    await note(tx, house.now(), "recovered", deployment)
    await tx.say(Message(f"{deployment.id}:recovered:{until.isoformat()}", "recovered", facts_of(deployment), deployment.id, to="channel"))


# The watch after landing ------------------------------------------------------------------------------------------------------------------


async def watch(house: House, id: DeploymentId) -> str | None:
    """Watch a landed deployment; at the end it counts as verified, if the numbers allow it or the lead says so."""
    async with house.store.reading() as reader:
        deployment = await existing(reader, id)
        proceeds = any(mark.key == "proceed:watch" for mark in await reader.marks(id))
    if deployment.state is not State.WATCHING or deployment.landed_at is None:
        return OVER
    policy = house.of(deployment)[1]
    gone = house.now() - deployment.landed_at
    shot = await snapshot(
        house,
        deployment,
        label=_moment(policy, gone),
        since=deployment.landed_at,
        percent=100,
        looks=max(1, int(policy.watch / house.pace.hold)),
    )
    async with house.store.transaction() as tx:
        now = await existing(tx, id)
        if now.state is not State.WATCHING:
            return OVER
        is_over = gone >= policy.watch
        if _is_shown(now, shot, is_over=is_over):
            await tx.add_snapshot(shot)
        if not proceeds and _is_bad(now, shot):
            return await _degraded(house, tx, deployment, shot, where="watch")
        await _calm(house, tx, deployment)
        if not is_over:
            return None
        if not proceeds and shot.verdict is Verdict.NO_DATA:
            return await _blind(tx, deployment, shot, where="watch")
        return await _verified(house, tx, deployment, shot)


def _moment(policy: EnvironmentPolicy, gone: timedelta) -> str:
    passed = [moment for moment in policy.snapshots if moment <= gone]
    if not passed:
        return "live"
    seconds = int(passed[-1].total_seconds())
    return f"+{seconds // 60} min" if seconds >= 60 else f"+{seconds} s"  # noqa: PLR2004 - a minute


async def _verified(house: House, tx: Transaction, deployment: Deployment, shot: Snapshot) -> str:
    now = house.now()
    await tx.move(deployment.id, State.VERIFIED, at=now)
    live = await tx.live(deployment.service, deployment.environment)
    since = live.since if live else now
    await tx.set_live(
        Live(
            deployment.service,
            deployment.environment,
            deployment.commit,
            deployment.version,
            since,
            deployment.id,
            deployment.requested_by,
            now,
        )
    )
    await note(tx, now, "verified", deployment, verdict=str(shot.verdict))
    facts = {**facts_of(deployment), "snapshot": facts_of_snapshot(shot)}
    await tx.say(Message(f"{deployment.id}:verified", "verified", facts, deployment.id, chart=True))
    return GO
