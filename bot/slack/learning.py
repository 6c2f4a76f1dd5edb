"""Who we are, as far as Slack has said it. What it has not said at the start, because it was away,
is asked for again once a payload comes that it matters to, and not with each one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from bot.domain.errors import ConfigurationError, IntegrationError
from bot.slack.ours import Ours

log = structlog.get_logger(__name__)

PATIENCE = 1.5
"""Seconds that a payload waits for Slack to say who we are; its sender waits three."""
PAUSE = 5.0
"""Seconds until Slack is asked again; they double with each time that it does not say."""
LONGEST_PAUSE = 60.0


class Learned:
    """``Ours`` that is learned from Slack."""

    def __init__(
        self,
        known: Ours,
        ask: Callable[[], Awaitable[Ours]],
        *,
        now: Callable[[], float] = time.monotonic,
        patience: float = PATIENCE,
    ) -> None:
        self._known = known
        self._ask = ask
        self._now = now
        self._patience = patience
        self._pause = PAUSE
        self._again_at = now()
        self._asking = asyncio.Lock()

    async def about(self, payload: Mapping[str, Any]) -> Ours:
        """Say who we are, for a payload. One that cannot be judged yet waits for the answer that is
        asked for already.
        """
        if self._known.lacks and self._now() >= self._again_at:
            self._again_at = self._now() + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            async with self._asking:
                await self._learn()
        elif self._known.is_undecided(payload):
            async with self._asking:
                pass
        return self._known

    async def _learn(self) -> None:
        try:
            async with asyncio.timeout(self._patience):
                self._known = await self._ask()
        except (TimeoutError, IntegrationError):
            log.warning("Slack does not say yet who we are", unknown=sorted(self._known.lacks))
        except ConfigurationError as error:
            log.error("Slack says that we are somebody else", problem=str(error))  # noqa: TRY400
        else:
            log.info("Slack has said who we are", unknown=sorted(self._known.lacks))
