"""A team at work: real storage, real runbooks in virtual time, a CI, numbers and a rota
that do as they are told.

What a command answers is read as the person would read it; what was said in the meantime is drawn
at the end of every test.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.catalog.paths import path_patterns
from bot.dispatch import use_cases
from bot.dispatch.tables import AT_ONCE
from bot.domain.actions import Action
from bot.domain.card import Card
from bot.domain.catalog import (
    ApprovalRule,
    AutomaticGate,
    AutomaticRollback,
    Catalog,
    ChecklistItem,
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
from bot.domain.changes import Change, Changes
from bot.domain.commands import Acknowledge, Approve, Command, Deploy, RollBack, SayLive, Tick
from bot.domain.deployment import Deployment
from bot.domain.errors import IntegrationError, Offer, UnknownRef
from bot.domain.health import Observed
from bot.domain.live import Live
from bot.domain.people import Person
from bot.domain.quality import QualityState
from bot.domain.rollout import RunState, Stage
from bot.engine.simulated import SimulatedEngine, VirtualClock
from bot.ports.ci import CIRun, GateAnswer, Quality, Resolved, RunHint, StartRequest
from bot.ports.engine import RunRecord
from bot.ports.metrics import Cohort, Window
from bot.ports.people import Profile, Shift
from bot.ports.providers import Providers
from bot.ports.talk import Answer, Intent, Message, Place
from bot.queries.card import card_of
from bot.registry import released
from bot.services.context import Context, PollIntervals
from bot.services.outside import all_outside
from bot.services.people import People
from bot.slack import speech
from bot.slack.cards import deployment_card
from bot.slack.render import Words
from bot.storage.database import Database, open_database
from tests.services.promised import missing

COMMITS = {"v1": "a" * 40, "v2": "b" * 40, "v3": "c" * 40}
PEOPLE = {name: Person("T1", f"U{name.upper()}") for name in ("ana", "bo", "cy", "di")}
MINUTE = timedelta(minutes=1)
BEGAN = datetime(2026, 11, 21, 1, 59, tzinfo=UTC)
GOOD = Observed(2, 1000, requests=1000)
BAD = Observed(60, 1000, requests=1000)

STAGING = EnvironmentPolicy("staging", "rolling", watch=5 * MINUTE, summary_after=None)
PRODUCTION = EnvironmentPolicy(
    "production",
    "canary",
    gates=tuple(AutomaticGate(kind) for kind in GateKind),
    checklist=(ChecklistItem("support", "support briefed", "support"),),
    approvals=(ApprovalRule("release_manager"),),
    after="staging",
    automatic_rollback=AutomaticRollback.COUNTDOWN,
    countdown=5 * MINUTE,
    plan_by=("release_manager",),
)
SHOP = Service(
    "shop", ProviderChoice("scripted"), ProviderChoice("told"),
    ProviderChoice("told"), {"staging": STAGING, "production": PRODUCTION},
    (MetricSpec("errors", "errors", MetricKind.RATIO, unit="%"),),
    channel="C1", migrations=path_patterns(["migrations/*"]),
)  # fmt: skip
CATALOG = Catalog(
    team="T1",
    roles={
        "developer": Role("developer", frozenset({PEOPLE["ana"], PEOPLE["bo"], PEOPLE["cy"]})),
        "release_manager": Role("release_manager", frozenset({PEOPLE["bo"]}), frozenset({"S1"})),
        "support": Role("support", frozenset({PEOPLE["cy"]})),
    },
    permissions={
        Permission.DEPLOY: frozenset({"developer"}),
        Permission.VIEW: frozenset({"developer"}),
        Permission.LOCK: frozenset({"release_manager"}),
        Permission.HAND_OVER: frozenset({"release_manager"}),
    },
    services={"shop": SHOP},
    strategies={
        "rolling": Strategy("rolling", "rolling", (StrategyStep(100),)),
        "canary": Strategy(
            "canary", "canary", (StrategyStep(5, 10 * MINUTE), StrategyStep(100, 5 * MINUTE))
        ),
    },
)


def unmarked(correlation: str) -> str:
    """Take the mark of the request off a correlation id, so that a test can name it."""
    return correlation.rpartition(":")[0]


@dataclass
class ToldCI:
    """A CI that does as it is told; ``ends`` says how the runs of an
    action end, by default well.
    """

    runs: dict[str, StartRequest] = field(default_factory=dict)
    ends: dict[str, RunState] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    changes: Changes = field(
        default_factory=lambda: Changes((Change("b" * 40, "faster basket", "cy"),), 1, ("cy",))
    )
    quality_state: QualityState = QualityState.GREEN
    frozen: tuple[Freeze, ...] = ()
    near: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What it says is near to a ref that is not there."""
    unreadable: str = ""
    """What is wrong with a freeze that cannot be read."""
    away: bool = False
    stages: tuple[Stage, ...] = ()
    opened: list[str] = field(default_factory=list)
    asked_to_open: list[str] = field(default_factory=list)
    answer_to_open_is_lost: bool = False
    gate_is: GateAnswer = GateAnswer.OPENED
    unread: dict[str, str] = field(default_factory=dict)
    """What could not be read of the evidence of runs that succeed, by action."""
    lost: set[str] = field(default_factory=set)
    unanswered: set[str] = field(default_factory=set)
    """The starts that are carried out and whose answer is lost, once."""
    refused: set[str] = field(default_factory=set)
    """The starts that fail, once."""
    hidden: set[str] = field(default_factory=set)
    """The runs that it says too early that there are none of."""
    refuses: dict[str, IntegrationError] = field(default_factory=dict)
    """What it says no to, by the beginning of the question: ``look``, ``find shop-3:rollback``."""
    slow: asyncio.Event | None = None
    """What a comparison waits for."""
    parted: dict[str, Changes] = field(default_factory=dict)
    """What comparisons say of versions that have parted, by the first letters
    of the commits: ``b c``.
    """
    means: Resolved = field(default_factory=lambda: Resolved("", ""))
    """What the provider says of a ref, but for the commit and the version."""
    may_open: bool = True
    asks_back: bool = False
    deaf: bool = False
    """Whether it takes a request to stop and goes on all the same."""
    tested_again: list[str] = field(default_factory=list)
    has_run: bool = False
    """Whether there was a test run, which said nothing."""
    once_started: QualityState | None = None
    """What is said of the tests once they were started."""
    startable: bool = False
    """Whether its tests have not run and only we start them."""
    meanwhile: Callable[[], Awaitable[None]] | None = None
    """What happens once while we wait for the answer to a look."""
    during: dict[str, Callable[[], Awaitable[object]]] = field(default_factory=dict)
    """What happens once while we wait for the answer to a question, by the beginning of the
    question: ``quality``, ``find shop-3``.
    """

    async def _waits(self, question: str) -> None:
        for beginning in [each for each in self.during if question.startswith(each)]:
            await self.during.pop(beginning)()

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    def _answers(self) -> None:
        if self.away:
            raise IntegrationError("no answer", vendor="the CI")

    async def resolve(self, ref: str) -> Resolved:
        await self._waits(f"resolve {ref}")
        self._answers()
        version = "v3" if ref == "latest" else ref
        if ref in self.near:
            raise UnknownRef(ref, "acme/shop", vendor="the CI", nearest=self.near[ref])
        if version not in COMMITS:
            raise IntegrationError(f"there is no {ref}", vendor="the CI", retry=False)
        return replace(self.means, commit=COMMITS[version], version=version)

    async def compare(self, base: str, head: str) -> Changes:
        await self._waits(f"compare {base[0]} {head[0]}")
        self._answers()
        if self.slow is not None:
            await self.slow.wait()
        if base == head:
            return Changes()
        if f"{base[0]} {head[0]}" in self.parted:
            return self.parted[f"{base[0]} {head[0]}"]
        # the commits' first letters are their order
        return self.changes if base < head else replace(self.changes, backwards=True)

    async def quality(self, commit: str) -> Quality:
        await self._waits(f"quality {commit[0]}")
        self._answers()
        mine = unmarked(f"test:{commit}")
        startable = f"test:{commit}" if self.startable and mine not in self.runs else ""
        state = self.once_started if self.once_started and mine in self.runs else self.quality_state
        since = BEGAN if state is QualityState.RUNNING else None
        url = "https://ci.example.com/7"
        return Quality(
            state, f"212 tests of {commit[:7]}", url, startable, since=since, has_run=self.has_run
        )

    async def test_again(self, commit: str) -> CIRun:
        self._answers()
        self.tested_again.append(commit)
        await self._waits(f"test again {commit[0]}")
        return CIRun(f"test:{commit}", RunState.QUEUED)

    def _may(self, question: str) -> None:
        for refused, error in self.refuses.items():
            if question.startswith(refused):
                raise error

    async def freezes(self, environment: str) -> tuple[Freeze, ...]:
        self._answers()
        if self.unreadable:
            raise IntegrationError(self.unreadable, vendor="the CI", retry=False)
        return tuple(freeze for freeze in self.frozen if freeze.environment == environment)

    async def find(self, correlation: str) -> CIRun | None:
        run = unmarked(correlation)
        await self._waits(f"find {run}")
        self._may(f"find {run}")
        return CIRun(run, RunState.RUNNING) if run in self.runs and run not in self.hidden else None

    async def start(self, request: StartRequest) -> CIRun:
        run = unmarked(request.correlation)
        await self._waits(f"start {run}")
        self._may(f"start {run}")
        assert run not in self.runs, "started twice"
        if run in self.refused:
            self.refused.remove(run)
            raise IntegrationError("no answer", vendor="the CI")
        self.runs[run] = request
        if run in self.unanswered:
            self.unanswered.remove(run)
            raise IntegrationError("the answer was lost", vendor="the CI")
        return CIRun(run, RunState.QUEUED, "https://ci.example.com/run")

    async def look(self, run: str) -> CIRun:
        await self._waits(f"look {run}")
        self._may(f"look {run}")
        if run not in self.runs:
            raise IntegrationError(
                f'There is no run "{run}".', vendor="the CI", status=404, retry=False
            )
        if self.meanwhile is not None:
            happens, self.meanwhile = self.meanwhile, None
            await happens()
        self._answers()
        if run in self.lost:
            return CIRun(run, RunState.LOST)
        if (
            self.stages
            and self.runs[run].environment == "production"
            and run not in self.opened + self.cancelled
        ):
            waits = self.asks_back or any(stage.passable for stage in self.stages)
            return CIRun(
                run,
                RunState.WAITING if waits else RunState.RUNNING,
                stages=self.stages,
                asks_back=self.asks_back,
            )
        state = self.ends.get(self.runs[run].action, RunState.SUCCEEDED)
        unread = self.unread.get(self.runs[run].action, "") if state is RunState.SUCCEEDED else ""
        said = "" if state.is_final else "smoke stage"
        return CIRun(
            run,
            RunState.CANCELLED if run in self.cancelled else state,
            sentence=said,
            unread=unread,
        )

    async def cancel(self, run: str) -> None:
        self._may(f"cancel {run}")
        if not self.deaf:
            self.cancelled.append(run)

    async def open_gate(self, run: str, environment: str) -> GateAnswer:
        assert environment == self.runs[run].environment
        if not self.may_open:
            raise IntegrationError(
                "Only maintainers may play this job.", vendor="the CI", status=403, retry=False
            )
        self.asked_to_open.append(run)
        if self.answer_to_open_is_lost:
            raise IntegrationError("the answer was lost", vendor="the CI")
        if self.gate_is is GateAnswer.OPENED:
            self.opened.append(run)
        return self.gate_is

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> RunHint:
        raise AssertionError(headers, body)


