"""A place for each state a deployment can be in, all in one database, and everybody
who could come to a door.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from sqlite3 import connect
from typing import TYPE_CHECKING, Any

from bot.domain.catalog import (
    ApprovalRule,
    AutomaticGate,
    AutomaticRollback,
    Catalog,
    ChecklistItem,
    EnvironmentPolicy,
    GateKind,
    Permission,
    ProviderChoice,
    Role,
    Service,
)
from bot.domain.deployment import TRANSITIONS, WAITING, Deployment, Kind, State
from bot.domain.live import Live
from bot.domain.locks import Lock
from bot.domain.people import GONOGO, Person
from bot.domain.places import Doubt, Unclear
from bot.domain.readiness import WATCHED, Gate, GateState, Review
from bot.domain.rollback import Passage, Way
from bot.domain.rollout import RunState, Stage, Step, StepState
from bot.domain.trouble import Sort, Trouble
from bot.engine.simulated import VirtualClock
from bot.ports.people import Profile
from bot.ports.providers import Providers
from bot.ports.store import NewDeployment, Store, Transaction
from bot.registry import released
from bot.services.context import Context
from bot.services.people import TERMINAL, People
from bot.slack.directory import profile_of
from bot.storage.database import Database, open_database
from tests.services.conftest import CATALOG, COMMITS, ToldCI, ToldNumbers, ToldRota

if TYPE_CHECKING:
    from pathlib import Path

TEAM = "T1"
BAD = "d" * 40
"""A commit that is quarantined everywhere."""
COMMITS_KNOWN = {**COMMITS, "v4": BAD}
LOG = {"audit", "audit_head"}
"""What may change when somebody is refused: the refusal is written down."""


class Who(StrEnum):
    """Each has one thing that could give a right, and nothing else; but whoever asks, and
    whoever leads, may deploy.
    """

    REQUESTER = "who asked for it"
    LEAD = "its lead"
    ON_CALL = "who is on call"
    APPROVER = "an approver"
    OWNER = "the owner of an item of the checklist"
    RELEASE_MANAGER = "a release manager"
    DEVELOPER = "somebody who may deploy"
    VIEWER = "somebody who may look"
    MEMBER = "a member without a role"
    OPERATOR = "an operator at the machine"
    GUEST = "a guest"
    DEACTIVATED = "somebody who has left"
    BOT = "a bot"
    STRANGER = "somebody of another workspace"
    GONOGO = "the bot itself"


PEOPLE: Mapping[Who, Person] = {
    **{who: Person(TEAM, f"U{who.name.replace('_', '')}") for who in Who},
    Who.OPERATOR: Person(TERMINAL, "operator"),
    Who.STRANGER: Person("T2", "ULEAD"),  # whose id is the lead's
    Who.GONOGO: GONOGO,
}
OUTSIDERS = frozenset({Who.GUEST, Who.DEACTIVATED, Who.BOT, Who.STRANGER, Who.GONOGO})
_ACCOUNTS: Mapping[Who, Mapping[str, bool]] = {
    Who.GUEST: {"is_restricted": True},
    Who.DEACTIVATED: {"deleted": True}, Who.BOT: {"is_bot": True},
}  # fmt: skip


def _everywhere(*who: Who) -> frozenset[Person]:
    """Give a role to these people, and to outsiders, to whom it must not help."""
    return frozenset(PEOPLE[each] for each in {*who, *OUTSIDERS})


ROLES = {
    "approver": Role("approver", _everywhere(Who.APPROVER, Who.REQUESTER)),
    "developer": Role("developer", _everywhere(Who.DEVELOPER, Who.REQUESTER, Who.LEAD)),
    "viewer": Role("viewer", _everywhere(Who.VIEWER)),
    "release_manager": Role("release_manager", _everywhere(Who.RELEASE_MANAGER)),
    "support": Role("support", _everywhere(Who.OWNER)),
}
PERMISSIONS = {
    Permission.DEPLOY: frozenset({"developer"}),
    Permission.VIEW: frozenset({"developer", "viewer"}),
    Permission.LOCK: frozenset({"release_manager"}),
    Permission.HAND_OVER: frozenset({"release_manager"}),
}  # fmt: skip


class Members:
    """The workspace's people, as Slack describes them."""

    async def profile(self, person: Person, **_: bool) -> Profile:
        who = next((each for each, known in PEOPLE.items() if known == person), None)
        account = {"id": person.user, "team_id": person.team, **_ACCOUNTS.get(who or Who.GUEST, {})}
        return profile_of(person, account)

    def remembered(self, _person: Person) -> Profile | None:
        return None

    async def members(self, group: str, **_: bool) -> frozenset[Person]:
        del group
        return frozenset()


