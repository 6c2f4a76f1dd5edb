"""Metrics against their baseline: what was observed, and the honest verdict on all of them.

Five answers exist: healthy, unproved, degraded, not enough traffic, no data.
``bot.domain.judgement`` gives that on one metric.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from bot.domain.statistics import bounds

STALE = timedelta(minutes=2)
"""Numbers that are older than this, while one looks, are said to be old."""
MEANWHILE = "meanwhile"
"""The label of the newest numbers of what serves while a rollback is under
way. They judge nothing.
"""
AFTER = "after"
"""Where the numbers of what a rollback has put back are from."""


class Verdict(StrEnum):
    """What the numbers say."""

    HEALTHY = "healthy"
    # no worse than what was bad itself: the verdict over all metrics, never that on one
    UNPROVED = "unproved"
    DEGRADED = "degraded"
    NOT_ENOUGH_TRAFFIC = "not enough traffic"
    NO_DATA = "no data"


@dataclass(frozen=True, slots=True)
class Observed:
    """What one metric was over one window.

    For a ratio ``numerator`` and ``denominator`` are counts over the window; for a level ``points``
    are its values in consecutive, non-overlapping slices (overlapping windows make neighbours
    correlate and every rank test lie). ``requests`` is the traffic seen. A ratio may have
    ``points`` too: it is not judged by them, but they show when it changed.
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
    is_suspect: bool = False
    """Whether it is worse by a size that would matter, and not certainly so yet."""

    @property
    def least(self) -> float | None:
        """How bad the value is at least: a share of few requests may be far from
        what it will turn out to be.
        """
        if (
            self.current is None
            or self.requests <= 0
            or self.unit != "%"
            or not 0 <= self.current <= 1
        ):
            return self.current
        lowest, highest = bounds(self.current, self.requests)
        normal = self.baseline or 0.0
        return max(lowest, normal) if self.current >= normal else min(highest, normal)


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
    where: str = ""
    """The step's key that it judges, or ``watch``; empty for the baseline."""
    silence: str = ""
    """What the source of the numbers said instead of any, where it did not answer."""
    lacking_since: datetime | None = None
    """Since when there has been nothing to judge by where it looks; None while there is."""

    def is_told_after(self, last: Sequence[Snapshot]) -> bool:
        """Tell whether it is to be shown that there are no numbers: they have been missing for too
        long for the last to pass for now.

        That a source does not answer is shown at once where the last numbers are of another step.
        """
        if self.lacking_since is None or not self.findings:
            return False
        is_refused = bool(self.silence) and all(
            each.where != self.where or each.silence for each in last
        )
        return is_refused or self.at - self.lacking_since >= STALE

    @property
    def why(self) -> str:
        """Say why it is worse: what the first metric says that is; else what the verdict was."""
        worse = next(
            (finding.sentence for finding in self.findings if finding.verdict is Verdict.DEGRADED),
            "",
        )
        return worse or f"the verdict at {self.label} was {self.verdict}"

    @property
    def without_figures(self) -> Snapshot:
        """Give what it says of each metric, and no value: two that agree in that
        call for the same decisions.
        """
        bare = tuple(
            replace(
                each, current=None, baseline=None, requests=0.0, p_value=None, trend=(),
                sentence=each.sentence if each.verdict is Verdict.NO_DATA else "",
            )
            for each in self.findings
        )  # fmt: skip
        return replace(self, at=datetime.min.replace(tzinfo=UTC), label=self.where, findings=bare)


def moment(moments: Sequence[timedelta], gone: timedelta) -> str:
    """Name a time of the watch by the last of the moments that has passed:
    ``live``, ``+30 s``, ``+5 min``.
    """
    passed = [each for each in moments if each <= gone]
    if not passed:
        return "live"
    seconds = int(passed[-1].total_seconds())
    return f"+{seconds // 60} min" if seconds >= 60 else f"+{seconds} s"  # noqa: PLR2004 - a minute


def overall(findings: Sequence[Finding], *, proves: bool = True) -> Verdict:
    """Join the verdicts: the worst critical metric decides. Without any numbers there is no data.

    ``proves`` is whether to be no worse than what was compared with is good: not
    where that was worse itself.
    """
    verdicts = {finding.verdict for finding in findings if finding.critical}
    for verdict in (Verdict.DEGRADED, Verdict.NO_DATA, Verdict.NOT_ENOUGH_TRAFFIC):
        if verdict in verdicts:
            return verdict
    if all(finding.verdict is Verdict.NO_DATA for finding in findings):
        return Verdict.NO_DATA
    return Verdict.HEALTHY if proves else Verdict.UNPROVED


def lacking_since(earlier: Sequence[Snapshot], where: str, began: datetime) -> datetime:
    """Say since when there has been nothing to judge by at a step that has served since ``began``,
    where there is nothing now.
    """
    last = next(
        (shot for shot in reversed(earlier) if shot.where == where and shot.at >= began), None
    )
    if last is None:
        return began
    return last.lacking_since or last.at


def worst(snapshots: Sequence[Snapshot]) -> str:
    """Say what the newest snapshot that was degraded found; empty when none was."""
    newest = next((shot for shot in reversed(snapshots) if shot.verdict is Verdict.DEGRADED), None)
    findings = newest.findings if newest else ()
    return next(
        (finding.sentence for finding in findings if finding.verdict is Verdict.DEGRADED), ""
    )


def worst_seen(snapshots: Sequence[Snapshot]) -> str:
    """Say the worst that was ever seen of what the newest snapshot that was degraded found
    worse; empty when none was.
    """
    degraded = [shot for shot in snapshots if shot.verdict is Verdict.DEGRADED]
    found = [
        each for shot in degraded for each in shot.findings if each.verdict is Verdict.DEGRADED
    ]
    leading = (
        next((each.key for each in degraded[-1].findings if each.verdict is Verdict.DEGRADED), "")
        if degraded
        else ""
    )
    return (
        max((each for each in found if each.key == leading), key=_distance).sentence
        if leading
        else ""
    )


def _distance(finding: Finding) -> float:
    return abs((finding.current or 0.0) - (finding.baseline or 0.0))


def shows_requests(snapshots: Sequence[Snapshot]) -> bool | None:
    """Tell whether the newest numbers that judge a deployment show anything of it; None where there
    are none that could.
    """
    newest = next((shot for shot in reversed(snapshots) if shot.where), None)
    if newest is None or newest.silence or not newest.findings:
        return None
    return any(each.current is not None for each in newest.findings)


def figures(snapshots: Sequence[Snapshot]) -> str:
    """Say what the newest numbers that judge a deployment were, the worst that decides alone;
    empty when there were none.
    """
    newest = next((shot for shot in reversed(snapshots) if shot.where), None)
    decide = (
        [each for each in newest.findings if each.critical and each.current is not None]
        if newest
        else []
    )
    return next(
        (
            each.sentence
            for each in sorted(decide, key=lambda each: each.verdict is not Verdict.DEGRADED)
        ),
        "",
    )
