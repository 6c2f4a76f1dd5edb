"""A mention of the bot: answered to the person alone, with how to begin."""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck

from bot.domain.commands import Help
from bot.domain.people import Person
from bot.ports.talk import Intent, Place
from handlers.slack.intake import SlackIntake
from handlers.slack.listeners import Body, explain, key_of


def register(app: AsyncApp, intake: SlackIntake) -> None:
    """Listen for being mentioned."""

    @app.event("app_mention")
    @explain(intake)
    async def mentioned(ack: AsyncAck, body: Body) -> None:
        event = body.get("event") or {}
        person = Person(str(body.get("team_id", "")), str(event.get("user", "")))
        if person.user and not event.get("bot_id"):  # two bots would talk for ever
            place = Place(
                channel=str(event.get("channel", "")), thread=str(event.get("thread_ts", ""))
            )
            await intake.accept(Intent(key_of(body), Help(), person, place, intake.now()))
        await ack()
