"""Keep a version from being deployed anywhere, and from being gone back to."""

from __future__ import annotations

from bot.domain.commands import Quarantine
from bot.domain.sentence import because
from bot.domain.usage import Usage
from bot.services import quarantines
from bot.verbs import Haste, Typed, Verb

VERB: Verb[Quarantine] = Verb(
    Quarantine,
    quarantines.quarantine,
    Haste.STOPS,
    typed=Typed(
        100,
        Usage(
            "/deploy quarantine SERVICE REF because TEXT",
            (
                "Keep a version from being deployed anywhere, and from being gone back to. What "
                "is under way with it stands still."
            ),
            ("/deploy quarantine storefront v1.1.0 because it loses carts",),
        ),
        read=lambda sentence: Quarantine(*sentence.version_of()),
        write=lambda it: ["quarantine", it.service, it.ref, because(it.reason)],
    ),
)
