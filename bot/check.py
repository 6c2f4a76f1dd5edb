"""``gonogo check-config``: whether gonogo.yaml and the settings are good, and what was understood of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bot.catalog import Loaded, load_catalog
from bot.domain.catalog import Catalog, Permission
from bot.domain.errors import ConfigurationError
from bot.providers.metrics import scrape
from bot.settings import Settings
from bot.slack.render import Words
from bot.wiring import known_kinds


def check(path: Path, settings: Settings) -> str:
    """Check a gonogo.yaml and say what was understood. Raises ConfigurationError with one line per problem."""
    loaded = load_catalog(path, known_kinds().options)
    return "\n".join([f"{path} is good.", *_services(loaded), *_warnings(loaded.catalog), *_settings(settings)]) + "\n"


def _services(loaded: Loaded) -> Iterator[str]:
    for service in loaded.catalog.services.values():
        if service.metrics.provider == scrape.KIND.name:
            with loaded.placing():
                scrape.check(service)
        for policy in service.environments.values():
            approvals = ", ".join(f"{rule.count} of {rule.role}" for rule in policy.approvals) or "none"
            yield f"  {service.name} → {policy.name}: {policy.strategy}, {len(policy.gates)} gates, approvals: {approvals}"


def _warnings(catalog: Catalog) -> Iterator[str]:
    """Say what is allowed and hardly meant: a permission that nobody has."""
    for permission, purpose in ((Permission.DEPLOY, "ask for a deployment"), (Permission.VIEW, "see status, history and checks")):
        roles = [catalog.roles[name] for name in catalog.permissions.get(permission, ())]
        if not any(role.people or role.groups for role in roles):
            name = permission.name.lower()
            yield f"Warning: nobody can {purpose}: permissions.{name} names no role that somebody holds. Name one."


def _settings(settings: Settings) -> Iterator[str]:
    Words(settings.gonogo_templates).examine()
    slack = "Socket Mode" if settings.is_socket_mode else "HTTP"
    yield f"The settings are good: Slack over {slack}, listening on {settings.gonogo_listen}, database {settings.gonogo_database_url}."
    yield from (f"Warning: {line}" for line in settings.unread)
    try:
        settings.require_slack()
    except ConfigurationError as error:
        yield from (f"Warning: the bot cannot run yet: {line}" for line in str(error).splitlines())
