"""The world of the state machine: a team, its bot on the real store, and providers that
answer when they are told to.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bot.catalog.paths import path_patterns
from bot.dispatch import use_cases
from bot.domain.actions import Action
from bot.domain.catalog import (
    ApprovalRule,
    AutomaticGate,
    AutomaticRollback,
    Catalog,
    ChecklistItem,
    EnvironmentPolicy,
    GateKind,
    Strategy,
    StrategyStep,
)
from bot.domain.commands import Approve, Command, Deploy, Tick
from bot.domain.live import Live
from bot.domain.shown import seen_on, token
from bot.engine.simulated import VirtualClock
from bot.ports.providers import Providers
from bot.ports.talk import Answer, Intent, Place
from bot.queries.card import card_of
from bot.registry import released
from bot.services.context import Context, PollIntervals
from bot.services.people import People
from bot.storage.database import open_database
from tests.services.conftest import CATALOG, PEOPLE, SHOP
from tests.services.held import (
    COMMITS,
    KINDS,
    HeldCI,
    HeldDirectory,
    HeldRota,
    Truth,
    TurningNumbers,
)
from tests.services.process import How, Process, Store, VirtualLoop
from tests.services.promises import Promises, Shown, opened

MINUTE = timedelta(minutes=1)
PRODUCTION = EnvironmentPolicy(
    "production", "canary", gates=(AutomaticGate(GateKind.TESTS),),
    checklist=(ChecklistItem("support", "support briefed", "support"),),
    approvals=(ApprovalRule("release_manager"),), smoke=False,
    watch=3 * MINUTE, countdown=2 * MINUTE, summary_after=None,
)  # fmt: skip
CANARY = Strategy("canary", "canary", (StrategyStep(5, MINUTE), StrategyStep(100, MINUTE)))


@dataclass(frozen=True, slots=True)
class Setting:
    """How one example is set up."""

    holds: frozenset[str] = frozenset()
    migration: str = ""
    is_deaf: bool = False
    is_behind: bool = False
    locks: bool = False
    counts_down: bool = False
    approvals: int = 1
    at_once: How = How.DONE


class Inline(Executor):
    """Does at once what a thread would do: the order of things is the same every time."""

    def submit(self, do: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        """Do it."""
        done: Future[Any] = Future()
        try:
            done.set_result(do(*args, **named))
        except BaseException as error:  # noqa: BLE001 - as an executor has it
            done.set_exception(error)
        return done


@dataclass(eq=False)
class World:
    """Everything that the machine's rules act on."""

    folder: Path
    setting: Setting
    clock: VirtualClock
    runs: dict[str, Truth] = field(default_factory=dict)
    cards: list[Shown] = field(default_factory=list)
    keys: Iterator[int] = field(default_factory=itertools.count)
    loop: VirtualLoop = field(init=False)
    process: Process = field(init=False)
    context: Context = field(init=False)
    ci: HeldCI = field(init=False)
    numbers: TurningNumbers = field(init=False)
    promises: Promises = field(init=False)
    answers: dict[str, Answer | None] = field(default_factory=dict)

    def open(self) -> None:
        """Start the bot on the file that is there."""
        self.loop = VirtualLoop(self.clock)
        self.process = Process(self.loop, self.clock, self.setting.holds, self.setting.at_once)
        self.numbers = TurningNumbers()
        self.loop.run_until_complete(self._open())
        self.promises = Promises(opened(str(self.folder / "team.db")), self.ci)
        self.ci.starting, self.ci.cancelling = self.promises.starting, self.promises.cancelling
        self.process.answered = self._answered
        self.process.due_runs = lambda: self.promises.due_runs(self.clock.now())
        self.process.checked, self.process.reborn = (
            self.promises.committed,
            self.promises.lives_again,
        )
        self.promises.approvals = self.setting.approvals
        self.promises.committed()

    async def _open(self) -> None:
        process = self.process
        process.database = await open_database(f"sqlite+aiosqlite:///{self.folder / 'team.db'}")
        writer: Any = process.database.writer
        writer._thread.shutdown()
        writer._thread = Inline()
        catalog = self._catalog()
        self.ci = HeldCI(
            process,
            _unheard,
            _unheard,
            self.setting.migration,
            self.setting.is_deaf,
            self.setting.is_behind,
            self.runs,
        )
        providers = {"shop": Providers(self.ci, self.numbers, HeldRota(process))}
        people = People(catalog, HeldDirectory(process))
        self.context = Context(
            catalog,
            Store(process),
            self.clock,
            providers,
            people,
            PollIntervals(MINUTE, MINUTE, MINUTE),
        )
        process.registry = released(self.context)
        process.database.store.newest_version = process.registry.newest
        process.carry_out_command = lambda intent: use_cases.carry_out(self.context, intent)

    def _catalog(self) -> Catalog:
        rule = AutomaticRollback.COUNTDOWN if self.setting.counts_down else AutomaticRollback.OFF
        production = replace(
            PRODUCTION, automatic_rollback=rule, lock_after_rollback=self.setting.locks
        )
        production = replace(
            production, approvals=(ApprovalRule("release_manager", self.setting.approvals),)
        )
        shop = replace(
            SHOP,
            environments={"production": production},
            migrations=path_patterns(["migrations/*"]),
        )
        return replace(CATALOG, services={"shop": shop}, strategies={"canary": CANARY})

    def close(self) -> None:
        """Stop the bot."""
        self.promises.file.close()
        self.loop.run_until_complete(self._close())
        self.loop.close()

    async def _close(self) -> None:
        await self.process.end()
        await self.process.database.close()

    # What happens -------------------------------------------------------------------------------

    def settles(self) -> None:
        """Go on until everything waits."""
        self.loop.run_until_complete(self.process.settle())

    def passes(self, time: timedelta) -> None:
        """Let time pass."""
        self.loop.run_until_complete(self.process.passes(time))

    def says(self, name: str, command: Command, shown: Shown | None = None) -> str:
        """Have somebody say something; gives the command's key."""
        key = f"key {next(self.keys)} of {name}"
        if shown is not None:
            self.promises.shown[key] = shown
        self.promises.begun_at[key] = self.promises.newest_entry()
        self.process.say(Intent(key, command, PEOPLE[name], Place("C2"), self.clock.now()))
        self.settles()
        return key

    def _answered(self, intent: Intent, answer: Answer | None) -> None:
        self.answers[intent.key] = answer
        self.promises.answered(intent, answer)

    def waits_for_answer(self, name: str) -> bool:
        """Tell whether a command of somebody's is under way: one person's commands are
        carried out in their order.
        """
        return any(key.endswith(f" of {name}") for key in self.process.inbox)

    def deployments(self) -> list[str]:
        """Name the forward deployments, newest first."""
        return [
            row["id"]
            for row in self.promises.rows(
                "select id from deployment where kind = 'forward' order by number desc"
            )
        ]

    def stands_on(self) -> str:
        """Name the deployment that can be rolled back, as far as the file tells: the newest
        that has touched the place.
        """
        found = self.promises.one(
            "select id from deployment where kind = 'forward' and started_at is not null "
            "order by number desc limit 1"
        )
        return str(found["id"]) if found else ""

    def lead_of(self, subject: str) -> str:
        """Name a deployment's lead; bo where there is none."""
        lead = self.promises.one("select lead from deployment where id = ?", subject)["lead"]
        return next((name for name, person in PEOPLE.items() if str(person) == lead), "bo")

    def looks_at(self, subject: str) -> list[Shown]:
        """Look at a card; gives its buttons, newest last."""
        card = self.loop.run_until_complete(card_of(self.context, subject))
        assert card is not None
        seen = seen_on(card)
        found = [
            Shown(
                str(action),
                subject,
                token(Action(action), seen),
                seen.target,
                seen.base,
                seen.finding,
            )
            for action in card.actions
        ]
        self.cards += found
        return found


