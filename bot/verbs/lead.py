"""Hand over the lead of a deployment."""

from __future__ import annotations

from bot.domain.commands import HandOver, TakeOver
from bot.domain.sentence import Sentence
from bot.domain.usage import Usage
from bot.services import leads
from bot.verbs import Haste, Typed, Verb


def read(sentence: Sentence) -> HandOver:
    """Read whose lead is handed to whom."""
    deployment = sentence.deployment()
    sentence.accept("to")
    return HandOver(deployment, sentence.person())


VERB: Verb[HandOver] = Verb(
    HandOver,
    leads.hand_over,
    Haste.GOES,
    typed=Typed(
        130,
        Usage(
            "/deploy lead ID @user",
            "Hand over the lead of a deployment: only the lead, or a release manager.",
            ("/deploy lead storefront-42 @bo",),
        ),
        read=read,
        write=lambda it: ["lead", it.deployment, f"<@{it.to}>"],
    ),
    takes_back=TakeOver,
)
