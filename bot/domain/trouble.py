"""Trouble: what the numbers say that keeps a rollout from going on, as one finding
with a number of its own.

A person's word is for one finding, and for the picture of it that they were shown. While nobody has
answered, what gets worse besides joins the finding at once: the alarm and the card show it, and
what was shown before is an older picture. Once somebody has answered, trouble that comes back after
it was over, at another share of the requests, in another metric or much worse is another finding.

People are called once for what they decide about once: while an alarm asks, more of the same is
said on it; after it was told to be over only the same again, no worse, and soon, and where it has
not gone on since (``continued``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from bot.domain.catalog import EnvironmentPolicy, Strategy, TooLittleTraffic
from bot.domain.health import Finding, Snapshot, Verdict
from bot.domain.people import Person

WORSE_THAN_SHOWN = 1.5
"""From how many times as bad on it is another picture, and after
somebody's word another finding.
"""
WORSE = 3.0
"""From how many times as bad as its alarm said it is another finding, also while nobody has
answered: people are called again.
"""
RELAPSE = timedelta(minutes=2)
"""The same that comes back so soon after it was over, no worse, is said on the
alarm that was there for it.
"""

WATCH = "watch"
"""Where a finding of the watch is."""

EVERYTHING = 100
"""Percent of the requests."""


class ByItself(StrEnum):
    """What besides the lead's word ends a finding, as a sentence goes on: until the lead decides
    or …; empty for nothing.
    """

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
    """One finding. ``bad`` holds the degraded metrics that decide, in the order in which they got
    so bad: of one metric the last counts.
    """

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
    """The number of the finding on whose alarm this one is said as well; 0 where it
    has an alarm of its own.
    """
    before: Distances = ()
    """What that alarm said before."""
    normal: Distances = ()
    """What was normal of each metric when it was found worse first. It is measured by that ever
    after: a baseline that settles makes nothing worse.
    """
    called: Person | None = None
    """The lead for whom its alarm was raised."""
    least: Distances = ()
    """How far from normal each of ``bad`` is at least, where that is less: what few requests say by
    chance is not much worse.
    """

    @property
    def alarm(self) -> int:
        """Name the alarm that says it: the number of the finding that it was raised for."""
        return self.continues or self.number

    @property
    def said(self) -> Distances:
        """Say how far from normal each metric was when its alarm said so first."""
        return tuple(dict(reversed((*self.before, *self.bad))).items())

    @property
    def surely(self) -> Distances:
        """Say how far from normal each metric is at least."""
        return tuple({**dict(self.bad), **dict(self.least)}.items())

    @property
    def is_open(self) -> bool:
        """Tell whether it still keeps the rollout."""
        return not self.is_over

    @property
    def pictures(self) -> Iterator[Trouble]:
        """Give it as it was shown each time before it got worse, newest first."""
        return (replace(self, bad=self.bad[:count]) for count in range(len(self.bad) - 1, 0, -1))


def sort_of(
    verdict: Verdict,
    policy: EnvironmentPolicy,
    strategy: Strategy | None,
    *,
    is_over: bool,
    following: int | None,
) -> Sort | None:
    """Say what is the matter with the numbers; None when nothing keeps the rollout or the watch.

    ``is_over`` says whether the time of observing is; until then only what is worse matters.
    ``following`` is how many percent come next, None at the end. What the strategy says is done
    where there are too few numbers to judge by.
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
    """Give the finding that a snapshot belongs to: the known one, perhaps with more
    that is worse; or the next.
    """
    before = known.normal if known else ()
    bad = distances(shot, before) if sort is Sort.DEGRADED else ()
    sure = _surely(shot, bad, before)
    another = Trouble(
        known.number + 1 if known else 1,
        sort,
        shot.where,
        bad,
        normal=_normals(shot, bad, before),
        least=sure,
    )
    if known is None or not known.is_open or (known.sort, known.where) != (sort, shot.where):
        return another
    if known.bad and bad and _well(shot).issuperset(dict(known.bad)):
        return another  # what was said is well again: this was never said
    if known.answered is not None:
        return another if _worse(dict(known.answered), another.surely) else known
    if _is_graver(known.said, another.surely):
        return another
    more = _worse(dict(known.bad), bad)
    return replace(known, bad=(*known.bad, *more), normal=another.normal) if more else known


