"""What waits and is asked for anew: whoever does so knows what has made its place unclear since,
and it is an answer to that.
"""

from __future__ import annotations

from bot.domain.deployment import WAITING, Kind
from bot.domain.places import is_answer_to, may_be_answered
from bot.ports.store import NewDeployment, Transaction
from bot.ports.talk import Answer
from bot.services import lasttime
from bot.services.context import Context, facts_of, note
from bot.services.lasttime import facts_of_last_time


async def ask_anew(context: Context, tx: Transaction, wanted: NewDeployment) -> Answer | None:
    """Let the same commit, which waits already, answer what has failed since; None where nothing
    like that is the matter.

    It is the request of whoever asks now. Who approved it had not seen the
    failure, and is asked again.
    """
    coming = await tx.open_deployments(wanted.service, wanted.environment)
    waits = (
        each
        for each in coming
        if each.kind is Kind.FORWARD and each.commit == wanted.commit and each.state in WAITING
    )
    first, doubt = next(waits, None), await tx.doubt(wanted.service, wanted.environment)
    if first is None or doubt is None or not may_be_answered(doubt) or is_answer_to(first, doubt):
        return None
    await tx.ask_anew(first.id, wanted.requested_by, context.now())
    await tx.forget_decisions(first.id)
    await note(
        tx,
        context.now(),
        "deploy",
        first,
        wanted.requested_by,
        ref=wanted.ref,
        strategy=first.strategy,
        reason=wanted.reason,
    )
    await tx.wake(first.id)
    again = facts_of_last_time(await lasttime.of(tx, first))
    return Answer(
        "asked_anew",
        {**facts_of(first), "unclear": doubt.why, "strategy": first.strategy, "again": again},
    )
