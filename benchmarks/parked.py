"""What waiting costs: deployments that are parked before their gates, the share of a core and the
requests to the provider.

So many services of one CI provider, each with one commit on its way to ten environments; in every
environment one deployment waits for a person to acknowledge. Real use cases, real SQLite, the
journal of the bot, in virtual time: the clock jumps from one look to the next, and the CPU that was
really used is set against the minutes that passed. A look at a commit's tests is three requests, as
at GitHub; the rota is a file and costs none. How many of the parked were really asked for is
printed too: whoever was not costs nothing.

- ``as it was``: every deployment asks for itself, every 15 seconds.
- ``as it is``: answers are shared, and what nothing wakes is looked at ever more rarely.

    python -m benchmarks.parked [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from bot.domain.catalog import (
    AutomaticGate,
    Catalog,
    EnvironmentPolicy,
    Freeze,
    GateKind,
    ProviderChoice,
    Service,
    Strategy,
    StrategyStep,
)
from bot.domain.deployment import Kind, State
from bot.domain.people import Person
from bot.domain.quality import QualityState
from bot.domain.readiness import GateState
from bot.engine.simulated import SimulatedEngine, VirtualClock
from bot.ports.ci import CIProvider, Quality, Question
from bot.ports.people import Directory, OnCallSchedule, Profile, Shift
from bot.ports.providers import Providers
from bot.ports.store import NewDeployment
from bot.providers.ci.github.kind import KIND as OUR_GITHUB
from bot.providers.oncall.rota.kind import KIND as OUR_ROTA
from bot.registry import released
from bot.services.context import Context, PollIntervals
from bot.services.people import People
from bot.services.shared import SharedAnswers
from bot.services.shared_providers import shared
from bot.storage.database import Database, open_database

ANA, BO = Person("T1", "UANA"), Person("T1", "UBO")
PLACES = 10
WARM_UP, MEASURED = timedelta(minutes=5), timedelta(minutes=5)
COSTS = {**OUR_GITHUB.costs, **OUR_ROTA.costs}
GATES = tuple(
    AutomaticGate(kind)
    for kind in (GateKind.TESTS, GateKind.UNLOCKED, GateKind.UNFROZEN, GateKind.ON_CALL)
)


@dataclass
class Counted:
    """A CI, a rota, a directory and an announcer that answer at once; the requests are counted."""

    requests: int = 0

    async def quality(self, commit: str) -> Quality:
        """Answer about a commit's tests."""
        self.requests += COSTS[Question.TESTS]
        return Quality(QualityState.GREEN, f"212 tests of {commit[:7]}")

    async def freezes(self, _environment: str) -> tuple[Freeze, ...]:
        """Answer about freezes; GitHub has none, and is not asked."""
        return ()

    async def who(self, service: Service, at: datetime) -> Shift:
        """Name who is on call; the rota is a file."""
        return Shift(BO, at.replace(hour=23, minute=59), f'rota "{service.name}"')

    async def profile(self, person: Person, **_: bool) -> Profile:
        """Know everybody."""
        return Profile(person, person.user, is_member=True)

    def remembered(self, _person: Person) -> None:
        """Remember nobody."""

    async def members(self, group: str, **_: bool) -> frozenset[Person]:
        """Know no group."""
        del group
        return frozenset()

    def card_changed(self, _deployment: str) -> None:
        """Draw nothing."""

    def outbox_changed(self) -> None:
        """Say nothing."""


