"""The lead's word that a rollout may go on over one finding: what it covers, what it does not, and when it ends.

It is about numbers alone. What keeps a deployment besides them, a lock, a quarantine or a place that is unclear, is kept by it all the
same; and a word that such a thing has outlasted is not believed afterwards: the lead is asked again.
"""

from __future__ import annotations

from bot.domain.deployment import Deployment, State
from bot.domain.people import GONOGO
from bot.domain.places import Obstacle
from bot.domain.trouble import Trouble, over
from bot.ports import Mark, Reader, Transaction
from bot.services.house import House
from bot.services.starts import standstill

WORD = "proceed:"
"""How the mark of the lead's word begins that one finding may be gone on over."""
ENDED = "word ended:"
"""How the mark begins that such a word was outlasted by something that kept the deployment besides."""


def word_for(trouble: Trouble) -> str:
    """Name the mark of the lead's word that one finding may be gone on over."""
    return f"{WORD}{trouble.number}:{trouble.where}"


def place_of(mark: Mark) -> str:
    """Say at which step (or in the watch) such a word was given."""
    return mark.key.removeprefix(WORD).partition(":")[2]


def stopped_for(trouble: Trouble) -> str:
    """Name the mark that the countdown of one finding was stopped."""
    return f"countdown stopped:{trouble.number}"


def _ended(number: object) -> str:
    return f"{ENDED}{number}"


async def counting(reader: Reader, deployment: Deployment) -> list[Mark]:
    """List the words that were not outlasted by anything."""
    marks = await reader.marks(deployment.id)
    ended = {mark.key for mark in marks}
    words = [mark for mark in marks if mark.key.startswith(WORD)]
    return [mark for mark in words if _ended(mark.key.removeprefix(WORD).partition(":")[0]) not in ended]


async def has_word(reader: Reader, deployment: Deployment, trouble: Trouble) -> bool:
    """Tell whether the lead has let it go on over this finding."""
    return any(mark.key == word_for(trouble) for mark in await reader.marks(deployment.id))


async def has_answer(reader: Reader, deployment: Deployment, trouble: Trouble) -> bool:
    """Tell whether somebody has decided anything about this finding."""
    return any(mark.key in {word_for(trouble), stopped_for(trouble)} for mark in await reader.marks(deployment.id))


async def besides(house: House, reader: Reader, deployment: Deployment) -> str:
    """Say what keeps a rollout from its next step, or a watch from its end, whatever its numbers say; empty for nothing.

    A lock keeps nothing that is everywhere already.
    """
    ground = await reader.ground(deployment)
    if deployment.state is State.WATCHING and not ground.is_clear:
        return f"it is unclear what runs: {ground.in_words}"
    coming = any(step.is_to_start for step in await reader.steps(deployment.id))
    found = await standstill(house, reader, deployment)
    return next((each.sentence for each in found if coming or each.kind is not Obstacle.LOCKED), "")


async def is_outlasted(house: House, tx: Transaction, deployment: Deployment, trouble: Trouble) -> bool:
    """Tell whether something keeps it besides its numbers, and end the word about them then."""
    if not await besides(house, tx, deployment):
        return False
    await tx.mark(Mark(deployment.id, _ended(trouble.number), GONOGO, house.now()))
    return True


async def asked_anew(house: House, tx: Transaction, deployment: Deployment, known: Trouble | None) -> Trouble | None:
    """End a finding whose word was outlasted by what is over now: what the numbers still say is the next finding."""
    if known is None or not known.is_open:
        return known
    ended = any(mark.key == _ended(known.number) for mark in await tx.marks(deployment.id))
    return over(known) if ended and not await besides(house, tx, deployment) else known
