"""The tests behind the verdicts, from the standard library alone.

Counts are compared exactly (Fisher's conditional test for proportions, the conditional binomial
test for events that may happen more than once per try), levels by ranks. All tests are one-sided:
the p-value is the chance of a first sample this high, or higher, if nothing differs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from math import ceil, comb, erfc, exp, inf, lgamma, log, sqrt
from statistics import median

EXACT_PAIRS = 200
"""Up to this many pairs, and without ties, the rank test counts instead of approximating."""

SURE = 3.09
"""Standard deviations of a normal distribution beyond which one in a thousand lies."""

MANY = 10**9
"""Above so many events or tries the split is approximated: there the exact sum takes long, and
says the same.
"""

_NEGLIGIBLE = 1e-17


def count_p_value(
    events: float, tries: float, baseline_events: float, baseline_tries: float
) -> float:
    """Test whether ``events`` of ``tries`` is more than the baseline's share.

    Given the total of the events, their split over the two sides is hypergeometric when each try
    has at most one event (Fisher), and binomial when a try can have several. Exact up to ``MANY``.
    Fractions (a counter may be extrapolated) are rounded against an alarm.
    """
    if tries <= 0 or baseline_tries <= 0:
        return 1.0
    mine, theirs = int(events), ceil(baseline_events)
    here, there = ceil(tries), int(baseline_tries)
    if mine <= 0 or there <= 0:
        return 1.0
    is_fisher = mine <= here and theirs <= there
    if max(here + there, mine + theirs) > MANY:
        left = 1 - (mine + theirs - 1) / (here + there - 1) if is_fisher else 1.0
        return _normal_split_tail(mine, mine + theirs, here / (here + there), left)
    if is_fisher:
        return _hypergeometric_tail(mine, drawn=here, marked=mine + theirs, total=here + there)
    return _binomial_tail(mine, trials=mine + theirs, chance=here / (here + there))


def rank_p_value(sample: Sequence[float], baseline: Sequence[float]) -> float:
    """Test whether a sample lies higher than the baseline (Mann-Whitney U).

    Exact for small samples without ties; otherwise the normal approximation with tie and continuity
    correction, as in R's ``wilcox.test``.
    """
    if not sample or not baseline:
        return 1.0
    pooled = Counter([*sample, *baseline])
    wins = _wins(sample, baseline)
    has_ties = len(pooled) < len(sample) + len(baseline)
    if not has_ties and len(sample) * len(baseline) <= EXACT_PAIRS:
        return _exact_rank_tail(int(wins), len(sample), len(baseline))
    return _normal_rank_tail(wins, len(sample), len(baseline), tuple(pooled.values()))


def shift(sample: Sequence[float], baseline: Sequence[float]) -> float:
    """Estimate how much higher a sample lies: the median of all pairwise
    differences (Hodges and Lehmann).
    """
    return median(mine - theirs for mine in sample for theirs in baseline)


def bounds(share: float, tries: float) -> tuple[float, float]:
    """Give between what a share that was counted in so many tries surely lies (Wilson's
    interval, 99.9 % on each side).
    """
    spread = SURE**2 / tries
    middle, width = (
        share + spread / 2,
        SURE * sqrt(share * (1 - share) / tries + spread / (4 * tries)),
    )
    return max(0.0, (middle - width) / (1 + spread)), min(1.0, (middle + width) / (1 + spread))


def _wins(sample: Sequence[float], baseline: Sequence[float]) -> float:
    return sum(
        1.0 if mine > theirs else 0.5 if mine == theirs else 0.0
        for mine in sample
        for theirs in baseline
    )


def _normal_rank_tail(wins: float, mine: int, theirs: int, ties: tuple[int, ...]) -> float:
    total = mine + theirs
    correction = sum(size**3 - size for size in ties) / (total * (total - 1)) if total > 1 else 0.0
    variance = mine * theirs / 12 * (total + 1 - correction)
    if variance <= 0:
        return 1.0
    z = (wins - mine * theirs / 2 - 0.5) / sqrt(variance)
    return 0.5 * erfc(z / sqrt(2))


def _normal_split_tail(mine: int, events: int, chance: float, left: float) -> float:
    """Approximate how likely a split this high is; ``left`` is how much less it varies because
    no try has a second event.
    """
    variance = events * chance * (1 - chance) * left
    if variance <= 0:
        return 1.0
    return 0.5 * erfc((mine - 0.5 - events * chance) / sqrt(2 * variance))


def _exact_rank_tail(wins: int, mine: int, theirs: int) -> float:
    ways = _rank_ways(mine, theirs)
    return sum(ways[wins:]) / comb(mine + theirs, mine)


@lru_cache(maxsize=256)
def _rank_ways(mine: int, theirs: int) -> tuple[int, ...]:
    """Count the orders of two samples for each number of wins (the coefficients
    of the Gaussian binomial).
    """
    size = mine * theirs + 1
    ways = [1] + [0] * (size - 1)
    for step in range(1, mine + 1):
        for at in range(size - 1, theirs + step - 1, -1):
            ways[at] -= ways[at - theirs - step]
        for at in range(step, size):
            ways[at] += ways[at - step]
    return tuple(ways)


def _log_choose(total: float, chosen: float) -> float:
    return lgamma(total + 1) - lgamma(chosen + 1) - lgamma(total - chosen + 1)


def _hypergeometric_tail(at_least: int, *, drawn: int, marked: int, total: int) -> float:
    lowest, highest = max(0, drawn - (total - marked)), min(drawn, marked)
    if at_least <= lowest:
        return 1.0

    def log_chance(count: int) -> float:
        return (
            _log_choose(marked, count)
            + _log_choose(total - marked, drawn - count)
            - _log_choose(total, drawn)
        )

    def growth(count: int) -> float:
        below = (count + 1) * (total - marked - drawn + count + 1)
        return (marked - count) * (drawn - count) / below if below else inf

    return _tail(at_least, range(lowest, highest + 1), drawn * marked / total, log_chance, growth)


def _binomial_tail(at_least: int, *, trials: int, chance: float) -> float:
    if at_least <= 0:
        return 1.0

    def log_chance(count: int) -> float:
        return _log_choose(trials, count) + count * log(chance) + (trials - count) * log(1 - chance)

    def growth(count: int) -> float:
        return (trials - count) / (count + 1) * chance / (1 - chance)

    return _tail(at_least, range(trials + 1), trials * chance, log_chance, growth)


def _tail(
    at_least: int,
    span: range,
    mean: float,
    log_chance: Callable[[int], float],
    growth: Callable[[int], float],
) -> float:
    """Sum the chances from ``at_least`` up; ``growth(n)`` is chance(n + 1) / chance(n). The side
    away from the mean is summed.
    """
    if at_least > mean:
        return min(
            1.0,
            _sum(exp(log_chance(at_least)), (growth(count) for count in range(at_least, span[-1]))),
        )
    start = at_least - 1
    below = _sum(
        exp(log_chance(start)), (1 / growth(count) for count in range(start - 1, span[0] - 1, -1))
    )
    return max(0.0, min(1.0, 1 - below))


def _sum(first: float, factors: Iterable[float]) -> float:
    total = term = first
    for factor in factors:
        term *= factor
        total += term
        if term <= total * _NEGLIGIBLE:
            break
    return total
