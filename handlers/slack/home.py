"""The App Home: the board."""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck

from bot.domain.people import Person
from handlers.slack.intake import SlackIntake
from handlers.slack.listeners import Body, explain


def register(app: AsyncApp, intake: SlackIntake) -> None:
    """Listen for somebody opening the App Home."""

    @app.event("app_home_opened")
    @explain(intake)
    async def opened(ack: AsyncAck, body: Body) -> None:
        event = body.get("event") or {}
        person = Person(str(body.get("team_id", "")), str(event.get("user", "")))
        # nobody asked, so nobody is told of a failure
        intake.show(intake.forms.home(person), to=Person(person.team, ""), channel="")
        await ack()
