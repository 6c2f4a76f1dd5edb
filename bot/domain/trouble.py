"""Trouble: what the numbers say that keeps a rollout from going on, as one finding with a number of its own.

A person's word is for one finding. Trouble that comes back after it was over, at another step, in another metric or much worse, is
another finding: it is said again, and an older word does not cover it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from bot.domain.health import Snapshot, Verdict

WORSE_THAN_ANSWERED = 1.5
"""From how many times as bad on a finding is another one, once a person has given their word about it."""
WORSE = 3.0
"""The same while nobody has: the alarm stands, and the card shows the numbers."""


class Sort(StrEnum):
    """What is the matter."""

    DEGRADED = "degraded"
    BLIND = "blind"  # there are no numbers
    THIN = "thin"  # too few numbers to judge by


@dataclass(frozen=True, slots=True)
class Trouble:
    """One finding. ``bad`` holds the degraded metrics and how far from normal each was when this was said."""

    number: int
    sort: Sort
    where: str
    """The step's key, or ``watch``."""
    bad: tuple[tuple[str, float], ...] = ()
    is_over: bool = False

    @property
    def is_open(self) -> bool:
        """Tell whether it still keeps the rollout."""
        return not self.is_over


def found(known: Trouble | None, sort: Sort, shot: Snapshot, *, is_answered: bool = False) -> Trouble:
    """Give the finding that a snapshot belongs to: the known one where it is the same, else the next.

    ``is_answered`` says that a person has given their word about the known one: that word is for what they saw.
    """
    bad = distances(shot) if sort is Sort.DEGRADED else ()
    if known is not None and known.is_open and known.sort is sort and known.where == shot.where:
        worse = _is_worse(known, bad, is_answered=is_answered)
        if not worse:
            return known
    return Trouble(known.number + 1 if known else 1, sort, shot.where, bad)


def over(known: Trouble) -> Trouble:
    """End a finding."""
    return replace(known, is_over=True)


def _is_worse(known: Trouble, bad: tuple[tuple[str, float], ...], *, is_answered: bool) -> bool:
    before = dict(known.bad)
    if is_answered and any(key not in before for key, _ in bad):
        return True
    limit = WORSE_THAN_ANSWERED if is_answered else WORSE
    return any(distance >= limit * before[key] for key, distance in bad if key in before)


def distances(shot: Snapshot) -> tuple[tuple[str, float], ...]:
    """Say how far each degraded metric is from normal: how many times, whichever way is worse."""
    found: list[tuple[str, float]] = []
    for finding in shot.findings:
        if finding.verdict is Verdict.DEGRADED and finding.current is not None:
            high, low = max(finding.current, finding.baseline or 0.0), min(finding.current, finding.baseline or 0.0)
            found.append((finding.key, high / max(low, 1e-4)))
    return tuple(found)
