"""What a notice from a CI provider does: it wakes whoever waits for the run, or with its commit,
and has the commit's tests asked for anew.

It decides nothing and stores nothing of what it says. That is why a notice may be lost, doubled,
late or out of order: whoever is woken asks the provider and believes only that answer. So
deliveries are not remembered and not told apart; a second wake-up is one more look.
"""

from __future__ import annotations

from collections.abc import Callable

from bot.domain.catalog import Catalog
from bot.domain.deployment import Deployment
from bot.ports.ci import RunHint
from bot.ports.reader import Reader
from bot.ports.store import Store


def _nothing(_commit: str) -> None:
    """Nothing is remembered."""


async def wake(
    store: Store,
    catalog: Catalog,
    hint: RunHint,
    *,
    provider: str = "",
    forget: Callable[[str], None] = _nothing,
) -> bool:
    """Wake the open deployments that wait for a run or with a commit; tell whether there are any.

    ``provider`` is the name in gonogo.yaml of the one that told: two vendors may count their runs
    with the same numbers. ``forget`` has what is known of a commit asked for anew. Most notices are
    about runs of somebody else's; they cost a read and nothing is locked.
    """
    if not hint.run and not hint.commit:
        return False
    if hint.commit:
        forget(hint.commit)
    async with store.reading() as reader:
        waiting = {
            each.id
            for each in await _concerned(reader, hint)
            if _is_told(catalog, each.service, provider)
        }
    if waiting:
        async with store.transaction() as tx:
            for deployment in sorted(waiting):
                await tx.wake(deployment)
    return bool(waiting)


async def _concerned(reader: Reader, hint: RunHint) -> tuple[Deployment, ...]:
    of_run = await reader.deployments_of_run(hint.run) if hint.run else ()
    with_commit = await reader.waiting_with(hint.commit) if hint.commit else ()
    return of_run + with_commit


def _is_told(catalog: Catalog, service: str, provider: str) -> bool:
    known = catalog.services.get(service)
    return known is not None and provider in {"", known.ci.provider}
