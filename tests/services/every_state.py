"""Describes one deployment in each state: its card, its line on the board, its history, and what
becomes of all that asks about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from bot.domain.commands import History, Status
from bot.domain.deployment import Deployment
from bot.ports.talk import Answer, Intent, Message, Place
from bot.ports.time import Json
from bot.queries import board, history
from bot.queries.card import card_of
from bot.queries.status_line import cards_due
from bot.services import endings, summaries, timely
from bot.slack import speech
from bot.slack.cards import deployment_card
from bot.slack.render import Words
from tests.services.authority_world import PEOPLE, Who, World
from tests.services.conftest import readable, text_of

HOUR = timedelta(hours=1)


async def described(world: World) -> list[str]:
    """Write down everything that is shown of each deployment, in the order of the states."""
    lines: list[str] = []
    for state, deployment in world.deployments.items():
        lines += [
            f"{state}:",
            *await _shown(world, deployment),
            *await _asked(world, deployment),
            "",
        ]
    return lines


async def _shown(world: World, deployment: Deployment) -> list[str]:
    context, words = world.context, Words(now=world.context.clock.now)
    card = await card_of(context, deployment.id)
    assert card is not None
    due = (await cards_due(context, [deployment.id]))[deployment.id]
    intent = Intent("asked", Status(), PEOPLE[Who.DEVELOPER], Place("C2"), context.now())
    status = await board.status(context, intent, Status(deployment.service))
    past = await history.history(context, intent, History(deployment.service, "production"))
    return [
        *_indented("card", text_of(deployment_card(card, words).blocks)),
        (
            f"  [{', '.join(card.actions)}], on an alarm [{', '.join(card.decisions)}], drawn as "
            f"{due.urgency.name.lower()} of {due.card}"
        ),
        *_indented("board", _said(status, words)),
        *_indented("history", _said(past, words)),
    ]


def _said(answer: Answer, words: Words) -> list[str]:
    return text_of(speech.answer(answer, words).blocks)


def _indented(what: str, texts: list[str]) -> list[str]:
    return [f"  {what}| {line}".rstrip() for line in readable("\n".join(texts)).splitlines()]


async def _asked(world: World, deployment: Deployment) -> list[str]:
    """Say what becomes of each message that asks for something, and
    whether it would still be said.
    """
    lines = []
    for message in _messages(world, deployment):
        ended, now = (
            await endings.ended(world.context, message),
            await timely.still_true(world.context, message),
        )
        told = (
            "not said any more"
            if now is None
            else "said"
            if now == message
            else f"said with {_changed(message, now)}"
        )
        end = f"{ended.sentence}{'' if ended.is_final else ' (for now)'}" if ended else "it asks"
        lines.append(f"  {_named(message)}: {told}; {end}")
    async with world.context.store.reading() as reader:
        facts = await summaries.facts_of_summary(reader, deployment)
    return [*lines, f"  summary: {facts}"]


def _changed(before: Message, now: Message) -> str:
    return " ".join(
        f"{key}={value or 'nothing'}"
        for key, value in now.facts.items()
        if before.facts.get(key, now) != value
    )


def _named(message: Message) -> str:
    about = " ".join(
        f"{key}={value}" for key, value in message.facts.items() if value and key != "snapshot"
    )
    return f"{message.template} {about}{f' to {message.to}' if '/' in message.to else ''}"


def _messages(world: World, deployment: Deployment) -> list[Message]:
    now, lead, on_call = world.context.now(), str(PEOPLE[Who.LEAD]), str(PEOPLE[Who.ON_CALL])
    asks: list[tuple[str, Mapping[str, Json], str]] = [
        *(
            (
                "degraded",
                {"finding": finding, "until": "", "lead": "", "snapshot": {"findings": []}},
                "channel",
            )
            for finding in (1, 2)
        ),
        ("not_by_itself", {"why": "nobody knows"}, "channel"),
        *(
            (template, {}, "channel")
            for template in ("failed", "smoke_failed", "rolling_back", "refused", "quarantined")
        ),
        *(
            ("stands_still", {"step": step, "why": "a fire", "since": "", "also": []}, "channel")
            for step in ("canary-5", "canary-100")
        ),
        *(
            ("acknowledge_request", {"until": until}, on_call)
            for until in ("", now.isoformat(), (now + HOUR).isoformat())
        ),
        *(("ask_lead", {}, to) for to in (lead, on_call)),
        ("approved", {}, "thread"),
    ]
    return [
        Message(f"{template}:{to}", template, facts, deployment.id, to=to)
        for template, facts, to in asks
    ]
