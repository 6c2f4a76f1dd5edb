"""Say, as the person on call, that one knows about a deployment."""

from __future__ import annotations

from bot.domain.actions import Action
from bot.domain.commands import Acknowledge
from bot.services import ticks
from bot.verbs import Button, Haste, Reference, Verb

VERB: Verb[Acknowledge] = Verb(
    Acknowledge,
    ticks.acknowledge,
    Haste.GOES,
    button=Button(
        Action.ACKNOWLEDGE,
        Acknowledge,
        Reference(
            "Acknowledge",
            "the person on call",
            "says that they know about the deployment",
        ),
    ),
)
