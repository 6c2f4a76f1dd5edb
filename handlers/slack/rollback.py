"""``/rollback`` and the button."""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck

from bot.dispatch.typed import help_text, parse_rollback
from bot.domain.commands import Help
from handlers.slack.intake import SlackIntake
from handlers.slack.listeners import Body, accept, explain, say


def register(app: AsyncApp, intake: SlackIntake) -> None:
    """Listen for ``/rollback``. The button is one of ``handlers.slack.buttons``: its dialog has
    been confirmed when it comes in.
    """

    @app.command("/rollback")
    @explain(intake)
    async def rollback(ack: AsyncAck, body: Body) -> None:
        command = parse_rollback(str(body.get("text", "")))
        if isinstance(command, Help):
            await say(ack, help_text(command.topic or "rollback"))
            return
        await accept(intake, body, command)
        await ack()
