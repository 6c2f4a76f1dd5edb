"""Take the lead as the person on call, at once, with a reason."""

from __future__ import annotations

from bot.domain.actions import Action
from bot.domain.commands import TakeOver
from bot.services import leads
from bot.verbs import Haste, ReasonButton, Reference, Verb

VERB: Verb[TakeOver] = Verb(
    TakeOver,
    leads.take_over,
    Haste.HELPS_TO_STOP,
    button=ReasonButton(
        Action.TAKE_OVER,
        TakeOver,
        leads.may_take_over,
        Reference(
            "Take over as on-call",
            "the person on call",
            "asks for a reason; they lead at once",
        ),
    ),
)
