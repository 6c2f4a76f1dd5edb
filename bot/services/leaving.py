"""How one gets rid of what is live in a place: one rule for everything that prints a command for it, and for that command itself."""

from __future__ import annotations

from bot.domain.deployment import CAN_ROLL_BACK
from bot.domain.rollback import Leaving
from bot.ports import Live, Reader, WayOut
from bot.services.house import House
from bot.services.offers import rollback_offer


async def way_out(house: House, reader: Reader, live: Live) -> WayOut:
    """Say how what is live can be made to go from where it is."""
    standing = await reader.standing(live.service, live.environment)
    if standing is None or standing.commit != live.commit or standing.state not in CAN_ROLL_BACK:
        return WayOut(live.environment, Leaving.DEPLOY)
    offer = await rollback_offer(house, reader, standing)
    how = Leaving.PLAN if offer.plan else Leaving.ROLLBACK if offer.is_possible else Leaving.DEPLOY
    return WayOut(live.environment, how, standing.id, str(standing.lead or ""))
