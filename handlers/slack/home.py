"""The App Home: the board."""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck

from bot.domain.people import Person
from handlers.slack.manners import Body, explain
from handlers.slack.reception import Reception


def register(app: AsyncApp, reception: Reception) -> None:
    """Listen for somebody opening the App Home."""

    @app.event("app_home_opened")
    @explain
    async def opened(ack: AsyncAck, body: Body) -> None:
        event = body.get("event") or {}
        reception.show(reception.forms.home(Person(str(body.get("team_id", "")), str(event.get("user", "")))))
        await ack()
