"""Do not wait for the end of the watch of the one before."""

from __future__ import annotations

from bot.domain.actions import Action
from bot.domain.commands import GoNow
from bot.services import watching
from bot.verbs import Button, Haste, Reference, Verb

VERB: Verb[GoNow] = Verb(
    GoNow,
    watching.go_now,
    Haste.GOES,
    button=Button(
        Action.GO_NOW,
        GoNow,
        Reference(
            "Go now",
            "holders of the permission deploy",
            (
                "after a dialog; a deployment that is ready does not wait for the end of the "
                "watch of the one before"
            ),
        ),
    ),
)
