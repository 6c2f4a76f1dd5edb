"""What is live already is recorded on an operator's word, before the bot has
deployed anything there.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack

from bot import outgoing
from bot.app import SystemClock
from bot.catalog import load_catalog
from bot.domain.audit import Entry
from bot.domain.catalog import Catalog, Service
from bot.domain.declared import Declared, Origin
from bot.domain.deployment import Acceptance
from bot.domain.errors import ConfigurationError
from bot.domain.live import Live
from bot.domain.people import Person
from bot.domain.validation import shown
from bot.ports.ci import Resolved
from bot.ports.reader import Reader
from bot.ports.store import Transaction
from bot.provider_factory import ProviderFactory
from bot.registry import known_kinds
from bot.services.context import instead
from bot.services.people import TERMINAL
from bot.services.refs import meant
from bot.settings import Settings
from bot.storage.database import open_database


def _found(catalog: Catalog, service: str, environment: str) -> Service:
    """Find a service that has an environment. Raises ConfigurationError with the nearest name."""
    found = catalog.services.get(service)
    if found is None:
        raise ConfigurationError(
            f'gonogo.yaml has no service "{shown(service)}". {instead(service, catalog.services)}'
        )
    if environment not in found.environments:
        raise ConfigurationError(
            f'{service} has no environment "{shown(environment)}". '
            f"{instead(environment, found.environments)}"
        )
    return found


async def _refused(reader: Reader, service: str, environment: str, said: Resolved) -> str:
    """Say why nothing is adopted: the bot knows better, or has been there
    itself. Empty where it is.
    """
    if await reader.live(service, environment) is not None:
        return f"{service} {environment} has a record already"
    quarantine = await reader.quarantine(service, said.commit)
    if quarantine:
        return (
            f"{service} {said.version} is quarantined ({quarantine}), so it is not recorded as good"
        )
    there = next(
        (
            each
            for each in await reader.history(service, environment, limit=30)
            if each.started_at is not None
        ),
        None,
    )
    if there is None:
        return ""
    how = (
        f"say in Slack what is live, once nothing is under way there: /deploy live {service} "
        f"{environment} is REF because TEXT"
    )
    return (
        f"{there.title} ({there.id}) was begun by Go/No-Go, so what is there is not adopted: {how}"
    )


async def adopt(
    settings: Settings,
    *,
    service: str,
    ref: str,
    environment: str,
    aside: Callable[[str], object] | None = None,
) -> str:
    """Record what is live already, before the bot has deployed anything there: it can be gone back
    to, and is never called verified. ``aside`` is told of a database that was not there.
    """
    kinds = known_kinds()
    loaded = load_catalog(settings.gonogo_config, kinds.options)
    found = _found(loaded.catalog, service, environment)
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        database = await open_database(settings.gonogo_database_url, audit_keys=settings.audit_keys)
        stack.push_async_callback(database.close)
        if database.made and aside:
            aside(f"{database.made}\n")
        session = await stack.enter_async_context(
            outgoing.session(outgoing.trusted(settings.gonogo_ca_file))
        )
        factory = ProviderFactory(settings, loaded, kinds, database, session, clock)
        ci = kinds.ci[found.ci.provider].build(factory.context(found, found.ci))
        stack.push_async_callback(ci.close)
        await ci.open()
        resolved = await meant(loaded.catalog, ci, service, ref)
        by, now = Person(TERMINAL, "operator"), clock.now()
        async with database.store.transaction() as tx:
            refused = await _refused(tx, service, environment, resolved)
            if refused:
                return f"{refused}; nothing was changed."
            said = Declared(
                service, environment, resolved.commit, resolved.version, Origin.ADOPTED, by, now
            )
            await _record(tx, said)
    return (
        f"{service} {resolved.version} ({resolved.commit[:10]}) is recorded as live in "
        f"{environment}, on your word: "
        "nothing has verified it."
    )


async def _record(tx: Transaction, said: Declared) -> None:
    """Write down what is live on somebody's word: nobody here has seen it prove itself."""
    place, what = (said.service, said.environment), (said.commit, said.version)
    word = str(Acceptance.ADOPTED)
    await tx.set_live(Live(*place, *what, said.at, "", said.by, None, word, declared=said))
    facts = {
        "service": said.service, "environment": said.environment,
        "commit": said.commit, "version": said.version,
    }  # fmt: skip
    await tx.audit(Entry(said.at, said.by, "adopt", facts=facts))
