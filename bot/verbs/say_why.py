"""Give the reason of what was done without one."""

from __future__ import annotations

from bot.domain.actions import Action
from bot.domain.commands import SayWhy
from bot.services import whys
from bot.verbs import Haste, ReasonButton, Verb

VERB: Verb[SayWhy] = Verb(
    SayWhy,
    whys.say_why,
    Haste.GOES,
    button=ReasonButton(Action.SAY_WHY, SayWhy, whys.may_say_why),
)
