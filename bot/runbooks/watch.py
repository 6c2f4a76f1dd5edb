"""How a watch that was cut off is taken up again. A released version is frozen: change it by adding
the next version beside it.
"""

from __future__ import annotations

from bot.domain.deployment import DeploymentId
from bot.domain.outcomes import Went
from bot.ports.engine import Run
from bot.services import health
from bot.services.context import Context


async def watch_1(run: Run, context: Context, id: DeploymentId) -> Went:
    """Watch what is live on somebody's word to its end."""
    return await run.until("watched", health.watch, context, id, every=context.intervals.hold)
