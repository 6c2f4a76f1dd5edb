"""Providers are built here: each service gets the ones that gonogo.yaml names for it, on a bench with what it may use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp

from bot.catalog import Loaded
from bot.domain.catalog import ProviderChoice, Service
from bot.ports import Clock, Providers
from bot.providers.hosts import Hosts
from bot.providers.metrics.scrape import ScrapeMetrics
from bot.providers.oncall.rota import RotaSchedule
from bot.providers.workbench import Embedded, Workbench
from bot.settings import Settings
from bot.storage.database import Database
from bot.wiring import Kinds


@dataclass(frozen=True, slots=True)
class Workshop:
    """Everything that providers are built with. One per process: all share the connections and the hosts' wishes to be left alone."""

    settings: Settings
    loaded: Loaded
    kinds: Kinds
    database: Database
    session: aiohttp.ClientSession
    clock: Clock
    wake: Callable[[str], None] = lambda _: None
    hosts: Hosts = field(default_factory=Hosts)

    def providers(self) -> dict[str, Providers]:
        """Build the providers of every service. Raises ConfigurationError for options or secrets that make no sense."""
        with self.loaded.placing():
            embedded = self._embedded()
            return {service.name: self._of(service, embedded) for service in self.loaded.catalog.services.values()}

    def bench(self, service: Service, choice: ProviderChoice, embedded: Embedded | None = None) -> Workbench:
        """Prepare the bench for one provider of a service."""
        return Workbench(
            service=service.name, options=choice.options, secret=self.settings.secret, session=self.session, hosts=self.hosts,
            clock=self.clock, runs=self.database.runs, work=self.settings.gonogo_work_dir / "ci" / service.name, wake=self.wake,
            embedded=embedded, environments=tuple(service.environments), tags=service.tags, paths=service.paths,
        )  # fmt: skip

    def _of(self, service: Service, embedded: Embedded) -> Providers:
        ci, metrics, on_call = service.ci, service.metrics, service.on_call
        return Providers(
            self.kinds.ci[ci.provider].build(self.bench(service, ci)),
            self.kinds.metrics[metrics.provider].build(self.bench(service, metrics, embedded)),
            self.kinds.on_call[on_call.provider].build(self.bench(service, on_call, embedded)),
        )

    def _embedded(self) -> Embedded:
        services = list(self.loaded.catalog.services.values())
        on_call = RotaSchedule(self.loaded.rotas)
        for service in services:
            if service.on_call.provider == "rota":
                on_call.rota_of(service)
        return Embedded(ScrapeMetrics(services, self.database.samples, self.session, self.clock), on_call)
