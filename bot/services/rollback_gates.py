"""A gate of its pipeline's own at which a rollback waits: people are called to it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from bot.domain.decisions import Mark
from bot.domain.deployment import Deployment, State
from bot.domain.errors import IntegrationError
from bot.domain.people import GONOGO, Person
from bot.domain.rollout import Step
from bot.ports.reader import Reader
from bot.ports.talk import Message
from bot.ports.time import Json
from bot.services.context import Context, existing, facts_of
from bot.services.given import gate_pressed

GATE_SAID = "gate-said:"
"""How the mark begins that says: people were called to the gate at which a rollback waits."""


async def say_gate(context: Context, back: Deployment, step: Step) -> None:
    """Call people to a gate of its pipeline at which a rollback waits, once for each, unless
    somebody has let it go on already.
    """
    key = f"{GATE_SAID}{step.attempt}:{step.state}:{step.waiting_stage}"
    async with context.store.reading() as reader:
        is_said = any(mark.key == key for mark in await reader.marks(back.id))
        is_pressed = bool(step.gate) and await gate_pressed(reader, back, step) is not None
    if is_said or is_pressed:
        return
    on_call = await _on_call(context, back)
    async with context.store.transaction() as tx:
        undone, stored = await existing(tx, back.undoes), (await tx.steps(back.id))[step.index]
        is_over = (
            await existing(tx, back.id)
        ).state is not State.ROLLING_OUT or stored.waiting_stage != step.waiting_stage
        if is_over:
            return
        await tx.mark(Mark(back.id, key, GONOGO, context.now()))
        facts: dict[str, Json] = {
            **facts_of(undone),
            "target": back.version,
            "rollback": back.id,
            "url": step.run_url,
        }
        facts |= {"gate": step.waiting_stage, "opens_here": bool(step.passable_stage)}
        facts |= {"on_call": str(on_call) if on_call is not None and on_call != undone.lead else ""}
        await tx.say(
            Message(f"{back.id}:waits:{key}", "rollback_waits", facts, undone.id, to="channel")
        )


async def _on_call(context: Context, back: Deployment) -> Person | None:
    """Ask who is on call; a rota that does not answer keeps nobody from being called."""
    service, _, providers = context.of(back)
    with suppress(IntegrationError, TimeoutError):
        async with asyncio.timeout(1.0):
            shift = await providers.on_call.who(service, context.now())
            return shift.person if shift is not None else None
    return None


async def waits_still(reader: Reader, message: Message) -> bool:
    """Tell whether a rollback waits at the gate to which people were called."""
    back = await reader.deployment(str(message.facts.get("rollback", "")))
    if back is None or back.state is not State.ROLLING_OUT:
        return False
    return any(step.waiting_stage == message.facts["gate"] for step in await reader.steps(back.id))
