"""How a refusal is told: who can do it instead, by name, and only the next steps
that this person can take.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from bot.domain.actions import Action
from bot.domain.catalog import Permission
from bot.domain.deployment import DeploymentId
from bot.domain.errors import IntegrationError, NotAllowed, NotPossible, Offer, Refusal
from bot.domain.people import Person
from bot.ports.people import Shift
from bot.ports.talk import Answer
from bot.services.context import Context, existing
from bot.services.provider_facts import on_call_now

NAMED = 3
"""So many people are named; the others are counted."""
PATIENCE = 1.0
"""Seconds that the answer waits for a schedule or a directory."""


async def to_whom(
    context: Context, by: Person, refusal: Refusal, id: DeploymentId, service: str = ""
) -> Refusal:
    """Tell whoever has no say here no more than that: a refusal names versions,
    services, states and people.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            if await has_a_say(context, by, id, service):
                return refusal
    except (IntegrationError, TimeoutError):
        return NotAllowed(
            "Nothing was done: which roles you hold cannot be looked up now, and the reason is "
            "told to those who hold one."
        )
    return NotAllowed(
        f"You hold no role here, so you cannot do this. {context.people.who_can(Permission.VIEW)}"
    )


async def has_a_say(context: Context, by: Person, id: DeploymentId, service: str = "") -> bool:
    """Tell whether somebody leads the deployment that they mean, holds any role, or is on call for
    its service. Raises IntegrationError.

    The lead's id is enough: no directory is asked about the lead.
    """
    async with context.store.reading() as reader:
        deployment = await reader.deployment(id)
    if (deployment is not None and deployment.lead == by) or await context.people.has_a_role(by):
        return True
    found = context.catalog.services.get(deployment.service if deployment else service)
    shift = await context.providers[found.name].on_call.who(found, context.now()) if found else None
    return shift is not None and shift.person == by


async def told(
    context: Context, by: Person, refusal: Refusal, *, meant: tuple[Offer, ...] = ()
) -> Answer:
    """Make the answer to somebody who was refused; ``meant`` is the command that they meant."""
    people = await _who_can(context, by, refusal)
    offers, on_call = await _possible(context, by, refusal.offers)
    facts = {
        "sentence": str(refusal), "people": [str(person) for person in people[:NAMED]],
        "more": max(0, len(people) - NAMED),
        "on_call": str(on_call or ""),
    }  # fmt: skip
    return Answer("refusal", facts, (*meant, *offers))


async def _who_can(context: Context, by: Person, refusal: Refusal) -> list[Person]:
    """Name who can do it instead, to whoever holds a role: to nobody else are people named."""
    with suppress(TimeoutError, IntegrationError):
        async with asyncio.timeout(PATIENCE):
            if await context.people.has_a_role(by):
                return sorted(await context.people.with_roles(refusal.roles) - {by})
    return []


async def _possible(
    context: Context, by: Person, offers: tuple[Offer, ...]
) -> tuple[tuple[Offer, ...], Person | None]:
    """Leave out what this person cannot do; name who is on call where they can take
    over and this person cannot.
    """
    over = next((offer for offer in offers if offer.action == Action.TAKE_OVER), None)
    if over is None:
        return offers, None
    try:
        shift = await _shift(context, over)
    except (IntegrationError, TimeoutError, NotPossible):
        return offers, None  # it cannot be known now: the button stays, and its dialog asks again
    if shift is not None and shift.person == by:
        return offers, None
    async with context.store.reading() as reader:
        lead = (await existing(reader, over.deployment)).lead
    on_call = shift.person if shift is not None and shift.person != lead else None
    return tuple(offer for offer in offers if offer is not over), on_call


async def _shift(context: Context, offer: Offer) -> Shift | None:
    async with context.store.reading() as reader:
        deployment = await existing(reader, offer.deployment)
    async with asyncio.timeout(PATIENCE):
        return await on_call_now(context, deployment)
