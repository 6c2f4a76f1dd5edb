"""How one gets rid of what is live in a place: one rule for everything that prints a command for it, and for that command itself."""

from __future__ import annotations

from bot.domain.deployment import CAN_ROLL_BACK
from bot.domain.rollback import Leaving
from bot.ports import Live, Reader, WayOut
from bot.services.house import House
from bot.services.offers import rollback_offer
from bot.services.targets import undoable


async def way_out(house: House, reader: Reader, live: Live) -> WayOut:
    """Say how what is live can be made to go from where it is."""
    return await out_of(house, reader, live.service, live.environment, commit=live.commit)


async def out_of(house: House, reader: Reader, service: str, environment: str, *, commit: str = "") -> WayOut:
    """Say how what can be rolled back in a place goes from there, if it is this commit; without one, whatever it is."""
    found = await undoable(reader, service, environment)
    if found is None or found.commit != (commit or found.commit) or found.state not in CAN_ROLL_BACK:
        return WayOut(environment, Leaving.DEPLOY)
    offer = await rollback_offer(house, reader, found)
    how = Leaving.PLAN if offer.plan else Leaving.ROLLBACK if offer.is_possible else Leaving.DEPLOY
    return WayOut(environment, how, found.id, str(found.lead or ""))
