"""Stop the automatic rollback, with a reason."""

from __future__ import annotations

from bot.domain.actions import Action
from bot.domain.commands import StopCountdown
from bot.services import leading
from bot.verbs import Haste, ReasonButton, Reference, Verb

VERB: Verb[StopCountdown] = Verb(
    StopCountdown,
    leading.stop_countdown,
    Haste.HELPS_TO_STOP,
    button=ReasonButton(
        Action.STOP_COUNTDOWN,
        StopCountdown,
        leading.may_stop_countdown,
        Reference(
            "Stop the countdown",
            "the deployment lead",
            (
                "asks for a reason; the rollout stands still until the lead decides or the "
                "numbers recover"
            ),
        ),
    ),
)