@dataclass
class ToldNumbers:
    """Numbers of the new version, as told; of the old one, good, as long as nothing
    else was told of a time.
    """

    new: Observed | None = GOOD
    besides: dict[str, Observed] = field(default_factory=dict)
    """Other metrics of the new version."""
    gone: set[str] = field(default_factory=set)
    """The commits that get no requests."""
    breaks: Exception | None = None
    """What every question ends with, instead of an answer."""
    since: list[tuple[datetime, Observed | None]] = field(default_factory=list)
    """What everything else had in windows that ended after a time; the
    last one that fits counts.
    """
    windows: list[Window] = field(default_factory=list)
    """The times about which somebody asked for the new version's numbers."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def observe(
        self, service: Service, environment: EnvironmentPolicy, window: Window, cohort: Cohort
    ) -> Mapping[str, Observed]:
        assert environment.name in service.environments
        assert window.end >= window.start
        if self.breaks is not None:
            raise self.breaks
        if cohort.commit in self.gone and not cohort.others:
            return {}
        if cohort.commit and not cohort.others:
            self.windows.append(window)
            return {"errors": self.new, **self.besides} if self.new else dict(self.besides)
        then = next((told for at, told in reversed(self.since) if window.end > at), GOOD)
        return dict.fromkeys(("errors", *self.besides), then) if then else {}


@dataclass
class ToldRota:
    person: Person | None = PEOPLE["bo"]
    away: bool = False
    during: Callable[[], Awaitable[object]] | None = None
    """What happens once while we wait for the answer."""

    async def who(self, service: Service, at: datetime) -> Shift | None:
        if self.during is not None:
            happens, self.during = self.during, None
            await happens()
        if self.away:
            raise IntegrationError("no answer", vendor="the rota")
        return (
            Shift(self.person, at + timedelta(hours=8), f'rota "{service.name}"')
            if self.person
            else None
        )


@dataclass
class Workspace:
    """The people of the workspace; ``S1`` can be told to be unreadable."""

    readable: bool = True
    during: Callable[[], Awaitable[object]] | None = None
    """What happens once while ana is looked up."""
    gone: bool = False
    """Whether ``S1`` is not unreadable now, but not there any more."""
    away: IntegrationError | None = None
    known: dict[Person, Profile] = field(default_factory=dict)
    """What was last said of people."""
    left: set[Person] = field(default_factory=set)
    """Whose accounts were deactivated."""
    zone: str = ""
    """The time zone of everybody."""

    def remembered(self, person: Person) -> Profile | None:
        return self.known.get(person)

    async def profile(self, person: Person, **_: bool) -> Profile:
        if self.during is not None and person == PEOPLE["ana"]:
            happens, self.during = self.during, None
            await happens()
        if self.away is not None:
            raise self.away
        if person in self.left:
            return Profile(person, person.user, is_member=False, why_not="is deactivated")
        guest = person not in PEOPLE.values()
        name = person.user if guest else person.user.removeprefix("U").lower()
        return Profile(
            person,
            name,
            is_member=not guest,
            why_not="is a guest of this workspace" if guest else "",
            zone=self.zone,
        )

    async def members(self, group: str, **_: bool) -> frozenset[Person]:
        if not self.readable:
            raise IntegrationError(f"{group} cannot be read", vendor="Slack", retry=not self.gone)
        return frozenset({PEOPLE["di"]})


class Quiet:
    def card_changed(self, deployment: str) -> None: ...

    def outbox_changed(self) -> None: ...

    async def answer(self, intent: Intent, answer: Answer) -> bool:
        raise AssertionError(intent, answer)


@dataclass
class Team:
    """People who say things, and the time that passes."""

    context: Context
    engine: SimulatedEngine
    database: Database
    ci: ToldCI
    numbers: ToldNumbers
    rota: ToldRota
    workspace: Workspace
    words: Words
    keys: itertools.count[int] = field(default_factory=itertools.count)
    blocked: list[tuple[RunRecord, str]] = field(default_factory=list)
    """The runbooks that cannot go on without a person, and why."""

    async def says(
        self, name: str, command: Command, *, key: str = "", person: Person | None = None
    ) -> str:
        """Have somebody say something; returns what they alone read, empty for nothing."""
        who = person or PEOPLE[name]
        intent = Intent(
            key or f"key {next(self.keys)}", command, who, Place("C2"), self.context.now()
        )
        answer = await use_cases.carry_out(self.context, intent)
        assert answer is None or not missing(answer)
        return (
            readable("\n".join(text_of(speech.answer(answer, self.words).blocks))) if answer else ""
        )

    async def rolls_back(self, name: str, command: RollBack) -> str:
        """Have somebody type a rollback and press the button of the dialog that answers it;
        returns what they read then.
        """
        key = f"key {next(self.keys)}"
        await self.says(name, command, key=key)
        async with self.database.store.reading() as reader:
            dialog = await reader.kept(key)
        assert dialog is not None
        return await self.says(name, pressed(dialog.offers[0]))

    async def says_live(
        self, name: str, command: SayLive, *, is_gone: bool = True
    ) -> tuple[str, str]:
        """Have somebody type what is live and press the button of the dialog; returns what the
        dialog showed and what they read then.

        No other version gets requests at that moment, unless it is not ``is_gone``.
        """
        key = f"key {next(self.keys)}"
        shown = await self.says(name, command, key=key)
        async with self.database.store.reading() as reader:
            dialog = await reader.kept(key)
        if dialog is None or not dialog.offers:
            return shown, ""
        offer = dialog.offers[0]
        gone = set(COMMITS.values()) - {COMMITS.get(command.ref, "")} if is_gone else set()
        self.numbers.gone |= gone
        said = await self.says(name, AT_ONCE[Action.SAY_LIVE](offer.deployment, offer.carries))
        self.numbers.gone -= gone
        return shown, said

    async def passes(self, time: timedelta = timedelta(0)) -> None:
        """Let time pass, and everything happen that falls due."""
        until = self.context.now() + time
        await self.engine.run_until_idle(horizon=time)
        self.engine.clock.at = max(until, self.engine.clock.at)

    async def asks_for_v2(self) -> str:
        """Have v2 verified on staging and asked for in production; it waits for its gates."""
        await self.says("ana", Deploy("shop", "staging", "v2"))
        await self.passes(10 * MINUTE)
        await self.says("ana", Deploy("shop", "production", "v2"))
        await self.passes()
        return "shop-2"

    async def rolls_out_v2(self, time: timedelta = MINUTE) -> str:
        """Have v2 ready and approved, and let it roll out for a while."""
        v2 = await self.asks_for_v2()
        await self.clears(v2)
        await self.passes(time)
        return v2

    async def clears(self, id: str) -> None:
        """Clear the gates and approve."""
        await self.says("bo", Acknowledge(id))
        await self.says("cy", Tick(id, ("support",)))
        await self.passes()
        await self.says("bo", Approve(id))

    async def deployment(self, id: str) -> Deployment:
        async with self.database.store.reading() as reader:
            found = await reader.deployment(id)
        assert found is not None
        return found

    async def card(self, id: str) -> Card:
        card = await card_of(self.context, id)
        assert card is not None
        return card

    async def shown(self, id: str) -> str:
        """Read the card."""
        return readable("\n".join(text_of(deployment_card(await self.card(id), self.words).blocks)))

    async def said(self, template: str = "") -> list[str]:
        """Read what was said in threads, in channels and to people."""
        return [
            self.reads(message)
            for message in await self.outbox()
            if template in {"", message.template}
        ]

    async def said_to(self, to: str) -> list[str]:
        return [message.template for message in await self.outbox() if message.to == to]

    async def outbox(self) -> tuple[Message, ...]:
        return await self.database.postings.outbox(500)

    def reads(self, message: Message) -> str:
        """Read a message as people do."""
        return readable(
            "\n".join(text_of(speech.message(message, self.words, card_channel="C1").blocks))
        )

    async def audited(self, id: str) -> list[str]:
        async with self.database.store.reading() as reader:
            return [entry.action for entry in await reader.entries(id)]


def pressed(offer: Offer) -> RollBack:
    """Give the command of a rollback's button, read as the listener reads it."""
    deployment, _, rest = f"{offer.deployment} {offer.carries}".partition(" ")
    found = AT_ONCE[Action.ROLL_BACK](deployment, rest)
    assert isinstance(found, RollBack)
    return found


