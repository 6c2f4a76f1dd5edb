"""Providers are built here: each service gets the ones that gonogo.yaml names for it, on a
context with what it may use.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from bot import outgoing
from bot.catalog import Loaded
from bot.domain.catalog import ProviderChoice, Service
from bot.domain.errors import ConfigurationError, MissingSetting
from bot.domain.versions import tags_of
from bot.ports.providers import Providers
from bot.ports.time import Clock
from bot.providers.context import TESTS_AT_ONCE, Embedded, Kind, OnThisMachine, ProviderContext
from bot.providers.metrics.scrape.provider import ScrapeMetrics
from bot.providers.oncall.rota.provider import RotaSchedule
from bot.providers.rate_limits import RateLimits
from bot.registry import Kinds
from bot.settings import Settings
from bot.storage.database import Database, open_database

P = TypeVar("P")
PATIENCE = aiohttp.ClientTimeout(total=30)


@dataclass
class Problems:
    """What is wrong with options and secrets, each once, and placed where it stands in the file;
    what is only missing stands apart.
    """

    loaded: Loaded
    wrong: dict[str, None] = field(default_factory=dict)
    missing: dict[str, None] = field(default_factory=dict)

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note a ConfigurationError instead of raising it."""
        try:
            with self.loaded.placing():
                yield
        except MissingSetting as error:
            self.missing |= dict.fromkeys(str(error).split("\n"))
        except ConfigurationError as error:
            self.wrong |= dict.fromkeys(str(error).split("\n"))

    def __len__(self) -> int:
        return len(self.wrong) + len(self.missing)


@dataclass(frozen=True, slots=True)
class ProviderFactory:
    """Everything that providers are built with. One per process: all share the connections and the
    hosts' wishes to be left alone.
    """

    settings: Settings
    loaded: Loaded
    kinds: Kinds
    database: Database
    session: aiohttp.ClientSession
    clock: Clock
    wake: Callable[[str], None] = lambda _: None
    rate_limits: RateLimits = field(default_factory=RateLimits)
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(TESTS_AT_ONCE))

    def providers(self) -> dict[str, Providers]:
        """Build the providers of every service. Raises ConfigurationError with every
        problem of options and secrets.
        """
        built, problems = self.examined()
        if problems.wrong or problems.missing:
            raise ConfigurationError("\n".join((*problems.wrong, *problems.missing)))
        return built

    def examined(self) -> tuple[dict[str, Providers], Problems]:
        """Build what can be built, and give every problem: this is the one examination, for
        check-config, the doctor and the start.
        """
        problems = Problems(self.loaded)
        services = list(self.loaded.catalog.services.values())
        cis = {
            service.name: ci
            for service in services
            if (ci := self._built(problems, service, service.ci, self.kinds.ci)) is not None
        }
        for service in services:
            self._check(problems, service, self.kinds.metrics[service.metrics.provider])
            self._check(problems, service, self.kinds.on_call[service.on_call.provider])
        built: dict[str, Providers] = {}
        embedded = None if problems.wrong else self._embedded(problems)
        for service in services if embedded else ():
            metrics = self._built(problems, service, service.metrics, self.kinds.metrics, embedded)
            on_call = self._built(problems, service, service.on_call, self.kinds.on_call, embedded)
            if service.name in cis and metrics is not None and on_call is not None:
                built[service.name] = Providers(cis[service.name], metrics, on_call)
        return built, problems

    @staticmethod
    def missing(built: Mapping[str, Providers]) -> tuple[str, ...]:
        """Say what providers need of this machine and it has not."""
        found = [
            (name, each.ci) for name, each in built.items() if isinstance(each.ci, OnThisMachine)
        ]
        return tuple(
            f"services.{name}.ci: {sentence}" for name, ci in found for sentence in ci.missing()
        )

    def context(
        self, service: Service, choice: ProviderChoice, embedded: Embedded | None = None
    ) -> ProviderContext:
        """Prepare the context for one provider of a service."""
        return ProviderContext(
            service=service.name, options=choice.options, secret=self.settings.secret,
            session=self.session, rate_limits=self.rate_limits,
            clock=self.clock, runs=self.database.runs, starts=self.database.starts,
            work=self.settings.gonogo_work_dir / "ci" / service.name, wake=self.wake,
            embedded=embedded, environments=tuple(service.environments),
            tags=tags_of(self.loaded.catalog, service.name), paths=service.paths, turns=self.turns,
        )  # fmt: skip

    def _built(
        self,
        problems: Problems,
        service: Service,
        choice: ProviderChoice,
        kinds: Mapping[str, Kind[P]],
        embedded: Embedded | None = None,
    ) -> P | None:
        kind = kinds[choice.provider]
        if not self._check(problems, service, kind):
            return None
        with problems.noting():
            return kind.build(self.context(service, choice, embedded))
        return None

    def _check(self, problems: Problems, service: Service, kind: Kind[Any]) -> bool:
        known = len(problems)
        for secret in kind.secrets:
            with problems.noting():
                secret.check(secret.name, self.settings.secret(secret.name))
        with problems.noting():
            kind.check(service)
        return len(problems) == known

    def _embedded(self, problems: Problems) -> Embedded | None:
        services = list(self.loaded.catalog.services.values())
        with problems.noting():
            return Embedded(
                ScrapeMetrics(services, self.database.samples, self.session, self.clock),
                RotaSchedule(self.loaded.rotas),
            )
        return None


@asynccontextmanager
async def for_a_look(
    settings: Settings, loaded: Loaded, kinds: Kinds, clock: Clock
) -> AsyncIterator[ProviderFactory]:
    """Open a workshop for whoever looks and starts nothing: its database is its own, and thrown
    away. The bot's own is the bot's.
    """
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        database = await open_database(f"sqlite+aiosqlite:///{folder / 'look.db'}")
        stack.push_async_callback(database.close)
        trusted = outgoing.trusted(settings.gonogo_ca_file)
        session = await stack.enter_async_context(outgoing.session(trusted, timeout=PATIENCE))
        yield ProviderFactory(settings, loaded, kinds, database, session, clock)
