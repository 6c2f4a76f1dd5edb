"""The embedded metrics source: reads the services' own Prometheus endpoints and keeps a bounded
history in the database.

Only configured addresses are asked, and redirects are not followed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import aiohttp
import structlog

from bot.domain import plain
from bot.domain.catalog import EnvironmentPolicy, MetricSpec, Service
from bot.domain.errors import ConfigurationError, IntegrationError
from bot.domain.health import STALE, Observed
from bot.domain.limits import EXPOSITION, Unreadable, too_large
from bot.foreign import beside
from bot.ports.metrics import Cohort, Sample, SampleStore, Window
from bot.ports.time import Clock
from bot.providers.context import Finding
from bot.providers.metrics.scrape.growth import belongs, observe
from bot.providers.metrics.scrape.reading import Counters, Query, needs, query_of, read

log = structlog.get_logger(__name__)

PATIENCE = timedelta(seconds=5)
RETENTION = timedelta(hours=2)
MOST_SAMPLES = 100_000
"""How many scrapes are kept at the most, over all endpoints; with many of them the
history becomes shorter.
"""
PRUNE_EVERY = timedelta(minutes=1)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m)")
_SUCCESS = 200
_NOBODY_THERE = {502, 503, 504}
"""What a proxy answers for what nothing serves."""
_LONGEST = 3600.0
_NEVER = datetime.min.replace(tzinfo=UTC)


class ScrapeMetrics:
    """``ports.MetricsSource`` for all services that use it. Raises ConfigurationError for
    options that cannot be read.
    """

    def __init__(
        self,
        services: Sequence[Service],
        samples: SampleStore,
        session: aiohttp.ClientSession,
        clock: Clock,
        *,
        retention: timedelta = RETENTION,
        most_samples: int = MOST_SAMPLES,
    ) -> None:
        self._services = services = [
            service for service in services if service.metrics.provider == "scrape"
        ]
        self._samples = samples
        self._session = session
        self._clock = clock
        self._queries = {service.name: queries_of(service.metric_specs) for service in services}
        self._endpoints = {service.name: endpoints(service) for service in services}
        self._keep = self._kept(retention, most_samples)
        self._pruned = _NEVER
        self._silent: dict[str, _Silence] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def _kept(self, retention: timedelta, most_samples: int) -> timedelta:
        """Work out how much history is kept: what baselines and watches need,
        as long as there is room.
        """
        spans = [
            policy.baseline + policy.watch
            for service in self._services
            for policy in service.environments.values()
        ]
        per_second = sum(
            len(self._endpoints[service.name]) / interval(service).total_seconds()
            for service in self._services
        )
        wanted = max([retention, *spans])
        return min(wanted, timedelta(seconds=most_samples / per_second)) if per_second else wanted

    async def open(self) -> None:
        """Begin to scrape."""
        self._tasks = [
            asyncio.create_task(self._collect(service), name=f"scrape {service.name}")
            for service in self._services
        ]

    async def close(self) -> None:
        """Stop scraping."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _collect(self, service: Service) -> None:
        every = interval(service).total_seconds()
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            try:
                await self.scrape(service)
            except Exception:
                log.exception("the scrapes could not be stored", service=service.name)
            due = max(due + every, loop.time())
            await asyncio.sleep(due - loop.time())

    async def scrape(self, service: Service) -> None:
        """Scrape every endpoint of a service once, and now and then forget what is too old."""
        asked = self._endpoints[service.name]
        found = await asyncio.gather(
            *(self._sample(service, environment, url) for environment, url in asked)
        )
        answered = [sample for sample in found if sample is not None]
        if answered:
            await self._samples.add(answered)
        if self._clock.now() - self._pruned >= PRUNE_EVERY:
            self._pruned = self._clock.now()
            await self._samples.prune(self._pruned - self._keep)

    async def _sample(self, service: Service, environment: str, url: str) -> Sample | None:
        """Scrape one endpoint; one that does not answer is normal (an
        idle slot) and leaves a gap.
        """
        try:
            body = await self._fetch(url, min(PATIENCE, 2 * interval(service)))
            at = self._clock.now()
            text = body.decode("utf-8", "replace")
            values = await beside(
                EXPOSITION, read, text, self._queries[service.name], commit_label(service)
            )
        except (Unreadable, aiohttp.ClientError, TimeoutError, OSError, IntegrationError) as error:
            self._note(url, error)
            return None
        self._note(url, None)
        return Sample(service.name, environment, url, at, values)

    async def examine(self, service: Service) -> Sequence[Finding]:
        """Ask each endpoint once, and look whether it has what the metrics need."""
        places = self._endpoints[service.name]
        found = await asyncio.gather(
            *(self._examined(service, environment, url) for environment, url in places)
        )
        served = {
            environment
            for (environment, _), each in zip(places, found, strict=True)
            if isinstance(each, Finding) and each.ok
        }
        return [
            each.finding(is_served=environment in served) if isinstance(each, _Idle) else each
            for (environment, _), each in zip(places, found, strict=True)
        ]

    async def _examined(self, service: Service, environment: str, url: str) -> Finding | _Idle:
        subject, label, queries = (
            f"{environment} {url}",
            commit_label(service),
            self._queries[service.name],
        )
        try:
            body = await self._fetch(url, PATIENCE)
            values = await asyncio.to_thread(read, body.decode("utf-8", "replace"), queries, label)
        except IntegrationError as error:
            if error.status in _NOBODY_THERE:
                return _Idle(subject, error.status)
            return Finding(
                subject,
                ok=False,
                sentence=str(error),
                remedy="Correct the address: it has to answer with Prometheus text.",
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            remedy = (
                "Look whether the service runs there and this machine may reach it; "
                "correct targets.endpoints."
            )
            return Finding(
                subject,
                ok=False,
                sentence=f"does not answer ({type(error).__name__}).",
                remedy=remedy,
            )
        return lacking(subject, values, queries, label)

    async def _fetch(self, url: str, patience: timedelta) -> bytes:
        timeout = aiohttp.ClientTimeout(total=patience.total_seconds())
        async with self._session.get(url, timeout=timeout, allow_redirects=False) as response:
            if response.status != _SUCCESS:
                raise IntegrationError(
                    f"It answers {response.status}.",
                    vendor="metrics endpoint",
                    status=response.status,
                )
            body = bytearray()
            async for chunk in response.content.iter_chunked(64 * 1024):
                body += chunk
                if len(body) > EXPOSITION.size:
                    raise too_large(EXPOSITION)
            return bytes(body)

    def _note(self, url: str, error: Exception | None) -> None:
        """Keep since when an endpoint does not answer, and what is there instead; log when that
        begins and ends, not each time.
        """
        before = self._silent.pop(url, None)
        if error is not None:
            self._silent[url] = _Silence(told(error), before.since if before else self._clock.now())
        if (before is None) != (error is None):
            reason = (str(error) or type(error).__name__) if error else None
            log.info(
                "an endpoint does not answer" if error else "an endpoint answers again",
                url=url,
                reason=reason,
            )

    async def observe(
        self, service: Service, environment: EnvironmentPolicy, window: Window, cohort: Cohort
    ) -> Mapping[str, Observed]:
        """Observe every metric of a service over a window. Raises IntegrationError where an
        endpoint is silent and nothing new is known.
        """
        if window.end <= window.start:
            return {}
        every = interval(service)
        # growth needs the scrapes on both sides of a window's edge, and one may have been missed
        reach = 3 * every
        samples = await self._samples.between(
            service.name, environment.name, window.start - reach, window.end + reach
        )
        if self._clock.now() - window.end < reach:
            self._refuse_old(service, environment.name, window, _newest(samples, cohort), reach)
        return observe(samples, self._queries[service.name], window, cohort, every)

    def _refuse_old(
        self, service: Service, environment: str, window: Window, newest: datetime, reach: timedelta
    ) -> None:
        """Let no old scrape of a cohort pass for now: say which endpoint does not answer, and since
        when. Raises IntegrationError.
        """
        silent = [
            (url, self._silent[url])
            for name, url in self._endpoints[service.name]
            if name == environment and url in self._silent
        ]
        is_lately = newest > window.end - reach or (
            newest >= window.start and newest > window.end - STALE
        )
        if is_lately or not silent:
            return
        url, silence = silent[0]
        others = f", and {len(silent) - 1} more" if len(silent) > 1 else ""
        raise IntegrationError(
            f"{named(url)} {silence.reason} since {plain.moment(silence.since)}{others}",
            vendor="metrics endpoint",
        )


@dataclass(frozen=True, slots=True)
class _Silence:
    """That an endpoint does not answer."""

    reason: str
    since: datetime


def _newest(samples: Sequence[Sample], cohort: Cohort) -> datetime:
    """Say when a cohort was last seen; an idle endpoint beside one that answers is normal."""
    return max(
        (each.at for each in samples if any(belongs(commit, cohort) for commit in each.values)),
        default=_NEVER,
    )


def told(error: Exception) -> str:
    """Say what an endpoint does instead of answering, for a person."""
    if isinstance(error, IntegrationError) and error.status is not None:
        return f"answers {error.status}"
    if isinstance(error, IntegrationError | Unreadable):
        return "answers what cannot be read"
    return "does not answer in time" if isinstance(error, TimeoutError) else "cannot be reached"


def named(url: str) -> str:
    """Name an endpoint without what may be secret of its address: who asks, and with what."""
    parts = urlsplit(url)
    return f"{parts.netloc.rpartition('@')[2]}{parts.path}"


@dataclass(frozen=True, slots=True)
class _Idle:
    """An endpoint that is there and that nothing serves: the idle slot of two,
    or a service that is down.
    """

    subject: str
    status: int

    def finding(self, *, is_served: bool) -> Finding:
        """Judge it by whether another endpoint of its environment answers."""
        says = f"answers {self.status}: nothing serves there now."
        if is_served:
            return Finding(
                self.subject,
                ok=True,
                sentence=(
                    f"{says} Another endpoint of the environment answers, "
                    "so it may be an idle slot."
                ),
            )
        remedy = "Look whether the service runs there; no endpoint of the environment answers."
        return Finding(self.subject, ok=False, sentence=says, remedy=remedy)


def lacking(subject: str, values: Counters, queries: Sequence[Query], label: str) -> Finding:
    """Say which metrics an endpoint cannot answer, and whether its series carry the commit."""
    known = {name for mine in values.values() for name in mine}
    silent = [
        query.key
        for query in queries
        if any(not any(name.startswith(needed) for name in known) for needed in needs(query))
    ]
    if silent:
        sentence = f"answers, but has no series for {', '.join(silent)}."
        return Finding(
            subject,
            ok=False,
            sentence=sentence,
            remedy="Correct the metrics' queries, or let the service expose them.",
        )
    if not any(values):
        sentence = (
            f'answers, but no series carries the label "{label}", so old and new '
            "versions cannot be told apart."
        )
        return Finding(
            subject,
            ok=False,
            sentence=sentence,
            remedy="Let the service add its commit as a label, or set commit_label.",
        )
    return Finding(subject, ok=True, sentence="answers, and has every metric.")


def interval(service: Service) -> timedelta:
    """Read how often a service is scraped: ``15s``, ``1m`` or seconds as a number.
    Raises ConfigurationError.
    """
    every = service.metrics.options.get("every", 15)
    seconds = _seconds(every)
    if 0 < seconds <= _LONGEST:
        return timedelta(seconds=seconds)
    raise ConfigurationError(
        f'services.{service.name}.metrics.every: "{every}" is no duration up to an hour. Write 15s.'
    )


def _seconds(every: object) -> float:
    if isinstance(every, timedelta):
        return every.total_seconds()
    if isinstance(every, int | float) and not isinstance(every, bool):
        return float(every)
    written = _DURATION.fullmatch(every) if isinstance(every, str) else None
    return float(written[1]) * (60 if written[2] == "m" else 1) if written else 0.0


def commit_label(service: Service) -> str:
    """Read which label of the series holds the commit. Raises ConfigurationError."""
    label = service.metrics.options.get("commit_label", "commit")
    if isinstance(label, str) and label:
        return label
    raise ConfigurationError(
        f'services.{service.name}.metrics.commit_label: "{label}" is no label. '
        "Write the label's name."
    )


def endpoints(service: Service) -> tuple[tuple[str, str], ...]:
    """List a service's environments and the addresses to scrape there, each pair once.
    Raises ConfigurationError.
    """
    return tuple(
        dict.fromkeys(
            (policy.name, _address(service, policy, url))
            for policy in service.environments.values()
            for url in listed(policy)
        )
    )


def listed(policy: EnvironmentPolicy) -> Sequence[object]:
    """Give the addresses of an environment as they were written: a list of them, or one."""
    written = policy.targets.get("endpoints", ())
    return written if isinstance(written, list | tuple) else (written,)


def _address(service: Service, policy: EnvironmentPolicy, url: object) -> str:
    parts = urlsplit(url) if isinstance(url, str) else None
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        where = f"services.{service.name}.environments.{policy.name}.targets.endpoints"
        raise ConfigurationError(f'{where}: "{url}" is no address. Write http://host:port/metrics.')
    return str(url)


def queries_of(specs: Sequence[MetricSpec]) -> tuple[Query, ...]:
    """Read the metrics' queries. Raises ConfigurationError for the first that cannot be read."""
    return tuple(query_of(spec) for spec in specs)
