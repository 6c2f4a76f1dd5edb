"""From scrapes to observations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.catalog import MetricKind, MetricSpec
from bot.domain.health import Observed
from bot.ports.metrics import Cohort, Sample, Window
from bot.providers.metrics.scrape.growth import belongs, filled, increases, observe, quantile
from bot.providers.metrics.scrape.reading import Query, bucket, query_of
from bot.providers.metrics.scrape.selector import Selector

START = datetime(2026, 11, 21, 2, tzinfo=UTC)
EVERY = timedelta(seconds=10)
ERRORS = query_of(
    MetricSpec(
        "errors", "errors", MetricKind.RATIO, query={"numerator": "bad", "denominator": "all"}
    )
)
P50 = query_of(
    MetricSpec(
        "p50", "p50", MetricKind.LEVEL, query={"histogram": "took", "quantile": 0.5, "scale": 1000}
    )
)
TOOK = Selector("took")


def scrape(seconds: float, endpoint: str = "one", **commits: tuple[float, float]) -> Sample:
    values = {
        commit: {"bad": bad, "all": everything} for commit, (bad, everything) in commits.items()
    }
    return Sample("storefront", "production", endpoint, START + timedelta(seconds=seconds), values)


def ratio(
    samples: list[Sample], seconds: float = 60, cohort: Cohort | None = None, begin: float = 0
) -> Observed | None:
    window = Window(START + timedelta(seconds=begin), START + timedelta(seconds=seconds))
    return observe(samples, [ERRORS], window, cohort or Cohort(), EVERY).get("errors")


def counted(observed: Observed | None) -> tuple[float, float] | None:
    return (observed.numerator, observed.denominator) if observed else None


def test_what_was_there_before_the_first_scrape_does_not_count() -> None:
    assert counted(ratio([scrape(0, aaa=(500, 900)), scrape(10, aaa=(501, 1_000))])) == (1, 100)
    assert ratio([scrape(0, aaa=(500, 900))]) is None
    assert ratio([]) is None


def test_a_counter_that_fell_was_reset() -> None:
    assert counted(
        ratio([scrape(0, aaa=(5, 900)), scrape(10, aaa=(6, 1_000)), scrape(20, aaa=(2, 30))])
    ) == (3, 130)


def test_each_endpoint_is_followed_by_itself() -> None:
    samples = [
        scrape(0, "one", aaa=(0, 100)),
        scrape(1, "two", aaa=(0, 9_000)),
        scrape(10, "one", aaa=(1, 150)),
        scrape(11, "two", aaa=(2, 9_050)),
    ]
    assert counted(ratio(samples)) == (3, 100)


def test_a_version_that_appears_at_a_known_endpoint_began_at_nothing() -> None:
    samples = [scrape(0, aaa=(0, 100)), scrape(10, bbb=(3, 40)), scrape(20, bbb=(4, 60))]
    assert counted(ratio(samples, cohort=Cohort("bbb"))) == (4, 60)
    assert counted(ratio([*samples, scrape(30, aaa=(1, 7))], cohort=Cohort("aaa"))) == (1, 7)


def test_cohorts_divide_what_was_seen() -> None:
    samples = [scrape(0, aaa=(0, 100), bbb=(0, 10)), scrape(10, aaa=(1, 200), bbb=(9, 30))]
    assert counted(ratio(samples, cohort=Cohort("bbb"))) == (9, 20)
    assert counted(ratio(samples, cohort=Cohort("bbb", others=True))) == (1, 100)
    assert counted(ratio(samples)) == (10, 120)
    assert ratio(samples, cohort=Cohort("ccc")) is None


@pytest.mark.parametrize(
    ("label", "commit", "same"),
    [
        ("a" * 40, "a" * 40, True),
        ("a" * 7, "a" * 40, True),
        ("a" * 6, "a" * 40, False),
        ("", "a" * 40, False),
        ("b" * 40, "a" * 40, False),
    ],
)
def test_a_label_may_abbreviate_the_commit(label: str, commit: str, same: bool) -> None:
    assert belongs(label, Cohort(commit)) is same
    assert belongs(label, Cohort(commit, others=True)) is not same
    assert belongs(label, Cohort())


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 50)), min_size=2, max_size=40),
    st.integers(1, 399),
)
def test_neighbouring_windows_share_everything_and_nothing_twice(
    steps: list[tuple[int, int]], cut: int
) -> None:
    samples, bad, everything = [], 0, 0
    for index, (failed, fine) in enumerate(steps):
        bad, everything = bad + failed, everything + failed + fine
        samples.append(scrape(10 * index, aaa=(bad, everything)))
    parts = [
        counted(ratio(samples, seconds=cut)) or (0, 0),
        counted(ratio(samples, seconds=400, begin=cut)) or (0, 0),
    ]
    grown = (bad - steps[0][0], everything - sum(steps[0]))
    assert sum(part[1] for part in parts) == grown[1]
    assert sum(part[0] for part in parts) == grown[0]


def test_a_ratio_has_points_of_enough_requests_each() -> None:
    observed = ratio([scrape(10 * n, aaa=(n, 10 * n)) for n in range(13)], seconds=120)
    assert observed is not None
    assert observed.points == (0.1,) * 6
    assert observed.requests == 120


def test_without_the_numerators_counter_there_is_no_data() -> None:
    samples = [
        Sample("s", "p", "one", START + timedelta(seconds=at), {"aaa": {"all": 10.0 * at}})
        for at in (0, 10, 20)
    ]
    assert ratio(samples) is None


def buckets(*counts: tuple[str, float]) -> dict[str, float]:
    return {bucket(TOOK, bound): count for bound, count in counts}


@pytest.mark.parametrize(
    ("counts", "q", "value"),
    [
        ([("1.0", 0), ("2.0", 10), ("+Inf", 10)], 0.5, 1.5),
        ([("1.0", 10), ("2.0", 10), ("+Inf", 10)], 0.5, 0.5),
        ([("1.0", 2), ("2.0", 4), ("4.0", 8), ("+Inf", 10)], 0.8, 4.0),
        # in the open bucket: its lower bound
        ([("1.0", 2), ("2.0", 4), ("4.0", 8), ("+Inf", 10)], 0.95, 4.0),
        ([("1.0", 5), ("2.0", 4), ("+Inf", 10)], 0.5, 1.0),  # a torn scrape
        ([("1.0", 0), ("2.0", 0), ("+Inf", 0)], 0.5, None),
        ([("+Inf", 10)], 0.5, None),
        ([("1.0", 10)], 0.5, None),
        ([("-1.0", 10), ("+Inf", 10)], 0.5, -1.0),
        ([], 0.5, None),
    ],
)
def test_a_quantile_is_estimated_as_prometheus_does(
    counts: list[tuple[str, float]], q: float, value: float | None
) -> None:
    assert quantile(buckets(*counts), TOOK, q) == (
        pytest.approx(value) if value is not None else None
    )


@given(st.lists(st.integers(0, 100), min_size=2, max_size=8), st.floats(0.01, 0.99))
def test_a_quantile_lies_within_the_bounds_and_rises(grown: list[int], q: float) -> None:
    bounds = [*[str(0.1 * 2**n) for n in range(len(grown) - 1)], "+Inf"]
    found = buckets(*[(bound, sum(grown[: n + 1])) for n, bound in enumerate(bounds)])
    value, higher = quantile(found, TOOK, q), quantile(found, TOOK, min(0.999, q + 0.1))
    if sum(grown) == 0:
        assert value is None
        return
    assert value is not None
    assert higher is not None
    assert 0 <= value <= higher <= 0.1 * 2 ** (len(grown) - 2) < inf


def histogram(seconds: float, quick: float, slow: float) -> Sample:
    counts = buckets(("0.1", quick), ("0.2", quick + slow), ("+Inf", quick + slow))
    return Sample("s", "p", "one", START + timedelta(seconds=seconds), {"aaa": counts})


def level(samples: list[Sample], query: Query = P50) -> Observed | None:
    window = Window(START, START + timedelta(seconds=120))
    return observe(samples, [query], window, Cohort("aaa"), EVERY).get(query.key)


def test_a_level_has_a_point_for_each_slice() -> None:
    samples = [histogram(10 * n, 100 * min(n, 6), 100 * max(0, n - 6)) for n in range(13)]
    observed = level(samples)
    assert observed is not None
    assert observed.points == pytest.approx((50, 50, 50, 150, 150, 150))
    assert observed.requests == 1_200


def test_slices_with_few_requests_are_joined_until_the_quantile_means_something() -> None:
    p95 = query_of(MetricSpec("p95", "p95", MetricKind.LEVEL, query={"histogram": "took"}))
    observed = level([histogram(10 * n, 5 * n, 0) for n in range(13)], p95)
    assert observed is not None
    assert len(observed.points) == 3  # six slices of ten requests: a p95 needs twenty


def test_without_requests_there_is_no_level() -> None:
    assert level([histogram(10 * n, 7, 0) for n in range(13)]) is None


def test_what_is_left_over_joins_the_last_slice() -> None:
    assert filled([{"n": 3.0}, {"n": 3.0}, {"n": 1.0}], "n", 3) == [{"n": 3.0}, {"n": 4.0}]
    assert filled([{"n": 1.0}], "n", 3) == [{"n": 1.0}]
    assert filled([], "n", 3) == []


@given(
    st.dictionaries(st.sampled_from("abc"), st.floats(0, 1e9)),
    st.dictionaries(st.sampled_from("abc"), st.floats(0, 1e9)),
)
def test_nothing_ever_grows_by_less_than_nothing(
    before: dict[str, float], after: dict[str, float]
) -> None:
    grown = increases(before, after)
    assert set(grown) == set(after)
    assert all(0 <= value <= after[name] for name, value in grown.items())
