"""What the rest of the house knows about having no numbers."""

from __future__ import annotations

from bot.domain.catalog import NO_PROVIDER
from bot.ports.metrics import MetricsSource
from bot.providers.context import MetricsKind, ProviderContext
from bot.providers.metrics.none.provider import NoMetrics


def _build(_bench: ProviderContext) -> MetricsSource:
    return NoMetrics()


KIND = MetricsKind(
    NO_PROVIDER, "No numbers: `metrics: none`", _build,
    limits=(
        (
            "Nothing judges a step, so no step stands still and nothing rolls back by itself; a "
            "failed smoke test still does."
        ),
        "What has landed is accepted, never verified.",
    ),
)  # fmt: skip
