"""Reading Prometheus text without I/O: which counters a service's metrics need, and what
they were at one moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample as Series

from bot.domain.catalog import MetricKind, MetricSpec
from bot.domain.errors import ConfigurationError, IntegrationError
from bot.domain.limits import EXPOSITION, too_many
from bot.providers.metrics.scrape.selector import Selector, parse_selector

Counters = dict[str, dict[str, float]]
"""By commit, then by counter (a selector, or a selector and a bucket's bound):
the value as it was read.
"""

_SUFFIXES = ("", "_total", "_bucket", "_count", "_sum")
_KEYS = {
    MetricKind.RATIO: ("numerator", "denominator"),
    MetricKind.LEVEL: ("histogram", "quantile", "scale"),
}


@dataclass(frozen=True, slots=True)
class Query:
    """What one metric needs of an exposition: two counters for a ratio, a
    histogram's buckets for a level.
    """

    key: str
    numerator: Selector | None = None
    denominator: Selector | None = None
    histogram: Selector | None = None
    quantile: float = 0.95
    scale: float = 1.0


def query_of(spec: MetricSpec) -> Query:
    """Read a metric's query. Raises ConfigurationError naming the metric and what is wrong."""
    strange = sorted(set(spec.query) - set(_KEYS[spec.kind]))
    if strange:
        raise _wrong(
            spec, f'query knows no "{strange[0]}"; a {spec.kind} has {", ".join(_KEYS[spec.kind])}'
        )
    if spec.kind is MetricKind.RATIO:
        return Query(spec.key, _selector(spec, "numerator"), _selector(spec, "denominator"))
    quantile = _number(spec, "quantile", 0.95)
    if not 0 < quantile < 1:
        raise _wrong(spec, f"quantile {quantile:g} must lie between 0 and 1, for example 0.95")
    scale = _number(spec, "scale", 1.0)
    if scale <= 0:
        raise _wrong(
            spec, f"scale {scale:g} must be above 0, for example 1000 for seconds shown as ms"
        )
    return Query(spec.key, histogram=_selector(spec, "histogram"), quantile=quantile, scale=scale)


def _selector(spec: MetricSpec, key: str) -> Selector:
    if not spec.query.get(key):
        raise _wrong(spec, f"query needs {key}, the name of a series")
    try:
        return parse_selector(spec.query[key])
    except ConfigurationError as error:
        raise _wrong(spec, f"{key}: {error}") from error


def _number(spec: MetricSpec, key: str, default: float) -> float:
    value = spec.query.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(spec, f'{key} "{value}" must be a number, for example {default:g}')
    return float(value)


def _wrong(spec: MetricSpec, problem: str) -> ConfigurationError:
    return ConfigurationError(f'metric "{spec.key}": {problem}.')


def bucket(histogram: Selector, bound: str) -> str:
    """Name the counter of a histogram's bucket."""
    return f"{histogram}|{bound}"


def needs(query: Query) -> tuple[str, ...]:
    """Name what the counters of a query begin with."""
    histogram = (f"{query.histogram}|",) if query.histogram else ()
    return (*(str(selector) for selector in _counted(query)), *histogram)


def read(text: str, queries: Sequence[Query], commit_label: str) -> Counters:
    """Read an exposition: the counters that the queries need, added up for each
    commit. Others are left out.

    A counter whose family exists without a fitting series is 0 (nothing has failed yet); one
    whose family does not exist is missing, so that a misspelt name never looks like health.
    Raises IntegrationError when the text is no exposition (an HTML page, say), Unreadable
    when it has too many lines.
    """
    if text.count("\n") > EXPOSITION.items:
        raise too_many(EXPOSITION)
    wanted = _wanted(queries)
    counters: Counters = {}
    known: set[str] = set()
    try:
        for family in text_string_to_metric_families(text):
            known.update(family.name + suffix for suffix in _SUFFIXES)
            for series in family.samples:
                known.add(series.name)
                _add(counters, series, wanted, commit_label)
    except (
        ValueError,
        LookupError,
        ArithmeticError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise IntegrationError(
            f"The endpoint does not speak Prometheus text: {error}", vendor="metrics endpoint"
        ) from error
    _fill(counters, queries, known)
    return counters


def _wanted(queries: Sequence[Query]) -> Mapping[str, tuple[tuple[Selector, bool], ...]]:
    """Index the selectors by the series' name; the flag says that it is a histogram's."""
    wanted: dict[str, dict[tuple[Selector, bool], None]] = {}
    for query in queries:
        for selector in _counted(query):
            wanted.setdefault(selector.name, {})[selector, False] = None
        if query.histogram:
            wanted.setdefault(f"{query.histogram.name}_bucket", {})[query.histogram, True] = None
    return {name: tuple(selectors) for name, selectors in wanted.items()}


def _counted(query: Query) -> Iterator[Selector]:
    yield from (
        selector for selector in (query.numerator, query.denominator) if selector is not None
    )


def _add(
    counters: Counters,
    series: Series,
    wanted: Mapping[str, tuple[tuple[Selector, bool], ...]],
    commit_label: str,
) -> None:
    selectors = wanted.get(series.name, ())
    if commit_label not in series.labels and not selectors:
        return
    mine = counters.setdefault(series.labels.get(commit_label, ""), {})
    if not isfinite(series.value):
        return
    for selector, is_histogram in selectors:
        if selector.takes(selector.name, series.labels):
            name = bucket(selector, series.labels.get("le", "")) if is_histogram else str(selector)
            mine[name] = mine.get(name, 0.0) + series.value


def _fill(counters: Counters, queries: Sequence[Query], known: set[str]) -> None:
    for query in queries:
        empty = [str(selector) for selector in _counted(query) if selector.name in known]
        if query.histogram and query.histogram.name in known:
            empty.append(bucket(query.histogram, "+Inf"))
        for mine in counters.values():
            for name in empty:
                mine.setdefault(name, 0.0)
