"""The one writing transaction, and the store that opens it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bot.domain.audit import Entry, Head, Keys, seal
from bot.domain.card import Changes
from bot.domain.deployment import ACTING, OPEN, OVER, Deployment, DeploymentId, Kind, State, sources
from bot.domain.health import Snapshot
from bot.domain.locks import Lock
from bot.domain.people import Person
from bot.domain.readiness import Review
from bot.domain.rollout import Step
from bot.ports import Decision, Json, Live, Mark, Message, NewDeployment, Reader, Transaction
from bot.storage import codec
from bot.storage.marker import Marker
from bot.storage.reader import CHANGES, REVIEW, SqlReader, table
from bot.storage.tables import (
    AT_ONCE,
    AuditHeadRow,
    AuditRow,
    ClaimRow,
    DecisionRow,
    DeploymentRow,
    LiveRow,
    LockRow,
    MarkRow,
    OutboxRow,
    PageRow,
    QuarantineRow,
    RunbookRow,
    SnapshotRow,
    StepRow,
    TakenRow,
    VerifiedRow,
)

_BEFORE_TURN = OPEN - {State.WATCHING}
"""An older deployment in one of these states comes first in the queue."""


async def add(connection: AsyncConnection, row: type[Any], values: dict[str, Any]) -> bool:
    """Insert a row unless its key is taken; tell whether it was inserted."""
    result = await connection.execute(sqlite_insert(table(row)).values(**values).on_conflict_do_nothing())
    return result.rowcount > 0


async def put(connection: AsyncConnection, row: type[Any], values: dict[str, Any]) -> None:
    """Insert a row, or replace the one with its primary key."""
    target = table(row)
    keys = [column.name for column in target.primary_key]
    statement = sqlite_insert(target).values(**values)
    rest = {name: statement.excluded[name] for name in values if name not in keys}
    await connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=rest))


class SqlTransaction(SqlReader):
    """``ports.Transaction``: collects what the others have to be told after the commit."""

    def __init__(self, connection: AsyncConnection, audit_keys: Keys, newest_version: Callable[[str], int], marker: Marker) -> None:
        super().__init__(connection)
        self._audit_keys = audit_keys
        self._marker = marker
        self.audited: Head | None = None
        self.numbers: dict[str, int] = {}
        self._newest_version = newest_version
        self.cards: dict[DeploymentId, None] = {}
        self.has_said = False
        self.has_woken = False

    async def once(self, key: str) -> bool:
        """Take a key; False when it was taken before."""
        return await add(self._connection, TakenRow, {"key": key, "at": datetime.now(UTC)})

    async def add_deployment(self, new: NewDeployment) -> Deployment:
        """Store a deployment under the service's next number."""
        row = table(DeploymentRow)
        last = (await self._connection.execute(select(func.max(row.c.number)).where(row.c.service == new.service))).scalar()
        number = max(last or 0, self._marker.number(new.service)) + 1  # never given twice, also by a database of an hour ago
        self.numbers[new.service] = number
        state = State.ROLLING_OUT if new.kind is Kind.ROLLBACK else State.REQUESTED
        values = {
            "id": f"{new.service}-{number}", "number": number, "kind": str(new.kind), "service": new.service,
            "environment": new.environment, "ref": new.ref, "version": new.version or new.ref, "commit": new.commit,
            "strategy": new.strategy, "requested_by": str(new.requested_by), "lead": str(new.lead) if new.lead else None,
            "state": str(state), "state_since": new.at, "requested_at": new.at, "reason": new.reason, "note": "",
            "channel": new.channel, "base_commit": new.base_commit, "base_version": new.base_version, "undoes": new.undoes,
            "started_at": new.at if state is State.ROLLING_OUT else None,
        }  # fmt: skip
        await self._connection.execute(insert(row).values(**values))
        self._changed(str(values["id"]))
        found = await self.deployment(str(values["id"]))
        assert found is not None  # noqa: S101 - inserted in this transaction
        return found

    def _changed(self, id: DeploymentId) -> None:
        if id:
            self.cards[id] = None

    async def move(self, id: DeploymentId, to: State, *, at: datetime, note: str = "") -> bool:
        """Move a deployment to a state, only if TRANSITIONS allows it from where it is now."""
        row = table(DeploymentRow)
        values: dict[str, Any] = {"state": str(to), "state_since": at, "note": note, "countdown_until": None}
        if to is State.ROLLING_OUT:
            values["started_at"] = func.coalesce(row.c.started_at, at)
        if to is State.WATCHING:
            values["landed_at"] = func.coalesce(row.c.landed_at, at)
        values["finished_at"] = at if to in OVER else None
        origins = [str(state) for state in sources(to)]
        moved = await self._connection.execute(update(row).where(row.c.id == id, row.c.state.in_(origins)).values(**values))
        self._changed(id)
        return moved.rowcount == 1

    async def change(self, id: DeploymentId, **fields: Any) -> None:
        """Change fields of a deployment other than its state."""
        if "state" in fields:
            raise ValueError("the state is changed by move() alone")
        values = {key: str(value) if isinstance(value, Person) else value for key, value in fields.items()}
        row = table(DeploymentRow)
        await self._connection.execute(update(row).where(row.c.id == id).values(**values))
        self._changed(id)

    async def claim(self, service: str, environment: str, id: DeploymentId) -> bool:
        """Take an environment's claim if it is free (or already ours) and nobody older waits for it."""
        holder = await self.holder(service, environment)
        if holder == id:
            return True
        queue = await self.open_deployments(service, environment)
        for other in queue:
            comes_first = other.id == holder or (other.kind is Kind.FORWARD and _number(other.id) < _number(id))
            if comes_first and other.state in _BEFORE_TURN:
                return False
        await self.seize(service, environment, id)
        return True

    async def seize(self, service: str, environment: str, id: DeploymentId) -> None:
        """Give an environment's claim to a rollback, whoever holds it."""
        await put(self._connection, ClaimRow, {"service": service, "environment": environment, "deployment": id})
        for waiting in await self.open_deployments(service, environment):
            self._changed(waiting.id)

    async def release(self, id: DeploymentId) -> None:
        """Let go of the claim that a deployment holds, and wake whoever waits for the environment."""
        claim = table(ClaimRow)
        await self._connection.execute(delete(claim).where(claim.c.deployment == id))
        deployment = await self.deployment(id)
        if deployment is None:
            return
        for waiting in await self.open_deployments(deployment.service, deployment.environment):
            self._changed(waiting.id)
            if waiting.id != id and waiting.state not in ACTING:
                await self.wake(waiting.id)

    async def decide(self, decision: Decision) -> bool:
        """Store an approval or rejection; False when this person has decided about this commit before."""
        self._changed(decision.deployment)
        return await add(self._connection, DecisionRow, {**_plain(decision), "by": str(decision.by)})

    async def mark(self, mark: Mark) -> bool:
        """Store a mark; False when the key is marked already."""
        self._changed(mark.deployment)
        return await add(self._connection, MarkRow, {**_plain(mark), "by": str(mark.by)})

    async def unmark(self, id: DeploymentId, key: str) -> None:
        """Take a mark back."""
        row = table(MarkRow)
        await self._connection.execute(delete(row).where(row.c.deployment == id, row.c.key == key))
        self._changed(id)

    async def save_steps(self, id: DeploymentId, steps: Sequence[Step]) -> None:
        """Insert or update steps by index."""
        deployment = await self.deployment(id)
        if deployment is None:
            return
        for step in steps:
            seconds = (step.deployed_at - step.started_at).total_seconds() if step.deployed_at and step.started_at else None
            values = {
                "deployment": id, "index": step.index, "service": deployment.service, "environment": deployment.environment,
                "key": step.key, "run": step.run, "seconds": seconds, "deployed_at": step.deployed_at, "body": codec.write(step),
            }  # fmt: skip
            await put(self._connection, StepRow, values)
        self._changed(id)

    async def save_review(self, id: DeploymentId, review: Review) -> None:
        """Store the newest review."""
        await put(self._connection, PageRow, {"deployment": id, "kind": REVIEW, "body": codec.write(review)})
        self._changed(id)

    async def save_changes(self, id: DeploymentId, changes: Changes) -> None:
        """Store what the deployment changes."""
        await put(self._connection, PageRow, {"deployment": id, "kind": CHANGES, "body": codec.write(changes)})
        self._changed(id)

    async def add_snapshot(self, snapshot: Snapshot) -> None:
        """Store a snapshot; the newer one under a label replaces the older."""
        values = {"deployment": snapshot.deployment, "label": snapshot.label, "at": snapshot.at, "body": codec.write(snapshot)}
        await put(self._connection, SnapshotRow, values)
        self._changed(snapshot.deployment)

    async def set_live(self, live: Live) -> None:
        """Record what is live now; with ``verified_at`` the commit joins the verified ones."""
        values = {**_plain(live), "by": str(live.by)}
        await put(self._connection, LiveRow, values)
        for deployment in await self.history(live.service, live.environment):
            self._changed(deployment.id if deployment.kind is Kind.FORWARD else "")  # it is what is live, or is it no more
        if live.verified_at is not None:
            await put(self._connection, VerifiedRow, values)
        await self._wake_place(live.service)

    async def _wake_place(self, service: str) -> None:
        for deployment in await self.open_deployments(service):
            if deployment.state not in ACTING:
                await self.wake(deployment.id)

    async def put_in_quarantine(self, service: str, commit: str, *, reason: str, by: Person, at: datetime) -> None:
        """Keep a commit from being deployed, or chosen as a rollback target, again."""
        await add(self._connection, QuarantineRow, {"service": service, "commit": commit, "reason": reason, "by": str(by), "at": at})

    async def add_lock(self, lock: Lock) -> bool:
        """Lock; False when the same service and environment are locked already. A lock that is over makes room."""
        row = table(LockRow)
        over = delete(row).where(row.c.service == lock.service, row.c.environment == lock.environment, row.c.until <= lock.at)
        await self._connection.execute(over)
        self._changed(lock.deployment)
        return await add(self._connection, LockRow, {**_plain(lock), "by": str(lock.by)})

    async def remove_lock(self, service: str, environment: str, *, of: DeploymentId = "") -> Lock | None:
        """Unlock, with ``of`` only what the rollback of that deployment has locked; None when nothing was locked."""
        locks = await self.locks(service, environment)
        held = next((lock for lock in locks if lock.service == service and of in {"", lock.deployment}), None)
        if held is not None:
            row = table(LockRow)
            await self._connection.execute(delete(row).where(row.c.service == service, row.c.environment == environment))
            self._changed(held.deployment)
        return held

    async def audit(self, entry: Entry) -> None:
        """Append to the hash-chained audit log."""
        row = table(AuditRow)
        last = await self._one(select(row.c.n, row.c.hash).order_by(row.c.n.desc()).limit(1))
        link = seal(entry, Head(last["n"], last["hash"]) if last else None, self._audit_keys.newest)
        await self._connection.execute(insert(row).values(**_plain(link)))
        self.audited = Head(link.n, link.hash)

    async def keep_head(self, head: Head) -> None:
        """Store a signed head of the audit log."""
        values = {name: value for name, value in _plain(head).items() if name != "is_given"}
        await add(self._connection, AuditHeadRow, values)

    async def say(self, message: Message) -> None:
        """Put a message into the outbox; the same key twice is one message."""
        values = {"key": message.key, "lane": message.lane, "state": "waiting", "why": "", "body": codec.write(message)}
        if await add(self._connection, OutboxRow, values):
            self.has_said = True

    async def start(self, runbook: str, id: str, *args: Json) -> None:
        """Start a runbook under an id; a second start with the same id is nothing."""
        values = {
            "id": id, "name": runbook, "version": self._newest_version(runbook), "args": list(args), "state": "waiting",
            "wake_at": AT_ONCE, "signals": 0, "attempts": 0, "faults": 0, "error": "",
        }  # fmt: skip
        if await add(self._connection, RunbookRow, values):
            self.has_woken = True

    async def wake(self, id: str) -> None:
        """Have a parked runbook look at the stored facts again, now."""
        row = table(RunbookRow)
        woken = update(row).where(row.c.id == id, row.c.state == "waiting")
        await self._connection.execute(woken.values(signals=row.c.signals + 1, wake_at=AT_ONCE))
        self.has_woken = True


