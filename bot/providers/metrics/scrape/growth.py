"""From scrapes to observations without I/O: how counters grew, in which slice of the window, and
what that says about each metric.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, inf

from bot.domain.health import Observed
from bot.ports.metrics import Cohort, Sample, Window
from bot.providers.metrics.scrape.reading import Query, bucket
from bot.providers.metrics.scrape.selector import Selector

SLICES = 12
"""Into how many slices a window is cut; each is at least two scrapes
long, and they never overlap.
"""
LEAST_REQUESTS = 20
"""How many requests the share in one slice needs to be worth a point."""
SHORT_COMMIT = 7
"""The shortest abbreviation of a commit that a label may hold."""

Grown = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Growth:
    """What grew between two scrapes of one endpoint, for one commit; it belongs
    to the time in the middle.
    """

    at: datetime
    commit: str
    counters: Grown


def observe(
    samples: Sequence[Sample],
    queries: Sequence[Query],
    window: Window,
    cohort: Cohort,
    every: timedelta,
) -> dict[str, Observed]:
    """Observe each metric over a window, from scrapes in the order of time that reach a
    little over both its ends.
    """
    grown = [
        each
        for each in growths(samples)
        if window.start <= each.at < window.end and belongs(each.commit, cohort)
    ]
    slices = sliced(grown, window, max(2 * every, (window.end - window.start) / SLICES))
    found = {
        query.key: _level(query, slices) if query.histogram else _ratio(query, slices)
        for query in queries
    }
    return {key: observed for key, observed in found.items() if observed is not None}


def belongs(commit: str, cohort: Cohort) -> bool:
    """Tell whether an instance's commit is in the cohort; its label may be abbreviated."""
    if not cohort.commit:
        return True
    short, long = sorted((commit, cohort.commit), key=len)
    is_same = short == long or (len(short) >= SHORT_COMMIT and long.startswith(short))
    return is_same is not cohort.others


def growths(samples: Sequence[Sample]) -> Iterator[Growth]:
    """Pair each scrape with the one before it at the same endpoint.

    Of an endpoint that is seen for the first time nothing is known to have grown. A commit that was
    not there before began at nothing.
    """
    last: dict[str, Sample] = {}
    for sample in samples:
        before = last.get(sample.endpoint)
        last[sample.endpoint] = sample
        if before is None:
            continue
        middle = before.at + (sample.at - before.at) / 2
        for commit, counters in sample.values.items():
            yield Growth(middle, commit, increases(before.values.get(commit, {}), counters))


def increases(before: Grown, after: Grown) -> dict[str, float]:
    """Tell how much each counter grew between two scrapes. A counter that fell was reset, and has
    grown to what it is now.
    """
    return {
        name: value - before.get(name, 0.0) if value >= before.get(name, 0.0) else value
        for name, value in after.items()
    }


def sliced(grown: Sequence[Growth], window: Window, width: timedelta) -> list[Grown]:
    """Add up what grew in consecutive slices; slices in which nothing was seen are left out."""
    slices: dict[int, dict[str, float]] = {}
    for each in grown:
        _add(slices.setdefault(int((each.at - window.start) / width), {}), each.counters)
    return [slices[index] for index in sorted(slices)]


def _add(total: dict[str, float], more: Grown) -> None:
    for name, value in more.items():
        total[name] = total.get(name, 0.0) + value


def filled(slices: Sequence[Grown], counter: str, least: float) -> list[Grown]:
    """Join neighbours until each slice has ``least`` of a counter; what is left over
    at the end joins the last.
    """
    joined: list[dict[str, float]] = []
    for one in slices:
        if joined and joined[-1].get(counter, 0.0) < least:
            _add(joined[-1], one)
        else:
            joined.append(dict(one))
    if len(joined) > 1 and joined[-1].get(counter, 0.0) < least:
        rest = joined.pop()
        _add(joined[-1], rest)
    return list(joined)


def _ratio(query: Query, slices: Sequence[Grown]) -> Observed | None:
    over, under = str(query.numerator), str(query.denominator)
    requests = sum(one.get(under, 0.0) for one in slices)
    if requests <= 0 or not any(over in one for one in slices):
        return None
    points = tuple(
        one.get(over, 0.0) / one[under]
        for one in filled(slices, under, LEAST_REQUESTS)
        if one.get(under)
    )
    return Observed(sum(one.get(over, 0.0) for one in slices), requests, points, requests)


def _level(query: Query, slices: Sequence[Grown]) -> Observed | None:
    if query.histogram is None:
        return None
    everything = bucket(query.histogram, "+Inf")
    # with fewer a quantile is only the highest or lowest value
    least = ceil(1 / min(query.quantile, 1 - query.quantile) - 1e-9)
    points = [
        quantile(one, query.histogram, query.quantile) for one in filled(slices, everything, least)
    ]
    values = tuple(point * query.scale for point in points if point is not None)
    return (
        Observed(points=values, requests=sum(one.get(everything, 0.0) for one in slices))
        if values
        else None
    )


def quantile(grown: Grown, histogram: Selector, q: float) -> float | None:
    """Estimate a quantile from the growth of a histogram's buckets, as Prometheus
    does: linear within a bucket.

    In the last, open bucket the answer is the highest bound. None without observations
    or without a finite bound.
    """
    buckets = _buckets(grown, histogram)
    if not buckets or buckets[-1][1] <= 0 or buckets[-1][0] != inf:
        return None
    rank = q * buckets[-1][1]
    lower, below = 0.0, 0.0
    for bound, count in buckets:
        if count >= rank:
            break
        lower, below = bound, count
    if bound == inf:
        return lower if len(buckets) > 1 else None
    if bound <= 0 and bound == buckets[0][0]:
        return bound
    return lower + (bound - lower) * (rank - below) / (count - below)


def _buckets(grown: Grown, histogram: Selector) -> list[tuple[float, float]]:
    """List bounds and cumulated counts, made to rise (a scrape is not one moment)."""
    prefix = bucket(histogram, "")
    found = sorted(
        (float(name.removeprefix(prefix)), count)
        for name, count in grown.items()
        if name.startswith(prefix)
    )
    highest, rising = 0.0, []
    for bound, count in found:
        highest = max(highest, count)
        rising.append((bound, highest))
    return rising