def text_of(blocks: list[dict[str, object]]) -> list[str]:
    found: list[str] = []
    for block in blocks:
        text, elements = block.get("text"), block.get("elements")
        parts = [text] if isinstance(text, dict) else elements if isinstance(elements, list) else []
        found += [str(part["text"]) for part in parts if isinstance(part.get("text"), str)]
    return found


def readable(text: str) -> str:
    return re.sub(r"<!date\^\d+\^[^|]*\|([^>]*)>", r"\1", text)


@asynccontextmanager
async def working(folder: Path, **production: Any) -> AsyncIterator[Team]:
    """A team with v1 verified in staging and in production; ``production`` changes how
    production is deployed to.
    """
    shop = replace(
        SHOP, environments={"staging": STAGING, "production": replace(PRODUCTION, **production)}
    )
    catalog = replace(CATALOG, roles=dict(CATALOG.roles), services={"shop": shop})
    database = await open_database(f"sqlite+aiosqlite:///{folder / 'team.db'}")
    clock, ci, numbers, rota, workspace = (
        VirtualClock(),
        ToldCI(),
        ToldNumbers(),
        ToldRota(),
        Workspace(),
    )
    providers = {"shop": all_outside(Providers(ci, numbers, rota))}
    context = Context(
        catalog,
        database.store,
        clock,
        providers,
        People(catalog, workspace),
        PollIntervals(MINUTE, MINUTE, MINUTE),
    )
    registry = released(context)
    database.store.newest_version = registry.newest
    async with database.store.transaction() as tx:
        for environment in SHOP.environments:
            await tx.set_live(
                Live(
                    "shop",
                    environment,
                    COMMITS["v1"],
                    "v1",
                    clock.now(),
                    "",
                    PEOPLE["ana"],
                    clock.now(),
                )
            )
    blocked: list[tuple[RunRecord, str]] = []
    engine = SimulatedEngine(
        database.journal, registry, clock, on_stuck=lambda run, why: blocked.append((run, why))
    )
    team = Team(
        context,
        engine,
        database,
        ci,
        numbers,
        rota,
        workspace,
        Words(now=clock.now),
        blocked=blocked,
    )
    try:
        yield team
        assert all(await team.said()), "everything that was said can be drawn"
        assert not [name for message in await team.outbox() for name in missing(message)], (
            "what templates promise is there"
        )
    finally:
        await database.close()


@pytest.fixture
async def team(tmp_path: Path) -> AsyncIterator[Team]:
    """Give a team whose production has every gate, one checklist item, one
    approval and a countdown.
    """
    async with working(tmp_path) as found:
        yield found


@pytest.fixture
def team_with(tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Team]]:
    """Give a team whose production is configured otherwise."""
    return lambda **production: working(tmp_path, **production)


@pytest.fixture
async def swift(tmp_path: Path) -> AsyncIterator[Team]:
    """Give a team whose production needs no gates and is watched for a minute."""
    async with working(
        tmp_path, gates=(), checklist=(), approvals=(), after="", strategy="rolling", watch=MINUTE
    ) as team:
        yield team


@pytest.fixture(scope="module")
def built_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a deployment in each state, once."""
    from tests.services import authority_world

    async def build() -> None:
        async with authority_world.world(path):
            pass

    path = tmp_path_factory.mktemp("authority") / "world.db"
    asyncio.run(build())
    return path


@pytest.fixture
async def every(built_world: Path, tmp_path: Path) -> AsyncIterator[Any]:
    """Give a copy of it."""
    from tests.services import authority_world

    async with authority_world.world(Path(shutil.copy(built_world, tmp_path))) as opened:
        yield opened
