"""Take back what has touched nothing yet, or stop what cannot be gone back from."""

from __future__ import annotations

from bot.domain.actions import Action
from bot.domain.commands import Cancel
from bot.domain.usage import Usage
from bot.services import cancelling
from bot.verbs import Button, Haste, Reference, Typed, Verb

VERB: Verb[Cancel] = Verb(
    Cancel,
    cancelling.cancel,
    Haste.STOPS,
    typed=Typed(
        50,
        Usage(
            "/deploy cancel ID",
            (
                "Take back a deployment that has touched nothing yet. Where there is no version to "
                "go back to, the lead stops the rollout with it."
            ),
            ("/deploy cancel storefront-42",),
        ),
        read=lambda sentence: Cancel(sentence.deployment()),
        write=lambda it: ["cancel", it.deployment],
    ),
    button=Button(
        Action.CANCEL,
        Cancel,
        Reference(
            "Cancel",
            "the requester, the lead, a release manager",
            "takes back a deployment that has touched nothing",
        ),
    ),
)