class Told(ToldCI):
    """A CI that knows one version more."""

    async def resolve(self, ref: str) -> Any:
        return (
            replace(await super().resolve("v1"), commit=BAD, version="v4")
            if ref == "v4"
            else await super().resolve(ref)
        )


def service_of(state: State) -> str:
    """Name the service whose deployment to production is in a state."""
    return state.replace(" ", "-")


def _catalog() -> Catalog:
    none = ProviderChoice("none")
    production = EnvironmentPolicy(
        "production", "canary",
        gates=(AutomaticGate(GateKind.ON_CALL), AutomaticGate(GateKind.STAGED)),
        checklist=(ChecklistItem("support", "support briefed", "support"),),
        approvals=(ApprovalRule("approver"),), after="staging",
        automatic_rollback=AutomaticRollback.COUNTDOWN,
        countdown=timedelta(minutes=5), plan_by=("release_manager",),
    )  # fmt: skip
    places = {"staging": EnvironmentPolicy("staging", "rolling"), "production": production}
    services = {
        service_of(state): Service(service_of(state), none, none, none, places, channel="C1")
        for state in State
    }
    return replace(CATALOG, team=TEAM, roles=ROLES, permissions=PERMISSIONS, services=services)


class _UndoneError(Exception):
    """Takes back what a transaction did."""


