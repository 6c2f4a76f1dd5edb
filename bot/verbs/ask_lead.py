"""Ask the lead to look, where one may not roll back oneself."""

from __future__ import annotations

from bot.domain.actions import Action
from bot.domain.commands import AskLead
from bot.services import leads
from bot.verbs import Button, Haste, Reference, Verb

VERB: Verb[AskLead] = Verb(
    AskLead,
    leads.ask_lead,
    Haste.GOES,
    button=Button(
        Action.ASK_LEAD,
        AskLead,
        Reference(
            "Ask the lead",
            "anybody who was refused",
            "tells the lead, once",
        ),
    ),
)
