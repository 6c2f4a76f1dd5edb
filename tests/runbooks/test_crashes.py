"""The released runbooks on a real store, in virtual time: the process dies at every write,
and the end is the same.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from bot.dispatch import use_cases
from bot.domain.catalog import (
    AutomaticGate,
    Catalog,
    EnvironmentPolicy,
    Freeze,
    GateKind,
    MetricKind,
    MetricSpec,
    Permission,
    ProviderChoice,
    Role,
    Service,
    Strategy,
    StrategyStep,
)
from bot.domain.changes import Changes
from bot.domain.commands import Command, Deploy, RollBack
from bot.domain.deployment import State
from bot.domain.health import Observed
from bot.domain.live import Live
from bot.domain.people import Person
from bot.domain.quality import QualityState
from bot.domain.rollout import RunState
from bot.engine.released import Registry, digest
from bot.engine.simulated import Crash, SimulatedEngine, VirtualClock
from bot.ports.ci import CIRun, GateAnswer, Quality, Resolved, RunHint, StartRequest
from bot.ports.engine import RunRecord
from bot.ports.metrics import Cohort, Window
from bot.ports.people import Profile, Shift
from bot.ports.providers import Providers
from bot.ports.talk import Answer, Intent, Place
from bot.registry import released
from bot.runbooks import chase, deploy, observe, roll_back, summary, unseen, watch
from bot.services.context import Context, PollIntervals
from bot.services.people import People
from bot.services.stuck import stuck
from bot.storage.database import Database, open_database

INTERVALS = PollIntervals(
    review=timedelta(minutes=1), run=timedelta(minutes=1), hold=timedelta(minutes=10)
)
ANA = Person("T1", "UANA")
OLD, NEW = "a" * 40, "b" * 40


@dataclass
class ScriptedCI:
    """A CI whose runs succeed at the second look; a second start with the same correlation is an
    error here, not a courtesy.
    """

    runs: dict[str, StartRequest] = field(default_factory=dict)
    looks: dict[str, int] = field(default_factory=dict)
    failing: frozenset[str] = frozenset()

    def named(self) -> list[str]:
        """List the runs in order, without the marks of their requests."""
        return [correlation.rpartition(":")[0] for correlation in self.runs]

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def resolve(self, ref: str) -> Resolved:
        return Resolved({"v1": OLD, "v2": NEW}[ref], ref)

    async def compare(self, base: str, head: str) -> Changes:
        return Changes(total=int(base != head))

    async def quality(self, commit: str) -> Quality:
        return Quality(QualityState.GREEN, commit)

    async def test_again(self, commit: str) -> CIRun:
        raise AssertionError(commit)

    async def freezes(self, environment: str) -> tuple[Freeze, ...]:
        assert environment
        return ()

    async def find(self, correlation: str) -> CIRun | None:
        return CIRun(correlation, RunState.RUNNING) if correlation in self.runs else None

    async def start(self, request: StartRequest) -> CIRun:
        assert request.correlation not in self.runs, "started twice"
        self.runs[request.correlation] = request
        return CIRun(request.correlation, RunState.QUEUED)

    async def look(self, run: str) -> CIRun:
        self.looks[run] = self.looks.get(run, 0) + 1
        ended = RunState.FAILED if self.runs[run].action in self.failing else RunState.SUCCEEDED
        return CIRun(run, ended if self.looks[run] > 1 else RunState.RUNNING)

    async def cancel(self, run: str) -> None:
        self.looks[run] = 99

    async def open_gate(self, run: str, environment: str) -> GateAnswer:
        raise AssertionError(run, environment)

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> RunHint:
        raise AssertionError(headers, body)


class Steady:
    """Metrics that are the same before and after, for everybody."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def observe(
        self, service: Service, environment: EnvironmentPolicy, window: Window, cohort: Cohort
    ) -> Mapping[str, Observed]:
        assert window.end > window.start or cohort.commit, (service.name, environment.name)
        return {"errors": Observed(1, 1000, requests=1000)}


class OnCall:
    async def who(self, service: Service, at: object) -> Shift | None:
        return Shift(ANA, None, f"{service.name} {at}")