@dataclass
class Undoing:
    """A store that carries everything out and takes it back at once."""

    store: Store
    ended: int = 0
    """How many transactions would have been committed,"""
    written: int = 0
    """and how many of them wrote something into the audit log."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        try:
            async with self.store.transaction() as tx:
                yield tx
                self.ended += 1
                self.written += bool(getattr(tx, "audited", 0))
                raise _UndoneError  # noqa: TRY301 - the real transaction has to see it
        except _UndoneError:
            return

    def reading(self) -> Any:
        return self.store.reading()

    def may_pass(self, error: Exception) -> bool:
        return self.store.may_pass(error)


@dataclass(frozen=True)
class World:
    """One database with a deployment in each state."""

    context: Context
    database: Database
    path: Path
    deployments: Mapping[State, Deployment]

    def contents(self, *, apart_from: set[str] = LOG) -> dict[str, list[Any]]:
        """Read every row of every table."""
        with closing(connect(self.path)) as connection:
            tables = [
                name
                for (name,) in connection.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'table'"
                )
            ]
            return {
                name: connection.execute(f'SELECT * FROM "{name}"').fetchall()  # noqa: S608 - our own names
                for name in tables
                if name not in apart_from
            }

    def undoing(self) -> tuple[Context, Undoing]:
        """Give a house whose acts are taken back."""
        undoing = Undoing(self.context.store)
        return replace(self.context, store=undoing), undoing


def path_to(state: State) -> list[State]:
    """Find the way of a deployment from the beginning to a state, through the table."""
    ways: list[list[State]] = [[State.REQUESTED]]
    for way in ways:
        if way[-1] is state:
            return way[1:]
        ways += [
            [*way, following] for following in sorted(TRANSITIONS[way[-1]]) if following not in way
        ]
    raise AssertionError(f"nothing leads to {state}")


@asynccontextmanager
async def world(path: Path) -> AsyncIterator[World]:
    """Open the database of a file, and build in it what is not there yet."""
    database = await open_database(f"sqlite+aiosqlite:///{path}")
    catalog, clock = _catalog(), VirtualClock()
    providers = Providers(Told(), ToldNumbers(), ToldRota(PEOPLE[Who.ON_CALL]))
    context = Context(
        catalog,
        database.store,
        clock,
        dict.fromkeys(catalog.services, providers),
        People(catalog, Members()),
    )
    database.store.newest_version = released(context).newest
    try:
        yield World(
            context,
            database,
            path,
            {
                state: await _found(context, state) or await _built(context, state)
                for state in State
            },
        )
    finally:
        await database.close()


async def _found(context: Context, state: State) -> Deployment | None:
    async with context.store.reading() as reader:
        return await reader.deployment(f"{service_of(state)}-1")


async def _built(context: Context, state: State) -> Deployment:
    service, now = service_of(state), context.now()
    async with context.store.transaction() as tx:
        for environment in ("staging", "production"):
            await tx.set_live(
                Live(service, environment, COMMITS["v1"], "v1", now, "", PEOPLE[Who.REQUESTER], now)
            )
        await tx.put_in_quarantine(
            service, BAD, reason="it forgets carts", by=PEOPLE[Who.RELEASE_MANAGER], at=now
        )
        deployment = await tx.add_deployment(
            NewDeployment(
                kind=Kind.FORWARD, service=service,
                environment="production", ref="v2", strategy="canary",
                requested_by=PEOPLE[Who.REQUESTER], at=now, lead=PEOPLE[Who.LEAD],
                channel="C1", version="v2", commit=COMMITS["v2"],
                base_commit=COMMITS["v1"], base_version="v1",
            )
        )  # fmt: skip
        for reached in path_to(state):
            assert await tx.move(deployment.id, reached, at=now)
            if reached is State.QUEUED:
                assert await tx.claim(service, "production", deployment.id)
            if reached is State.ROLLING_OUT:
                await tx.set_started(deployment.id, now)
        await _furnish(tx, deployment, state, context)
        found = await tx.deployment(deployment.id)
    assert found is not None
    assert found.state is state
    return found


async def _watched_there(tx: Transaction, service: str, now: datetime) -> None:
    """Have something watched there that nobody leads: a deployment that waits can be let
    go before that has ended.
    """
    before = await tx.add_deployment(
        NewDeployment(
            kind=Kind.FORWARD, service=service,
            environment="production", ref="v1", strategy="canary",
            requested_by=PEOPLE[Who.DEVELOPER], at=now,
            channel="C1", version="v1", commit=COMMITS["v1"],
        )
    )  # fmt: skip
    for reached in path_to(State.WATCHING):
        assert await tx.move(before.id, reached, at=now)


async def _furnish(tx: Transaction, deployment: Deployment, state: State, context: Context) -> None:
    """Put there whatever any verb could be about, so that nothing but a right
    or a state can refuse it.
    """
    it, service, now = deployment.id, deployment.service, context.now()
    stage = Stage("approve", RunState.WAITING, passable=True)
    # a lock does not keep the gate of a smoke test
    running = StepState.SMOKE if state is State.ROLLING_OUT else StepState.RUNNING
    await tx.save_steps(
        it,
        [
            Step(
                0,
                "canary-5",
                5,
                timedelta(minutes=5),
                running,
                "run",
                stages=(stage,),
                started_at=now,
            )
        ],
    )
    await tx.save_trouble(it, Trouble(1, Sort.DEGRADED, "canary-5", (("errors", 9.0),)))
    over = state in WAITING  # what waits comes with a migration; what can be rolled back does not
    way = Way(
        COMMITS["v2"],
        COMMITS["v1"],
        Passage.MIGRATION if over else Passage.FREE,
        "migrations/7.sql" if over else "",
    )
    await tx.save_way_back(it, way)
    await tx.add_lock(
        Lock(service, "production", "v2 was rolled back", PEOPLE[Who.LEAD], now, deployment=it)
    )
    if state is State.FAILED:  # there alone nobody knows what is live
        await tx.cast_doubt(service, "production", Doubt(Unclear.FAILED, "shop-1 failed", now, it))
    if state in {State.GATED, State.AWAITING_APPROVAL}:
        await _watched_there(tx, service, now)
    if state is State.GATED:  # the watch is all that keeps it
        await tx.save_review(
            it,
            Review(
                now,
                (
                    Gate(
                        WATCHED,
                        "no watch under way",
                        GateState.OPEN,
                        "the one before is being watched",
                    ),
                ),
            ),
        )
    if state in {State.ROLLING_OUT, State.WATCHING}:
        await tx.set_countdown(it, now + timedelta(minutes=5))
    if state in {State.WATCHING, State.VERIFIED, State.ACCEPTED, State.SUPERSEDED}:
        await tx.set_live(
            Live(service, "production", deployment.commit, "v2", now, it, deployment.requested_by)
        )
    if state not in {
        State.QUEUED,
        State.GATED,
        State.AWAITING_APPROVAL,
        State.ROLLING_OUT,
        State.ROLLING_BACK,
    }:
        await tx.release(it)
