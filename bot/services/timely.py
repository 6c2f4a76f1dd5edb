"""Words wait for Slack, and the world goes on: what is said is true when it is said, is put in other words, or is not said any more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from bot.domain.deployment import WAITING, Deployment, State
from bot.ports import Message
from bot.services.house import House

_Rule = Callable[[House, Deployment, Message], Message | None]

_UNDER_TRIAL = frozenset({State.ROLLING_OUT, State.WATCHING})
"""Where numbers are weighed: only here can a degraded one be let go on, or count down."""


async def still_true(house: House, message: Message) -> Message | None:
    """Give a message as it may be said now; None when it has been overtaken. What tells of the past is always true."""
    rule = _RULES.get(message.template)
    if rule is None or not message.deployment:
        return message
    async with house.store.reading() as reader:
        deployment = await reader.deployment(message.deployment)
    return rule(house, deployment, message) if deployment is not None else message


def _degraded(_house: House, deployment: Deployment, message: Message) -> Message | None:
    """Say that numbers are worse only while somebody can act on it, and with the countdown that runs now."""
    if deployment.state not in _UNDER_TRIAL:
        return None
    return replace(message, facts={**message.facts, "until": _until(deployment)})


def _while_it_rolls_out(_house: House, deployment: Deployment, message: Message) -> Message | None:
    """Say that a rollout stands still only while it is one."""
    return message if deployment.state is State.ROLLING_OUT else None


def _request(house: House, deployment: Deployment, message: Message) -> Message | None:
    """Ask nobody to acknowledge what has begun or is over, or after their shift."""
    until = str(message.facts.get("until") or "")
    is_over = bool(until) and datetime.fromisoformat(until) <= house.now()
    return message if deployment.state in WAITING and not is_over else None


def _ask_lead(_house: House, deployment: Deployment, message: Message) -> Message | None:
    """Tell only who leads now that they lead."""
    return message if str(deployment.lead or "") == message.to else None


def _until(deployment: Deployment) -> str:
    return deployment.countdown_until.isoformat() if deployment.countdown_until else ""


_RULES: Mapping[str, _Rule] = {
    "degraded": _degraded,
    "stands_still": _while_it_rolls_out,
    "acknowledge_request": _request,
    "ask_lead": _ask_lead,
}
