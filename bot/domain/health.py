"""Metrics against their baseline: what was observed, and the honest verdict.

Counts are pooled and tested as counts, latencies are tested by ranks. Four answers exist: healthy, degraded, not enough traffic, no data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from math import comb, isfinite
from statistics import fmean

from bot.domain.catalog import Direction, MetricKind, MetricSpec
from bot.domain.statistics import count_p_value, rank_p_value


class Verdict(StrEnum):
    """What the numbers say."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    NOT_ENOUGH_TRAFFIC = "not enough traffic"
    NO_DATA = "no data"


@dataclass(frozen=True, slots=True)
class Observed:
    """What one metric was over one window.

    For a ratio ``numerator`` and ``denominator`` are counts over the window; for a level ``points`` are its values in consecutive,
    non-overlapping slices (overlapping windows make neighbours correlate and every rank test lie). ``requests`` is the traffic seen.
    """

    numerator: float = 0.0
    denominator: float = 0.0
    points: tuple[float, ...] = ()
    requests: float = 0.0

    @property
    def ratio(self) -> float | None:
        """The pooled ratio, or None without a denominator."""
        return self.numerator / self.denominator if self.denominator else None


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict on one metric."""

    key: str
    title: str
    unit: str
    verdict: Verdict
    current: float | None
    """The value now: a ratio 0..1 or a level in its unit; None without data."""
    baseline: float | None
    critical: bool = True
    requests: float = 0.0
    p_value: float | None = None
    sentence: str = ""
    """For a person: ``errors 2.9 % (baseline 0.28 %, 10 times, 1,870 requests, p < 0.0001)``."""
    trend: tuple[float, ...] = ()
    """Values over time, oldest first, for a sparkline."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All metrics at one moment, for one step (or ``watch``), with the verdict over all."""

    deployment: str
    label: str
    """``baseline``, ``canary 5 %``, ``+5 min``."""
    at: datetime
    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    compared_with: str = ""
    """``stable at the same time`` or ``the 30 min before``."""


# The verdict ------------------------------------------------------------------------------------------------------------------------------

ALPHA = 0.001
"""How sure a change has to be, over all looks at one step together."""
CLEAR = 0.5
"""A share of failures that is called degraded even below the minimum sample, when it is significant."""


def judge(spec: MetricSpec, baseline: Observed | None, current: Observed | None, looks: int = 1) -> Finding:
    """Judge one metric against its baseline.

    A change is degraded only when it is significant at ``ALPHA`` over ``looks`` looks, at least ``spec.min_ratio`` times and at least
    ``spec.min_change``. Below ``spec.min_samples`` the answer is "not enough traffic"; without numbers it is "no data".
    """
    if spec.kind is MetricKind.RATIO:
        return _judge_ratio(spec, baseline, current, ALPHA / max(1, looks))
    return _judge_level(spec, baseline, current, ALPHA / max(1, looks))


def overall(findings: Sequence[Finding]) -> Verdict:
    """Join the verdicts: the worst critical metric decides. Without any metric there is no data."""
    verdicts = {finding.verdict for finding in findings if finding.critical}
    if not findings:
        return Verdict.NO_DATA
    for verdict in (Verdict.DEGRADED, Verdict.NO_DATA, Verdict.NOT_ENOUGH_TRAFFIC):
        if verdict in verdicts:
            return verdict
    return Verdict.HEALTHY


def _judge_ratio(spec: MetricSpec, baseline: Observed | None, current: Observed | None, alpha: float) -> Finding:
    now, before = _counts(current), _counts(baseline)
    if now is None:
        return _finding(spec, Verdict.NO_DATA, None, before and before[0] / before[1], 0.0)
    value, requests = now[0] / now[1], now[1]
    if before is None:
        return _finding(spec, Verdict.NO_DATA, value, None, requests)
    normal = before[0] / before[1]
    p_value = _worse_counts(spec, now, before)
    matters = _matters(spec, value, normal)
    enough = min(requests, before[1]) >= spec.min_samples
    if matters and p_value < alpha and (enough or abs(value - normal) >= CLEAR):
        return _finding(spec, Verdict.DEGRADED, value, normal, requests, p_value)
    return _finding(spec, Verdict.HEALTHY if enough else Verdict.NOT_ENOUGH_TRAFFIC, value, normal, requests, p_value)


