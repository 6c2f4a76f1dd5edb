"""Putting aside: a command that fails for a reason of our own, or ends the process, is
given up, audited, and said.
"""

from __future__ import annotations

import traceback

import structlog

from bot.domain.audit import Entry
from bot.domain.commands import to_json
from bot.domain.people import GONOGO
from bot.ports.store import Transaction
from bot.ports.talk import Answer, Intent
from bot.ports.work import LeftOver
from bot.services.context import Context, act

log = structlog.get_logger(__name__)

SUSPECT = 2
"""A command that was left over at so many starts is carried out with nothing beside it."""
DEADLY = 3
"""A command that the process did not come back from so often is not carried out again."""
INCIDENT = "incident"
"""The outcome in the audit log of what was put aside."""

Fault = tuple[str, str]
"""What was raised, and where: two that are alike are one mistake."""


def fault_of(error: Exception) -> Fault:
    """Say what a mistake is known by. Its words may hold what differs from one try
    to the next, or a secret.
    """
    frames = traceback.extract_tb(error.__traceback__)
    return type(error).__name__, f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""


async def put_aside(context: Context, intent: Intent, why: str) -> Answer | None:
    """Give a command up: audit it, and say so to its person. What was decided before the
    fault is answered as it was.
    """
    log.error("a command was put aside", key=intent.key, verb=intent.command.verb, why=why)
    answer = Answer("incident", {"incident": intent.key[:12], "verb": intent.command.verb})
    facts = {"incident": intent.key[:12], "why": why, "command": to_json(intent.command)}
    about = _storable(getattr(intent.command, "deployment", ""))

    async def decide(tx: Transaction) -> Answer:
        await tx.audit(Entry(context.now(), intent.by, intent.command.verb, about, INCIDENT, facts))
        return answer

    return await act(context, intent, decide)


async def not_answered(context: Context, intent: Intent, error: Exception) -> None:
    """Write down that a command was carried out, and its person could not be told."""
    facts = {
        "incident": intent.key[:12],
        "why": f"its answer could not be given: {type(error).__name__}",
    }
    async with context.store.transaction() as tx:
        await tx.audit(
            Entry(context.now(), intent.by, intent.command.verb, outcome=INCIDENT, facts=facts)
        )


async def unread(context: Context, left: LeftOver) -> None:
    """Write down what was accepted and cannot be read: nobody knows whose it was."""
    async with context.store.transaction() as tx:
        for key in left.unreadable:
            why = "a stored command cannot be read"
            await tx.audit(
                Entry(
                    context.now(),
                    GONOGO,
                    "command",
                    outcome=INCIDENT,
                    facts={"incident": _storable(key[:12]), "why": why},
                )
            )


def _storable(text: str) -> str:
    """Take out of a text what no database stores."""
    return text.encode(errors="replace").decode()
