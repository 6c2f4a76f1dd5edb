"""The scraping source against real endpoints on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from bot.domain.catalog import EnvironmentPolicy, MetricKind, MetricSpec, ProviderChoice, Service
from bot.domain.errors import ConfigurationError, IntegrationError
from bot.domain.health import Verdict
from bot.domain.judgement import snapshot
from bot.domain.limits import EXPOSITION, Fault, Unreadable
from bot.ports.metrics import Cohort, MetricsSource, Sample, Window
from bot.providers.metrics.scrape.kind import check as check_service
from bot.providers.metrics.scrape.provider import ScrapeMetrics, commit_label, interval, told

OLD, NEW = "a" * 40, "b" * 40
ERRORS = MetricSpec(
    "errors", "errors", MetricKind.RATIO, unit="%",
    query={"numerator": 'http_requests_total{code=~"5.."}', "denominator": "http_requests_total"},
)  # fmt: skip
P95 = MetricSpec(
    "p95",
    "p95",
    MetricKind.LEVEL,
    unit="ms",
    min_change=20,
    query={"histogram": "took_seconds", "scale": 1000},
)


@dataclass
class Watch:
    """A clock that is set by hand."""

    time: datetime = datetime(2026, 11, 21, 2, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


@dataclass
class Memory:
    """A sample store in memory."""

    samples: list[Sample] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    refusals: int = 0

    async def add(self, samples: Sequence[Sample]) -> None:
        if self.refusals:
            self.refusals -= 1
            raise OSError("the disk is full")
        self.samples += samples
        self.changed.set()

    async def between(
        self, service: str, environment: str, start: datetime, end: datetime
    ) -> tuple[Sample, ...]:
        return tuple(
            s
            for s in self.samples
            if (s.service, s.environment) == (service, environment) and start <= s.at < end
        )

    async def prune(self, before: datetime) -> None:
        self.samples = [sample for sample in self.samples if sample.at >= before]


class Shop:
    """A process of the service: one version, real metrics, real HTTP."""

    def __init__(self, commit: str) -> None:
        self.registry = CollectorRegistry()
        self.commit = commit
        self.requests = Counter(
            "http_requests", "Requests.", ["commit", "code"], registry=self.registry
        )
        self.took = Histogram(
            "took_seconds",
            "Seconds.",
            ["commit"],
            buckets=(0.1, 0.2, 0.4, 0.8),
            registry=self.registry,
        )

    def serve(self, *, good: int, bad: int = 0, seconds: float = 0.15) -> None:
        self.requests.labels(self.commit, "200").inc(good)
        self.requests.labels(self.commit, "500").inc(bad)
        for _ in range(good + bad):
            self.took.labels(self.commit).observe(seconds)

    async def metrics(self, _: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(self.registry),
            headers={"Content-Type": "text/plain; version=0.0.4"},
        )


def storefront(
    *urls: object, options: Mapping[str, object] | None = None, provider: str = "scrape"
) -> Service:
    nothing = ProviderChoice("none")
    policy = EnvironmentPolicy("production", "canary", targets={"endpoints": list(urls)})
    choice = ProviderChoice(provider, {"every": 10, **(options or {})})
    return Service("storefront", nothing, choice, nothing, {"production": policy}, (ERRORS, P95))


@asynccontextmanager
async def served(**routes: object) -> AsyncIterator[str]:
    app = web.Application()
    for name, handler in routes.items():
        app.router.add_get(f"/{name}", handler)  # type: ignore[arg-type]
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


async def test_a_canary_that_fails_is_seen_beside_the_old_version(
    session: aiohttp.ClientSession,
) -> None:
    old, new, clock, memory = Shop(OLD), Shop(NEW), Watch(), Memory()
    async with served(old=old.metrics, new=new.metrics) as url:
        service = storefront(f"{url}/old", f"{url}/new")
        source = ScrapeMetrics([service], memory, session, clock)
        begin = clock.time
        for _ in range(31):
            await source.scrape(service)
            old.serve(good=40)
            new.serve(good=18, bad=2, seconds=0.6)
            clock.time += timedelta(seconds=10)
    port: MetricsSource = source
    window, policy = Window(begin, clock.time), service.environments["production"]
    baseline = await port.observe(service, policy, window, Cohort(NEW, others=True))
    current = await port.observe(service, policy, window, Cohort(NEW))
    everything = await port.observe(service, policy, window, Cohort())
    assert (baseline["errors"].numerator, baseline["errors"].denominator) == (0, 1_200)
    assert (current["errors"].numerator, current["errors"].denominator) == (60, 600)
    assert everything["errors"].denominator == 1_800
    assert current["p95"].points == pytest.approx([780.0] * 12)
    shot = snapshot(
        "storefront-1",
        "canary 5 %",
        clock.time,
        service.metric_specs,
        baseline=baseline,
        current=current,
    )
    assert [finding.verdict for finding in shot.findings] == [Verdict.DEGRADED, Verdict.DEGRADED]


async def test_an_endpoint_that_is_down_is_normal(session: aiohttp.ClientSession) -> None:
    shop, memory = Shop(OLD), Memory()
    async with served(up=shop.metrics) as url:
        service = storefront(f"http://127.0.0.1:{unused_port()}/metrics", f"{url}/up")
        await ScrapeMetrics([service], memory, session, Watch()).scrape(service)
    assert [sample.endpoint for sample in memory.samples] == [f"{url}/up"]


@dataclass
class Falls:
    """An endpoint that answers as its shop does, until it is told not to."""

    shop: Shop
    status: int = 200

    async def metrics(self, request: web.Request) -> web.Response:
        return (
            await self.shop.metrics(request)
            if self.status == 200
            else web.Response(status=self.status)
        )


async def scraped(
    source: ScrapeMetrics, service: Service, clock: Watch, *shops: Shop, times: int
) -> None:
    for _ in range(times):
        await source.scrape(service)
        for shop in shops:
            shop.serve(good=40)
        clock.time += timedelta(seconds=10)


async def test_an_endpoint_that_answers_503_through_a_whole_hold_is_named_with_that_and_since_when(
    session: aiohttp.ClientSession,
) -> None:
    old, new, clock, memory = Shop(OLD), Shop(NEW), Watch(), Memory()
    place = Falls(old)
    async with served(metrics=place.metrics) as url:
        service = storefront(f"{url.replace('//', '//me:secret@')}/metrics?key=secret")
        source = ScrapeMetrics([service], memory, session, clock)
        await scraped(source, service, clock, old, times=10)
        place.shop = new
        await scraped(source, service, clock, new, times=3)
        place.status, began = 503, clock.time
        await scraped(source, service, clock, new, times=12)
        policy = service.environments["production"]
        with pytest.raises(IntegrationError) as refused:
            await source.observe(service, policy, Window(began, clock.time), Cohort(NEW))
        assert (
            str(refused.value)
            == f"{url.removeprefix('http://')}/metrics answers 503 since 2026-11-21 02:02 UTC"
        )
        assert await source.observe(
            service, policy, Window(began - timedelta(minutes=2), began), Cohort(OLD)
        ), "of before it is known"
        place.status = 200
        await scraped(source, service, clock, new, times=3)
        assert await source.observe(service, policy, Window(began, clock.time), Cohort(NEW))


async def test_numbers_that_are_old_do_not_pass_for_now(session: aiohttp.ClientSession) -> None:
    shop, clock, memory = Shop(NEW), Watch(), Memory()
    place = Falls(shop)
    async with served(metrics=place.metrics) as url:
        service = storefront(f"{url}/metrics")
        source, begin, policy = (
            ScrapeMetrics([service], memory, session, clock),
            clock.time,
            service.environments["production"],
        )
        await scraped(source, service, clock, shop, times=30)
        place.status = 500
        await scraped(source, service, clock, times=6)
        assert await source.observe(service, policy, Window(begin, clock.time), Cohort(NEW)), (
            "a minute is no silence"
        )
        await scraped(source, service, clock, times=8)
        with pytest.raises(IntegrationError, match="answers 500 since"):
            await source.observe(service, policy, Window(begin, clock.time), Cohort(NEW))


async def test_the_new_versions_own_endpoint_that_falls_silent_is_named_although_the_old_one_answers(
    session: aiohttp.ClientSession,
) -> None:
    old, new, clock, memory = Shop(OLD), Shop(NEW), Watch(), Memory()
    place = Falls(new)
    async with served(old=old.metrics, new=place.metrics) as url:
        service = storefront(f"{url}/old", f"{url}/new")
        source, begin, policy = (
            ScrapeMetrics([service], memory, session, clock),
            clock.time,
            service.environments["production"],
        )
        await scraped(source, service, clock, old, new, times=12)
        place.status = 502
        await scraped(source, service, clock, old, times=20)
        with pytest.raises(IntegrationError, match="/new answers 502 since"):
            await source.observe(service, policy, Window(begin, clock.time), Cohort(NEW))
        assert await source.observe(
            service, policy, Window(begin, clock.time), Cohort(NEW, others=True)
        )


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (IntegrationError("It answers 503.", vendor="metrics endpoint", status=503), "answers 503"),
        (Unreadable(Fault.FORM, "no exposition"), "answers what cannot be read"),
        (TimeoutError(), "does not answer in time"),
        (OSError("refused"), "cannot be reached"),
    ],
)
def test_what_an_endpoint_does_instead_of_answering_is_said_in_words(
    error: Exception, says: str
) -> None:
    assert told(error) == says


async def moved(_: web.Request) -> web.Response:
    raise web.HTTPFound("/good")


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(EXPOSITION.size // 65_536 + 8):
        await response.write(b"# 34567\n" * 8_192)
    return response


async def slow(_: web.Request) -> web.Response:
    await asyncio.Event().wait()
    return web.Response()


async def page(_: web.Request) -> web.Response:
    return web.Response(text="<html>Sign in</html>")


async def broken(_: web.Request) -> web.Response:
    return web.Response(status=500)


@pytest.mark.parametrize("handler", [moved, endless, slow, page, broken])
async def test_an_endpoint_that_misbehaves_leaves_a_gap(
    session: aiohttp.ClientSession, handler: object
) -> None:
    memory, asked = Memory(), list[str]()

    async def good(_: web.Request) -> web.Response:
        asked.append("a redirect was followed")
        return web.Response()

    async with served(strange=handler, good=good) as url:
        service = storefront(f"{url}/strange", options={"every": 0.2})
        await ScrapeMetrics([service], memory, session, Watch()).scrape(service)
    assert memory.samples == []
    assert asked == []


async def test_a_large_exposition_is_read_whole(session: aiohttp.ClientSession) -> None:
    shop, memory = Shop(OLD), Memory()
    shop.serve(good=3)

    async def large(_: web.Request) -> web.Response:
        noise = "".join(f'noise{{n="{n}"}} 1\n' for n in range(20_000))
        return web.Response(text=noise + generate_latest(shop.registry).decode())

    async with served(large=large) as url:
        service = storefront(f"{url}/large")
        await ScrapeMetrics([service], memory, session, Watch()).scrape(service)
    assert memory.samples[0].values[OLD]["http_requests_total"] == 3


async def test_history_stays_within_bounds(session: aiohttp.ClientSession) -> None:
    shop, clock, memory = Shop(OLD), Watch(), Memory()
    async with served(up=shop.metrics) as url:
        service = storefront(f"{url}/up")
        source = ScrapeMetrics([service], memory, session, clock, most_samples=12)
        for _ in range(60):
            await source.scrape(service)
            clock.time += timedelta(seconds=10)
    assert len(memory.samples) <= 12 + 6  # the bound, and what is added until the next time


async def test_a_baseline_longer_than_the_usual_history_is_kept(
    session: aiohttp.ClientSession,
) -> None:
    shop, clock, memory = Shop(OLD), Watch(), Memory()
    async with served(up=shop.metrics) as url:
        service = storefront(f"{url}/up")
        policy = replace(service.environments["production"], baseline=timedelta(hours=5))
        service = replace(service, environments={"production": policy})
        source = ScrapeMetrics([service], memory, session, clock)
        for _ in range(3):
            await source.scrape(service)
            clock.time += timedelta(hours=2)
    assert len(memory.samples) == 3


async def test_it_collects_by_itself_until_it_is_closed_and_outlives_a_full_disk(
    session: aiohttp.ClientSession,
) -> None:
    shop, memory = Shop(OLD), Memory(refusals=2)
    async with served(up=shop.metrics) as url:
        service = storefront(f"{url}/up", options={"every": 0.01})
        source = ScrapeMetrics([service], memory, session, Watch())
        await source.open()
        for _ in range(3):
            await asyncio.wait_for(memory.changed.wait(), 10)
            memory.changed.clear()
        await source.close()
        await source.close()
    assert len(memory.samples) >= 3


async def test_an_empty_window_has_nothing(session: aiohttp.ClientSession) -> None:
    service, now = storefront(), Watch().time
    source = ScrapeMetrics([service], Memory(), session, Watch())
    assert (
        await source.observe(
            service, service.environments["production"], Window(now, now), Cohort()
        )
        == {}
    )
    assert (
        await source.observe(
            service,
            service.environments["production"],
            Window(now, now + timedelta(hours=1)),
            Cohort(),
        )
        == {}
    )


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "gopher://x/", "localhost:8080", "http://", "", 5, None]
)
async def test_only_web_addresses_are_scraped(session: aiohttp.ClientSession, url: object) -> None:
    with pytest.raises(
        ConfigurationError,
        match=(
            f'services.storefront.environments.production.targets.endpoints: "{url}" is no address'
        ),
    ):
        ScrapeMetrics([storefront(url)], Memory(), session, Watch())


async def test_services_with_another_source_are_left_alone(session: aiohttp.ClientSession) -> None:
    service = storefront("elsewhere", provider="prometheus")
    source = ScrapeMetrics([service], Memory(), session, Watch())
    await source.open()
    await source.close()


@pytest.mark.parametrize(
    ("every", "seconds"),
    [(15, 15), (0.5, 0.5), ("15s", 15), ("1.5m", 90), (timedelta(seconds=7), 7)],
)  # fmt: skip
def test_the_interval_is_read(every: object, seconds: float) -> None:
    assert interval(storefront(options={"every": every})) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "every", [0, -1, "soon", "0s", "61m", float("inf"), float("nan"), True, None, timedelta(0)]
)
def test_an_interval_that_cannot_be_read_is_refused(every: object) -> None:
    with pytest.raises(ConfigurationError, match=f'"{every}" is no duration'):
        interval(storefront(options={"every": every}))


def test_the_commits_label_can_be_chosen() -> None:
    assert commit_label(storefront()) == "commit"
    assert commit_label(storefront(options={"commit_label": "version"})) == "version"
    with pytest.raises(ConfigurationError, match="is no label"):
        commit_label(storefront(options={"commit_label": 5}))


def test_metrics_are_validated_before_anything_starts() -> None:
    shop = storefront("http://127.0.0.1:1/metrics")
    check_service(shop)
    with pytest.raises(
        ConfigurationError, match=r'services\.storefront\.watch\.1\.query: metric "p95"'
    ):
        check_service(replace(shop, metric_specs=(ERRORS, replace(P95, query={}))))
