"""The bot's own metrics, for Prometheus. One registry per application, nothing global."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from handlers.web.pulse import loop_lag

ACK_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0)
KINDS = frozenset(
    {"/deploy", "/rollback", "block_actions", "view_submission", "view_closed", "event_callback", "shortcut", "message_action"}
)
"""What Slack sends; anything else is counted together, so that nobody can make series."""


class Figures:
    """Counters and histograms of the doors."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._requests = Counter("gonogo_slack_requests", "Requests of Slack's", ["kind", "outcome"], registry=self.registry)
        self._rejected = Counter("gonogo_rejected_requests", "Requests turned away", ["reason"], registry=self.registry)
        self._acks = Histogram("gonogo_ack_seconds", "Time to ack", ["kind"], buckets=ACK_BUCKETS, registry=self.registry)
        self._webhooks = Counter("gonogo_webhooks", "CI webhooks", ["provider", "outcome"], registry=self.registry)
        self._lag = Gauge("gonogo_event_loop_lag_seconds", "How late the event loop was when this was asked", registry=self.registry)

    def rejected(self, reason: str) -> None:
        """Count a request that was turned away."""
        self._rejected.labels(reason).inc()

    def acked(self, payload_kind: str, status: int, seconds: float) -> None:
        """Count an answer to Slack, and time it."""
        kind = payload_kind if payload_kind in KINDS else "other"
        self._requests.labels(kind, "acked" if status == 200 else "not acked").inc()  # noqa: PLR2004 - the one status that acks
        self._acks.labels(kind).observe(seconds)

    def webhook(self, provider: str, outcome: str) -> None:
        """Count a webhook."""
        self._webhooks.labels(provider, outcome).inc()

    def lagged(self, seconds: float) -> None:
        """Show how late the event loop is."""
        self._lag.set(seconds)


def metrics_route(figures: Figures) -> web.RouteDef:
    """Give the route ``/metrics``."""

    async def metrics(_request: web.Request) -> web.Response:
        figures.lagged(await loop_lag())
        return web.Response(body=generate_latest(figures.registry), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    return web.get("/metrics", metrics)
