"""Show every gate in one answer; nothing is changed."""

from __future__ import annotations

from bot.domain.commands import Check
from bot.domain.usage import Usage
from bot.queries import check
from bot.verbs import Haste, Typed, Verb

VERB: Verb[Check] = Verb(
    Check,
    check.check,
    Haste.ASKS,
    typed=Typed(
        20,
        Usage(
            "/deploy check SERVICE [REF] to ENVIRONMENT",
            "Show every gate in one answer, with who can clear it. Nothing is changed.",
            ("/deploy check storefront v1.2.0 to production",),
        ),
        read=lambda sentence: Check(*sentence.route()),
        write=lambda it: ["check", it.service, it.ref, "to", it.environment],
    ),
)
