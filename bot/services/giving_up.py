"""How whoever leads a rollback that hangs gives it up, so that another way is open."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.domain.actions import Action
from bot.domain.deployment import Deployment, State
from bot.domain.errors import NotPossible, Offer
from bot.domain.hanging import Hanging
from bot.domain.people import Person
from bot.domain.places import Doubt, Unclear
from bot.domain.shown import Seen, token
from bot.ports.store import Transaction
from bot.ports.talk import Answer
from bot.ports.time import Json
from bot.services import whys
from bot.services.context import Context, existing, facts_of, note
from bot.services.rollback_steps import GivenUp, have_failed
from bot.services.strays import cut_off


def _ago(gone: timedelta) -> str:
    """Write for how long it has gone on, where no time of day can be translated."""
    hours, minutes = divmod(int(gone.total_seconds()) // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def asked(undone: Deployment, found: Hanging, reason: str, now: datetime) -> NotPossible:
    """Say what giving a rollback up means, with the button that does it."""
    back = (
        f"{found.version} is put back already and serves; only its smoke test is missing. "
        if found.is_back
        else ""
    )
    carries = f"{token(Action.ROLL_BACK, seen(undone, found))} {found.commit} {reason}".strip()
    return NotPossible(
        f"{undone.title} is rolling back to {found.version} already, as {found.rollback}, which "
        f"takes longer than it should: it began {_ago(now - found.since)} ago. {back}"
        "Giving it up stops its run as far as the CI provider lets it, and "
        f"{found.rollback} counts as failed: "
        f"it is then unclear what runs in {undone.environment}, and it can be rolled back again, "
        "or somebody says what is live. "
        "Nothing is done before the button is pressed.",
        Offer(Action.ROLL_BACK, "Give the rollback up", undone.id, carries=carries),
    )


def seen(undone: Deployment, found: Hanging) -> Seen:
    """Say what whoever gives a rollback up has seen."""
    return Seen(commit=undone.commit, target=found.mark)


async def give_it_up(
    context: Context, tx: Transaction, undone: Deployment, found: Hanging, by: Person, reason: str
) -> Answer:
    """End a rollback that hangs as one that has failed. Its run is stopped and
    looked for until it has ended.
    """
    back, now = await existing(tx, found.rollback), context.now()
    but = (
        f" when {back.version} was put back and served, and only its smoke test was missing"
        if found.is_back
        else ""
    )
    why = f"its lead has given it up{but}, as it took longer than it should" + (
        f": {reason}" if reason else ""
    )
    moving = [step for step in await tx.steps(back.id) if step.is_under_way]
    for step in moving:
        await note(tx, now, "given up", back, by, step=step.key, run=step.run)
        await cut_off(context, tx, back, step, why)
    doubt = Doubt(
        Unclear.FAILED,
        f"the rollback of {undone.id} to {back.version} was given up{but}",
        now,
        undone.id,
    )
    await tx.cast_doubt(back.service, back.environment, doubt)
    await tx.move(back.id, State.FAILED, at=now, note=reason, by=by)
    await have_failed(
        context, tx, await existing(tx, back.id), given_up=GivenUp(by, reason, found.put_back)
    )
    await tx.wake(back.id)
    has_run = any(step.run for step in moving)
    facts: dict[str, Json] = {**facts_of(undone), "target": back.version, "rollback": back.id}
    return Answer(
        "given_up",
        {**facts, "has_run": has_run, "put_back": found.put_back},
        await whys.offer(tx, undone.id),
    )