def is_unrefuted(known: Trouble | None, shot: Snapshot) -> bool:
    """Tell whether what was worse is not shown to be well again: numbers that are missing, or
    too few, refute nothing.
    """
    if (
        known is None
        or not known.is_open
        or known.sort is not Sort.DEGRADED
        or known.where != shot.where
    ):
        return False
    return not is_refuted(known, shot)


def is_refuted(known: Trouble, shot: Snapshot) -> bool:
    """Tell whether everything that was worse is shown to be well again."""
    return _well(shot).issuperset(dict(known.bad))


def carried(before: Trouble, trouble: Trouble, shot: Snapshot) -> Trouble:
    """Give the next finding with what was worse before, was not decided about and is
    not shown to be well again.
    """
    if trouble.number == before.number or not before.is_open or trouble.sort is not Sort.DEGRADED:
        return trouble
    left = tuple(
        (key, far)
        for key, far in dict(before.bad).items()
        if key not in dict(trouble.bad) and key not in _well(shot)
    )
    return replace(trouble, bad=(*left, *trouble.bad))


def kept(known: Trouble) -> Trouble:
    """Give the finding that nothing has refuted: itself, or the next one about the same
    where it has been ended.
    """
    return (
        known
        if known.is_open
        else Trouble(known.number + 1, known.sort, known.where, known.bad, normal=known.normal)
    )


def continued(
    known: Trouble | None,
    trouble: Trouble,
    at: datetime,
    *,
    counts_down: bool,
    is_held: bool = False,
    lead: Person | None = None,
    went_on_at: datetime | None = None,
) -> Trouble:
    """Give a finding with the alarm that says it: the one that is there while it asks, for more
    of the same; else its own.

    An alarm that was told to be over takes up only what it had said, no worse, soon, and where no
    further step has begun since (``went_on_at``). An edit calls nobody, so that none is taken up
    for another ``lead`` than it was raised for. ``counts_down`` is whether each finding has a
    countdown here, which is announced for its full time; ``is_held`` whether it was said of the
    known one that nothing goes back by itself.
    """
    if known is not None and known.number == trouble.number:
        return trouble
    trouble = replace(trouble, called=lead)
    if (
        known is None
        or known.where != trouble.where
        or known.answered is not None
        or known.called != lead
    ):
        return trouble
    if known.ended_at is not None and went_on_at is not None and went_on_at >= known.ended_at:
        return trouble
    counts = counts_down and trouble.sort is Sort.DEGRADED
    is_fit = (
        not counts and _is_more_of_it(known, trouble)
        if known.is_open
        else (is_held or not counts) and _comes_back(known, trouble, at)
    )
    return replace(trouble, continues=known.alarm, before=known.said) if is_fit else trouble


def over(known: Trouble, at: datetime | None = None) -> Trouble:
    """End a finding; ``at`` is when its numbers did."""
    return replace(known, is_over=True, ended_at=at)


def answered(known: Trouble, shot: Snapshot | None) -> Trouble:
    """Store with a finding what somebody decided about: everything that it was shown
    for, as bad as it is now.
    """
    return replace(
        known,
        answered=tuple(
            {**dict(known.bad), **dict(distances(shot, known.normal) if shot else ())}.items()
        ),
    )


