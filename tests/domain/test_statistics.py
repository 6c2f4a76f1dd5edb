"""The tests behind the verdicts, against exact sums and against R and SciPy."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from math import comb, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.statistics import SURE, bounds, count_p_value, rank_p_value, shift


def fisher(events: int, tries: int, others: int, other_tries: int) -> float:
    marked, total = events + others, tries + other_tries
    ways = sum(
        comb(marked, count) * comb(total - marked, tries - count)
        for count in range(events, min(tries, marked) + 1)
    )
    return float(Fraction(ways, comb(total, tries)))


def binomial(events: int, others: int, chance: Fraction) -> float:
    trials = events + others
    return float(
        sum(
            comb(trials, count) * chance**count * (1 - chance) ** (trials - count)
            for count in range(events, trials + 1)
        )
    )


@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_shares_are_compared_exactly(tries: int, other_tries: int, data: st.DataObject) -> None:
    events, others = data.draw(st.integers(0, tries)), data.draw(st.integers(0, other_tries))
    assert count_p_value(events, tries, others, other_tries) == pytest.approx(
        fisher(events, tries, others, other_tries), rel=1e-9
    )


@given(st.integers(1, 40), st.integers(0, 40), st.integers(1, 9), st.integers(1, 9))
def test_events_that_outnumber_their_tries_are_compared_as_rates(
    events: int, others: int, tries: int, other_tries: int
) -> None:
    found = count_p_value(events + tries, tries, others, other_tries)
    assert found == pytest.approx(
        binomial(events + tries, others, Fraction(tries, tries + other_tries)), rel=1e-9
    )


def test_a_single_event_among_more_events_than_tries_is_weighed_too() -> None:
    assert count_p_value(1, 1, 5, 2) == pytest.approx(1 - (2 / 3) ** 6)


def test_the_classic_tea_tasting_comes_out() -> None:
    assert count_p_value(3, 4, 1, 4) == pytest.approx(17 / 70)


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        ((1_000_000, 100_000_000, 1_000_000, 100_000_000), 0.49, 0.51),
        ((1_005_000, 100_000_000, 1_000_000, 100_000_000), 1.5e-4, 3e-4),
        ((3_000_000, 100_000_000, 1_000_000, 100_000_000), 0.0, 0.0),
        ((500_000_000, 1_000_000_000, 500_000_000, 1_000_000_000), 0.49, 0.51),
    ],
)
def test_large_counts_stay_stable(
    counts: tuple[int, int, int, int], low: float, high: float
) -> None:
    assert low <= count_p_value(*counts) <= high


@pytest.mark.parametrize(
    "counts", [(0, 10, 0, 10), (0, 0, 0, 0), (5, 0, 5, 10), (5, 10, 0, 0), (0, 10, 5, 10)]
)
def test_without_events_or_tries_nothing_is_significant(counts: tuple[int, int, int, int]) -> None:
    assert count_p_value(*counts) == 1.0


def test_extrapolated_counts_are_rounded_against_an_alarm() -> None:
    assert count_p_value(20.9, 99.2, 3.1, 300.9) == count_p_value(20, 100, 4, 300)


@pytest.mark.parametrize(("mine", "theirs"), [(1, 1), (2, 5), (4, 4), (3, 7), (5, 3)])
def test_small_samples_are_ranked_exactly(mine: int, theirs: int) -> None:
    everything = range(mine + theirs)
    total = comb(mine + theirs, mine)
    picks = [
        (pick, sum(m > t for m in pick for t in everything if t not in pick))
        for pick in combinations(everything, mine)
    ]
    for pick, wins in picks:
        expected = sum(other >= wins for _, other in picks) / total
        assert rank_p_value(pick, [t for t in everything if t not in pick]) == pytest.approx(
            expected
        )


def test_ranks_with_ties_agree_with_scipy() -> None:
    # scipy.stats.mannwhitneyu(..., alternative="greater", method="asymptotic"), worked out
    # by hand from its formula
    assert rank_p_value([10.0] * 5, [1.0] * 5) == pytest.approx(0.0019872, abs=2e-5)
    assert rank_p_value([1, 1, 1], [1, 1, 1]) == 1.0
    # a tie is half a win
    assert rank_p_value([1, 2, 3], [2, 3, 4]) == pytest.approx(0.91125, abs=1e-4)


def test_large_samples_without_ties_are_approximated() -> None:
    sample, baseline = [n + 0.5 for n in range(30)], [float(n) for n in range(30)]
    assert rank_p_value(sample, baseline) == pytest.approx(0.4152, abs=0.001)
    assert rank_p_value([n + 100 for n in sample], baseline) < 1e-10


def test_two_hundred_pairs_are_still_counted_and_more_are_approximated() -> None:
    assert rank_p_value(range(20, 30), range(20)) == pytest.approx(1 / comb(30, 10))
    assert rank_p_value(range(67, 70), range(67)) > 1.5 / comb(70, 3)


def test_as_few_events_here_as_there_can_be_are_no_rise() -> None:
    assert count_p_value(2, 3, 1, 1) == 1.0
    assert count_p_value(3, 3, 1, 1) == pytest.approx(1.0)


def test_no_values_say_nothing() -> None:
    assert rank_p_value([], [1.0]) == 1.0
    assert rank_p_value([1.0], []) == 1.0


def test_the_shift_is_the_median_of_all_differences() -> None:
    assert shift([11, 12, 13], [1, 2, 3]) == 10
    assert shift([11, 12, 13, 1000], [1, 2, 3]) == 10.5


@given(st.integers(0, 500), st.integers(1, 500))
def test_a_share_lies_between_those_that_make_it_just_unlikely_enough(
    events: int, others: int
) -> None:
    tries = events + others
    share = events / tries
    low, high = bounds(share, tries)
    assert 0 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1
    for limit in (low, high):
        is_end = limit == pytest.approx(share) and share in {0.0, 1.0}
        assert is_end or abs(share - limit) / sqrt(limit * (1 - limit) / tries) == pytest.approx(
            SURE, rel=1e-6
        )
