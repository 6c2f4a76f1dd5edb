"""Which provider goes by which name in gonogo.yaml, and the released runbooks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import wraps
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from bot.catalog import Known, Offer
from bot.domain.catalog import Service
from bot.domain.errors import ConfigurationError
from bot.engine.released import Registry
from bot.ports.ci import Costs
from bot.ports.engine import Run, Runbook
from bot.ports.time import Json
from bot.providers.ci import buildbot, github, gitlab, jenkins, local
from bot.providers.context import CIKind, Kind, MetricsKind, OnCallKind, Secret
from bot.providers.metrics import none as no_metrics
from bot.providers.metrics import scrape
from bot.providers.oncall import none as no_on_call
from bot.providers.oncall import rota
from bot.runbooks.chase import chase_1
from bot.runbooks.deploy import deploy_1
from bot.runbooks.observe import observe_1, observe_back_1
from bot.runbooks.roll_back import roll_back_1
from bot.runbooks.summary import morning_1, summary_1
from bot.runbooks.unseen import unseen_1
from bot.runbooks.watch import watch_1
from bot.services.context import Context

OUR_CI: tuple[CIKind, ...] = (local.KIND, github.KIND, gitlab.KIND, jenkins.KIND, buildbot.KIND)
OUR_METRICS: tuple[MetricsKind, ...] = (scrape.KIND, no_metrics.KIND)
OUR_ON_CALL: tuple[OnCallKind, ...] = (rota.KIND, no_on_call.KIND)

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Kinds:
    """Every provider that can be named, by job and name."""

    ci: Mapping[str, CIKind]
    metrics: Mapping[str, MetricsKind]
    on_call: Mapping[str, OnCallKind]

    @property
    def options(self) -> Known:
        """What each takes, for the catalog."""
        jobs: Mapping[str, Mapping[str, Kind[Any]]] = {
            "ci": self.ci,
            "metrics": self.metrics,
            "on_call": self.on_call,
        }
        return {
            job: {name: _offer(kind) for name, kind in kinds.items()} for job, kinds in jobs.items()
        }

    def costs(self, service: Service) -> Costs:
        """Tell how many requests the questions about a service take."""
        return {
            **self.ci[service.ci.provider].costs,
            **self.on_call[service.on_call.provider].costs,
        }

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Every setting that some provider reads."""
        kinds: tuple[Kind[Any], ...] = (
            *self.ci.values(),
            *self.metrics.values(),
            *self.on_call.values(),
        )
        return tuple({secret.name: secret for kind in kinds for secret in kind.secrets}.values())


def _offer(kind: Kind[Any]) -> Offer:
    return Offer(kind.options, tuple(secret.name for secret in kind.secrets))


def known_kinds() -> Kinds:
    """Collect our own providers and those of other packages (entry points ``gonogo.ci``,
    ``gonogo.metrics``, ``gonogo.on_call``).
    """
    return Kinds(
        _with_others("ci", OUR_CI),
        _with_others("metrics", OUR_METRICS),
        _with_others("on_call", OUR_ON_CALL),
    )


def _with_others(job: str, ours: tuple[Kind[P], ...]) -> dict[str, Kind[P]]:
    """Add other packages' providers of a job; none of them can take the
    name of one that is there.
    """
    kinds = {kind.name: kind for kind in ours}
    for point in sorted(entry_points(group=f"gonogo.{job}"), key=lambda point: point.name):
        kind = _loaded(point)
        if kind.name in kinds:
            raise ConfigurationError(
                f'Two packages offer a {job} provider "{kind.name}" '
                f"({point.value}). Uninstall one of them."
            )
        kinds[kind.name] = kind
    return kinds


def _loaded(point: EntryPoint) -> Kind[Any]:
    try:
        kind = point.load()
    except Exception as error:
        raise ConfigurationError(
            f"The provider {point.value} cannot be loaded: {error}. Repair "
            "or uninstall its package."
        ) from error
    if not isinstance(kind, Kind):
        raise ConfigurationError(
            f"The provider {point.value} is no Kind of bot.providers.context. Repair "
            "or uninstall its package."
        )
    return kind


def released(context: Context) -> Registry:
    """Register every released runbook, each with what its use cases are given."""
    registry = Registry()
    registry.add("deploy", 1, _in_context(deploy_1, context))
    registry.add("roll_back", 1, _in_context(roll_back_1, context))
    registry.add("chase", 1, _in_context(chase_1, context))
    registry.add("observe", 1, _in_context(observe_1, context))
    registry.add("observe_back", 1, _in_context(observe_back_1, context))
    registry.add("unseen", 1, _in_context(unseen_1, context))
    registry.add("watch", 1, _in_context(watch_1, context))
    registry.add("summary", 1, _in_context(summary_1, context))
    registry.add("morning", 1, _in_context(morning_1, context))
    return registry


def _in_context(runbook: Runbook, context: Context) -> Runbook:
    @wraps(runbook)
    async def carried_out(run: Run, *args: Json) -> object:
        return await runbook(run, context, *args)

    return carried_out
