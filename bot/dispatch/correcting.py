"""The command that was meant where one word of it was misspelt, as a button in the refusal."""

from __future__ import annotations

from dataclasses import replace

from bot.dispatch.tables import USAGE
from bot.dispatch.typed import line_of, parse
from bot.domain.commands import Command, Deploy
from bot.domain.corrected import offered
from bot.domain.errors import Offer, Refusal
from bot.domain.near import only
from bot.domain.usage import nearest
from bot.ports.talk import Answer, Intent
from bot.services import refusals
from bot.services.context import Context


async def told(context: Context, intent: Intent, refusal: Refusal) -> Answer:
    """Make the answer to somebody whose command was refused; where it is known what they meant,
    with that as a button.
    """
    meant = offers(intent, refusal, context)
    return await refusals.told(context, intent.by, refusal, meant=meant)


def offers(intent: Intent, refusal: Refusal, context: Context) -> tuple[Offer, ...]:
    """Offer the command that was meant, where a refusal knows it."""
    return offered(line_meant(intent.command, refusal), intent.by, context.now(), intent.key)


def line_meant(command: Command, refusal: Refusal) -> str:
    """Write the line that was meant, with the one word that the refusal knows; empty where it
    knows none, and for what nobody types.
    """
    if refusal.line:
        return refusal.line
    meant = refusal.meant
    if meant is None or not getattr(command, meant.field, ""):
        return ""
    return line_of(replace(command, **{meant.field: meant.name}))


def misread(context: Context, command: Command, refusal: Refusal) -> Refusal:
    """Give a refusal with the command that was meant, where a misspelt one was read as the service
    of a deployment; any other as it is.
    """
    if not isinstance(command, Deploy) or refusal.meant is not None:
        return refusal
    verb = "" if command.service in context.catalog.services else _verb(command)
    if not verb:
        return refusal
    line = line_of(command).replace(f"/deploy {command.service} ", f"/deploy {verb} ", 1)
    try:
        parse(line)
    except Refusal:
        return refusal
    return type(refusal)(f"{refusal} Did you mean the command {verb}?", line=line)


def _verb(command: Deploy) -> str:
    return only(nearest(command.service, USAGE))