def _unheard(_: object) -> None: ...


# What examples begin with -----------------------------------------------------------------------


def _nothing(_world: World) -> None: ...


def _waiting(world: World) -> None:
    world.says("ana", Deploy("shop", "production", "v2"))
    world.passes(MINUTE)


def _ready(world: World) -> None:
    _waiting(world)
    world.says("cy", Tick(world.deployments()[0], ("support",)))
    world.passes(MINUTE)


def _approved(world: World) -> None:
    world.says("bo", Approve(world.deployments()[0]))


def _holding(world: World) -> None:
    _ready(world)
    _approved(world)
    world.passes(MINUTE)


def _watched(world: World) -> None:
    _ready(world)
    for name in ("bo", "di")[: world.setting.approvals]:
        world.says(name, Approve(world.deployments()[0]))
    world.passes(4 * MINUTE)
    world.says("cy", Deploy("shop", "production", "v3"))
    world.passes(MINUTE)


def _half_approved(world: World) -> None:
    _watched(world)
    world.says("cy", Tick(world.deployments()[0], ("support",)))
    world.passes(MINUTE)
    world.says("bo", Approve(world.deployments()[0]))
    world.passes(MINUTE)


@dataclass(frozen=True, slots=True)
class Plot:
    """What an example can begin with: what has happened, what happens first in the example
    itself, and what is held then.
    """

    before: Callable[[World], None]
    first: Callable[[World], None] = _nothing
    holds: tuple[tuple[str, ...], ...] = ((),)
    at_once: How = How.DONE
    approvals: int = 1


