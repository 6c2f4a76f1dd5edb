"""What every listener shares: who is it, what is refused, and that no exception ever leaves
(Bolt would lose the ack).
"""

from __future__ import annotations

import functools
import re
import uuid
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any

import structlog
from slack_bolt.context.ack.async_ack import AsyncAck

from bot.domain.commands import Command
from bot.domain.corrected import offered
from bot.domain.errors import Refusal
from bot.domain.people import Person
from bot.ports.talk import Answer, Intent, Place
from handlers.slack.intake import SlackIntake

log = structlog.get_logger(__name__)

Body = dict[str, Any]
Listener = Callable[..., Awaitable[None]]

_TEAM = re.compile(r"[TE][A-Z0-9]+")


def explain(intake: SlackIntake) -> Callable[[Listener], Listener]:
    """Make a decorator that tells the person of a refusal, and of anything else with an incident
    id; the log has the rest.
    """

    def decorate(listener: Listener) -> Listener:
        @functools.wraps(listener)
        async def explained(**given: Any) -> None:
            ack: AsyncAck = given["ack"]
            body: Body = given["body"]
            try:
                await listener(**given)
            except Refusal as refusal:
                await _refused(intake, ack, body, refusal)
            except Exception:
                incident = uuid.uuid4().hex[:8]
                log.exception("a listener failed", incident=incident, listener=listener.__name__)
                sentence = (
                    "That was not accepted: something went wrong here (incident "
                    f"{incident}). Try again in a minute."
                )
                await refuse(intake, ack, body, sentence)

        return explained

    return decorate


async def _refused(intake: SlackIntake, ack: AsyncAck, body: Body, refusal: Refusal) -> None:
    """Tell of a refusal; where it is known what was meant, with the corrected command as a
    button.
    """
    offers = offered(refusal.line, identify(body), intake.now(), key_of(body))
    if not offers or not body.get("command"):
        await refuse(intake, ack, body, str(refusal))
        return
    answer = Answer("refusal", {"sentence": str(refusal)}, offers)
    await ack(**intake.forms.answer(answer), response_type="ephemeral")


async def refuse(intake: SlackIntake, ack: AsyncAck, body: Body, sentence: str) -> None:
    """Say no where the person sees it: in the ack of a command, under a field of a dialog, and
    else in a word of its own.
    """
    if body.get("command"):
        await say(ack, sentence)
        return
    field = _first_field(body) if body.get("type") == "view_submission" else ""
    if field:
        await ack(response_action="errors", errors={field: sentence})
        return
    await ack()
    intake.whisper(identify(body), place_of(body).channel, escaped(sentence))


def _first_field(body: Body) -> str:
    view = body.get("view")
    blocks = view.get("blocks") if isinstance(view, dict) else None
    fields = [
        block.get("block_id")
        for block in blocks or []
        if isinstance(block, dict) and block.get("type") == "input"
    ]
    return str(fields[0]) if fields else ""


async def say(ack: AsyncAck, sentence: str) -> None:
    """Acknowledge a command with a sentence that only the person sees."""
    await ack(text=escaped(sentence), response_type="ephemeral")


def escaped(sentence: str) -> str:
    """Write a sentence so that Slack shows it literally: what somebody typed must ping
    nobody and link nowhere.
    """
    return sentence.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def identify(body: Body) -> Person:
    """Say who it is, by the ids in the body. The display name and Bolt's
    context are not believed.
    """
    user = body.get("user")
    if isinstance(user, dict):
        return Person(_slack_team(user.get("team_id") or _team(body)), str(user.get("id", "")))
    return Person(_slack_team(body.get("team_id")), str(body.get("user_id", "")))


def _slack_team(value: object) -> str:
    """Believe only in workspaces and organisations of Slack's: our own record knows other
    places, such as the terminal.
    """
    return value if isinstance(value, str) and _TEAM.fullmatch(value) else ""


def _team(body: Body) -> object:
    team = body.get("team")
    return team.get("id") if isinstance(team, dict) else body.get("team_id")


def place_of(body: Body) -> Place:
    """Say where somebody spoke."""
    channel = body.get("channel")
    name = channel.get("id", "") if isinstance(channel, dict) else body.get("channel_id", "")
    message = body.get("message") or {}
    return Place(
        channel=str(name),
        thread=str(message.get("thread_ts", "")),
        response_url=str(body.get("response_url", "")),
    )


def key_of(body: Body) -> str:
    """Name a delivery so that its duplicates have the same name: a trigger id is unique per
    interaction, and a dialog is sent off once.
    """
    view = body.get("view")
    if body.get("type") == "view_submission" and isinstance(view, dict) and view.get("id"):
        return f"view {view['id']}"
    trigger = str(body.get("trigger_id") or body.get("event_id") or "")
    return (
        trigger
        or sha256(
            repr(sorted(body.items(), key=lambda item: item[0])).encode("utf-8", "surrogatepass")
        ).hexdigest()
    )


async def accept(
    intake: SlackIntake, body: Body, command: Command, place: Place | None = None
) -> None:
    """Store a command as an intent."""
    await intake.accept(
        Intent(key_of(body), command, identify(body), place or place_of(body), intake.now())
    )
