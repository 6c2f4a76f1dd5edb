"""How a run that was given up is followed to its end. A released version is frozen: change it by
adding the next version beside it.
"""

from __future__ import annotations

from datetime import timedelta

from bot.domain.outcomes import Chased
from bot.ports.engine import Run
from bot.services import strays
from bot.services.context import Context

SOON = timedelta(seconds=1)


async def chase_1(run: Run, context: Context, service: str, ci_run: str) -> Chased:
    """Stop a run that was given up, and look until it has ended."""
    return await run.until("ended", strays.chase, context, service, ci_run, every=SOON)
