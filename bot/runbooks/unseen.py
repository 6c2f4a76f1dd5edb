"""How what was said not to be live is looked for. A released version is frozen: change it by adding
the next version beside it.
"""

from __future__ import annotations

from datetime import timedelta

from bot.domain.outcomes import Unseen
from bot.ports.engine import Run
from bot.services import unseen
from bot.services.context import Context

SOON = timedelta(seconds=30)


async def unseen_1(
    run: Run, context: Context, service: str, environment: str, since: str, commits: list[str]
) -> Unseen:
    """Look whether what is said to be gone gets requests, until it gets none."""
    return await run.until(
        "unseen", unseen.look, context, service, environment, since, commits, every=SOON
    )