@dataclass
class Bench:
    """A house with parked deployments."""

    database: Database
    count: int
    is_shared: bool
    clock: VirtualClock = field(default_factory=VirtualClock)
    vendor: Counted = field(default_factory=Counted)

    def __post_init__(self) -> None:
        """Build the house."""
        places = {
            f"place-{n}": EnvironmentPolicy(f"place-{n}", "rolling", gates=GATES)
            for n in range(PLACES)
        }
        choice = ProviderChoice("github")
        services = {
            f"shop{n}": Service(f"shop{n}", choice, choice, choice, places)
            for n in range(self.count // PLACES)
        }
        catalog = Catalog(
            "T1",
            {},
            {},
            services,
            {"rolling": Strategy("rolling", "rolling", (StrategyStep(100),))},
        )
        told = Providers(
            cast("CIProvider", self.vendor),
            cast("Any", self.vendor),
            cast("OnCallSchedule", self.vendor),
        )
        answers = SharedAnswers(self.clock)
        providers = {
            name: shared(told, each, answers, self.clock, COSTS) if self.is_shared else told
            for name, each in services.items()
        }
        intervals = (
            PollIntervals() if self.is_shared else PollIntervals(parked=PollIntervals().review)
        )
        people = People(catalog, cast("Directory", self.vendor))
        self.context = Context(
            catalog,
            self.database.store,
            self.clock,
            providers,
            people,
            intervals,
        )
        registry = released(self.context)
        self.database.store.newest_version = registry.newest
        self.engine = SimulatedEngine(self.database.journal, registry, self.clock)

    async def park(self) -> None:
        """Have them all pinned and at their turn."""
        for service in self.context.catalog.services.values():
            for place in service.environments:
                async with self.database.store.transaction() as tx:
                    found = await tx.add_deployment(
                        NewDeployment(
                            Kind.FORWARD,
                            service.name,
                            place,
                            "v2",
                            "rolling",
                            ANA,
                            self.clock.now(),
                            lead=BO,
                            commit=f"{service.name:0<40}",
                        )
                    )
                    await tx.move(found.id, State.QUEUED, at=self.clock.now())
                    await tx.start("deploy", found.id, found.id)
                await self.database.journal.record(found.id, "pin the commit", True)  # noqa: FBT003 - a JSON value

    async def passes(self, span: timedelta) -> tuple[float, int]:
        """Let time pass; give the CPU seconds used and the requests made."""
        used, asked, end = time.process_time(), self.vendor.requests, self.clock.now() + span
        await self.engine.run_until_idle(horizon=span)
        self.clock.at = max(self.clock.at, end)
        return time.process_time() - used, self.vendor.requests - asked

    async def answered(self) -> int:
        """Count the parked deployments whose tests were really asked for."""
        async with self.database.store.reading() as reader:
            reviews = [await reader.review(each.id) for each in await reader.open_deployments()]
        gates = [
            gate
            for review in reviews
            if review
            for gate in review.gates
            if gate.key == GateKind.TESTS
        ]
        return sum(gate.state is GateState.GREEN for gate in gates)


@dataclass(frozen=True, slots=True)
class Cost:
    """What was measured: requests in the first minute; then the share of a core, requests a minute,
    and how many have an answer.
    """

    first: int
    core: float
    asked: float
    answered: int


async def measure(count: int, *, is_shared: bool, warm_up: timedelta, measured: timedelta) -> Cost:
    """Measure one way."""
    with tempfile.TemporaryDirectory() as folder:
        database = await open_database(f"sqlite+aiosqlite:///{Path(folder) / 'parked.db'}")
        bench = Bench(database, count, is_shared)
        await bench.park()
        _, first = await bench.passes(timedelta(minutes=1))
        await bench.passes(warm_up - timedelta(minutes=1))
        used, asked = await bench.passes(measured)
        answered = await bench.answered()
        await database.close()
    return Cost(
        first, used / measured.total_seconds(), asked / (measured.total_seconds() / 60), answered
    )


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description="Measure what waiting costs.")
    arguments.add_argument(
        "--quick", action="store_true", help="20 parked and a minute: it shows that it works"
    )
    quick = arguments.parse_args().quick
    warm_up, measured = (
        (timedelta(minutes=2), timedelta(minutes=1)) if quick else (WARM_UP, MEASURED)
    )
    print(
        f"{'':<10} {'parked':>7} {'asked for':>10} {'requests in the 1st minute':>27} "
        f"{'then a minute':>14} {'share of a core':>16}"
    )
    for count in (20,) if quick else (100, 1000):
        for way, is_shared in (("as it was", False), ("as it is", True)):
            found = asyncio.run(
                measure(count, is_shared=is_shared, warm_up=warm_up, measured=measured)
            )
            print(
                (
                    f"{way:<10} {count:>7} {found.answered:>10} {found.first:>27,} "
                    f"{found.asked:>14,.0f} {found.core:>16.1%}"
                ),
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
