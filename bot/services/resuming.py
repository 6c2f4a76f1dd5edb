"""A watch that a rollback which failed, or a wrong word, cut off, and that is taken up again
because somebody has said what is live.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bot.domain.deployment import Deployment, State
from bot.domain.live import Live
from bot.domain.people import Person
from bot.domain.trouble import over
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.services.context import Context, note
from bot.services.targets import last_of

WATCHED_ON: Final = "watched on"
"""What is noted of a watch that is taken up again."""


@dataclass(frozen=True, slots=True)
class TakenUp:
    """A watch that goes on from now on."""

    deployment: Deployment
    until: datetime


async def take_up(context: Context, tx: Transaction, live: Live, by: Person) -> TakenUp | None:
    """Watch what somebody says is live from now on, where its watch had begun and not ended; say of
    which deployment, and until when.

    What was found before is over with the word, which says nothing about numbers: what they say
    from now on is another finding.
    """
    found = await _cut_off(tx, live)
    if found is None or not await tx.move(found.id, State.WATCHING, at=live.since):
        return None
    await tx.set_landed(found.id, live.since)
    known = await tx.trouble(found.id)
    if known is not None:
        await tx.save_trouble(found.id, over(known))
    await note(tx, live.since, WATCHED_ON, found, by)
    await tx.start("watch", f"watch {found.id} {live.since.isoformat()}", found.id)
    return TakenUp(found, live.since + context.of(found)[1].watch)


async def _cut_off(reader: Reader, live: Live) -> Deployment | None:
    """Find the deployment that brought what is said to be live, and whose watch a rollback that
    failed, or another word, has cut off.
    """
    last = await last_of(reader, live.service, live.environment, live.commit)
    if last is None or last.landed_at is None or not (last.state is State.FAILED or last.was_left):
        return None
    has_ended = bool(last.accepted) or await reader.was_verified(last)
    return None if has_ended else last
