"""Explain the commands. A typed one is answered at the door; what comes here is a mention."""

from __future__ import annotations

from bot.domain.commands import Help
from bot.domain.sentence import Sentence
from bot.domain.usage import Usage
from bot.ports.talk import Answer, Intent
from bot.services.context import Context
from bot.verbs import Haste, Typed, Verb


def read(sentence: Sentence) -> Help:
    """Read which command is to be explained; whether there is one is known at the door."""
    return Help(sentence.take().lower().removeprefix("/") if sentence.peek() else "")


async def greeted(_context: Context, _intent: Intent, _command: Help) -> Answer:
    """Tell whoever mentions the bot how to begin."""
    return Answer("mentioned")


VERB: Verb[Help] = Verb(
    Help,
    greeted,
    Haste.GOES,
    typed=Typed(
        150,
        Usage(
            "/deploy help [COMMAND]",
            "Explain the commands, or one of them.",
            ("/deploy help", "/deploy help lock"),
        ),
        read=read,
        write=lambda it: ["help", it.topic],
    ),
)
