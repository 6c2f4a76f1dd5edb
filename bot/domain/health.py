"""Metrics against their baseline: what was observed, and the honest verdict.

Counts are pooled and tested as counts, latencies are tested by ranks. Four answers exist: healthy, degraded, not enough traffic, no data.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


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
