"""The judgement of a metric against its baseline: counts are tested as counts, levels by ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import isfinite, log
from statistics import fmean, median

from bot.domain.catalog import Direction, MetricKind, MetricSpec
from bot.domain.health import Finding, Observed, Snapshot, Verdict, overall
from bot.domain.statistics import count_p_value, rank_p_value, shift

ALPHA = 0.001
"""How sure a change has to be, over all looks at one step together."""


MOST_COUNTED = 2.0**53
"""From here on a number has no next one, so that it is no count."""


LEAST_POINTS = 4
"""Fewer values of a level say nothing about it."""


ALREADY_BAD = 0.05
"""A share of failures in the baseline from which on it is named, also when the
deployment did not change it.
"""


@dataclass(frozen=True, slots=True)
class _Compared:
    """Both sides of one metric as a value each, and how they differ."""

    value: float
    normal: float
    requests: float
    enough: bool
    p_value: float | None
    """None where no test applies and the sizes alone decide."""
    ending: float | None = None
    """Where the baseline stood at its end, when it can be told."""
    moved: float | None = None
    """How far a level has shifted for the worse (one wild slice moves the mean, not this)."""
    lacking: str = ""
    """How much of what is counted there is, and how much is needed, on the side that has too
    little: ``12 of 20 points``.
    """


def judge(
    spec: MetricSpec,
    baseline: Observed | None,
    current: Observed | None,
    looks: int = 1,
    *,
    silence: str = "",
) -> Finding:
    """Judge one metric against its baseline.

    A change is degraded only when it is significant (``ALPHA``, corrected for ``looks`` looks at
    growing data), at least ``spec.min_ratio`` times and at least ``spec.min_change``. Below
    ``spec.min_samples`` the answer is "not enough traffic", unless the breakage is plain already.
    Without numbers it is "no data", with the ``silence`` of their source. A breakage that the
    baseline has too is named and not blamed.
    """
    now, before = _usable(spec, current), _usable(spec, baseline)
    if now is None or before is None:
        return _no_data(spec, now, before, silence)
    compared = (
        _compare_counts(spec, now, before)
        if spec.kind is MetricKind.RATIO
        else _compare_levels(spec, now, before)
    )
    verdict, remark = _weigh(spec, compared, error_of_a_look(looks))
    suspect = (
        verdict is not Verdict.DEGRADED
        and not remark
        and _matters(spec, compared.value, compared.normal)
    )
    sentence = (
        f"{_named(spec, compared.value)} ({', '.join(_details(spec, compared, verdict, remark))})"
    )
    return Finding(
        spec.key, spec.title, spec.unit, verdict, compared.value, compared.normal,
        spec.critical, compared.requests, compared.p_value, sentence, now.points, suspect,
    )  # fmt: skip


def snapshot(
    deployment: str,
    label: str,
    at: datetime,
    specs: Sequence[MetricSpec],
    *,
    baseline: Mapping[str, Observed],
    current: Mapping[str, Observed],
    looks: int = 1,
    compared_with: str = "",
) -> Snapshot:
    """Judge all metrics of one moment."""
    findings = tuple(
        judge(spec, baseline.get(spec.key), current.get(spec.key), looks) for spec in specs
    )
    return Snapshot(deployment, label, at, overall(findings), findings, compared_with)


def shown(value: float, unit: str) -> str:
    """Write a metric's value as people read it: ``0.28 %`` (of 0.0028), ``212 ms``, ``1.4 s``."""
    number = value * 100 if unit == "%" else value
    return f"{_figures(number)} {unit}".strip()


def _figures(number: float) -> str:
    size = abs(number)
    if size >= 100:  # noqa: PLR2004 - two or three digits are read at one look
        return f"{number:,.0f}"
    if size >= 10:  # noqa: PLR2004
        return f"{number:.3g}"
    return f"{number:.1f}" if size >= 1 else f"{number:.2g}" if size >= 0.0001 else "0"  # noqa: PLR2004


