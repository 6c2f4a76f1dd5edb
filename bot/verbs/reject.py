"""Reject a deployment, with a reason."""

from __future__ import annotations

from bot.domain.actions import Action
from bot.domain.commands import Reject
from bot.services import approvals
from bot.verbs import Haste, ReasonButton, Reference, Verb

VERB: Verb[Reject] = Verb(
    Reject,
    approvals.reject,
    Haste.STOPS,
    button=ReasonButton(
        Action.REJECT,
        Reject,
        approvals.may_reject,
        Reference(
            "Reject",
            "the same",
            "asks for a reason and ends the deployment",
        ),
    ),
)
