"""No numbers: a team has chosen to deploy without watching any metric. Whoever asks is
told that there are none.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.domain.catalog import EnvironmentPolicy, Service
from bot.domain.health import Observed
from bot.ports.metrics import Cohort, Window


class NoMetrics:
    """``ports.MetricsSource`` that has no numbers, ever."""

    async def open(self) -> None:
        """Take up nothing."""

    async def close(self) -> None:
        """Let go of nothing."""

    async def observe(
        self,
        service: Service,  # noqa: ARG002 - the port's
        environment: EnvironmentPolicy,  # noqa: ARG002 - the port's
        window: Window,  # noqa: ARG002 - the port's
        cohort: Cohort,  # noqa: ARG002 - the port's
    ) -> Mapping[str, Observed]:
        """Observe nothing."""
        return {}
