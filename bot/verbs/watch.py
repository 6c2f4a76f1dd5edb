"""Say, as the lead, that one is looking."""

from __future__ import annotations

from bot.domain.actions import Action
from bot.domain.commands import Watch
from bot.services import leading
from bot.verbs import Button, Haste, Reference, Verb

VERB: Verb[Watch] = Verb(
    Watch,
    leading.watch,
    Haste.GOES,
    button=Button(
        Action.WATCH,
        Watch,
        Reference(
            "I am watching",
            "the deployment lead",
            "says that somebody looks",
        ),
    ),
)
