"""Let the pipeline go on that waits at a manual gate of its own."""

from __future__ import annotations

from bot.domain.actions import Action
from bot.domain.commands import OpenGate
from bot.services import gates
from bot.verbs import Button, Haste, Reference, Verb

VERB: Verb[OpenGate] = Verb(
    OpenGate,
    gates.open_gate,
    Haste.GOES,
    button=Button(
        Action.OPEN_GATE,
        OpenGate,
        Reference(
            "Go on with (stage)",
            "the deployment lead, and holders of the permission deploy",
            "opens the manual gate of the pipeline that a step waits at",
        ),
    ),
)