def error_of_a_look(looks: int) -> float:
    """Give the error that one look may have, corrected for looking again and again at
    the same growing window.

    Such looks repeat each other: their error grows far slower than their number (measured in
    ``benchmarks/verdict.py``), so Bonferroni would cost eyesight for nothing.
    """
    return ALPHA / (1 + log(max(1, looks)) / 2)


def _usable(spec: MetricSpec, observed: Observed | None) -> Observed | None:
    """Give what was observed if it can be judged: finite numbers, counts that are none below zero
    and none beyond counting, at least one request or point.
    """
    if observed is None:
        return None
    if spec.kind is MetricKind.LEVEL:
        points = tuple(point for point in observed.points if isfinite(point))
        requests = observed.requests if isfinite(observed.requests) else 0.0
        return Observed(points=points, requests=requests) if points else None
    counts = (observed.numerator, observed.denominator)
    if not all(0 <= count < MOST_COUNTED for count in counts) or observed.denominator == 0:
        return None
    return replace(observed, points=tuple(point for point in observed.points if isfinite(point)))


def _value(spec: MetricSpec, observed: Observed) -> float:
    return (
        observed.numerator / observed.denominator
        if spec.kind is MetricKind.RATIO
        else fmean(observed.points)
    )


def _compare_counts(spec: MetricSpec, now: Observed, before: Observed) -> _Compared:
    mine, theirs = (now.numerator, now.denominator), (before.numerator, before.denominator)
    p_value = (
        count_p_value(*mine, *theirs)
        if spec.direction is Direction.UP_IS_WORSE
        else count_p_value(*theirs, *mine)
    )
    enough = min(now.denominator, before.denominator) >= spec.min_samples
    lacking = _lacking(
        *(_so_many(side.denominator, spec.min_samples, "requests") for side in (now, before))
    )
    return _Compared(
        _value(spec, now), _value(spec, before), now.denominator,
        enough, p_value, _ending(before.points), lacking=lacking
    )  # fmt: skip


def _compare_levels(spec: MetricSpec, now: Observed, before: Observed) -> _Compared:
    sign = 1 if spec.direction is Direction.UP_IS_WORSE else -1
    mine, theirs = [sign * point for point in now.points], [sign * point for point in before.points]
    constant = len(set(mine)) == 1 and len(set(theirs)) == 1
    enough = _enough_points(spec, now) and _enough_points(spec, before)
    p_value = None if constant and enough else rank_p_value(mine, theirs)
    ending, moved = _ending(before.points), shift(mine, theirs)
    is_counted = now.requests > 0 or before.requests > 0
    sides = (
        "" if _enough_points(spec, side) else _points(spec, side, is_counted=is_counted)
        for side in (now, before)
    )
    lacking = _lacking(*sides)
    return _Compared(
        fmean(now.points),
        fmean(before.points),
        now.requests,
        enough,
        p_value,
        ending,
        moved,
        lacking,
    )


def _points(spec: MetricSpec, observed: Observed, *, is_counted: bool) -> str:
    """Say what a level lacks: requests while there are too few of them, then points. Where nobody
    counts requests, points alone.
    """
    if is_counted and observed.requests < spec.min_samples:
        return _so_many(observed.requests, spec.min_samples, "requests")
    needed = min(LEAST_POINTS, spec.min_samples) if is_counted else spec.min_samples
    return _so_many(len(observed.points), needed, "points")


def _so_many(there: float, needed: float, what: str) -> str:
    return f"{there:,.0f} of {needed:,.0f} {what}" if there < needed else ""


def _lacking(now: str, before: str) -> str:
    """Say what is missing: of the new version first, because that is what time brings."""
    return now or (f"{before} in the baseline" if before else "")


def _enough_points(spec: MetricSpec, observed: Observed) -> bool:
    """Tell whether a level says something: a window has few slices, so many requests in at least a
    few slices are enough as well.
    """
    points = len(observed.points)
    return points >= spec.min_samples or (
        points >= LEAST_POINTS and observed.requests >= spec.min_samples
    )


