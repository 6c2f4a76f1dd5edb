"""Words wait for Slack, and the world goes on: what is said is true when it is said, is put in other words, or is not said any more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from bot.domain.deployment import WAITING, Deployment, State
from bot.ports import Json, Message, Reader
from bot.services.hanging import facts_of_late, facts_of_now, late_run
from bot.services.health import under_way_beside
from bot.services.house import House, facts_of_snapshot
from bot.services.leaving import under_way_as
from bot.services.offers import still_held
from bot.services.rollback_gates import waits_still
from bot.services.summaries import facts_of_summary
from bot.services.word import ends_by_itself, numbers_of

_Rule = Callable[[House, Reader, Deployment, Message], Awaitable[Message | None]]

_UNDER_TRIAL = frozenset({State.ROLLING_OUT, State.WATCHING})
"""Where numbers are weighed: only here can a degraded one be let go on, or count down."""


async def still_true(house: House, message: Message) -> Message | None:
    """Give a message as it may be said now; None when it has been overtaken. What tells of the past is always true."""
    rule = _RULES.get(message.template)
    if rule is None or not message.deployment:
        return message
    async with house.store.reading() as reader:
        deployment = await reader.deployment(message.deployment)
        return await rule(house, reader, deployment, message) if deployment is not None else message


async def _degraded(house: House, reader: Reader, deployment: Deployment, message: Message) -> Message | None:
    """Say that numbers are worse only while somebody can act on it: with the numbers, the lead and the countdown of now, as the card."""
    if deployment.state not in _UNDER_TRIAL:
        return None
    now: dict[str, Json] = {"until": _until(deployment), "lead": str(deployment.lead or "")}
    trouble = await reader.trouble(deployment.id)
    if trouble is not None and trouble.is_open and trouble.alarm == message.facts["finding"]:
        shot = await numbers_of(reader, deployment, trouble)
        newest = facts_of_snapshot(shot) if shot is not None else message.facts["snapshot"]
        now["by_itself"] = str(await ends_by_itself(house, reader, deployment, trouble))
        now |= {"where": trouble.where, "beside": await under_way_beside(reader, deployment)}
        is_elsewhere = message.facts.get("where", trouble.where) != trouble.where
        now |= {"snapshot": newest} if is_elsewhere or _findings(newest) != _findings(message.facts["snapshot"]) else {}
        now |= {"held": await still_held(house, reader, deployment)} if message.facts.get("held") else {}
    return replace(message, facts={**message.facts, **now})


async def _not_by_itself(house: House, reader: Reader, deployment: Deployment, message: Message) -> Message | None:
    """Say why nothing goes back by itself as things are now, beside the buttons of now."""
    why = await still_held(house, reader, deployment) if deployment.state in _UNDER_TRIAL else message.facts["why"]
    return _with_lead(deployment, replace(message, facts={**message.facts, "why": why}))


async def _hangs(_house: House, reader: Reader, deployment: Deployment, message: Message) -> Message | None:
    """Say of a rollback that hangs what its lead has to know now: the numbers of what serves, where they say something else."""
    now = await facts_of_now(reader, str(message.facts["rollback"]))
    before, shot = message.facts["snapshot"], now["snapshot"]
    is_news = shot and (not before or (before["silence"], _findings(before)) != (shot["silence"], _findings(shot)))
    now = now if is_news else {key: value for key, value in now.items() if key != "snapshot"}
    return replace(message, facts={**message.facts, **now, "lead": str(deployment.lead or "")})


async def _late(house: House, reader: Reader, deployment: Deployment, message: Message) -> Message | None:
    """Say that a run of a rollout takes longer than it should only while it does."""
    found = await late_run(house, reader, deployment)
    if found is None or (found.step, found.is_smoke) != (message.facts["step"], message.facts["is_smoke"]):
        return None
    return _with_lead(deployment, replace(message, facts={**message.facts, **facts_of_late(found)}))


def _findings(snapshot: Any) -> list[tuple[Json, Json]]:
    """Give what a snapshot says of each metric: that time has passed is no news."""
    return [(each["verdict"], each["sentence"]) for each in snapshot["findings"]]


async def _at_its_gate(_house: House, reader: Reader, deployment: Deployment, message: Message) -> Message | None:
    """Call people to the gate of a rollback only while it waits there."""
    return _with_lead(deployment, message) if await waits_still(reader, message) else None


async def _while_it_rolls_out(_house: House, _reader: Reader, deployment: Deployment, message: Message) -> Message | None:
    """Say that a rollout stands still only while it is one."""
    return _with_lead(deployment, message) if deployment.state is State.ROLLING_OUT else None


async def _stopped(_house: House, _reader: Reader, deployment: Deployment, message: Message) -> Message | None:
    """Say of what was stopped why, once somebody has said it."""
    reason = deployment.note if deployment.was_stopped else message.facts["reason"]
    return _with_lead(deployment, replace(message, facts={**message.facts, "reason": reason}))


async def _with_its_lead(_house: House, _reader: Reader, deployment: Deployment, message: Message) -> Message | None:
    """Name whoever leads it now."""
    return _with_lead(deployment, message)


async def _quarantined(house: House, reader: Reader, deployment: Deployment, message: Message) -> Message | None:
    """Say of what is quarantined what it has by now where it is under way, and who can have it away."""
    if deployment.state not in WAITING | _UNDER_TRIAL:
        return _with_lead(deployment, message)
    there = (await under_way_as(house, reader, deployment)).facts
    return _with_lead(deployment, replace(message, facts={**message.facts, "there": there}))


def _with_lead(deployment: Deployment, message: Message) -> Message:
    return replace(message, facts={**message.facts, "lead": str(deployment.lead or "")})


async def _request(house: House, _reader: Reader, deployment: Deployment, message: Message) -> Message | None:
    """Ask nobody to acknowledge what has begun or is over, or after their shift."""
    until = str(message.facts.get("until") or "")
    is_over = bool(until) and datetime.fromisoformat(until) <= house.now()
    return message if deployment.state in WAITING and not is_over else None


async def _ask_lead(_house: House, _reader: Reader, deployment: Deployment, message: Message) -> Message | None:
    """Tell only who leads now that they lead."""
    return message if str(deployment.lead or "") == message.to else None


async def _summary(_house: House, reader: Reader, deployment: Deployment, message: Message) -> Message | None:
    """Sum up how it is when that is said."""
    return replace(message, facts={**message.facts, **await facts_of_summary(reader, deployment)})


def _until(deployment: Deployment) -> str:
    return deployment.countdown_until.isoformat() if deployment.countdown_until else ""


_RULES: Mapping[str, _Rule] = {
    "degraded": _degraded,
    "rollback_hangs": _hangs,
    "rollback_waits": _at_its_gate,
    "run_hangs": _late,
    "stands_still": _while_it_rolls_out,
    "stopped": _stopped,
    "summary": _summary,
    "quarantined": _quarantined,
    **dict.fromkeys(("failed", "smoke_failed", "refused"), _with_its_lead),
    "not_by_itself": _not_by_itself,
    "acknowledge_request": _request,
    "ask_lead": _ask_lead,
}
