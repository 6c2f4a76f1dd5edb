"""Pictures of metrics for a card's thread, drawn in a thread of their own."""

from __future__ import annotations

import asyncio

from bot.ports.talk import ChartOf, Message


async def picture_of(chart_of: ChartOf, message: Message) -> tuple[bytes, str] | None:
    """Draw what a message's picture shows as a PNG, and say it in words; None where there is
    nothing to draw.
    """
    from bot.slack.charts import describe, draw  # noqa: PLC0415 - Pillow is loaded when it is needed

    chart = await chart_of(message)
    if chart is None:
        return None
    picture = await asyncio.to_thread(draw, chart.snapshots, chart.title, marked_at=None)
    return picture, f"{chart.title}. {describe(chart.snapshots)}"
