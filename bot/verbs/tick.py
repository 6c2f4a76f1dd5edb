"""Tick one's own items of the checklist, and take ticks back."""

from __future__ import annotations

from bot.domain.actions import Action
from bot.domain.commands import Tick
from bot.services import ticks
from bot.verbs import Haste, ListButton, Reference, Verb

VERB: Verb[Tick] = Verb(
    Tick,
    ticks.tick,
    Haste.GOES,
    button=ListButton(
        Action.TICK,
        Tick,
        Reference(
            "Tick my items",
            "a holder of an item's role",
            "opens the person's own items; each tick has a name and a time",
        ),
    ),
)