class Members:
    async def profile(self, person: Person, **_: bool) -> Profile:
        return Profile(person, person.user, is_member=True)

    def remembered(self, _person: Person) -> Profile | None:
        return None

    async def members(self, group: str, **_: bool) -> frozenset[Person]:
        raise AssertionError(group)


class Quiet:
    def card_changed(self, deployment: str) -> None: ...

    def outbox_changed(self) -> None: ...

    async def answer(self, intent: Intent, answer: Answer) -> bool:
        raise AssertionError(intent, answer)


POLICY = EnvironmentPolicy(
    "production",
    "canary",
    gates=tuple(
        AutomaticGate(kind)
        for kind in (
            GateKind.TESTS,
            GateKind.ROLLBACK,
            GateKind.UNLOCKED,
            GateKind.UNFROZEN,
            GateKind.ON_CALL,
        )
    ),
)
CATALOG = Catalog(
    team="T1",
    roles={"developer": Role("developer", frozenset({ANA}))},
    permissions={Permission.DEPLOY: frozenset({"developer"})},
    services={
        "shop": Service(
            "shop",
            ProviderChoice("scripted"),
            ProviderChoice("steady"),
            ProviderChoice("always"),
            {"production": POLICY},
            (MetricSpec("errors", "errors", MetricKind.RATIO),),
            channel="C1",
        )
    },
    strategies={
        "canary": Strategy(
            "canary",
            "canary",
            (StrategyStep(5, timedelta(minutes=10)), StrategyStep(100, timedelta(minutes=5))),
        )
    },
)


@dataclass
class Simulation:
    context: Context
    engine: SimulatedEngine
    database: Database
    ci: ScriptedCI

    async def asks(self, key: str, command: Command) -> None:
        await use_cases.carry_out(
            self.context, Intent(key, command, ANA, Place("C1"), self.context.now())
        )

    async def plays(self) -> None:
        """Play until nothing is due, over a crash if there is one."""
        try:
            await self.engine.run_until_idle()
        except Crash:
            self.engine.crash_before = None
            await self.engine.run_until_idle()

    async def state(self, id: str) -> State:
        async with self.database.store.reading() as reader:
            found = await reader.deployment(id)
        assert found is not None
        return found.state


@asynccontextmanager
async def simulation(
    folder: Path, failing: frozenset[str] = frozenset()
) -> AsyncIterator[Simulation]:
    database = await open_database(f"sqlite+aiosqlite:///{folder / 'simulated.db'}")
    clock, ci = VirtualClock(), ScriptedCI(failing=failing)
    context = Context(
        CATALOG,
        database.store,
        clock,
        {"shop": Providers(ci, Steady(), OnCall())},
        People(CATALOG, Members()),
        INTERVALS,
    )
    registry: Registry = released(context)
    database.store.newest_version = registry.newest
    async with database.store.transaction() as tx:
        await tx.set_live(Live("shop", "production", OLD, "v1", clock.now(), "", ANA, clock.now()))
    try:
        yield Simulation(context, SimulatedEngine(database.journal, registry, clock), database, ci)
    finally:
        await database.close()


async def deployed(folder: Path, crash: int | None) -> tuple[State, list[str], int]:
    async with simulation(folder) as world:
        world.engine.crash_before = crash
        await world.asks("k1", Deploy("shop", "production", "v2"))
        await world.plays()
        return await world.state("shop-1"), world.ci.named(), world.engine.writes


