"""The bot's own metrics, for Prometheus. One registry per application, nothing global."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary, generate_latest

from bot.domain.workload import Workload
from handlers.web.pulse import loop_lag

ACK_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0)
CALL_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
KINDS = frozenset(
    {
        "/deploy",
        "/rollback",
        "block_actions",
        "view_submission",
        "view_closed",
        "event_callback",
        "shortcut",
        "message_action",
    }
)
"""What Slack sends; anything else is counted together, so that nobody can make series."""


class Telemetry:
    """Counters and histograms of the doors, and of the calls that go out through them."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._measure_vendors(self.registry)
        self._measure_doors(self.registry)
        self._measure_work(self.registry)

    def _measure_vendors(self, registry: CollectorRegistry) -> None:
        self._calls = Counter(
            "gonogo_vendor_calls", "Requests to vendors", ["vendor", "outcome"], registry=registry
        )
        self._call_seconds = Histogram(
            "gonogo_vendor_call_seconds",
            "How long a vendor takes",
            ["vendor"],
            buckets=CALL_BUCKETS,
            registry=registry,
        )
        self._pauses = Summary(
            "gonogo_vendor_pause_seconds",
            "How long a vendor asks to be left alone",
            ["vendor"],
            registry=registry,
        )

    def _measure_doors(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "gonogo_slack_requests", "Requests of Slack's", ["kind", "outcome"], registry=registry
        )
        self._rejected = Counter(
            "gonogo_rejected_requests", "Requests turned away", ["reason"], registry=registry
        )
        self._acks = Histogram(
            "gonogo_ack_seconds", "Time to ack", ["kind"], buckets=ACK_BUCKETS, registry=registry
        )
        self._webhooks = Counter(
            "gonogo_webhooks", "CI webhooks", ["provider", "outcome"], registry=registry
        )
        self._audit = Gauge(
            "gonogo_audit_holds",
            "1 when the audit log held at its last verification",
            registry=registry,
        )
        self._audit.set(1)
        self._lag = Gauge(
            "gonogo_event_loop_lag_seconds",
            "How late the event loop was when this was asked",
            registry=registry,
        )

    def _measure_work(self, registry: CollectorRegistry) -> None:
        self._open = Gauge(
            "gonogo_open_deployments", "Deployments that are not over", ["state"], registry=registry
        )
        self._blocked = Gauge(
            "gonogo_blocked_runs", "Runbooks that cannot go on without a person", registry=registry
        )
        self._outbox = Gauge(
            "gonogo_outbox_messages",
            "Messages to Slack that are not sent",
            ["state"],
            registry=registry,
        )
        self._inbox = Gauge(
            "gonogo_inbox_commands",
            "Commands that were accepted and are not answered",
            registry=registry,
        )
        self._oldest = Gauge(
            "gonogo_inbox_oldest_seconds",
            "For how long the oldest of them waits",
            registry=registry,
        )
        self._bytes = Gauge(
            "gonogo_database_bytes", "The size of the database and its log", registry=registry
        )

    def audited(self, holds: bool) -> None:
        """Show whether the audit log held when it was last verified."""
        self._audit.set(1 if holds else 0)

    def counted(self, work: Workload) -> None:
        """Show how much there is to do, and what does not get on."""
        self._open.clear()
        for state, count in work.open_deployments.items():
            self._open.labels(state).set(count)
        for state in ("waiting", "parked"):
            self._outbox.labels(state).set(work.outbox.get(state, 0))
        self._blocked.set(len(work.blocked))
        self._inbox.set(work.inbox)
        self._oldest.set(work.oldest_command.total_seconds())
        self._bytes.set(work.database_bytes)

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

    def called(self, vendor: str, outcome: str, seconds: float) -> None:
        """Count a request to a vendor, and time it; see ``bot.providers.rate_limits.Observer``."""
        self._calls.labels(vendor, outcome).inc()
        self._call_seconds.labels(vendor).observe(seconds)

    def paused(self, vendor: str, seconds: float) -> None:
        """Count that a vendor asks to be left alone, and for how long."""
        self._pauses.labels(vendor).observe(seconds)

    def lagged(self, seconds: float) -> None:
        """Show how late the event loop is."""
        self._lag.set(seconds)


def metrics_route(
    telemetry: Telemetry, workload: Callable[[], Awaitable[Workload]] | None = None
) -> web.RouteDef:
    """Give the route ``/metrics``; ``workload`` is asked each time."""

    async def metrics(_request: web.Request) -> web.Response:
        telemetry.lagged(await loop_lag())
        if workload is not None:
            telemetry.counted(await workload())
        return web.Response(
            body=generate_latest(telemetry.registry),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    return web.get("/metrics", metrics)
