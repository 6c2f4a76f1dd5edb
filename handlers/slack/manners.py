"""What every listener shares: who is it, what is refused, and that no exception ever leaves (Bolt would lose the ack)."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any

import structlog
from slack_bolt.context.ack.async_ack import AsyncAck

from bot.domain.commands import Command
from bot.domain.errors import Refusal
from bot.domain.people import Person
from bot.ports import Intent, Place
from handlers.slack.reception import Reception

log = structlog.get_logger(__name__)

Body = dict[str, Any]
Listener = Callable[..., Awaitable[None]]


def explain(listener: Listener) -> Listener:
    """Answer a refusal in the ack; log anything else under an incident id and show that id."""

    @functools.wraps(listener)
    async def explained(**given: Any) -> None:
        ack: AsyncAck = given["ack"]
        try:
            await listener(**given)
        except Refusal as refusal:
            await ack(text=_escaped(str(refusal)), response_type="ephemeral")
        except Exception:
            incident = uuid.uuid4().hex[:8]
            log.exception("a listener failed", incident=incident, listener=listener.__name__)
            await ack(text=f"That was not accepted: something went wrong here (incident {incident}). Try again in a minute.")

    return explained


def _escaped(sentence: str) -> str:
    """Write a sentence so that Slack shows it literally; it may repeat what somebody typed."""
    return sentence.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def identify(body: Body) -> Person:
    """Say who it is, by the ids in the body. The display name and Bolt's context are not believed."""
    user = body.get("user")
    if isinstance(user, dict):
        return Person(str(user.get("team_id") or _team(body)), str(user.get("id", "")))
    return Person(str(body.get("team_id", "")), str(body.get("user_id", "")))


def _team(body: Body) -> str:
    team = body.get("team")
    return str(team.get("id", "")) if isinstance(team, dict) else str(body.get("team_id", ""))


def place_of(body: Body) -> Place:
    """Say where somebody spoke."""
    channel = body.get("channel")
    name = channel.get("id", "") if isinstance(channel, dict) else body.get("channel_id", "")
    message = body.get("message") or {}
    return Place(channel=str(name), thread=str(message.get("thread_ts", "")), response_url=str(body.get("response_url", "")))


def key_of(body: Body) -> str:
    """Name a delivery so that its duplicates have the same name: a trigger id is unique per interaction."""
    trigger = str(body.get("trigger_id", ""))
    return trigger or sha256(repr(sorted(body.items(), key=lambda item: item[0])).encode()).hexdigest()


async def accept(reception: Reception, body: Body, command: Command, place: Place | None = None) -> None:
    """Store a command as an intent."""
    await reception.accept(Intent(key_of(body), command, identify(body), place or place_of(body), reception.now()))