@pytest.mark.no_cover  # the same story, dozens of times
async def test_a_deployment_ends_the_same_wherever_the_process_dies(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    state, runs, writes = await deployed(tmp_path / "whole", None)
    assert state is State.VERIFIED
    assert runs == [
        "shop-1:canary-5",
        "shop-1:canary-5:smoke",
        "shop-1:canary-100",
        "shop-1:canary-100:smoke",
    ]
    for crash in range(1, writes + 1):
        (tmp_path / str(crash)).mkdir()
        assert (await deployed(tmp_path / str(crash), crash))[:2] == (State.VERIFIED, runs), (
            f"died at write {crash}"
        )


async def rolled_back(folder: Path, crash: int | None) -> tuple[State, list[str], int]:
    async with simulation(folder) as world:
        await world.asks("k1", Deploy("shop", "production", "v2"))
        await world.plays()
        before = world.engine.writes
        world.engine.crash_before = before + crash if crash else None
        await world.asks("k2", RollBack(deployment="shop-1"))
        await world.asks("k2", RollBack(deployment="shop-1"))  # the same click, delivered twice
        await world.asks("k3", RollBack(deployment="shop-1"))  # a second click
        await world.plays()
        async with world.database.store.reading() as reader:
            live = await reader.live("shop", "production")
            assert live is not None
            assert live.version == "v1"
            assert not await reader.quarantine("shop", NEW), "its numbers were good"
            assert await reader.locks("shop", "production")
        return await world.state("shop-1"), world.ci.named()[4:], world.engine.writes - before


@pytest.mark.no_cover  # the same story, dozens of times
async def test_a_rollback_ends_the_same_wherever_the_process_dies(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    state, runs, writes = await rolled_back(tmp_path / "whole", None)
    assert state is State.ROLLED_BACK
    assert runs == ["shop-2:rollback", "shop-2:rollback:smoke"]
    for crash in range(1, writes + 1):
        (tmp_path / str(crash)).mkdir()
        assert (await rolled_back(tmp_path / str(crash), crash))[:2] == (state, runs), (
            f"died at write {crash}"
        )


async def test_a_failed_step_stops_and_leaves_the_decision_to_the_lead(tmp_path: Path) -> None:
    async with simulation(tmp_path, failing=frozenset({"deploy"})) as world:
        await world.asks("k1", Deploy("shop", "production", "v2"))
        await world.plays()
        assert await world.state("shop-1") is State.FAILED
        assert world.ci.named() == ["shop-1:canary-5"]


async def test_a_failed_rollback_says_so_and_can_be_tried_again(tmp_path: Path) -> None:
    async with simulation(tmp_path, failing=frozenset({"rollback"})) as world:
        await world.asks("k1", Deploy("shop", "production", "v2"))
        await world.plays()
        await world.asks("k2", RollBack(deployment="shop-1"))
        await world.plays()
        assert await world.state("shop-1") is State.FAILED
        world.ci.failing = frozenset()
        await world.asks("k3", RollBack(deployment="shop-1"))
        await world.plays()
        assert await world.state("shop-1") is State.ROLLED_BACK


async def test_a_runbook_that_cannot_go_on_raises_the_alarm(tmp_path: Path) -> None:
    async with simulation(tmp_path) as world:
        await world.asks("k1", Deploy("shop", "production", "v2"))
        await stuck(
            world.context, RunRecord("shop-1", "deploy", 1, ("shop-1",), 0), "the disk is full"
        )
        await stuck(
            world.context,
            RunRecord("morning@now", "morning", 1, ("now",), 0),
            "nobody's deployment",
        )
        said = await world.database.postings.outbox()
        assert [(message.template, message.to, message.facts["why"]) for message in said] == [
            ("stuck", "channel", "the disk is full")
        ]


RELEASED = {
    "deploy 1": ("c648c263ad991b0d", (deploy.deploy_1, deploy.one_step_1)),
    "roll_back 1": ("5ab8ee4398c46697", (roll_back.roll_back_1,)),
    "chase 1": ("b4377979557e039b", (chase.chase_1,)),
    "observe 1": ("56a69757fffdf0d0", (observe.observe_1,)),
    "observe_back 1": ("8112eb08bc740e1d", (observe.observe_back_1,)),
    "unseen 1": ("f832defaff116dd7", (unseen.unseen_1,)),
    "watch 1": ("11a6922aecc8f503", (watch.watch_1,)),
    "summary 1": ("00dd0295de327bdf", (summary.summary_1,)),
    "morning 1": ("3c07511150a87ee6", (summary.morning_1,)),
}


@pytest.mark.parametrize("name", RELEASED)
def test_a_released_runbook_is_frozen(name: str) -> None:
    expected, functions = RELEASED[name]
    assert digest(*functions) == expected, (
        f"{name} is released: add the next version beside it instead of editing it"
    )
