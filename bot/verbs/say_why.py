"""Give the reason of what was done without one."""

from __future__ import annotations

from bot.domain.actions import Action
from bot.domain.commands import SayWhy
from bot.services import whys
from bot.verbs import Haste, ReasonButton, Reference, Verb

VERB: Verb[SayWhy] = Verb(
    SayWhy,
    whys.say_why,
    Haste.GOES,
    button=ReasonButton(
        Action.SAY_WHY,
        SayWhy,
        whys.may_say_why,
        Reference(
            "Say why",
            "the lead, and whoever did it",
            (
                "asks for the reason of a rollback, a stop, or a rollback that was given up, "
                "where none was said"
            ),
        ),
    ),
)
