"""``/rollback`` and the button."""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck

from bot.dispatch.typed import parse_rollback
from bot.domain.commands import Help
from handlers.slack.intake import SlackIntake
from handlers.slack.listeners import Body, explain
from handlers.slack.typed import typed


def register(app: AsyncApp, intake: SlackIntake) -> None:
    """Listen for ``/rollback``. The button is one of ``handlers.slack.buttons``: its dialog has
    been confirmed when it comes in.
    """

    @app.command("/rollback")
    @explain(intake)
    async def rollback(ack: AsyncAck, body: Body) -> None:
        command = parse_rollback(str(body.get("text", "")))
        is_help = isinstance(command, Help) and not command.topic
        await typed(intake, ack, body, Help("rollback") if is_help else command)
