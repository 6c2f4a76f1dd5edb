"""``gonogo check-config``: whether gonogo.yaml and the settings are good, and what was understood of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from bot.catalog import Loaded, load_catalog
from bot.catalog.doubts import doubts
from bot.catalog.protection import protection
from bot.domain.errors import ConfigurationError
from bot.providers.metrics import scrape
from bot.settings import Settings
from bot.slack.render import Words
from bot.wiring import known_kinds


def check(path: Path, settings: Settings, now: datetime | None = None) -> str:
    """Check a gonogo.yaml and say who may put what where. Raises ConfigurationError with one line per problem."""
    loaded = load_catalog(path, known_kinds().options)
    doubts_found = doubts(loaded.catalog, loaded.rotas, now or datetime.now(UTC))
    warnings = [f"Warning: {doubt}" for doubt in doubts_found]
    return "\n".join([f"{path} is good.", *_services(loaded), *warnings, *_settings(settings)]) + "\n"


def _services(loaded: Loaded) -> Iterator[str]:
    for service in loaded.catalog.services.values():
        if service.metrics.provider == scrape.KIND.name:
            with loaded.placing():
                scrape.check(service)
        for policy in service.environments.values():
            yield ""
            yield from protection(loaded.catalog, service, policy)
    yield ""


def _settings(settings: Settings) -> Iterator[str]:
    Words(settings.gonogo_templates).examine()
    slack = "Socket Mode" if settings.is_socket_mode else "HTTP"
    yield f"The settings are good: Slack over {slack}, listening on {settings.gonogo_listen}, database {settings.gonogo_database_url}."
    yield from (f"Warning: {line}" for line in settings.unread)
    try:
        settings.require_slack()
    except ConfigurationError as error:
        yield from (f"Warning: the bot cannot run yet: {line}" for line in str(error).split("\n"))
