"""Confirm how one goes back over the migrations, which no button does."""

from __future__ import annotations

from bot.domain.actions import Action
from bot.domain.commands import ConfirmPlan
from bot.services import plans
from bot.verbs import Haste, ReasonButton, Verb

VERB: Verb[ConfirmPlan] = Verb(
    ConfirmPlan,
    plans.confirm,
    Haste.GOES,
    button=ReasonButton(Action.CONFIRM_PLAN, ConfirmPlan, plans.may_confirm),
)