def by_itself(
    trouble: Trouble | None, shot: Snapshot | None, *, is_first: bool, has_all: bool, besides: str
) -> ByItself:
    """Say what ends a finding by itself: what it is about has to be over, and nothing may keep the
    deployment ``besides`` its numbers.

    Where nothing was before (``is_first``) nothing is ever there to compare with. A
    version that ``has_all`` requests is compared with the time before: what nobody has
    measured of that comes no more.
    """
    if trouble is None or not trouble.is_open or besides:
        return ByItself.NOTHING
    if trouble.sort is not Sort.BLIND:
        return ByItself.RECOVERS if trouble.sort is Sort.DEGRADED else ByItself.TRAFFIC
    return (
        ByItself.NOTHING
        if is_first or (has_all and shot is not None and _lacks_baseline(shot))
        else ByItself.NUMBERS
    )


def _lacks_baseline(shot: Snapshot) -> bool:
    """Tell whether there is a number that decides, and nothing to compare it with."""
    return any(
        each.verdict is Verdict.NO_DATA and each.critical and each.current is not None
        for each in shot.findings
    )


def worse_since(known: Trouble, shown: Trouble) -> tuple[str, ...]:
    """Name the metrics that got worse after an older picture (``pictures``) of the same finding."""
    return tuple(dict.fromkeys(key for key, _ in known.bad[len(shown.bad) :]))


def distances(shot: Snapshot, normal: Distances = ()) -> Distances:
    """Say how far each degraded metric that decides is from what was ``normal`` of it before, else
    from what it is compared with.
    """
    return tuple(
        (each.key, _distance(each, each.current, dict(normal))) for each in _degraded(shot)
    )


def _surely(shot: Snapshot, bad: Distances, normal: Distances) -> Distances:
    """Say how far from normal each of the metrics is at least, where that is less."""
    least = ((each.key, _distance(each, each.least, dict(normal))) for each in _degraded(shot))
    return tuple((key, far) for key, far in least if far < dict(bad).get(key, 0.0))


def _distance(finding: Finding, value: float | None, normal: Mapping[str, float]) -> float:
    current, baseline = value or 0.0, finding.baseline or 0.0
    usual = normal.get(finding.key, baseline)
    return current / max(usual, 1e-4) if current >= baseline else usual / max(current, 1e-4)


def _normals(shot: Snapshot, bad: Distances, before: Distances) -> Distances:
    """Give what is normal of each metric that is or was worse, as it was
    when it was found so first.
    """
    new = {
        each.key: each.baseline or 0.0
        for each in _degraded(shot)
        if each.key in dict(bad) and each.key not in dict(before)
    }
    return (*before, *new.items())


def _degraded(shot: Snapshot) -> Iterator[Finding]:
    return (
        each
        for each in shot.findings
        if each.verdict is Verdict.DEGRADED and each.critical and each.current is not None
    )


def _well(shot: Snapshot) -> set[str]:
    return {finding.key for finding in shot.findings if finding.verdict is Verdict.HEALTHY}


def _worse(before: Mapping[str, float], bad: Distances) -> Distances:
    """Give what is worse now and was not, or was not nearly so."""
    return tuple(
        (key, distance)
        for key, distance in bad
        if key not in before or distance >= WORSE_THAN_SHOWN * before[key]
    )


def _is_more_of_it(known: Trouble, trouble: Trouble) -> bool:
    """Tell whether an alarm that asks asks for this as well: not where there were too few numbers
    before, nor where it is much worse.
    """
    is_known_bad = trouble.sort is Sort.DEGRADED and known.sort is not Sort.DEGRADED
    return not is_known_bad and not _is_graver(known.said, trouble.surely)


def _comes_back(known: Trouble, trouble: Trouble, at: datetime) -> bool:
    """Tell whether it is the same again as was over a moment ago, and no worse than was said."""
    is_soon = known.ended_at is not None and at - known.ended_at < RELAPSE
    return is_soon and known.sort is trouble.sort and not _worse(dict(known.said), trouble.surely)


def _is_graver(said: Distances, bad: Distances) -> bool:
    """Tell whether something is much worse than was said of it; of what nothing was said,
    than the worst that was.
    """
    before = dict(said)
    worst = max(before.values(), default=0.0)
    return any(distance >= WORSE * before.get(key, worst) for key, distance in bad)
