"""Have the tests of a deployment's commit run again."""

from __future__ import annotations

from bot.domain.actions import Action
from bot.domain.commands import Retest
from bot.domain.usage import Usage
from bot.services import retests
from bot.verbs import Button, Haste, Reference, Typed, Verb

VERB: Verb[Retest] = Verb(
    Retest,
    retests.retest,
    Haste.GOES,
    typed=Typed(
        60,
        Usage(
            "/deploy retest ID",
            (
                "Have the tests of a deployment's commit run again at the CI provider; the newest"
                " run decides. For whoever may deploy."
            ),
            ("/deploy retest storefront-42",),
        ),
        read=lambda sentence: Retest(sentence.deployment()),
        write=lambda it: ["retest", it.deployment],
    ),
    button=Button(
        Action.RETEST,
        Retest,
        Reference(
            "Run the tests again",
            "holders of the permission deploy",
            "has the tests of the pinned commit run again; the newest run decides",
        ),
    ),
)