STARTS = (
    ("start",),
    ("find", "start", "cancel"),
    ("find", "start", "look", "cancel"),
    ("start", "look", "cancel"),
)
LOOKS = (
    (),
    ("quality",),
    ("quality", "who", "compare"),
    ("directory", "quality"),
    ("compare", "start"),
    KINDS,
)
SCENES: dict[str, Plot] = {
    "fresh": Plot(_nothing, holds=LOOKS),
    "waiting": Plot(_waiting, holds=LOOKS),
    "starting": Plot(_ready, _approved, STARTS),
    "holding": Plot(
        _holding,
        holds=((), ("compare", "start"), ("look", "cancel"), ("who", "directory", "start"), KINDS),
    ),
    "watched": Plot(_watched, holds=((), ("start", "cancel"), *LOOKS)),
    "half approved": Plot(
        _half_approved, holds=((), (), ("quality",), ("compare", "start")), approvals=2
    ),
}
OFTEN = ("starting", "starting", "starting", "half approved", "half approved", "holding", *SCENES)
"""How often an example begins with each."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A world that has been prepared once, to be copied for every example."""

    folder: Path
    plot: Plot
    at: datetime
    runs: dict[str, Truth]

    def copied(self, to: Path, setting: Setting) -> World:
        """Begin an example."""
        shutil.copytree(self.folder, to)
        runs = {run: replace(truth) for run, truth in self.runs.items()}
        # none that the scene has used
        world = World(to, setting, VirtualClock(self.at), runs, keys=itertools.count(1000))
        world.open()
        self.plot.first(world)
        return world


def prepared(name: str, migration: str, folder: Path) -> Scene:
    """Play what an example begins with, and keep the file."""
    folder.mkdir()
    plot = SCENES[name]
    world = World(
        folder,
        Setting(migration=migration, at_once=plot.at_once, approvals=plot.approvals),
        VirtualClock(),
    )
    world.open()
    world.loop.run_until_complete(_settled(world))
    plot.before(world)
    world.close()
    return Scene(folder, plot, world.clock.at, world.runs)


async def _settled(world: World) -> None:
    """Have v0 and v1 verified, v1 live."""
    async with world.process.database.store.transaction() as tx:
        for version in ("v0", "v1"):
            now = world.clock.now() + (MINUTE if version == "v1" else timedelta(0))
            await tx.set_live(
                Live("shop", "production", COMMITS[version], version, now, "", PEOPLE["ana"], now)
            )
