"""Show what is live where, and what runs, waits, is locked or frozen."""

from __future__ import annotations

from bot.domain.commands import Status
from bot.domain.usage import Usage
from bot.queries import board
from bot.verbs import Haste, Typed, Verb

VERB: Verb[Status] = Verb(
    Status,
    board.status,
    Haste.ASKS,
    typed=Typed(
        30,
        Usage(
            "/deploy status [SERVICE]",
            (
                "Show what is live where, since when and by whom, and what runs, waits, is locked"
                " or frozen."
            ),
            ("/deploy status", "/deploy status storefront"),
        ),
        read=lambda sentence: Status(sentence.service() if sentence.peek() else ""),
        write=lambda it: ["status", it.service],
    ),
)
