"""Let a version be deployed again that was quarantined."""

from __future__ import annotations

from bot.domain.commands import Quarantine, Unquarantine
from bot.domain.sentence import because
from bot.domain.usage import Usage
from bot.services import quarantines
from bot.verbs import Haste, Typed, Verb

VERB: Verb[Unquarantine] = Verb(
    Unquarantine,
    quarantines.unquarantine,
    Haste.GOES,
    typed=Typed(
        110,
        Usage(
            "/deploy unquarantine SERVICE REF because TEXT",
            "Let a version be deployed again that was quarantined, with a reason that stays.",
            ("/deploy unquarantine storefront v1.1.0 because the database was the cause",),
        ),
        read=lambda sentence: Unquarantine(*sentence.version_of()),
        write=lambda it: ["unquarantine", it.service, it.ref, because(it.reason)],
    ),
    takes_back=Quarantine,
)
