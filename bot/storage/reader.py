"""Questions to the store, each answered from an index."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Select, and_, bindparam, func, not_, or_, select
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from bot.domain.audit import Entry
from bot.domain.declared import Declared, Replaced
from bot.domain.deployment import MOVING, OPEN, WAITING, Deployment, DeploymentId, Kind, State
from bot.domain.live import Live, stands_on
from bot.domain.locks import Lock
from bot.domain.people import Person
from bot.domain.places import Doubt, Ground, Quarantined, Stray, Unclear
from bot.domain.queue import number
from bot.ports.reader import Timeline
from bot.ports.talk import Answer, Message
from bot.storage import codec
from bot.storage.journal import BLOCKED
from bot.storage.pages import Pages
from bot.storage.releases import AT_REST
from bot.storage.rows import declared_of, deployment_of, entries_of, table, with_person
from bot.storage.tables.record import (
    AuditRow,
    ClaimRow,
    DeclaredRow,
    DeploymentRow,
    LiveRow,
    LockRow,
    PlaceRow,
    QuarantineRow,
    ReplacedRow,
    StepRow,
    StrayRow,
)
from bot.storage.tables.work import OutboxRow, RunbookRow, TakenRow

_NOT_AT_REST = tuple(str(state) for state in (*MOVING, State.FAILED))
PAGE = 8
"""How many deployments to a place are read at a time to find the one that it stands on."""
_FIRST_OF_MANY, _LAST_OF_MANY = 100, 300
"""Of a very long timeline, so many entries of its begin and of its end are read."""


@cache
def _failed(since: str, kinds: tuple[Kind, ...]) -> Select[Any]:
    """Give the statement that lists what failed of these kinds in a place, ``after`` or ``from`` a
    moment; it is made once, as by ``rows.asking``.
    """
    row = table(DeploymentRow)
    statement = select(row.c["commit"]).where(
        row.c.service == bindparam("service"), row.c.environment == bindparam("environment"),
        row.c.state == State.FAILED.value, row.c["commit"] != "",
        or_(*(row.c.kind == kind.value for kind in kinds)),
    )  # fmt: skip
    if since == "after":
        statement = statement.where(row.c.state_since > bindparam("at"))
    elif since == "from":
        statement = statement.where(row.c.state_since >= bindparam("at"))
    return statement.order_by(row.c.number)


@cache
def _locks(narrowed: tuple[str, ...]) -> Select[Any]:
    """Give the statement that lists locks, ``of`` a service and those of all, and of an
    environment; it is made once.
    """
    row = table(LockRow)
    statement = select(row)
    if "of" in narrowed:
        statement = statement.where(or_(row.c.service == bindparam("of"), row.c.service == ""))
    if "environment" in narrowed:
        statement = statement.where(row.c.environment == bindparam("environment"))
    return statement.order_by(row.c.at)


@cache
def _watched() -> Select[Any]:
    """Give the statement that finds what is watched in a place; it is made once."""
    row = table(DeploymentRow)
    there = (
        row.c.service == bindparam("service"),
        row.c.environment == bindparam("environment"),
        row.c.state == str(State.WATCHING),
    )
    return select(row).where(*there).order_by(row.c.number.desc())


class SqlReader(Pages):
    """``ports.Reader`` on one connection."""

    async def deployment(self, id: DeploymentId) -> Deployment | None:
        """Read one deployment."""
        row = await self._find(DeploymentRow, id=id)
        return deployment_of(row) if row else None

    async def open_deployments(
        self, service: str = "", environment: str = ""
    ) -> tuple[Deployment, ...]:
        """List the deployments whose runbook still has work to do, oldest first."""
        statement = select(table(DeploymentRow)).where(
            col(DeploymentRow.state).in_([str(state) for state in OPEN])
        )
        if service:
            statement = statement.where(col(DeploymentRow.service) == service)
        if environment:
            statement = statement.where(col(DeploymentRow.environment) == environment)
        rows = await self._all(
            statement.order_by(col(DeploymentRow.requested_at), col(DeploymentRow.number))
        )
        return tuple(deployment_of(row) for row in rows)

    async def watched(self, service: str, environment: str) -> Deployment | None:
        """Find the deployment that is live in a place and is still being watched."""
        asked = {"service": service, "environment": environment}
        found = (await self._connection.execute(_watched(), asked)).mappings().first()
        return deployment_of(found) if found else None

    async def changed_since(self, at: datetime) -> tuple[Deployment, ...]:
        """List the deployments whose state changed since a moment, newest first."""
        row = table(DeploymentRow)
        statement = select(row).where(row.c.state_since >= at).order_by(row.c.state_since.desc())
        return tuple(deployment_of(found) for found in await self._all(statement))

    async def history(
        self, service: str, environment: str = "", limit: int = 10
    ) -> tuple[Deployment, ...]:
        """List deployments and rollbacks, newest first; what was refused when its ref was looked up
        late has never been one.
        """
        was_refused = and_(
            col(DeploymentRow.state) == str(State.IMPOSSIBLE), col(DeploymentRow.commit) == ""
        )
        statement = select(table(DeploymentRow)).where(
            col(DeploymentRow.service) == service, not_(was_refused)
        )
        if environment:
            statement = statement.where(col(DeploymentRow.environment) == environment)
        rows = await self._all(statement.order_by(col(DeploymentRow.number).desc()).limit(limit))
        return tuple(deployment_of(row) for row in rows)

    async def holder(self, service: str, environment: str) -> DeploymentId:
        """Name the deployment that has the environment's claim; empty for none."""
        row = await self._find(ClaimRow, service=service, environment=environment)
        return str(row["deployment"]) if row else ""

    async def live(self, service: str, environment: str) -> Live | None:
        """Read what is live."""
        row = await self._find(LiveRow, service=service, environment=environment)
        if row is None:
            return None
        declared = (
            await self._find(DeclaredRow, n=row["declared"])
            if row["declared"] is not None
            else None
        )
        return Live(**{**with_person(row), "declared": declared_of(declared) if declared else None})

    async def declared(
        self, service: str, environment: str = "", limit: int = 10
    ) -> tuple[Declared, ...]:
        """List what was declared live, newest first."""
        row = table(DeclaredRow)
        statement = select(row).where(row.c.service == service)
        if environment:
            statement = statement.where(row.c.environment == environment)
        return tuple(
            declared_of(found)
            for found in await self._all(statement.order_by(row.c.n.desc()).limit(limit))
        )

    async def current(self, service: str, environment: str) -> Deployment | None:
        """Read the deployment that an environment stands on; what was let go and has begun
        nothing is not there yet.
        """
        live = await self.live(service, environment)
        row, before = table(DeploymentRow), None
        place = (
            row.c.service == service,
            row.c.environment == environment,
            row.c.kind == str(Kind.FORWARD),
        )
        brought = and_(row.c.state.in_(AT_REST), row.c["commit"] == (live.brought if live else ""))
        there = (*place, or_(row.c.state.in_(_NOT_AT_REST), brought))
        while True:  # most often the first is it
            older = there if before is None else (*there, row.c.number < before)
            page = [
                deployment_of(each)
                for each in await self._all(
                    select(row).where(*older).order_by(row.c.number.desc()).limit(PAGE)
                )
            ]
            found = stands_on(page, live)
            if found is not None or len(page) < PAGE:
                return found
            before = number(page[-1].id)

    async def replaced(self, id: DeploymentId) -> Replaced | None:
        """Say what came right after a deployment or a rollback in its place."""
        found = await self._find(ReplacedRow, deployment=id)
        return (
            Replaced(
                found["version"], found["at"], Person.parse(found["by"]) if found["by"] else None
            )
            if found
            else None
        )

    async def newest_started(self, service: str, environment: str) -> Deployment | None:
        """Read the newest forward deployment that has touched an environment."""
        row = table(DeploymentRow)
        place = (
            row.c.service == service,
            row.c.environment == environment,
            row.c.kind == str(Kind.FORWARD),
        )
        found = await self._one(
            select(row)
            .where(*place, row.c.started_at.is_not(None))
            .order_by(row.c.number.desc())
            .limit(1)
        )
        return deployment_of(found) if found else None

    async def of_commit(
        self, service: str, commit: str, limit: int = 20, kinds: Sequence[Kind] = (Kind.FORWARD,)
    ) -> tuple[Deployment, ...]:
        """List the newest deployments of a commit, of these kinds, newest first."""
        row = table(DeploymentRow)
        these = (row.c.service == service, row.c["commit"] == commit, row.c.kind.in_(kinds))
        rows = await self._all(select(row).where(*these).order_by(row.c.number.desc()).limit(limit))
        return tuple(deployment_of(found) for found in rows)

    async def rollback_of(self, id: DeploymentId) -> Deployment | None:
        """Read the newest rollback that undoes a deployment."""
        if not id:  # what undoes nothing is a rollback of none
            return None
        row = table(DeploymentRow)
        found = await self._one(
            select(row).where(row.c.undoes == id).order_by(row.c.number.desc()).limit(1)
        )
        return deployment_of(found) if found else None

    async def put_back(self, service: str, environment: str, commit: str) -> Deployment | None:
        """Read the newest rollback that has put a commit back in a place."""
        row = table(DeploymentRow)
        place = (
            row.c.service == service,
            row.c.environment == environment,
            row.c["commit"] == commit,
        )
        its = (row.c.kind == str(Kind.ROLLBACK), row.c.state.in_(AT_REST))
        found = await self._one(
            select(row).where(*place, *its).order_by(row.c.number.desc()).limit(1)
        )
        return deployment_of(found) if found else None

    async def ground(self, deployment: Deployment) -> Ground:
        """Read what decides, at this moment, whether a deployment may go forward in its place."""
        place = (deployment.service, deployment.environment)
        live, bad = (
            await self.live(*place),
            await self.quarantined(deployment.service, deployment.commit),
        )
        doubt = await self.doubt(*place)
        failed = (
            await self.deployment(doubt.deployment)
            if doubt is not None and doubt.deployment
            else None
        )
        return Ground(
            await self.holder(*place), live.commit if live else "",
            live.version if live else "", await self.locks(*place),
            bad.reason if bad else "", bad, doubt,
            await self.strays(*place), failed.commit if failed else "",
        )  # fmt: skip

    async def doubt(self, service: str, environment: str) -> Doubt | None:
        """Say why it is not clear what runs in a place."""
        row = await self._find(PlaceRow, service=service, environment=environment)
        if row is None or not row["unclear"]:
            return None
        return Doubt(
            Unclear(row["unclear"]),
            row["why"],
            row["since"],
            row["deployment"],
            tuple(row["seen"].split()),
        )

    async def strays(self, service: str, environment: str = "") -> tuple[Stray, ...]:
        """List the runs that were given up and have not been seen to end."""
        place = (
            {"service": service, "environment": environment}
            if environment
            else {"service": service}
        )
        return tuple(Stray(**row) for row in await self._every(StrayRow, "since", **place))

    async def kept(self, key: str) -> Answer | None:
        """Read what a command was answered that has been carried out."""
        found = await self._find(TakenRow, key=key)
        return codec.read(Answer, found["answer"]) if found and found["answer"] else None

    async def taken(self, key: str) -> bool:
        """Tell whether a command has been carried out."""
        return await self._find(TakenRow, key=key) is not None

    async def quarantine(self, service: str, commit: str) -> str:
        """Say why a commit is quarantined; empty when it is not."""
        found = await self.quarantined(service, commit)
        return found.reason if found else ""

    async def quarantined(self, service: str, commit: str) -> Quarantined | None:
        """Say why, by whom and since when a commit is quarantined; None when it is not."""
        row = await self._find(QuarantineRow, service=service, commit=commit)
        return Quarantined(row["reason"], Person.parse(row["by"]), row["at"]) if row else None

    async def deployments_of_run(self, run: str) -> tuple[Deployment, ...]:
        """List the open deployments with a step that has this CI run."""
        step, row = table(StepRow), table(DeploymentRow)
        of_run = select(step.c.deployment).where(step.c.run == run, step.c.run != "")
        found = [
            deployment_of(each) for each in await self._all(select(row).where(row.c.id.in_(of_run)))
        ]
        # asked for in SQL, it would be looked up among all that are open
        return tuple(each for each in found if each.state in OPEN)

    async def waiting_with(self, commit: str) -> tuple[Deployment, ...]:
        """List the deployments that wait with this commit to begin."""
        row = table(DeploymentRow)
        found = [
            deployment_of(each)
            for each in await self._all(
                select(row).where(row.c["commit"] == commit, row.c["commit"] != "")
            )
        ]
        return tuple(each for each in found if each.state in WAITING)

    async def failed_since(
        self, service: str, environment: str, kinds: Sequence[Kind] = (Kind.FORWARD,)
    ) -> tuple[str, ...]:
        """Name the commits of what failed in a place since it was last known what is live there."""
        live = await self.live(service, environment)
        known = (
            [at for at in (live.since, live.declared.at if live.declared else None) if at]
            if live
            else []
        )
        # what ended with the word is what the word was about
        since = "after" if live is not None and live.was_said else "from" if known else ""
        asked = {
            "service": service, "environment": environment,
            **({"at": max(known)} if since else {}),
        }  # fmt: skip
        found = await self._connection.execute(_failed(since, tuple(kinds)), asked)
        commits = dict.fromkeys(found.scalars())
        return tuple(each for each in commits if live is None or each != live.commit)

    async def locks(self, service: str = "", environment: str = "") -> tuple[Lock, ...]:
        """List the locks that apply to a service and environment, or all of them."""
        asked = {
            name: value
            for name, value in {"of": service, "environment": environment}.items()
            if value
        }
        found = await self._connection.execute(_locks(tuple(asked)), asked)
        return tuple(Lock(**with_person(each)) for each in found.mappings().all())

    async def entries(self, id: DeploymentId, limit: int = 200) -> tuple[Entry, ...]:
        """List a deployment's audit entries, oldest first."""
        row = table(AuditRow)
        rows = await self._all(
            select(row).where(row.c.deployment == id).order_by(row.c.n).limit(limit)
        )
        return entries_of(rows)

    async def timeline(self, id: DeploymentId) -> Timeline:
        """Tell what happened to a deployment, from its request to its end,
        without what was refused.
        """
        row = table(AuditRow)
        happened = select(row).where(
            row.c.deployment == id, row.c.outcome.not_in(["refused", "incident"])
        )
        begin = await self._all(happened.order_by(row.c.n).limit(_FIRST_OF_MANY + _LAST_OF_MANY))
        if len(begin) < _FIRST_OF_MANY + _LAST_OF_MANY:
            return Timeline(entries_of(begin))
        begin = begin[:_FIRST_OF_MANY]
        rest = happened.where(row.c.n > begin[-1]["n"])
        end = await self._all(rest.order_by(row.c.n.desc()).limit(_LAST_OF_MANY))
        count = (
            await self._connection.execute(select(func.count()).select_from(rest.subquery()))
        ).scalar_one()
        return Timeline(entries_of(begin), count - len(end), entries_of(end[::-1]))

    async def is_stuck(self, run: str) -> bool:
        """Tell whether a runbook cannot go on without a person."""
        row = await self._find(RunbookRow, id=run)
        return row is not None and row["state"] == BLOCKED

    async def asking(self, id: DeploymentId) -> tuple[Message, ...]:
        """List what has been said of a deployment, or is about to be, and has
        not been shown to be over.
        """
        row = table(OutboxRow)
        its = (row.c.state.in_(("waiting", "asked")), row.c.body["deployment"].as_string() == id)
        return tuple(
            codec.read(Message, found["body"])
            for found in await self._all(select(row).where(*its).order_by(row.c.n))
        )

    async def landed_between(self, start: datetime, end: datetime) -> tuple[Deployment, ...]:
        """List forward deployments that went live in a span of time, oldest first."""
        row = table(DeploymentRow)
        statement = select(row).where(
            row.c.landed_at >= start, row.c.landed_at < end, row.c.kind == Kind.FORWARD.value
        )
        return tuple(
            deployment_of(found) for found in await self._all(statement.order_by(row.c.landed_at))
        )


class SqlView(SqlReader):
    """A reader of a view, in which nothing changes: what was found by its key is asked once."""

    def __init__(self, connection: AsyncConnection) -> None:
        super().__init__(connection)
        self._found: dict[object, RowMapping | None] = {}
        self._listed: dict[object, Sequence[RowMapping]] = {}

    async def _find(self, row: type[Any], **equal: Any) -> RowMapping | None:
        key = (row, *equal.items())
        if key not in self._found:
            self._found[key] = await super()._find(row, **equal)
        return self._found[key]

    async def _every(self, row: type[Any], order: str = "", **equal: Any) -> Sequence[RowMapping]:
        key = (row, order, *equal.items())
        if key not in self._listed:
            self._listed[key] = await super()._every(row, order, **equal)
        return self._listed[key]
