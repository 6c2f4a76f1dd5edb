"""A rollback that hangs: the alarm about it, and how its lead gives it up so that another way is open."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

from bot.domain.actions import Action
from bot.domain.deployment import Deployment, DeploymentId, Kind, State
from bot.domain.errors import IntegrationError, NotPossible, Offer
from bot.domain.hanging import Hanging, is_hanging
from bot.domain.people import GONOGO, Person
from bot.domain.places import Doubt, Unclear
from bot.domain.rollout import Step, StepState
from bot.domain.shown import Seen, token
from bot.ports import Answer, Json, Mark, Message, Reader, Transaction
from bot.services import whys
from bot.services.given import gate_pressed
from bot.services.house import House, existing, facts_of, facts_of_snapshot, note
from bot.services.rollback_steps import have_failed
from bot.services.strays import give_up

HANGS = "hangs"
"""What is noted once, in the audit log too, of a rollback that takes longer than it should."""
GATE_SAID = "gate-said:"
"""How the mark begins that says: people were called to the gate at which a rollback waits."""


async def hanging(house: House, reader: Reader, undone: Deployment) -> Hanging | None:
    """Give the rollback of a deployment if it takes longer than it should; None while all is well, and where none is under way."""
    back = await reader.rollback_of(undone.id) if undone.state is State.ROLLING_BACK else None
    found = await _hung(house, reader, back) if back is not None else None
    if back is None or found is None or found.started_at is None:
        return None
    return Hanging(back.id, back.version, back.commit, found.started_at, found.run_url, is_back=found.serves_since is not None)


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
        facts |= await facts_of_now(reader, back.id)
    async with house.store.transaction() as tx:
        if await tx.mark(Mark(back.id, HANGS, GONOGO, house.now())):
            await note(tx, house.now(), HANGS, undone, rollback=back.id)
        await tx.say(Message(f"{back.id}:hangs", "rollback_hangs", facts, undone.id, to="channel"))


async def facts_of_now(reader: Reader, rollback: DeploymentId) -> dict[str, Json]:
    """Give as JSON values how a rollback stands: the numbers of what serves, whether that is what it has put back, where it waits."""
    shot, steps = await reader.meanwhile(rollback), await reader.steps(rollback)
    waits = next((step for step in steps if step.waiting_stage), None)
    gate: dict[str, Json] = {"gate": waits.waiting_stage if waits else "", "opens_here": bool(waits and waits.passable_stage)}
    is_back = any(step.serves_since is not None for step in steps)
    return {"snapshot": facts_of_snapshot(shot) if shot else None, "is_back": is_back, **gate}


async def say_gate(house: House, back: Deployment, step: Step) -> None:
    """Call people to a gate of its pipeline at which a rollback waits, once for each, unless somebody has let it go on already."""
    key = f"{GATE_SAID}{step.attempt}:{step.state}:{step.waiting_stage}"
    async with house.store.reading() as reader:
        is_said = any(mark.key == key for mark in await reader.marks(back.id))
        is_pressed = bool(step.gate) and await gate_pressed(reader, back, step) is not None
    if is_said or is_pressed:
        return
    on_call = await _on_call(house, back)
    async with house.store.transaction() as tx:
        undone, stored = await existing(tx, back.undoes), (await tx.steps(back.id))[step.index]
        is_over = (await existing(tx, back.id)).state is not State.ROLLING_OUT or stored.waiting_stage != step.waiting_stage
        if is_over or not await tx.mark(Mark(back.id, key, GONOGO, house.now())):
            return
        facts: dict[str, Json] = {**facts_of(undone), "target": back.version, "rollback": back.id, "url": step.run_url}
        facts |= {"gate": step.waiting_stage, "opens_here": bool(step.passable_stage)}
        facts |= {"on_call": str(on_call) if on_call is not None and on_call != undone.lead else ""}
        await tx.say(Message(f"{back.id}:waits:{key}", "rollback_waits", facts, undone.id, to="channel"))


async def _on_call(house: House, back: Deployment) -> Person | None:
    """Ask who is on call; a rota that does not answer keeps nobody from being called."""
    service, _, providers = house.of(back)
    with suppress(IntegrationError, TimeoutError):
        async with asyncio.timeout(1.0):
            shift = await providers.on_call.who(service, house.now())
            return shift.person if shift is not None else None
    return None


async def waits_still(reader: Reader, message: Message) -> bool:
    """Tell whether a rollback waits at the gate to which people were called."""
    back = await reader.deployment(str(message.facts.get("rollback", "")))
    if back is None or back.state is not State.ROLLING_OUT:
        return False
    return any(step.waiting_stage == message.facts["gate"] for step in await reader.steps(back.id))


def asked(undone: Deployment, found: Hanging, reason: str) -> NotPossible:
    """Say what giving a rollback up means, with the button that does it."""
    back = f"{found.version} is put back already and serves; only its smoke test is missing. " if found.is_back else ""
    carries = f"{token(Action.ROLL_BACK, seen(undone, found))} {found.commit} {reason}".strip()
    return NotPossible(
        f"{undone.title} is rolling back to {found.version} already, as {found.rollback}, which takes longer than it should: it began at "
        f"{found.since:%H:%M} UTC. {back}"
        f"Giving it up stops its run as far as the CI provider lets it, and {found.rollback} counts as failed: "
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
    but = f" when {back.version} was put back and served, and only its smoke test was missing" if found.is_back else ""
    why = f"its lead has given it up{but}, as it took longer than it should" + (f": {reason}" if reason else "")
    moving = [step for step in await tx.steps(back.id) if step.is_under_way]
    for step in moving:
        await note(tx, now, "given up", back, by, step=step.key, run=step.run)
        await give_up(house, tx, back, step)
        await tx.save_steps(back.id, [replace(step, state=StepState.FAILED, sentence=why, finished_at=now)])
    doubt = Doubt(Unclear.FAILED, f"the rollback of {undone.id} to {back.version} was given up{but}", now, undone.id)
    await tx.cast_doubt(back.service, back.environment, doubt)
    await tx.move(back.id, State.FAILED, at=now, note=reason, by=by)
    await have_failed(house, tx, back, put_back=found.put_back, given_up=True)
    await tx.wake(back.id)
    has_run = any(step.run for step in moving)
    facts: dict[str, Json] = {**facts_of(undone), "target": back.version, "rollback": back.id}
    return Answer("given_up", {**facts, "has_run": has_run, "put_back": found.put_back}, await whys.offer(tx, undone.id))
