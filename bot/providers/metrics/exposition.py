"""Reading Prometheus text without I/O: which counters a service's metrics need, and what they were at one moment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from bot.domain.catalog import MetricKind, MetricSpec
from bot.domain.errors import ConfigurationError, IntegrationError

Counters = dict[str, dict[str, float]]
"""By commit, then by counter (``errors.numerator``, ``p95.le.0.25``): the value as it was read."""


@dataclass(frozen=True, slots=True)
class Selector:
    """Which series are added up: a name, and what their labels must be (``~`` begins a regular expression, ``!`` a negation)."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def takes(self, name: str, labels: Mapping[str, str]) -> bool:
        """Tell whether a series is meant."""
        return name == self.name and all(_holds(wanted, labels.get(label, "")) for label, wanted in self.labels.items())


def _holds(wanted: str, value: str) -> bool:
    if wanted.startswith("!"):
        return not _holds(wanted[1:], value)
    if wanted.startswith("~"):
        return re.fullmatch(wanted[1:], value) is not None
    return wanted == value


@dataclass(frozen=True, slots=True)
class Query:
    """What one metric needs of an exposition."""

    key: str
    numerator: Selector | None = None
    denominator: Selector | None = None
    histogram: Selector | None = None
    quantile: float = 0.95
    scale: float = 1.0


def query_of(spec: MetricSpec) -> Query:
    """Read a metric's query. Raises ConfigurationError naming the metric and what is wrong."""
    query = spec.query
    if spec.kind is MetricKind.RATIO:
        return Query(spec.key, _selector(spec, query.get("numerator")), _selector(spec, query.get("denominator")))
    quantile, scale = query.get("quantile", 0.95), query.get("scale", 1.0)
    if not isinstance(quantile, int | float) or not 0 < quantile < 1:
        raise ConfigurationError(f'metric "{spec.key}": quantile must lie between 0 and 1, for example 0.95.')
    if not isinstance(scale, int | float):
        raise ConfigurationError(f'metric "{spec.key}": scale must be a number, for example 1000 for seconds shown as ms.')
    return Query(spec.key, histogram=_selector(spec, query.get("histogram")), quantile=float(quantile), scale=float(scale))


def _selector(spec: MetricSpec, value: Any) -> Selector:
    if isinstance(value, str) and value:
        return Selector(value)
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        labels = value.get("labels") or {}
        for wanted in labels.values():
            _check_pattern(spec, str(wanted))
        return Selector(value["name"], {str(label): str(wanted) for label, wanted in labels.items()})
    wants = "numerator and denominator" if spec.kind is MetricKind.RATIO else "histogram"
    raise ConfigurationError(f'metric "{spec.key}": query needs {wants}, each the name of a series or {{name: …, labels: {{…}}}}.')


def _check_pattern(spec: MetricSpec, wanted: str) -> None:
    pattern = wanted.lstrip("!")
    if pattern.startswith("~"):
        try:
            re.compile(pattern[1:])
        except re.error as error:
            raise ConfigurationError(f'metric "{spec.key}": "{pattern[1:]}" is no regular expression: {error}.') from None


def read(text: str, queries: Sequence[Query], commit_label: str) -> Counters:
    """Read an exposition. Raises IntegrationError when it is none (an HTML page, say)."""
    counters: Counters = {}
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                for counter in _counters(sample.name, sample.labels, queries):
                    mine = counters.setdefault(sample.labels.get(commit_label, ""), {})
                    mine[counter] = mine.get(counter, 0.0) + sample.value
    except (ValueError, KeyError) as error:
        raise IntegrationError(f"The endpoint does not speak Prometheus text: {error}", vendor="metrics endpoint") from error
    return counters


def _counters(name: str, labels: Mapping[str, str], queries: Sequence[Query]) -> Iterator[str]:
    for query in queries:
        if query.numerator and query.numerator.takes(name, labels):
            yield f"{query.key}.numerator"
        if query.denominator and query.denominator.takes(name, labels):
            yield f"{query.key}.denominator"
        if query.histogram and name == f"{query.histogram.name}_bucket" and query.histogram.takes(query.histogram.name, labels):
            yield f"{query.key}.le.{labels.get('le', '')}"


def increases(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Tell how much each counter grew between two scrapes. A counter that fell was reset, and has grown to what it is now."""
    return {name: value - before.get(name, 0.0) if value >= before.get(name, 0.0) else value for name, value in after.items()}


def quantile(grown: Mapping[str, float], key: str, q: float) -> float | None:
    """Estimate a quantile from the growth of a histogram's buckets, as Prometheus does: linear within a bucket."""
    prefix = f"{key}.le."
    buckets = sorted((float(name.removeprefix(prefix)), count) for name, count in grown.items() if name.startswith(prefix))
    if not buckets or buckets[-1][1] <= 0:
        return None
    rank = q * buckets[-1][1]
    lower, below = 0.0, 0.0
    for bound, count in buckets:
        if count >= rank:
            if bound == float("inf"):
                return lower
            share = (rank - below) / (count - below) if count > below else 0.0
            return lower + (bound - lower) * share
        lower, below = bound, count
    return lower
