"""``gonogo check-config``: whether gonogo.yaml and the settings are good, and
what was understood of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bot import audit
from bot.app import SystemClock
from bot.catalog import Loaded, load_catalog
from bot.catalog.doubts import doubts
from bot.catalog.protection import protection
from bot.domain.errors import ConfigurationError
from bot.provider_factory import for_a_look
from bot.registry import Kinds, known_kinds
from bot.settings import Settings
from bot.slack.render import Words

NOT_YET = "the bot cannot run yet"


def check(file: Path | None, settings: Settings, now: datetime | None = None) -> str:
    """Check a gonogo.yaml, the bot's where none is named, and say who may put what where.

    Raises ConfigurationError with one line per problem.
    """
    kinds = known_kinds()
    path = file or settings.gonogo_config
    loaded = load_catalog(path, kinds.options, is_named=file is not None)
    missing = asyncio.run(_missing(settings, loaded, kinds))
    warnings = [
        *doubts(loaded.catalog, loaded.rotas, now or datetime.now(UTC)),
        *(f"{NOT_YET}: {line}" for line in missing),
    ]
    told = [
        *_services(loaded),
        *(f"Warning: {warning}" for warning in warnings),
        *_settings(settings),
    ]
    return "\n".join([f"{path} is good.", *told]) + "\n"


async def _missing(settings: Settings, loaded: Loaded, kinds: Kinds) -> Sequence[str]:
    """Name the secrets that are not set yet, and what this machine has not: a file can
    be checked without them.

    Raises ConfigurationError for all else.
    """
    async with for_a_look(settings, loaded, kinds, SystemClock()) as factory:
        built, problems = factory.examined()
        machine = factory.missing(built)
    if problems.wrong:
        raise ConfigurationError("\n".join(problems.wrong))
    return (*problems.missing, *machine)


def _services(loaded: Loaded) -> Iterator[str]:
    for service in loaded.catalog.services.values():
        for policy in service.environments.values():
            yield ""
            yield from protection(loaded.catalog, service, policy)
    yield ""


def _settings(settings: Settings) -> Iterator[str]:
    Words(settings.gonogo_templates).examine()
    audit.examine(settings)
    slack = "Socket Mode" if settings.is_socket_mode else "HTTP"
    yield (
        f"The settings are good: Slack over {slack}, listening on {settings.gonogo_listen}, "
        f"database {settings.gonogo_database_url}."
    )
    yield from (f"Warning: {line}" for line in settings.unread)
    try:
        settings.require_slack()
    except ConfigurationError as error:
        yield from (f"Warning: {NOT_YET}: {line}" for line in str(error).split("\n"))
