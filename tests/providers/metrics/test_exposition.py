"""Reading Prometheus text."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from bot.domain.catalog import MetricKind, MetricSpec
from bot.domain.errors import ConfigurationError, IntegrationError
from bot.providers.metrics.scrape.provider import queries_of
from bot.providers.metrics.scrape.reading import query_of, read

ERRORS = MetricSpec(
    "errors",
    "errors",
    MetricKind.RATIO,
    query={
        "numerator": 'http_requests_total{code=~"5.."}',
        "denominator": {"name": "http_requests_total"},
    },
)
P95 = MetricSpec(
    "p95",
    "p95",
    MetricKind.LEVEL,
    query={"histogram": "http_request_duration_seconds", "quantile": 0.95, "scale": 1000},
)
QUERIES = queries_of([ERRORS, P95])
FAILED, ALL, TOOK = (
    'http_requests_total{code=~"5.."}',
    "http_requests_total",
    "http_request_duration_seconds",
)


def exposition(*counts: tuple[str, str, int]) -> str:
    registry = CollectorRegistry()
    requests = Counter("http_requests", "Requests.", ["commit", "code", "route"], registry=registry)
    took = Histogram(
        "http_request_duration_seconds",
        "Seconds.",
        ["commit"],
        buckets=(0.1, 0.5),
        registry=registry,
    )
    for commit, code, count in counts:
        requests.labels(commit, code, "/").inc(count)
        requests.labels(commit, code, "/cart").inc(count)
        took.labels(commit).observe(0.2)
    return generate_latest(registry).decode()


def test_series_are_added_up_for_each_commit() -> None:
    found = read(
        exposition(("aaa", "200", 10), ("aaa", "503", 2), ("bbb", "200", 5)), QUERIES, "commit"
    )
    assert {commit: (values[FAILED], values[ALL]) for commit, values in found.items()} == {
        "aaa": (4, 24),
        "bbb": (0, 10),
    }
    assert {name: value for name, value in found["aaa"].items() if name.startswith(TOOK)} == {
        f"{TOOK}|0.1": 0, f"{TOOK}|0.5": 2, f"{TOOK}|+Inf": 2,
    }  # fmt: skip


def test_only_what_is_needed_is_kept() -> None:
    text = exposition(("aaa", "200", 1)) + '# TYPE other counter\nother_total{commit="aaa"} 5\n'
    assert set(read(text, QUERIES, "commit")["aaa"]) == {
        FAILED,
        ALL,
        *(f"{TOOK}|{bound}" for bound in ("0.1", "0.5", "+Inf")),
    }


def test_without_the_label_everything_belongs_to_no_commit() -> None:
    assert set(read(exposition(("aaa", "200", 1)), QUERIES, "version")) == {""}


def test_a_version_without_traffic_counts_zero() -> None:
    text = exposition() + '# TYPE build_info gauge\nbuild_info{commit="ccc"} 1\n'
    assert read(text, QUERIES, "commit") == {"ccc": {FAILED: 0.0, ALL: 0.0, f"{TOOK}|+Inf": 0.0}}


def test_a_misspelt_counter_is_missing_and_never_zero() -> None:
    wrong = MetricSpec(
        "errors",
        "errors",
        MetricKind.RATIO,
        query={"numerator": "http_reqests_total", "denominator": "http_requests_total"},
    )
    found = read(exposition(("aaa", "200", 1)), queries_of([wrong]), "commit")
    assert found == {"aaa": {ALL: 2.0}}


@pytest.mark.parametrize(
    "text",
    ["<html><body>Sign in</body></html>", 'http_requests_total{code="5', "a b c d e", "a{b} 1"],
)
def test_what_is_no_exposition_is_refused(text: str) -> None:
    with pytest.raises(IntegrationError, match="does not speak Prometheus text"):
        read(text, QUERIES, "commit")


def test_values_that_are_no_numbers_are_left_out() -> None:
    text = (
        '# TYPE http_requests_total counter\nhttp_requests_total{commit="a"} '
        'NaN\nhttp_requests_total{commit="a",code="500"} +Inf\n'
    )
    assert read(text, QUERIES, "commit") == {"a": {FAILED: 0.0, ALL: 0.0}}


@given(st.text(max_size=200))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    try:
        read(text, QUERIES, "commit")
    except IntegrationError as error:
        assert error.vendor == "metrics endpoint"  # noqa: PT017 - both ends are fine


@pytest.mark.parametrize(
    ("kind", "query", "problem"),
    [
        (MetricKind.RATIO, {}, "query needs numerator"),
        (MetricKind.RATIO, {"numerator": "a"}, "query needs denominator"),
        (
            MetricKind.RATIO,
            {"numerator": "a", "denominator": "b", "histogram": "c"},
            'knows no "histogram"',
        ),
        (
            MetricKind.RATIO,
            {"numerator": "a{", "denominator": "b"},
            "numerator: 'a{' names no series",
        ),
        (MetricKind.LEVEL, {}, "query needs histogram"),
        (
            MetricKind.LEVEL,
            {"histogram": "a", "quantile": 95},
            "quantile 95 must lie between 0 and 1",
        ),
        (
            MetricKind.LEVEL,
            {"histogram": "a", "quantile": "p95"},
            'quantile "p95" must be a number',
        ),
        (MetricKind.LEVEL, {"histogram": "a", "scale": 0}, "scale 0 must be above 0"),
    ],
)
def test_a_query_that_cannot_be_read_is_refused_with_the_metrics_name(
    kind: MetricKind, query: Mapping[str, object], problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=f'metric "m": .*{problem}'):
        query_of(MetricSpec("m", "m", kind, query=query))
