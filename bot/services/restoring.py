"""After a restore: the database does not know what was done since the copy was made, so nobody goes
forward on what it says.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from bot.domain import plain
from bot.domain.audit import RESTORED, Entry
from bot.domain.people import GONOGO
from bot.domain.places import Doubt, Unclear
from bot.ports.reader import Reader
from bot.ports.store import Restored, Transaction
from bot.ports.talk import Message
from bot.services.auditing import where_it_was_used
from bot.services.context import Context
from bot.services.countdown import call_off_held

log = structlog.get_logger(__name__)


async def notice(context: Context, restored: Restored, channels: Sequence[str]) -> None:
    """Make every environment unclear until somebody says what is live there, write it down, and
    tell it where people deploy.
    """
    why, now = _why(restored), context.now()
    log.warning(
        "the database is not the one that was last worked with; what is live is unclear",
        newest=restored.newest,
        known=restored.known,
    )
    async with context.store.transaction() as tx:
        for service in context.catalog.services.values():
            for environment in service.environments:
                await tx.cast_doubt(service.name, environment, Doubt(Unclear.RESTORED, why, now))
                await _call_off(context, tx, service.name, environment)
        await tx.audit(
            Entry(now, GONOGO, RESTORED, facts={"newest": restored.newest, "known": restored.known})
        )
        facts = {
            **await _places(context, tx),
            "as_of": restored.as_of.isoformat() if restored.as_of else "",
            "lost": _lost(restored),
            "settled": 0,
            "at": now.isoformat(),
        }
        for channel in channels or await where_it_was_used(tx, restored.as_of or now):
            await tx.say(
                Message(
                    f"restored:{restored.newest}:{now.isoformat()}:{channel}",
                    "restored",
                    facts,
                    to="channel",
                    channel=channel,
                )
            )


async def _call_off(context: Context, tx: Transaction, service: str, environment: str) -> None:
    """Call off what was to go back by itself: the numbers that it goes by
    are older than the copy.
    """
    for deployment in await tx.open_deployments(service, environment):
        await call_off_held(context, tx, deployment)


def _lost(restored: Restored) -> int:
    """Count the audit entries that are known to be missing; 0 when it is not known."""
    return max(restored.known - restored.newest, 0)


def _why(restored: Restored) -> str:
    if restored.as_of is None:
        return "the database is new, but the bot has worked here before"
    copy = f"the database was put back from a copy of {plain.moment(restored.as_of)}"
    return (
        copy
        if restored.known
        else f"the database comes from elsewhere, and ends at {plain.moment(restored.as_of)}"
    )


async def _places(context: Context, reader: Reader) -> dict[str, object]:
    places = []
    for service in context.catalog.services.values():
        for environment in service.environments:
            live = await reader.live(service.name, environment)
            places.append(
                {
                    "service": service.name,
                    "environment": environment,
                    "version": live.version if live else "",
                }
            )
    return {"places": places}
