"""The scraping source keeps what every source of metrics promises, from real endpoints."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from bot.domain.catalog import EnvironmentPolicy, MetricKind, MetricSpec, ProviderChoice, Service
from bot.engine.simulated import VirtualClock
from bot.ports.metrics import Sample
from bot.providers.metrics.scrape.provider import ScrapeMetrics
from bot.testing.metrics_contract import *  # noqa: F403 - pytest collects what a module holds
from bot.testing.metrics_contract import LEVEL, NEW, OLD, RATIO

EVERY = timedelta(seconds=10)
SPECS = (
    MetricSpec(
        RATIO,
        "errors",
        MetricKind.RATIO,
        unit="%",
        query={
            "numerator": 'http_requests_total{code=~"5.."}',
            "denominator": "http_requests_total",
        },
    ),
    MetricSpec(
        LEVEL,
        "p95",
        MetricKind.LEVEL,
        unit="ms",
        query={"histogram": "took_seconds", "scale": 1000},
    ),
)


class Instance:
    """A process of one version, with real metrics."""

    def __init__(self, commit: str) -> None:
        self.registry = CollectorRegistry()
        self.commit = commit
        self.requests = Counter(
            "http_requests", "Requests.", ["commit", "code"], registry=self.registry
        )
        self.took = Histogram(
            "took_seconds", "Seconds.", ["commit"], buckets=(0.1, 0.2, 0.4), registry=self.registry
        )
        self.requests.labels(commit, "200").inc(0)
        self.is_silent = False

    def serve(self, requests: int, failures: int, milliseconds: float) -> None:
        self.requests.labels(self.commit, "200").inc(requests - failures)
        self.requests.labels(self.commit, "500").inc(failures)
        for _ in range(requests):
            self.took.labels(self.commit).observe(milliseconds / 1000)

    async def metrics(self, _: web.Request) -> web.Response:
        if self.is_silent:
            return web.Response(status=503)
        return web.Response(
            body=generate_latest(self.registry),
            headers={"Content-Type": "text/plain; version=0.0.4"},
        )


class Samples:
    """A sample store in memory."""

    def __init__(self) -> None:
        self.kept: list[Sample] = []

    async def add(self, samples: Sequence[Sample]) -> None:
        self.kept += samples

    async def between(
        self, service: str, environment: str, start: datetime, end: datetime
    ) -> tuple[Sample, ...]:
        return tuple(
            s
            for s in self.kept
            if (s.service, s.environment) == (service, environment) and start <= s.at < end
        )

    async def prune(self, before: datetime) -> None:
        self.kept = [sample for sample in self.kept if sample.at >= before]


@dataclass
class ScrapeLab:
    """``bot.testing.metrics_contract.Lab``: two processes behind two addresses, and a
    clock that is set by hand.
    """

    source: ScrapeMetrics
    service: Service
    clock: VirtualClock
    old: Instance
    new: Instance

    @property
    def environment(self) -> EnvironmentPolicy:
        return self.service.environments["production"]

    def now(self) -> datetime:
        return self.clock.now()

    async def serves(self, span: timedelta, **traffic: tuple[int, int, float]) -> None:
        for _ in range(span // EVERY):
            for name, (requests, failures, milliseconds) in traffic.items():
                (self.old if name == "old" else self.new).serve(
                    requests // 6, failures // 6, milliseconds
                )
            self.clock.advance(EVERY)
            await self.source.scrape(self.service)

    async def falls_silent(self) -> None:
        self.old.is_silent = self.new.is_silent = True
        await self.serves(timedelta(minutes=5))


@pytest.fixture
async def lab() -> AsyncIterator[ScrapeLab]:
    old, new, clock, app = Instance(OLD), Instance(NEW), VirtualClock(), web.Application()
    app.router.add_get("/old", old.metrics)
    app.router.add_get("/new", new.metrics)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        url, nothing = str(server.make_url("")).rstrip("/"), ProviderChoice("none")
        policy = EnvironmentPolicy(
            "production", "canary", targets={"endpoints": [f"{url}/old", f"{url}/new"]}
        )
        service = Service(
            "storefront",
            nothing,
            ProviderChoice("scrape", {"every": 10}),
            nothing,
            {"production": policy},
            SPECS,
        )
        source = ScrapeMetrics([service], Samples(), session, clock)
        await source.scrape(service)
        yield ScrapeLab(source, service, clock, old, new)
