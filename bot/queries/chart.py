"""What the picture of a deployment's metrics shows: its title and its snapshots."""

from __future__ import annotations

from bot.ports.talk import Chart, Message
from bot.services.context import Context


async def chart_of(context: Context, message: Message) -> Chart | None:
    """Read what the picture of a message shows; None where there is no line to draw."""
    async with context.store.reading() as reader:
        snapshots = await reader.snapshots(message.deployment)
        deployment = await reader.deployment(message.deployment)
    if deployment is None or len(snapshots) < 2:  # noqa: PLR2004 - a line has two ends
        return None
    return Chart(deployment.title, tuple(snapshots))
