"""The bot's own metrics, for Prometheus. One registry per application, nothing global."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

ACK_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0)


class Figures:
    """Counters and histograms of the doors."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._rejected = Counter("gonogo_rejected_requests", "Requests turned away", ["reason"], registry=self.registry)
        self._acks = Histogram("gonogo_ack_seconds", "Time to ack", ["kind"], buckets=ACK_BUCKETS, registry=self.registry)
        self._webhooks = Counter("gonogo_webhooks", "CI webhooks", ["provider", "outcome"], registry=self.registry)
        self._commands = Counter("gonogo_commands", "Commands carried out", ["verb", "outcome"], registry=self.registry)
        self._open = Gauge("gonogo_open_deployments", "Deployments under way", registry=self.registry)

    def rejected(self, reason: str) -> None:
        """Count a request that was turned away."""
        self._rejected.labels(reason).inc()

    def webhook(self, provider: str, outcome: str) -> None:
        """Count a webhook."""
        self._webhooks.labels(provider, outcome).inc()

    def command(self, verb: str, outcome: str) -> None:
        """Count a command that was carried out, refused or failed."""
        self._commands.labels(verb, outcome).inc()

    def open_deployments(self, count: int) -> None:
        """Show how many deployments are under way."""
        self._open.set(count)

    @contextmanager
    def timed_ack(self, kind: str) -> Iterator[None]:
        """Time an ack."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._acks.labels(kind).observe(time.perf_counter() - began)


def metrics_route(figures: Figures) -> web.RouteDef:
    """Give the route ``/metrics``."""

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(figures.registry), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    return web.get("/metrics", metrics)
