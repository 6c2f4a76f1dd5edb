"""Words wait for Slack, and the world goes on: what is said is true when it is said, is put in
other words, or is not said any more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from bot.domain.deployment import Deployment
from bot.ports.reader import Reader
from bot.ports.talk import LATE_ANSWER, Message
from bot.services import endings
from bot.services.context import Context
from bot.services.timely_calls import (
    ask_lead,
    at_its_gate,
    degraded,
    given_up_ended,
    hangs,
    late,
    not_by_itself,
    not_stopped,
    quarantined,
    request,
    stopped,
    way_back,
    while_it_is_back,
    while_it_rolls_out,
    with_its_lead,
)
from bot.services.timely_lines import (
    as_it_was,
    gates,
    lead_changed,
    live,
    lock_said,
    proceeds,
    quarantine_said,
    recovered,
    rolled_back,
    step_started,
    summary,
    verified,
    while_it_stands,
    while_it_waits,
    word_outdated,
)
from bot.services.timely_records import (
    answered,
    deployment_stuck,
    morning,
    not_waited,
    place_stuck,
    restored,
    rollback_late,
    said_live,
    step_done,
    unseen,
)

_Rule = Callable[[Context, Reader, Deployment, Message], Awaitable[Message | None]]
_OfAPlace = Callable[[Context, Reader, Message], Awaitable[Message | None]]


async def still_true(context: Context, message: Message) -> Message | None:
    """Give a message as it may be said now; None when it has been overtaken. What asked for
    something that has ended says so.
    """
    if not message.deployment:
        return await _of_no_deployment(context, message)
    rule = RULES.get(message.template)
    if rule is None:
        return message
    async with context.store.reading() as reader:
        deployment = await reader.deployment(message.deployment)
        now = (
            await rule(context, reader, deployment, message) if deployment is not None else message
        )
    end = await endings.ended(context, message) if now is not None else None
    return (
        replace(now, facts={**now.facts, **end.facts, "end": end.sentence})
        if now is not None and end is not None
        else now
    )


async def _of_no_deployment(context: Context, message: Message) -> Message | None:
    rule = OF_PLACES.get(message.template)
    if rule is None:
        return message
    async with context.store.reading() as reader:
        return await rule(context, reader, message)


RULES: Mapping[str, _Rule] = {
    "acknowledge_request": request,
    "ask_lead": ask_lead,
    "degraded": degraded,
    "gates": gates,
    "given_up_ended": given_up_ended,
    "lead_changed": lead_changed,
    "live": live,
    "lock_said": lock_said,
    "not_by_itself": not_by_itself,
    "not_stopped": not_stopped,
    "not_waited": not_waited,
    "proceeds": proceeds,
    "quarantine_said": quarantine_said,
    "quarantined": quarantined,
    "recounted": while_it_waits,
    "recovered": recovered,
    "retrospective": as_it_was,
    "rolled_back": rolled_back,
    "rollback_hangs": hangs,
    "rollback_late": rollback_late,
    "rollback_waits": at_its_gate,
    "run_hangs": late,
    "standstill": while_it_stands,
    "stands_still": while_it_rolls_out,
    "step_done": step_done,
    "step_started": step_started,
    "stopped": stopped,
    "stuck": deployment_stuck,
    "summary": summary,
    "verified": verified,
    "word_outdated": word_outdated,
    **dict.fromkeys(("back_and_worse", "looked_after"), while_it_is_back),
    **dict.fromkeys(("failed", "smoke_failed", "refused", "rolling_back"), with_its_lead),
    **dict.fromkeys(("way_back_lost", "way_back_again"), way_back),
}
"""What claims that something is so: asked again when it is said. Who is asked for something that
has ended reads its end at once.
"""

OF_PLACES: Mapping[str, _OfAPlace] = {
    LATE_ANSWER: answered,
    "morning_summary": morning,
    "restored": restored,
    "said_live": said_live,
    "stuck": place_stuck,
    "unseen": unseen,
}
"""The same, of what is said of no deployment: of a place, of many, or to one person."""

RECORDS = frozenset(
    {
        "approved", "audit_broken", "audit_head", "countdown_stopped",
        "gate_not_opened", "gate_opened", "plan_confirmed", "rollback_given_up",
        "said_why", "snapshot",
    }
)  # fmt: skip
"""What tells that somebody did or said something, what was measured, or how it was at a time that
it names: said as it was.
"""

AT_ONCE = frozenset({"no_channel", "unsayable"})
"""What waits for nothing: it is made when it is said."""
