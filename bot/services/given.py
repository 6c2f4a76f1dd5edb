"""The words that are there to let something go on: the lead's over a finding, and somebody's
at a gate of the pipeline.
"""

from __future__ import annotations

from bot.domain.decisions import Mark
from bot.domain.deployment import Deployment
from bot.domain.rollout import Step
from bot.domain.trouble import Trouble
from bot.ports.reader import Reader

WORD = "proceed:"
"""How the mark of the lead's word begins that one finding may be gone on over."""

GATE = "gate:"
"""How the mark begins that says: open the pipeline's gate of this name."""


def word_for(trouble: Trouble) -> str:
    """Name the mark of the lead's word that one finding may be gone on over."""
    return f"{WORD}{trouble.number}:{trouble.where}"


def place_of(mark: Mark) -> str:
    """Say at which step (or in the watch) such a word was given."""
    return mark.key.removeprefix(WORD).partition(":")[2]


async def word_given(reader: Reader, deployment: Deployment, trouble: Trouble) -> Mark | None:
    """Find the lead's word that it may go on over this finding."""
    return next(
        (mark for mark in await reader.marks(deployment.id) if mark.key == word_for(trouble)), None
    )


async def has_word(reader: Reader, deployment: Deployment, trouble: Trouble) -> bool:
    """Tell whether the lead has let it go on over this finding."""
    return await word_given(reader, deployment, trouble) is not None


async def in_question(reader: Reader, deployment: Deployment) -> Trouble | None:
    """Find what its numbers say against a deployment, as long as the lead has
    not let it go on over that.
    """
    trouble = await reader.trouble(deployment.id)
    is_open = trouble is not None and trouble.is_open
    return (
        trouble
        if trouble is not None and is_open and not await has_word(reader, deployment, trouble)
        else None
    )


async def gate_pressed(reader: Reader, deployment: Deployment, step: Step) -> Mark | None:
    """Find the word that lets a pipeline go on at the gate where a step's run waits."""
    return next(
        (mark for mark in await reader.marks(deployment.id) if mark.key == f"{GATE}{step.gate}"),
        None,
    )