def _number(id: DeploymentId) -> int:
    return int(id.rpartition("-")[2])


def _plain(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


class SqlStore:
    """``ports.Store`` on a writing and a reading engine."""

    def __init__(self, writer: AsyncEngine, reader: AsyncEngine, audit_keys: Keys, marker: Marker) -> None:
        self._writer = writer
        self._reader = reader
        self._audit_keys = audit_keys
        self._marker = marker
        self._writing: asyncio.Task[Any] | None = None
        self._card_changed: Callable[[DeploymentId], None] = lambda _: None
        self._outbox_changed: Callable[[], None] = lambda: None
        self._runs_changed: Callable[[], None] = lambda: None
        self.newest_version: Callable[[str], int] = lambda _: 1

    def on_card_changed(self, callback: Callable[[DeploymentId], None]) -> None:
        """Call back after a commit that changed what a card shows."""
        self._card_changed = callback

    def on_outbox(self, callback: Callable[[], None]) -> None:
        """Call back after a commit that put something into the outbox."""
        self._outbox_changed = callback

    def on_runs(self, callback: Callable[[], None]) -> None:
        """Call back after a commit that started or woke a runbook."""
        self._runs_changed = callback

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open the one writing transaction. Raises RuntimeError inside another one, which would wait for itself for ever."""
        task = asyncio.current_task()
        if self._writing is task:
            raise RuntimeError("a transaction was opened inside a transaction; pass the open one on")
        async with self._writer.begin() as connection:
            self._writing = task
            try:
                tx = SqlTransaction(connection, self._audit_keys, self.newest_version, self._marker)
                yield tx
            finally:
                self._writing = None
        if tx.audited or tx.numbers:
            self._marker.seen(tx.audited, tx.numbers)
        for deployment in tx.cards:
            self._card_changed(deployment)
        if tx.has_said:
            self._outbox_changed()
        if tx.has_woken:
            self._runs_changed()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Reader]:
        """Open a consistent view that never waits for writers."""
        async with self._reader.begin() as connection:
            yield SqlReader(connection)
