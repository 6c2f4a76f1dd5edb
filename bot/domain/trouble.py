"""Trouble: what the numbers say that keeps a rollout from going on, as one finding with a number of its own.

A person's word is for one finding, and for the picture of it that they were shown. While nobody has answered, what gets worse besides
joins the finding at once: the alarm and the card show it, and what was shown before is an older picture. Once somebody has answered,
trouble that comes back after it was over, at another share of the requests, in another metric or much worse is another finding.

People are called once for what they decide about once: another finding is said on the alarm that is there, unless what its reader must
decide is really another (``continued``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from bot.domain.catalog import EnvironmentPolicy, Strategy, TooLittleTraffic
from bot.domain.health import Snapshot, Verdict

WORSE_THAN_SHOWN = 1.5
"""From how many times as bad on it is another picture, and after somebody's word another finding."""
WORSE = 3.0
"""From how many times as bad as its alarm said it is another finding, also while nobody has answered: people are called again."""
RELAPSE = timedelta(minutes=2)
"""What comes back so soon after it was over is said on the alarm that was there for it."""

WATCH = "watch"
"""Where a finding of the watch is."""

EVERYTHING = 100
"""Percent of the requests."""


class ByItself(StrEnum):
    """What besides the lead's word ends a finding, as a sentence goes on: until the lead decides or …; empty for nothing."""

    NOTHING = ""
    RECOVERS = "the numbers recover"
    NUMBERS = "there are numbers to judge by"
    TRAFFIC = "there is enough traffic"


Distances = tuple[tuple[str, float], ...]
"""Metrics, and how far from normal each is: how many times, whichever way is worse."""


class Sort(StrEnum):
    """What is the matter."""

    DEGRADED = "degraded"
    BLIND = "blind"  # there are no numbers
    THIN = "thin"  # too few numbers to judge by


@dataclass(frozen=True, slots=True)
class Trouble:
    """One finding. ``bad`` holds the degraded metrics that decide, in the order in which they got so bad: of one metric the last counts."""

    number: int
    sort: Sort
    where: str
    """The step's key, or ``watch``."""
    bad: Distances = ()
    is_over: bool = False
    answered: Distances | None = None
    """How far from normal they were when a person decided about it; None while nobody has."""
    ended_at: datetime | None = None
    """When the numbers ended it."""
    continues: int = 0
    """The number of the finding on whose alarm this one is said as well; 0 where it has an alarm of its own."""
    before: Distances = ()
    """What that alarm said before."""

    @property
    def alarm(self) -> int:
        """Name the alarm that says it: the number of the finding that it was raised for."""
        return self.continues or self.number

    @property
    def said(self) -> Distances:
        """Say how far from normal each metric was when its alarm said so first."""
        return tuple(dict(reversed((*self.before, *self.bad))).items())

    @property
    def is_open(self) -> bool:
        """Tell whether it still keeps the rollout."""
        return not self.is_over

    @property
    def pictures(self) -> Iterator[Trouble]:
        """Give it as it was shown each time before it got worse, newest first."""
        return (replace(self, bad=self.bad[:count]) for count in range(len(self.bad) - 1, 0, -1))


def sort_of(verdict: Verdict, policy: EnvironmentPolicy, strategy: Strategy | None, *, is_over: bool, following: int | None) -> Sort | None:
    """Say what is the matter with the numbers; None when nothing keeps the rollout or the watch.

    ``is_over`` says whether the time of observing is; until then only what is worse matters. ``following`` is how many percent come next,
    None at the end. What the strategy says is done where there are too few numbers to judge by.
    """
    if verdict is Verdict.DEGRADED:
        return Sort.DEGRADED
    if not is_over or not policy.is_watched:
        return None
    if verdict is Verdict.NO_DATA:
        return Sort.BLIND
    if verdict is not Verdict.NOT_ENOUGH_TRAFFIC or strategy is None or following is None:
        return None
    choice = strategy.on_too_little_traffic(policy.tier, following=following)
    return None if choice is TooLittleTraffic.GO_ON else Sort.THIN


def found(known: Trouble | None, sort: Sort, shot: Snapshot) -> Trouble:
    """Give the finding that a snapshot belongs to: the known one, perhaps with more that is worse; or the next."""
    bad = distances(shot) if sort is Sort.DEGRADED else ()
    if known is None or not known.is_open or (known.sort, known.where) != (sort, shot.where):
        return Trouble(known.number + 1 if known else 1, sort, shot.where, bad)
    if known.bad and bad and _well(shot).issuperset(dict(known.bad)):
        return Trouble(known.number + 1, sort, shot.where, bad)  # what was said is well again: this was never said
    if known.answered is not None:
        return replace(known, number=known.number + 1, bad=bad, answered=None) if _worse(dict(known.answered), bad) else known
    if _far_worse(known, bad):
        return replace(known, number=known.number + 1, bad=bad)
    more = _worse(dict(known.bad), bad)
    return replace(known, bad=(*known.bad, *more)) if more else known


