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
    @explain(reception)
    async def opened(ack: AsyncAck, body: Body) -> None:
        event = body.get("event") or {}
        person = Person(str(body.get("team_id", "")), str(event.get("user", "")))
        reception.show(reception.forms.home(person), to=Person(person.team, ""), channel="")  # nobody asked, so nobody is told of a failure
        await ack()
