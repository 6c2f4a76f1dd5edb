"""The lead's word that a rollout may go on over one finding: what it covers, what it
does not, and when it ends.

It is about numbers alone. What keeps a deployment besides them, a lock, a quarantine or a place
that is unclear, is kept by it all the same; and a word that such a thing has outlasted is not
believed afterwards: the lead is asked again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bot.domain.actions import Action
from bot.domain.card import Card
from bot.domain.decisions import Mark
from bot.domain.deployment import Deployment, DeploymentId, State
from bot.domain.errors import NotPossible
from bot.domain.health import Snapshot
from bot.domain.keeping import LetGo
from bot.domain.people import GONOGO
from bot.domain.places import Obstacle
from bot.domain.shown import finding_of, token
from bot.domain.trouble import (
    EVERYTHING,
    WATCH,
    ByItself,
    Sort,
    Trouble,
    answered,
    by_itself,
    kept,
    over,
    worse_since,
)
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.services import freezes
from bot.services.context import Context, seen
from bot.services.given import WORD, place_of, word_for, word_given
from bot.services.standstills import standstill

ENDED = "word ended:"
"""How the mark begins that such a word was outlasted by something that
kept the deployment besides.
"""


def stopped_for(trouble: Trouble) -> str:
    """Name the mark that the countdown of one finding was stopped: it holds for whatever is
    said on the alarm of that.
    """
    return f"countdown stopped:{trouble.alarm}"


def ended_word(number: object) -> str:
    """Name the mark that the word about a finding was outlasted."""
    return f"{ENDED}{number}"


async def counting(reader: Reader, deployment: Deployment) -> list[Mark]:
    """List the words that were not outlasted by anything."""
    marks = await reader.marks(deployment.id)
    ended = {mark.key for mark in marks}
    words = [mark for mark in marks if mark.key.startswith(WORD)]
    return [
        mark
        for mark in words
        if ended_word(mark.key.removeprefix(WORD).partition(":")[0]) not in ended
    ]


async def let_go(reader: Reader, card: Card) -> LetGo | None:
    """Find the newest word that let it go on although its numbers did not, while that matters."""
    if card.deployment.state not in {State.ROLLING_OUT, State.WATCHING, State.ACCEPTED}:
        return None
    mark = max(await counting(reader, card.deployment), key=lambda mark: mark.at, default=None)
    if mark is None:
        return None
    where = place_of(mark)
    percent = next((step.percent for step in card.steps if step.key == where), None)
    trouble = await reader.trouble(card.deployment.id)
    stands = (
        trouble is not None
        and trouble.is_open
        and trouble.where == where
        and mark.key != word_for(trouble)
    )
    return LetGo(mark.by, mark.reason, where, percent, is_outdated=stands)


async def numbers_of(reader: Reader, deployment: Deployment, trouble: Trouble) -> Snapshot | None:
    """Read the newest numbers of what a finding is about: those that the card shows."""
    return next(
        (
            shot
            for shot in reversed(await reader.snapshots(deployment.id))
            if shot.where == trouble.where
        ),
        None,
    )


async def decide(tx: Transaction, deployment: Deployment, trouble: Trouble, mark: Mark) -> None:
    """Store what somebody decided about a finding, and how bad it is at this moment: it is another
    one only when it gets worse still.
    """
    await tx.mark(mark)
    await tx.save_trouble(
        deployment.id, answered(trouble, await numbers_of(tx, deployment, trouble))
    )


async def stop(
    tx: Transaction, deployment: Deployment, trouble: Trouble, mark: Mark, shown: str
) -> None:
    """Store that the countdown that was shown is stopped. What has got worse since is another
    finding, with a countdown of its own.
    """
    older = await _older(tx, deployment, trouble, Action.STOP_COUNTDOWN, shown)
    if older is None:
        await as_found(tx, deployment, trouble, Action.STOP_COUNTDOWN, shown)
        await decide(tx, deployment, trouble, mark)
        return
    await tx.mark(mark)
    await tx.save_trouble(deployment.id, replace(trouble, answered=older.bad))


async def _older(
    reader: Reader, deployment: Deployment, trouble: Trouble, action: Action, shown: str
) -> Trouble | None:
    """Find the older picture of the same finding that was shown, also at an earlier step; None
    where that is the newest, or none.
    """
    now = await seen(reader, deployment)
    places = dict.fromkeys(
        [trouble.where, *(step.key for step in await reader.steps(deployment.id))]
    )
    pictures = [
        replace(each, where=where) for where in places for each in (trouble, *trouble.pictures)
    ][1:]
    return next(
        (
            each
            for each in pictures
            if token(action, replace(now, finding=finding_of(each))) == shown
        ),
        None,
    )


async def as_found(
    reader: Reader, deployment: Deployment, trouble: Trouble, action: Action, shown: str
) -> None:
    """Refuse a decision on an older picture of a finding, or on another one; say what is worse
    since. Raises NotPossible.
    """
    now = await seen(reader, deployment)
    if not shown or shown == token(action, now):
        return
    shot = await numbers_of(reader, deployment, trouble)
    older = (
        each
        for each in trouble.pictures
        if token(action, replace(now, finding=finding_of(each))) == shown
    )
    picture = next(older, None)
    keys = worse_since(trouble, picture) if picture else tuple(dict(trouble.bad))
    what = (
        "; ".join(each.sentence for each in shot.findings if each.key in keys and each.sentence)
        if shot
        else ""
    )
    since = (
        "It has got worse since that was shown to you"
        if picture
        else "What keeps it now is not what was shown to you"
    )
    raise NotPossible(
        f"{since}{f': {what}' if what else ''}. Nothing was done. Look at the card as it is "
        "now, and decide about that."
    )


async def besides(context: Context, reader: Reader, deployment: Deployment) -> str:
    """Say what keeps a rollout from its next step, or a watch from its end, whatever its
    numbers say; empty for nothing.

    A lock keeps nothing that is everywhere already.
    """
    ground = await reader.ground(deployment)
    if deployment.state is State.WATCHING and not ground.is_clear:
        return f"it is unclear what runs: {ground.in_words}"
    coming = any(step.is_to_start for step in await reader.steps(deployment.id))
    found = await standstill(context, reader, deployment)
    keeping = [each.sentence for each in found if coming or each.kind is not Obstacle.LOCKED]
    keeping += await freezes.why_not_on(context, reader, deployment, ()) if coming else []
    return next(iter(keeping), "")


async def ends_by_itself(
    context: Context, reader: Reader, deployment: Deployment, trouble: Trouble
) -> ByItself:
    """Say what lets a deployment go on without a word about a finding, as things are now."""
    has_all = trouble.where == WATCH or await _had_everything(reader, deployment, trouble.where)
    shot = await numbers_of(reader, deployment, trouble)
    besides_it = await besides(context, reader, deployment)
    return by_itself(
        trouble, shot, is_first=not deployment.base_commit, has_all=has_all, besides=besides_it
    )


async def is_outlasted(
    context: Context, tx: Transaction, deployment: Deployment, trouble: Trouble
) -> bool:
    """Tell whether something keeps it besides its numbers, and end the word about them then."""
    if not await besides(context, tx, deployment):
        return False
    await tx.mark(Mark(deployment.id, ended_word(trouble.number), GONOGO, context.now()))
    return True


async def end_words(context: Context, tx: Transaction, freed: Iterable[DeploymentId]) -> None:
    """End the words about what is free now of something that kept it besides its
    numbers, however short that was.
    """
    for deployment in freed:
        trouble = await tx.trouble(deployment)
        if (
            trouble is not None
            and trouble.is_open
            and any(mark.key == word_for(trouble) for mark in await tx.marks(deployment))
        ):
            await tx.mark(Mark(deployment, ended_word(trouble.number), GONOGO, context.now()))


async def known_there(tx: Transaction, deployment: Deployment, shot: Snapshot) -> Trouble | None:
    """Read what is the matter where a snapshot looks. What was worse at an earlier step has
    come along with the rollout.

    What was let go on from there is left behind with its word, unless it had all requests at that
    step already: what follows then is the watch, its numbers are those of the same requests, and
    the word holds on for as long as they get no worse.
    """
    known = await tx.trouble(deployment.id)
    if (
        known is None
        or not known.is_open
        or known.sort is not Sort.DEGRADED
        or known.where == shot.where
    ):
        return known
    word = await word_given(tx, deployment, known)
    if word is not None and not await _had_everything(tx, deployment, known.where):
        return known
    moved = replace(known, where=shot.where)
    await tx.save_trouble(deployment.id, moved)
    if word is not None:
        await tx.mark(replace(word, key=word_for(moved)))
    return moved


async def _had_everything(reader: Reader, deployment: Deployment, key: str) -> bool:
    return any(
        step.key == key and step.percent == EVERYTHING for step in await reader.steps(deployment.id)
    )


async def decided_about(
    context: Context, tx: Transaction, deployment: Deployment, trouble: Trouble
) -> Trouble:
    """Give the finding that a word is about: the next one about the same, where what kept it
    besides has ended the words so far.
    """
    known = await asked_anew(context, tx, deployment, trouble)
    return kept(known) if known is not None else trouble


async def asked_anew(
    context: Context, tx: Transaction, deployment: Deployment, known: Trouble | None
) -> Trouble | None:
    """End a finding whose word was outlasted by what is over now: what the numbers still
    say is the next finding.
    """
    if known is None or not known.is_open:
        return known
    ended = any(mark.key == ended_word(known.number) for mark in await tx.marks(deployment.id))
    return over(known) if ended and not await besides(context, tx, deployment) else known
