"""How the scheduled summaries go. A released version is frozen: change it by adding
the next version beside it.
"""

from __future__ import annotations

from datetime import datetime

from bot.domain.deployment import DeploymentId
from bot.ports.engine import Run
from bot.services import summaries
from bot.services.context import Context


async def summary_1(run: Run, context: Context, id: DeploymentId) -> None:
    """Post the summary of one landed deployment. The clock starts this when it is due."""
    await run.step("post", summaries.after_deployment, context, id)


async def morning_1(run: Run, context: Context, slot: str) -> None:
    """Post what went live in the day before the slot."""
    await run.step("post", summaries.morning, context, datetime.fromisoformat(slot))
