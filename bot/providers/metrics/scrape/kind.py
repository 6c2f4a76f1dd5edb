"""What the rest of the house knows about the scraping source: its options, and
what it needs of a service.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bot.domain.catalog import EnvironmentPolicy, Service
from bot.domain.errors import ConfigurationError
from bot.ports.metrics import MetricsSource
from bot.providers.context import MetricsKind, Option, ProviderContext
from bot.providers.metrics.scrape.provider import commit_label, endpoints, interval, listed
from bot.providers.metrics.scrape.reading import Query, query_of


def check(service: Service) -> None:
    """Look at queries, interval, label and addresses of a service. Raises
    ConfigurationError with every problem.
    """
    looks: list[Callable[[], object]] = [
        partial(interval, service),
        partial(commit_label, service),
        partial(endpoints, service),
    ]
    looks += [partial(_target, service, policy) for policy in service.environments.values()]
    looks += [partial(_query, service, index) for index in range(len(service.metric_specs))]
    problems = [problem for look in looks if (problem := _problem(look))]
    if problems:
        raise ConfigurationError("\n".join(problems))


def _problem(look: Callable[[], object]) -> str:
    try:
        look()
    except ConfigurationError as error:
        return str(error)
    return ""


def _query(service: Service, index: int) -> Query:
    try:
        return query_of(service.metric_specs[index])
    except ConfigurationError as error:
        raise ConfigurationError(f"services.{service.name}.watch.{index}.query: {error}") from error


def _target(service: Service, policy: EnvironmentPolicy) -> None:
    """Refuse an environment that is to be watched and says nowhere where."""
    where = f"services.{service.name}.environments.{policy.name}"
    strange = [name for name in policy.targets if name != "endpoints"]
    if strange:
        raise ConfigurationError(
            f'{where}.targets.{strange[0]}: scrape knows no target "{strange[0]}". Write '
            "endpoints: [http://host:port/metrics]."
        )
    if policy.is_watched and not listed(policy):
        here = f"{where}.targets.endpoints" if "endpoints" in policy.targets else where
        remedy = (
            "Write targets: {endpoints: [http://host:port/metrics]}, or metrics: "
            "none for this environment."
        )
        raise ConfigurationError(
            f"{here}: names no endpoint, so no step could be judged there. {remedy}"
        )


def _build(context: ProviderContext) -> MetricsSource:
    """Give the one that all services share: it bounds its history over all of them."""
    if context.embedded is None:
        raise ConfigurationError(
            f"services.{context.service}: scrape is only there inside the bot."
        )
    return context.embedded.metrics


KIND = MetricsKind(
    "scrape",
    "The services' own Prometheus endpoints, history kept in the database",
    _build,
    options={
        "every": Option("How often the endpoints are read: `15s`, `1m`; 15 s when it is missing."),
        "commit_label": Option(
            "The label that holds the commit, which tells old from new instances."
        ),
    },
    check=check,
)
