"""What a notice from a CI provider does: it wakes whoever waits for the run. It decides nothing and stores nothing of what it says.

That is why a notice may be lost, doubled, late or out of order: whoever is woken asks the provider and believes only that answer. So
deliveries are not remembered and not told apart; a second wake-up is one more look.
"""

from __future__ import annotations

from bot.domain.catalog import Catalog
from bot.ports import Store


async def wake(store: Store, catalog: Catalog, run: str, *, provider: str = "") -> bool:
    """Wake the open deployments that wait for a run; tell whether there are any.

    ``provider`` is the name in gonogo.yaml of the one that told: two vendors may count their runs with the same numbers. Most notices are
    about runs of somebody else's; they cost one read and nothing is locked.
    """
    if not run:
        return False
    async with store.reading() as reader:
        waiting = [each.id for each in await reader.deployments_of_run(run) if _is_told(catalog, each.service, provider)]
    if waiting:
        async with store.transaction() as tx:
            for deployment in waiting:
                await tx.wake(deployment)
    return bool(waiting)


def _is_told(catalog: Catalog, service: str, provider: str) -> bool:
    known = catalog.services.get(service)
    return known is not None and provider in {"", known.ci.provider}