def _worse_counts(spec: MetricSpec, now: tuple[float, float], before: tuple[float, float]) -> float:
    if spec.direction is Direction.UP_IS_WORSE:
        return count_p_value(now[0], now[1], before[0], before[1])
    return count_p_value(now[1] - now[0], now[1], before[1] - before[0], before[1])


def _counts(observed: Observed | None) -> tuple[float, float] | None:
    """Give numerator and denominator if they make sense as counts."""
    if observed is None or not isfinite(observed.numerator) or not isfinite(observed.denominator):
        return None
    if observed.denominator <= 0 or observed.numerator < 0:
        return None
    return min(observed.numerator, observed.denominator), observed.denominator


def _judge_level(spec: MetricSpec, baseline: Observed | None, current: Observed | None, alpha: float) -> Finding:
    now, before = _points(current), _points(baseline)
    requests = current.requests if current else 0.0
    if not now or not before:
        return _finding(spec, Verdict.NO_DATA, fmean(now) if now else None, fmean(before) if before else None, requests)
    value, normal = fmean(now), fmean(before)
    if min(len(now), len(before)) < spec.min_samples:
        return _finding(spec, Verdict.NOT_ENOUGH_TRAFFIC, value, normal, requests)
    up = spec.direction is Direction.UP_IS_WORSE
    p_value = rank_p_value(now, before) if up else rank_p_value([-point for point in now], [-point for point in before])
    constant = len(set(now)) == 1 and len(set(before)) == 1
    degraded = _matters(spec, value, normal) and (constant or p_value < max(alpha, _smallest_p(len(now), len(before))))
    return _finding(spec, Verdict.DEGRADED if degraded else Verdict.HEALTHY, value, normal, requests, p_value)


def _smallest_p(mine: int, theirs: int) -> float:
    """Give the smallest p-value that complete separation of so few points can reach, with a little room for the approximation."""
    return min(0.01, 2 / comb(mine + theirs, mine))


def _points(observed: Observed | None) -> list[float]:
    return [point for point in observed.points if isfinite(point)] if observed else []


def _matters(spec: MetricSpec, value: float, normal: float) -> bool:
    """Tell whether a change is large enough to matter, in the direction that is worse."""
    worse = value - normal if spec.direction is Direction.UP_IS_WORSE else normal - value
    if worse < spec.min_change:
        return False
    if spec.direction is Direction.UP_IS_WORSE:
        return value >= spec.min_ratio * normal
    return value * spec.min_ratio <= normal


def _finding(
    spec: MetricSpec, verdict: Verdict, value: float | None, normal: float | None, requests: float, p_value: float | None = None
) -> Finding:
    sentence = _sentence(spec, verdict, value, normal, requests, p_value)
    return Finding(spec.key, spec.title, spec.unit, verdict, value, normal, spec.critical, requests, p_value, sentence)


def _sentence(spec: MetricSpec, verdict: Verdict, value: float | None, normal: float | None, requests: float, p_value: float | None) -> str:
    if value is None:
        return f"{spec.title}: no data"
    if normal is None:
        return f"{spec.title} {_shown(spec, value)}: nothing to compare with"
    details = [f"baseline {_shown(spec, normal)}"]
    if verdict is Verdict.DEGRADED:
        details += [f"{value / normal:.1f} times"] if normal > 0 else []
        details += [f"{requests:,.0f} requests"] if requests else []
        details += [f"p {_p_shown(p_value)}"] if p_value is not None else []
    if verdict is Verdict.NOT_ENOUGH_TRAFFIC:
        details.append(f"only {requests:,.0f} requests so far")
    return f"{spec.title} {_shown(spec, value)} ({', '.join(details)})"


def _shown(spec: MetricSpec, value: float) -> str:
    if spec.unit == "%":
        return f"{value * 100:.2g} %" if value < 0.1 else f"{value * 100:.1f} %"  # noqa: PLR2004 - below ten per cent two digits tell more
    return f"{value:,.0f} {spec.unit}".strip()


def _p_shown(p_value: float) -> str:
    return "< 0.0001" if p_value < 0.0001 else f"= {p_value:.4f}"  # noqa: PLR2004 - nobody needs more digits