def _ending(points: Sequence[float]) -> float | None:
    """Give the middle value of a baseline's last quarter: what broke before
    the deployment shows there.
    """
    last = max(3, len(points) // 4)
    return median(points[-last:]) if len(points) >= 2 * last else None


def _weigh(spec: MetricSpec, compared: _Compared, alpha: float) -> tuple[Verdict, str]:
    significant = compared.p_value is None or compared.p_value < alpha
    real = (
        compared.moved >= spec.min_change and compared.enough
        if compared.moved is not None
        else True
    )
    if significant and real and _matters(spec, compared.value, compared.normal):
        if compared.ending is not None and not _matters(spec, compared.value, compared.ending):
            return Verdict.HEALTHY, f"it began before: {shown(compared.ending, spec.unit)} already"
        return Verdict.DEGRADED, ""
    if not compared.enough:
        return Verdict.NOT_ENOUGH_TRAFFIC, ""
    return Verdict.HEALTHY, "was already so before" if _is_bad(spec, compared) else ""


def _is_bad(spec: MetricSpec, compared: _Compared) -> bool:
    failures = (
        spec.kind is MetricKind.RATIO
        and spec.direction is Direction.UP_IS_WORSE
        and spec.unit == "%"
    )
    return failures and min(compared.value, compared.normal) >= ALREADY_BAD


def _matters(spec: MetricSpec, value: float, normal: float) -> bool:
    """Tell whether a change is large enough to matter, in the direction that is worse."""
    low, high = (normal, value) if spec.direction is Direction.UP_IS_WORSE else (value, normal)
    return (
        high - low >= spec.min_change and high > low and (low <= 0 or high >= spec.min_ratio * low)
    )


def _named(spec: MetricSpec, value: float) -> str:
    return f"{spec.title} {shown(value, spec.unit)}"


def _details(spec: MetricSpec, compared: _Compared, verdict: Verdict, remark: str) -> list[str]:
    details = [f"baseline {shown(compared.normal, spec.unit)}", *([remark] if remark else [])]
    requests = f"{compared.requests:,.0f} requests" if compared.requests != 1 else "1 request"
    if verdict is Verdict.NOT_ENOUGH_TRAFFIC:
        return [*details, f"{compared.lacking} so far"]
    if verdict is not Verdict.DEGRADED:
        return details
    details += times(compared.value, compared.normal)
    details += [requests] if compared.requests else []
    return [*details, f"p {_chance(compared.p_value)}"] if compared.p_value is not None else details


def times(value: float, normal: float) -> list[str]:
    """Say how many times as much, or as little, it is as normally; nothing
    where one of them is nothing.
    """
    if min(value, normal) <= 0:
        return []
    factor = max(value, normal) / min(value, normal)
    number = f"{factor:,.0f}" if factor >= 9.95 else f"{factor:.1f}".removesuffix(".0")  # noqa: PLR2004 - one digit is enough from ten on
    return [f"{number} times" if value > normal else f"{number} times lower"]


def _chance(p_value: float) -> str:
    return "< 0.0001" if p_value < 0.0001 else f"= {p_value:.4f}"  # noqa: PLR2004 - nobody needs more digits


def _no_data(
    spec: MetricSpec, now: Observed | None, before: Observed | None, silence: str
) -> Finding:
    value = _value(spec, now) if now else None
    normal = _value(spec, before) if before else None
    if now is None or value is None:
        sentence = f"{spec.title}: no data{f', {silence}' if silence else ''}"
        return Finding(
            spec.key,
            spec.title,
            spec.unit,
            Verdict.NO_DATA,
            None,
            normal,
            spec.critical,
            sentence=sentence,
        )
    requests = now.denominator or now.requests
    sentence = f"{_named(spec, value)} (nothing to compare with)"
    return Finding(
        spec.key,
        spec.title,
        spec.unit,
        Verdict.NO_DATA,
        value,
        None,
        spec.critical,
        requests,
        None,
        sentence,
        now.points,
    )
