"""List every lock that holds."""

from __future__ import annotations

from bot.domain.commands import Locks
from bot.domain.usage import Usage
from bot.services import locks
from bot.verbs import Haste, Typed, Verb

VERB: Verb[Locks] = Verb(
    Locks,
    locks.locks,
    Haste.ASKS,
    typed=Typed(
        90,
        Usage(
            "/deploy locks",
            "List every lock that holds, with its reason.",
            ("/deploy locks",),
        ),
        read=lambda _: Locks(),
        write=lambda _: ["locks"],
    ),
)