def is_unrefuted(known: Trouble | None, shot: Snapshot) -> bool:
    """Tell whether what was worse is not shown to be well again: numbers that are missing, or too few, refute nothing."""
    if known is None or not known.is_open or known.sort is not Sort.DEGRADED or known.where != shot.where:
        return False
    return not _well(shot).issuperset(dict(known.bad))


def carried(before: Trouble, trouble: Trouble, shot: Snapshot) -> Trouble:
    """Give the next finding with what was worse before, was not decided about and is not shown to be well again."""
    if trouble.number == before.number or not before.is_open or trouble.sort is not Sort.DEGRADED:
        return trouble
    left = tuple((key, far) for key, far in dict(before.bad).items() if key not in dict(trouble.bad) and key not in _well(shot))
    return replace(trouble, bad=(*left, *trouble.bad))


def kept(known: Trouble) -> Trouble:
    """Give the finding that nothing has refuted: itself, or the next one about the same where it has been ended."""
    return known if known.is_open else Trouble(known.number + 1, known.sort, known.where, known.bad)


def continued(known: Trouble | None, trouble: Trouble, at: datetime, *, counts_down: bool) -> Trouble:
    """Give a finding with the alarm that says it: the one that is there, while its reader has the same to decide; else its own.

    ``counts_down`` is whether each finding has a countdown here: that is announced for its full time.
    """
    if known is None or known.number == trouble.number:
        return trouble
    is_there = known.is_open or (known.ended_at is not None and at - known.ended_at < RELAPSE)
    is_same_place = known.where == trouble.where and known.answered is None
    if not is_there or not is_same_place or _is_graver(known, trouble) or (counts_down and trouble.sort is Sort.DEGRADED):
        return trouble
    return replace(trouble, continues=known.alarm, before=known.said)


def over(known: Trouble, at: datetime | None = None) -> Trouble:
    """End a finding; ``at`` is when its numbers did."""
    return replace(known, is_over=True, ended_at=at)


def answered(known: Trouble, shot: Snapshot | None) -> Trouble:
    """Store with a finding what somebody decided about: everything that it was shown for, as bad as it is now."""
    return replace(known, answered=tuple({**dict(known.bad), **dict(distances(shot) if shot else ())}.items()))


def by_itself(trouble: Trouble | None, shot: Snapshot | None, *, is_first: bool, has_all: bool, besides: str) -> ByItself:
    """Say what ends a finding by itself: what it is about has to be over, and nothing may keep the deployment ``besides`` its numbers.

    Where nothing was before (``is_first``) nothing is ever there to compare with. A version that ``has_all`` requests is compared with the
    time before: what nobody has measured of that comes no more.
    """
    if trouble is None or not trouble.is_open or besides:
        return ByItself.NOTHING
    if trouble.sort is not Sort.BLIND:
        return ByItself.RECOVERS if trouble.sort is Sort.DEGRADED else ByItself.TRAFFIC
    return ByItself.NOTHING if is_first or (has_all and shot is not None and _lacks_baseline(shot)) else ByItself.NUMBERS


def _lacks_baseline(shot: Snapshot) -> bool:
    """Tell whether there is a number that decides, and nothing to compare it with."""
    return any(each.verdict is Verdict.NO_DATA and each.critical and each.current is not None for each in shot.findings)


def worse_since(known: Trouble, shown: Trouble) -> tuple[str, ...]:
    """Name the metrics that got worse after an older picture (``pictures``) of the same finding."""
    return tuple(dict.fromkeys(key for key, _ in known.bad[len(shown.bad) :]))


def distances(shot: Snapshot) -> Distances:
    """Say how far each degraded metric that decides is from normal."""
    found: list[tuple[str, float]] = []
    for finding in shot.findings:
        if finding.verdict is Verdict.DEGRADED and finding.critical and finding.current is not None:
            high, low = max(finding.current, finding.baseline or 0.0), min(finding.current, finding.baseline or 0.0)
            found.append((finding.key, high / max(low, 1e-4)))
    return tuple(found)


def _well(shot: Snapshot) -> set[str]:
    return {finding.key for finding in shot.findings if finding.verdict is Verdict.HEALTHY}


def _worse(before: Mapping[str, float], bad: Distances) -> Distances:
    """Give what is worse now and was not, or was not nearly so."""
    return tuple((key, distance) for key, distance in bad if key not in before or distance >= WORSE_THAN_SHOWN * before[key])


def _is_graver(known: Trouble, trouble: Trouble) -> bool:
    """Tell whether a finding is much worse than the alarm before has said: there were too few numbers, or nearer ones."""
    said = dict(known.said)
    is_known_bad = trouble.sort is Sort.DEGRADED and known.sort is not Sort.DEGRADED
    return is_known_bad or any(distance >= WORSE * said[key] for key, distance in trouble.bad if key in said)


def _far_worse(known: Trouble, bad: Distances) -> bool:
    said = dict(reversed(known.bad))  # the first of each metric
    return any(distance >= WORSE * said[key] for key, distance in bad if key in said)
