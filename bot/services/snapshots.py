"""Numbers, asked of the metrics: what is normal before a deployment, and how a new version
compares with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.domain import plain
from bot.domain.catalog import EnvironmentPolicy, Service
from bot.domain.deployment import Deployment
from bot.domain.errors import IntegrationError
from bot.domain.health import (
    Finding,
    Observed,
    Snapshot,
    Verdict,
    lacking_since,
    overall,
)
from bot.domain.judgement import judge
from bot.domain.normal import Normal
from bot.domain.rollout import Step
from bot.ports.metrics import Cohort, Window
from bot.services.context import Context
from bot.services.normal import normal_for

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
