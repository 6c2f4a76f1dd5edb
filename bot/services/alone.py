"""Who alone may do something to a deployment, for whoever may not: its lead by name, and by which
right others may. It is told to one person, so that nobody named is called.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.actions import Action
from bot.domain.deployment import Deployment
from bot.domain.errors import NotAllowed, Offer
from bot.domain.shown import Seen, token


def led_by(deployment: Deployment) -> list[str]:
    """Name the lead of a deployment, for a list of those who may do something; nothing while it
    has none.
    """
    return [f"{deployment.lead.mention}, the deployment lead,"] if deployment.lead else []


def only(deployment: Deployment, can: str, others: Sequence[str]) -> NotAllowed:
    """Refuse what a deployment's lead may do, and ``others`` besides; ``can`` completes "can …"."""
    who = [*led_by(deployment), *others] or ["whoever keeps gonogo.yaml"]
    return NotAllowed(f"Only {' or '.join(who)} can {can}.")


def only_lead(deployment: Deployment, can: str, *, begins: str = "") -> NotAllowed:
    """Refuse what a deployment's lead alone may do, with what helps: asking them, or taking over as
    the person on call.
    """
    if deployment.lead is None:
        return NotAllowed(
            f"{begins}{deployment.title} has no deployment lead yet. /deploy lead "
            f"{deployment.id} @user names one."
        )
    seen = token(Action.TAKE_OVER, Seen(lead=str(deployment.lead)))
    return NotAllowed(
        f"{begins}Only {led_by(deployment)[0]} can {can}.",
        Offer(Action.ASK_LEAD, "Ask the lead", deployment.id),
        Offer(Action.TAKE_OVER, "Take over as on-call…", deployment.id, carries=seen),
    )
