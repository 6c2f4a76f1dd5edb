"""A rollback that hangs: the alarm about it, and how its lead gives it up so that another way is open."""

from __future__ import annotations

from dataclasses import replace

from bot.domain.actions import Action
from bot.domain.deployment import Deployment, DeploymentId, Kind, State
from bot.domain.errors import NotPossible, Offer
from bot.domain.hanging import Hanging, is_hanging
from bot.domain.people import Person
from bot.domain.places import Doubt, Unclear
from bot.domain.rollout import Step, StepState
from bot.domain.shown import Seen, token
from bot.ports import Answer, Json, Message, Reader, Transaction
from bot.services.house import House, existing, facts_of, facts_of_snapshot, note
from bot.services.rollback_steps import have_failed
from bot.services.strays import give_up


async def hanging(house: House, reader: Reader, undone: Deployment) -> Hanging | None:
    """Give the rollback of a deployment if it takes longer than it should; None while all is well, and where none is under way."""
    back = await reader.rollback_of(undone.id) if undone.state is State.ROLLING_BACK else None
    found = await _hung(house, reader, back) if back is not None else None
    if back is None or found is None or found.started_at is None:
        return None
    return Hanging(back.id, back.version, back.commit, found.started_at, found.run_url)


async def hanging_in(house: House, reader: Reader, service: str, environment: str) -> Hanging | None:
    """Give the rollback that hangs in a place, if one does."""
    holder = await reader.deployment(await reader.holder(service, environment))
    undone = await reader.deployment(holder.undoes) if holder is not None and holder.kind is Kind.ROLLBACK else None
    return await hanging(house, reader, undone) if undone is not None else None


async def _hung(house: House, reader: Reader, back: Deployment) -> Step | None:
    if back.state is not State.ROLLING_OUT:
        return None
    usual = await reader.rollback_seconds(back.service, back.environment)
    return next((step for step in await reader.steps(back.id) if is_hanging(step, usual, house.now())), None)


def way_on(undone: Deployment) -> str:
    """Name what helps where a rollback hangs."""
    return f"Its lead can give it up: /rollback {undone.service} {undone.environment} because TEXT."


async def say(house: House, back: Deployment) -> None:
    """Raise the alarm about a rollback that hangs, once."""
    async with house.store.reading() as reader:
        undone = await reader.deployment(back.undoes)
        found = await hanging(house, reader, undone) if undone is not None else None
    if undone is None or found is None:
        return
    facts: dict[str, Json] = {**facts_of(undone), "target": found.version, "rollback": back.id}
    facts |= {"since": found.since.isoformat(), "url": found.url}
    async with house.store.reading() as reader:
        facts |= await facts_of_what_serves(reader, back.id)
    async with house.store.transaction() as tx:
        await tx.say(Message(f"{back.id}:hangs", "rollback_hangs", facts, undone.id, to="channel"))


async def facts_of_what_serves(reader: Reader, rollback: DeploymentId) -> dict[str, Json]:
    """Give the newest numbers of what serves while a rollback is under way as JSON values, and whether that is what it has put back."""
    shot = await reader.meanwhile(rollback)
    is_back = any(step.serves_since is not None for step in await reader.steps(rollback))
    return {"snapshot": facts_of_snapshot(shot) if shot else None, "is_back": is_back}


def asked(undone: Deployment, found: Hanging, reason: str) -> NotPossible:
    """Say what giving a rollback up means, with the button that does it."""
    carries = f"{token(Action.ROLL_BACK, seen(undone, found))} {found.commit} {reason}".strip()
    return NotPossible(
        f"{undone.title} is rolling back to {found.version} already, as {found.rollback}, which takes longer than it should, since "
        f"{found.since:%H:%M} UTC. Giving it up stops its run as far as the CI provider lets it, and {found.rollback} counts as failed: "
        f"it is then unclear what runs in {undone.environment}, and it can be rolled back again, or somebody says what is live. "
        "Nothing is done before the button is pressed.",
        Offer(Action.ROLL_BACK, "Give the rollback up", undone.id, carries=carries),
    )


def seen(undone: Deployment, found: Hanging) -> Seen:
    """Say what whoever gives a rollback up has seen."""
    return Seen(commit=undone.commit, target=found.mark)


async def give_it_up(house: House, tx: Transaction, undone: Deployment, found: Hanging, by: Person, reason: str) -> Answer:
    """End a rollback that hangs as one that has failed. Its run is stopped and looked for until it has ended."""
    back, now = await existing(tx, found.rollback), house.now()
    why = "its lead has given it up, as it took longer than it should" + (f": {reason}" if reason else "")
    for step in [step for step in await tx.steps(back.id) if step.is_under_way]:
        await note(tx, now, "given up", back, by, step=step.key, run=step.run)
        await give_up(house, tx, back, step)
        await tx.save_steps(back.id, [replace(step, state=StepState.FAILED, sentence=why, finished_at=now)])
    doubt = Doubt(Unclear.FAILED, f"the rollback of {undone.id} to {back.version} was given up", now, undone.id)
    await tx.cast_doubt(back.service, back.environment, doubt)
    await tx.move(back.id, State.FAILED, at=now, note=why)
    await have_failed(house, tx, back)
    await tx.wake(back.id)
    return Answer("given_up", {**facts_of(undone), "target": back.version, "rollback": back.id})
