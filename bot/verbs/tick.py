"""Tick one's own items of the checklist, and take ticks back."""

from __future__ import annotations

from bot.domain.actions import Action
from bot.domain.commands import Tick
from bot.services import ticks
from bot.verbs import Haste, ListButton, Verb

VERB: Verb[Tick] = Verb(
    Tick,
    ticks.tick,
    Haste.GOES,
    button=ListButton(Action.TICK, Tick),
)
