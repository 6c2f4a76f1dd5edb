"""Show the last deployments and rollbacks."""

from __future__ import annotations

from bot.domain.commands import History
from bot.domain.sentence import Sentence
from bot.domain.usage import Usage
from bot.domain.validation import PREPOSITIONS
from bot.queries import history
from bot.verbs import Haste, Typed, Verb


def read(sentence: Sentence) -> History:
    """Read whose history is asked for."""
    service = sentence.service()
    is_there = sentence.accept(*PREPOSITIONS) or bool(sentence.peek())
    return History(service, sentence.environment() if is_there else "")


VERB: Verb[History] = Verb(
    History,
    history.history,
    Haste.ASKS,
    typed=Typed(
        40,
        Usage(
            "/deploy history SERVICE [ENVIRONMENT]",
            "Show the last deployments and rollbacks.",
            ("/deploy history storefront", "/deploy history storefront production"),
        ),
        read=read,
        write=lambda it: ["history", it.service, it.environment],
    ),
)
