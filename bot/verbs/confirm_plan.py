"""Confirm how one goes back over the migrations, which no button does."""

from __future__ import annotations

from bot.domain.actions import Action
from bot.domain.commands import ConfirmPlan
from bot.services import plans
from bot.verbs import Haste, ReasonButton, Reference, Verb

VERB: Verb[ConfirmPlan] = Verb(
    ConfirmPlan,
    plans.confirm,
    Haste.GOES,
    button=ReasonButton(
        Action.CONFIRM_PLAN,
        ConfirmPlan,
        plans.may_confirm,
        Reference(
            "Confirm the way back",
            (
                "a holder of the role that the environment's `plan_by` names, or who may hand"
                " over a lead"
            ),
            (
                "asks how one goes back over the migrations, which no button does; asked "
                "again when they change"
            ),
        ),
    ),
)
