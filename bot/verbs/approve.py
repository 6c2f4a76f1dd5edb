"""Approve the commit that waits."""

from __future__ import annotations

from bot.domain.actions import Action
from bot.domain.commands import Approve
from bot.services import approvals
from bot.verbs import Button, Haste, Reference, Verb

VERB: Verb[Approve] = Verb(
    Approve,
    approvals.approve,
    Haste.GOES,
    button=Button(
        Action.APPROVE,
        Approve,
        Reference(
            "Approve",
            "a holder of an approval's role, never the requester",
            "counts one approval of the pinned commit",
        ),
    ),
)
