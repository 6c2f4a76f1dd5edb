"""The embedded metrics source: reads the services' own Prometheus endpoints and keeps a bounded history in the database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import aiohttp
import structlog

from bot.domain.catalog import EnvironmentPolicy, MetricSpec, Service
from bot.domain.errors import ConfigurationError, IntegrationError
from bot.domain.health import Observed
from bot.ports import Clock, Cohort, Sample, SampleStore, Window
from bot.providers.metrics.exposition import Query, increases, quantile, query_of, read

log = structlog.get_logger(__name__)

BODY_CAP = 4 * 1024 * 1024
PATIENCE = aiohttp.ClientTimeout(total=5)
RETENTION = timedelta(hours=2)
SLICES = 12
"""Into how many slices a window is cut for a level; each is at least two scrapes long, and they never overlap."""


@dataclass(frozen=True, slots=True)
class _Growth:
    """What grew between two scrapes of one endpoint, for one commit."""

    at: datetime
    commit: str
    counters: Mapping[str, float]


class ScrapeMetrics:
    """``ports.MetricsSource`` for all services that use it."""

    def __init__(self, services: Sequence[Service], samples: SampleStore, session: aiohttp.ClientSession, clock: Clock) -> None:
        self._services = services
        self._samples = samples
        self._session = session
        self._clock = clock
        self._queries = {service.name: tuple(query_of(spec) for spec in service.metric_specs) for service in services}
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Begin to scrape."""
        self._tasks = [asyncio.create_task(self._collect(service), name=f"scrape {service.name}") for service in self._services]

    async def close(self) -> None:
        """Stop scraping."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _collect(self, service: Service) -> None:
        every = interval(service)
        while True:
            try:
                await self.scrape(service)
            except Exception:
                log.exception("the scrapes could not be stored", service=service.name)
            await asyncio.sleep(every.total_seconds())

    async def scrape(self, service: Service) -> None:
        """Scrape every endpoint of a service once, and forget what is too old."""
        asked = [(policy.name, url) for policy in service.environments.values() for url in policy.targets.get("endpoints", ())]
        found = await asyncio.gather(*(self._sample(service, environment, url) for environment, url in asked))
        await self._samples.add([sample for sample in found if sample is not None])
        longest = max((policy.baseline + policy.watch for policy in service.environments.values()), default=RETENTION)
        await self._samples.prune(self._clock.now() - max(RETENTION, longest))

    async def _sample(self, service: Service, environment: str, url: str) -> Sample | None:
        """Scrape one endpoint; one that does not answer is normal (an idle slot) and leaves a gap."""
        label = str(service.metrics.options.get("commit_label", "commit"))
        try:
            async with self._session.get(url, timeout=PATIENCE, allow_redirects=False) as response:
                body = await response.content.read(BODY_CAP)
            if response.status != 200:  # noqa: PLR2004 - HTTP
                return None
            values = read(body.decode("utf-8", "replace"), self._queries[service.name], label)
        except (aiohttp.ClientError, TimeoutError, OSError, IntegrationError) as error:
            log.debug("an endpoint did not answer", url=url, error=type(error).__name__)
            return None
        return Sample(service.name, environment, url, self._clock.now(), values)

    async def observe(self, service: Service, environment: EnvironmentPolicy, window: Window, cohort: Cohort) -> Mapping[str, Observed]:
        """Observe every metric of a service over a window, for the instances of a cohort."""
        early = window.start - 3 * interval(service)  # the scrape before the window is where its first growth begins
        samples = await self._samples.between(service.name, environment.name, early, window.end + timedelta(microseconds=1))
        grown = [each for each in _growths(samples) if each.at > window.start and _belongs(each.commit, cohort)]
        cut = max(2 * interval(service), (window.end - window.start) / SLICES)
        found = {query.key: _observed(query, grown, window, cut) for query in self._queries[service.name]}
        return {key: observed for key, observed in found.items() if observed is not None}


def interval(service: Service) -> timedelta:
    """Read how often a service is scraped. Raises ConfigurationError."""
    every = service.metrics.options.get("every", 15)
    if isinstance(every, timedelta):
        return every
    if isinstance(every, int | float) and every > 0:
        return timedelta(seconds=float(every))
    raise ConfigurationError(f'services.{service.name}.metrics.every: "{every}" is no duration. Write 15s.')


def validate(specs: Sequence[MetricSpec]) -> None:
    """Raise ConfigurationError for the first metric whose query cannot be read."""
    for spec in specs:
        query_of(spec)


def _belongs(commit: str, cohort: Cohort) -> bool:
    if not cohort.commit:
        return True
    return (commit != cohort.commit) if cohort.others else (commit == cohort.commit)


def _growths(samples: Sequence[Sample]) -> Iterator[_Growth]:
    """Pair each scrape with the one before it at the same endpoint. A commit that was not there before has grown from nothing."""
    last: dict[str, Sample] = {}
    for sample in samples:
        before = last.get(sample.endpoint)
        last[sample.endpoint] = sample
        if before is None:
            continue
        for commit, counters in sample.values.items():
            yield _Growth(sample.at, commit, increases(before.values.get(commit, {}), counters))


def _observed(query: Query, grown: Sequence[_Growth], window: Window, cut: timedelta) -> Observed | None:
    if query.histogram is not None:
        return _level(query, grown, window, cut)
    numerator = sum(each.counters.get(f"{query.key}.numerator", 0.0) for each in grown)
    denominator = sum(each.counters.get(f"{query.key}.denominator", 0.0) for each in grown)
    return Observed(numerator, denominator, requests=denominator) if denominator > 0 else None


def _level(query: Query, grown: Sequence[_Growth], window: Window, cut: timedelta) -> Observed | None:
    slices: dict[int, dict[str, float]] = {}
    for each in grown:
        mine = slices.setdefault(int((each.at - window.start) / cut), {})
        for name, value in each.counters.items():
            mine[name] = mine.get(name, 0.0) + value
    points = [quantile(counters, query.key, query.quantile) for _, counters in sorted(slices.items())]
    requests = sum(counters.get(f"{query.key}.le.+Inf", 0.0) for counters in slices.values())
    values = tuple(point * query.scale for point in points if point is not None)
    return Observed(points=values, requests=requests) if values else None
