"""What a dialog shows beside the question why: the numbers that a decision goes against, at which
step, and what it lets happen.
"""

from __future__ import annotations

from bot.domain.actions import Action
from bot.domain.deployment import Deployment, DeploymentId
from bot.domain.shown import token
from bot.domain.trouble import Trouble
from bot.ports.reader import Reader
from bot.ports.talk import Asked
from bot.ports.time import Json
from bot.services.context import Context, existing, facts_of_snapshot, seen
from bot.services.offers import rollback_offer
from bot.services.whys import has_lock, of
from bot.services.word import ends_by_itself, numbers_of

ABOUT_NUMBERS = frozenset({Action.PROCEED, Action.STOP_COUNTDOWN})
"""Decisions about a finding: their dialogs show it as it is when they are opened, and so are
decided about what they show.
"""


async def asked(context: Context, action: Action, id: DeploymentId) -> Asked:
    """Give what the dialog of an action shows now. Raises NotPossible for an unknown deployment."""
    async with context.store.reading() as reader:
        deployment = await existing(reader, id)
        trouble = await reader.trouble(id)
        if action is Action.SAY_WHY:
            why = await of(reader, deployment)
            return Asked(
                deployment,
                {
                    "has_lock": await has_lock(context, reader, deployment),
                    "deed": str(why.deed) if why else "",
                },
            )
        if action is Action.CONFIRM_PLAN:
            offer = await rollback_offer(context, reader, deployment)
            return Asked(
                deployment, {"migrations": list(offer.undoes.migrations), "target": offer.version}
            )
        if action not in ABOUT_NUMBERS or trouble is None or not trouble.is_open:
            return Asked(deployment)
        facts = await _numbers(context, reader, deployment, trouble)
        return Asked(deployment, facts, token(action, await seen(reader, deployment)))


async def _numbers(
    context: Context, reader: Reader, deployment: Deployment, trouble: Trouble
) -> dict[str, Json]:
    shot = await numbers_of(reader, deployment, trouble)
    offer = await rollback_offer(context, reader, deployment)
    return {
        **await facts_of_going_on(context, reader, deployment, trouble.where),
        "snapshot": facts_of_snapshot(shot) if shot else None,
        "target": offer.version if offer.is_possible else "",
        "by_itself": str(await ends_by_itself(context, reader, deployment, trouble)),
    }  # fmt: skip


async def facts_of_going_on(
    context: Context, reader: Reader, deployment: Deployment, where: str
) -> dict[str, Json]:
    """Say as JSON values where a rollout goes on to from a step (or its watch), and until when
    that has its own time first.
    """
    steps = await reader.steps(deployment.id)
    at = next((step for step in steps if step.key == where), None)
    following = steps[at.index + 1] if at is not None and at.index + 1 < len(steps) else None
    until = (
        at.hold_until
        if at
        else deployment.landed_at and deployment.landed_at + context.of(deployment)[1].watch
    )
    return {
        "where": where, "percent": at.percent if at else None,
        "following": following.percent if following else None,
        "until": until.isoformat() if until and until > context.now() else "",
    }  # fmt: skip
