"""Let a degraded rollout go on, with a reason."""

from __future__ import annotations

from bot.domain.actions import Action
from bot.domain.commands import Proceed
from bot.services import leading
from bot.verbs import Haste, ReasonButton, Reference, Verb

VERB: Verb[Proceed] = Verb(
    Proceed,
    leading.proceed,
    Haste.GOES,
    button=ReasonButton(
        Action.PROCEED,
        Proceed,
        leading.may_proceed,
        Reference(
            "Let it go on",
            "the deployment lead",
            "asks for a reason; a rollout that stands still goes on",
        ),
    ),
)
