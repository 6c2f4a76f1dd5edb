"""Nobody on call: a team has chosen to do without a schedule."""

from __future__ import annotations

from datetime import datetime

from bot.domain.catalog import Service
from bot.ports.people import Shift


class NobodyOnCall:
    """``ports.OnCallSchedule`` that names nobody, ever."""

    async def who(self, service: Service, at: datetime) -> Shift | None:  # noqa: ARG002 - the port's
        """Name nobody."""
        return None
