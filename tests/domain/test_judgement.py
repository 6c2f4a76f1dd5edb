"""What a verdict does when the numbers get better or worse: by properties, for any numbers."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bot.domain.catalog import Direction, MetricKind, MetricSpec
from bot.domain.health import Observed, Verdict
from bot.domain.judgement import ALPHA, error_of_a_look, judge, shown, times
from bot.domain.statistics import MANY, bounds, count_p_value, rank_p_value, shift

FEW = settings(max_examples=60, deadline=None)
ERRORS = MetricSpec("errors", "errors", MetricKind.RATIO, unit="%")
ORDERS = replace(ERRORS, key="orders", direction=Direction.DOWN_IS_WORSE)
LATENCY = MetricSpec("p95", "p95", MetricKind.LEVEL, unit="ms", min_change=10.0, min_samples=8)
TRIES = st.integers(1, 3000)
LEVELS = st.lists(st.integers(1, 1000).map(float), min_size=1, max_size=20)
ODD = st.lists(st.integers(0, 100).map(lambda half: half * 2 + 1.0), min_size=6, unique=True)
EVEN = st.lists(st.integers(1, 400).map(lambda half: half * 2.0), min_size=6, unique=True)
COUNTS = st.tuples(TRIES, TRIES).map(sorted).map(tuple)
ONES = [Verdict.HEALTHY, Verdict.DEGRADED, Verdict.NOT_ENOUGH_TRAFFIC, Verdict.NO_DATA]


def counts(events: float, tries: float) -> Observed:
    return Observed(events, tries, requests=tries)


def level(*points: float, requests: float = 0.0) -> Observed:
    return Observed(points=points, requests=requests)


@FEW
@given(COUNTS, COUNTS, st.integers(1, 100))
def test_more_errors_make_nothing_healthier(
    baseline: tuple[int, int], now: tuple[int, int], more: int
) -> None:
    (normal, before), (events, tries) = baseline, now
    verdict = judge(ERRORS, counts(normal, before), counts(events, tries)).verdict
    worse = judge(ERRORS, counts(normal, before), counts(min(events + more, tries), tries)).verdict
    if verdict is Verdict.DEGRADED:
        assert worse is Verdict.DEGRADED


@FEW
@given(COUNTS, COUNTS, st.integers(1, 100))
def test_a_better_baseline_excuses_nothing(
    baseline: tuple[int, int], now: tuple[int, int], fewer: int
) -> None:
    (normal, before), (events, tries) = baseline, now
    verdict = judge(ERRORS, counts(normal, before), counts(events, tries)).verdict
    stricter = judge(ERRORS, counts(max(0, normal - fewer), before), counts(events, tries)).verdict
    if verdict is Verdict.DEGRADED:
        assert stricter is Verdict.DEGRADED


@FEW
@given(COUNTS, COUNTS, st.integers(1, 50))
def test_whoever_looks_more_often_blames_no_more(
    baseline: tuple[int, int], now: tuple[int, int], looks: int
) -> None:
    often = judge(ERRORS, counts(*baseline), counts(*now), looks + 1).verdict
    seldom = judge(ERRORS, counts(*baseline), counts(*now), looks).verdict
    assert often is not Verdict.DEGRADED or seldom is Verdict.DEGRADED


@FEW
@given(COUNTS, COUNTS)
def test_of_two_sides_at_most_one_is_worse_than_the_other(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    for spec in (ERRORS, ORDERS):
        found = {
            judge(spec, counts(*one), counts(*other)).verdict,
            judge(spec, counts(*other), counts(*one)).verdict,
        }
        assert found != {Verdict.DEGRADED}


@FEW
@given(COUNTS)
def test_what_is_as_it_was_is_never_worse(same: tuple[int, int]) -> None:
    for spec in (ERRORS, ORDERS):
        assert judge(spec, counts(*same), counts(*same)).verdict is not Verdict.DEGRADED
    found = judge(LATENCY, level(*map(float, same)), level(*map(float, same)))
    assert found.verdict is not Verdict.DEGRADED


@FEW
@given(ODD, EVEN, st.integers(1, 250).map(lambda half: half * 2))
def test_a_level_that_is_higher_everywhere_is_no_healthier(
    before: list[float], now: list[float], higher: int
) -> None:
    verdict = judge(LATENCY, level(*before), level(*now)).verdict
    worse = judge(LATENCY, level(*before), level(*(point + higher for point in now))).verdict
    if verdict is Verdict.DEGRADED:
        assert worse is Verdict.DEGRADED


@FEW
@given(LEVELS, LEVELS)
def test_in_which_order_the_slices_of_now_came_decides_nothing(
    before: list[float], now: list[float]
) -> None:
    there, back = (judge(LATENCY, level(*before), level(*each)) for each in (now, now[::-1]))
    assert (there.verdict, there.p_value) == (back.verdict, back.p_value)


@FEW
@given(
    st.sampled_from([ERRORS, ORDERS, LATENCY]),
    st.none() | st.builds(counts, st.floats(), st.floats()) | st.builds(level, st.floats()),
    st.none() | st.builds(counts, st.floats(), st.floats()) | st.builds(level, st.floats()),
)
def test_whatever_a_source_says_there_is_one_of_four_answers_and_a_sentence(
    spec: MetricSpec, before: Observed | None, now: Observed | None
) -> None:
    found = judge(spec, before, now)
    assert found.verdict in ONES
    assert found.sentence.startswith(spec.title)
    assert "nan" not in found.sentence
    if before is None or now is None:
        assert found.verdict is Verdict.NO_DATA


@pytest.mark.parametrize("strange", [nan, inf, -inf, -1.0])
def test_numbers_that_can_be_none_prove_nothing_on_either_side(strange: float) -> None:
    fine = counts(1, 1000)
    for bad in (counts(strange, 1000), counts(1, strange)):
        assert judge(ERRORS, fine, bad).verdict is Verdict.NO_DATA
        assert judge(ERRORS, bad, fine).verdict is Verdict.NO_DATA


def test_a_slice_that_is_no_number_is_left_out_and_the_others_are_judged() -> None:
    before = level(*[100.0] * 8, nan, inf)
    assert judge(LATENCY, before, level(*[300.0] * 8, nan)).verdict is Verdict.DEGRADED
    assert judge(LATENCY, before, level(nan, inf)).verdict is Verdict.NO_DATA


@pytest.mark.parametrize(
    ("spec", "now", "verdict"),
    [
        (ERRORS, counts(50, 1000), Verdict.DEGRADED),
        (replace(ERRORS, min_change=0.041), counts(50, 1000), Verdict.HEALTHY),
        (replace(ERRORS, min_change=0.04), counts(50, 1000), Verdict.DEGRADED),
        (replace(ERRORS, min_ratio=5.1), counts(50, 1000), Verdict.HEALTHY),
        (replace(ERRORS, min_ratio=5.0), counts(50, 1000), Verdict.DEGRADED),
        (replace(ERRORS, min_samples=1001), counts(12, 1000), Verdict.NOT_ENOUGH_TRAFFIC),
        (ERRORS, counts(12, 1000), Verdict.HEALTHY),
    ],
)
def test_a_change_has_to_be_certain_large_and_many_times_what_was_normal(
    spec: MetricSpec, now: Observed, verdict: Verdict
) -> None:
    assert judge(spec, counts(100, 10_000), now).verdict is verdict


def test_a_silent_source_is_quoted_and_what_is_there_is_shown_without_a_comparison() -> None:
    assert judge(ERRORS, None, None, silence="it times out").sentence == (
        "errors: no data, it times out"
    )
    found = judge(ERRORS, None, counts(29, 1000))
    assert (found.current, found.baseline, found.requests) == (0.029, None, 1000)
    assert found.sentence == "errors 2.9 % (nothing to compare with)"
    assert judge(ERRORS, counts(29, 1000), None).baseline == 0.029


@FEW
@given(st.integers(-5, 1000))
def test_a_look_never_has_more_error_than_all_of_them_together(looks: int) -> None:
    assert 0 < error_of_a_look(looks + 1) <= error_of_a_look(looks) <= ALPHA
    assert error_of_a_look(1) == ALPHA


@FEW
@given(st.floats(0.001, 10_000), st.floats(0.001, 10_000))
def test_how_many_times_it_is_reads_the_same_from_both_sides(value: float, normal: float) -> None:
    assume(value != normal)
    (high,), (low,) = (
        times(max(value, normal), min(value, normal)),
        times(min(value, normal), max(value, normal)),
    )
    assert low == f"{high} lower"


@pytest.mark.parametrize(
    ("value", "normal", "said"),
    [
        (20, 2, ["10 times"]), (19.9, 2, ["10 times"]), (19.8, 2, ["9.9 times"]),
        (4, 2, ["2 times"]), (2, 4, ["2 times lower"]), (5, 2, ["2.5 times"]),
        (5000, 2, ["2,500 times"]), (0, 2, []), (2, 0, []), (-1, 2, []),
    ],
)  # fmt: skip
def test_how_many_times_it_is_has_two_figures_and_nothing_is_no_times(
    value: float, normal: float, said: list[str]
) -> None:
    assert times(value, normal) == said


@FEW
@given(st.floats(0.0001, 1e6), st.sampled_from(["%", "ms", ""]))
def test_a_value_that_is_there_is_never_written_as_nothing(value: float, unit: str) -> None:
    written = shown(value, unit)
    assert written.endswith(unit)
    number = float(written.removesuffix(unit).strip().replace(",", ""))
    assert number == pytest.approx(value * 100 if unit == "%" else value, rel=0.051)


@FEW
@given(st.integers(1, 500), TRIES, st.integers(0, 500), TRIES, st.integers(1, 50))
def test_the_chance_falls_with_each_event_more_and_rises_with_each_one_in_the_baseline(
    events: int, tries: int, normal: int, before: int, more: int
) -> None:
    chance = count_p_value(events, tries, normal, before)
    assert 0 <= chance <= 1
    slack = 1e-9
    if events + more <= tries or events > tries:
        assert count_p_value(events + more, tries, normal, before) <= chance + slack
    if normal + more <= before or normal > before:
        assert count_p_value(events, tries, normal + more, before) >= chance - slack


@FEW
@given(LEVELS, LEVELS, st.integers(1, 100))
def test_the_chance_of_ranks_falls_when_a_sample_rises_and_both_sides_are_never_sure(
    sample: list[float], baseline: list[float], higher: int
) -> None:
    chance = rank_p_value(sample, baseline)
    raised = [point + higher for point in sample]
    assert 0 <= chance <= 1
    assert not (chance < 0.4 and rank_p_value(baseline, sample) < 0.4)
    if len({*sample, *baseline, *raised}) == 2 * len(sample) + len(baseline):  # no ties
        assert rank_p_value(raised, baseline) <= chance + 1e-9


@FEW
@given(LEVELS, LEVELS, st.integers(-500, 500))
def test_a_shift_is_as_far_as_everything_was_moved_and_the_other_way_round_its_opposite(
    sample: list[float], baseline: list[float], moved: int
) -> None:
    found = shift(sample, baseline)
    assert shift([point + moved for point in sample], baseline) == found + moved
    assert shift(baseline, sample) == -found


@FEW
@given(st.floats(0, 1), st.integers(1, 10_000), st.integers(2, 10))
def test_a_share_lies_within_its_bounds_and_more_tries_make_them_narrower(
    share: float, tries: int, more: int
) -> None:
    (low, high), (lower, higher) = bounds(share, tries * more), bounds(share, tries)
    assert 0 <= lower <= low + 1e-9
    assert low <= share + 1e-9
    assert share - 1e-9 <= high <= higher + 1e-9
    assert higher <= 1
    assert bounds(1 - share, tries) == pytest.approx((1 - higher, 1 - lower), abs=1e-9)


@pytest.mark.parametrize("strange", [2.0**53, 1e17, 1e300])
def test_a_number_that_has_no_next_one_is_no_count(strange: float) -> None:
    assert judge(ERRORS, counts(1, strange), counts(1, 1000)).verdict is Verdict.NO_DATA
    assert judge(ERRORS, counts(1, 1000), counts(strange, 1000)).verdict is Verdict.NO_DATA
    fine = counts(1000, 2.0**53 - 1)
    assert judge(ERRORS, fine, fine).verdict is Verdict.HEALTHY


@pytest.mark.parametrize(
    ("events", "normal"), [(5_060, 5_000), (5_000, 5_000), (4_900, 5_000), (5_300, 5_000)]
)
def test_very_many_requests_are_judged_at_once_and_as_somewhat_fewer_are(
    events: int, normal: int
) -> None:
    few, many = MANY // 2 - 1, MANY // 2 + 1
    exact, near = (count_p_value(events, tries, normal, tries) for tries in (few, many))
    assert near == pytest.approx(exact, abs=0.001)
    half = MANY // 4
    exact, near = (
        count_p_value(half + events * 4, tries, half + normal * 4, tries) for tries in (few, many)
    )
    assert near == pytest.approx(exact, abs=0.001)
    exact, near = (
        count_p_value(each + events * 9, 10, each + normal * 9, 10)
        for each in (MANY // 2 - 100_000, MANY // 2)
    )
    assert near == pytest.approx(exact, abs=0.001)


def test_however_many_requests_there_are_a_rise_of_all_of_them_is_found() -> None:
    tries = 2**50
    for events in (tries // 100, tries * 3):
        before = counts(events // 2, tries)
        assert judge(ERRORS, before, counts(events, tries)).verdict is Verdict.DEGRADED
        assert judge(ERRORS, counts(events, tries), before).verdict is not Verdict.DEGRADED
    assert count_p_value(tries, tries, tries, tries) == 1.0
