"""A line as it is typed: read, and stored as a command. The button with a corrected command carries
such a line, so it comes in through here as well.
"""

from __future__ import annotations

from slack_bolt.context.ack.async_ack import AsyncAck

from bot.dispatch.typed import help_text, parse
from bot.domain.commands import Command, Help
from bot.domain.corrected import taken
from bot.ports.talk import Intent
from handlers.slack.intake import SlackIntake
from handlers.slack.listeners import Body, accept, escaped, identify, place_of, say


async def typed(intake: SlackIntake, ack: AsyncAck, body: Body, command: Command) -> None:
    """Take a command that was typed; help is answered at once."""
    if isinstance(command, Help):
        await say(ack, help_text(command.topic))
        return
    await accept(intake, body, command)
    await ack()


async def corrected(intake: SlackIntake, ack: AsyncAck, body: Body, carried: str) -> None:
    """Take the command that a refusal offered, as if its line had been typed. Raises Refusal for
    anybody else's, and for an old one; a second press does nothing.
    """
    person, place = identify(body), place_of(body)
    found = taken(carried, person, intake.now())
    command = parse(found.line)
    if isinstance(command, Help):
        intake.whisper(person, place.channel, escaped(help_text(command.topic)))
    else:
        await intake.accept(Intent(found.key, command, person, place, intake.now()))
    await ack()
