"""What a transaction stores: rows. It decides nothing; who is to be told of it is in
``bot.storage.telling``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain.audit import Keys
from bot.domain.changes import Changes
from bot.domain.decisions import Decision, Mark
from bot.domain.declared import Declared, Left
from bot.domain.deployment import ACTING, Deployment, DeploymentId, Kind, State, sources, times
from bot.domain.health import Snapshot
from bot.domain.live import Live
from bot.domain.locks import Lock
from bot.domain.normal import Normal
from bot.domain.people import Person
from bot.domain.places import Doubt, Permit, Stray, graver
from bot.domain.queue import is_next
from bot.domain.readiness import Review
from bot.domain.rollback import Way
from bot.domain.rollout import Step
from bot.domain.trouble import Trouble
from bot.ports.store import NewDeployment
from bot.ports.talk import Answer
from bot.storage import codec
from bot.storage.marker import Marker
from bot.storage.reader import AT_REST, CHANGES, NORMAL, REVIEW, TROUBLE, WAY_BACK, WAY_THERE
from bot.storage.rows import add, deployment_of, plain, put, table
from bot.storage.setters import SqlSetters
from bot.storage.tables.record import (
    ClaimRow,
    DecisionRow,
    DeclaredRow,
    DeploymentRow,
    LeftRow,
    LiveRow,
    LockRow,
    MarkRow,
    PageRow,
    PlaceRow,
    QuarantineRow,
    ReplacedRow,
    SnapshotRow,
    StepRow,
    StrayRow,
    VerifiedRow,
)
from bot.storage.tables.work import TakenRow

_MOVES_THE_PLACE = frozenset(
    {State.ROLLING_OUT, State.ROLLING_BACK, State.ROLLED_BACK, State.FAILED}
)


class SqlTransaction(SqlSetters):
    """``ports.Transaction``."""

    def __init__(
        self,
        connection: AsyncConnection,
        audit_keys: Keys,
        newest_version: Callable[[str], int],
        marker: Marker,
    ) -> None:
        super().__init__(connection, audit_keys, newest_version)
        self._marker = marker
        self.numbers: dict[str, int] = {}

    async def once(self, key: str) -> bool:
        """Take a key; False when it was taken before."""
        return await add(self._connection, TakenRow, {"key": key, "at": datetime.now(UTC)})

    async def keep(self, key: str, answer: Answer | None) -> None:
        """Keep what a command was answered, for when it comes again."""
        row = table(TakenRow)
        if answer is not None:
            await self._connection.execute(
                update(row).where(row.c.key == key).values(answer=codec.write(answer))
            )

    async def add_deployment(self, new: NewDeployment) -> Deployment:
        """Store a deployment under the service's next number."""
        row = table(DeploymentRow)
        last = (
            await self._connection.execute(
                select(func.max(row.c.number)).where(row.c.service == new.service)
            )
        ).scalar()
        # never given twice, also by a database of an hour ago
        number = max(last or 0, self._marker.number(new.service)) + 1
        self.numbers[new.service] = number
        state = State.ROLLING_OUT if new.kind is Kind.ROLLBACK else State.REQUESTED
        values = {
            "id": f"{new.service}-{number}", "number": number,
            "kind": str(new.kind), "service": new.service,
            "environment": new.environment, "ref": new.ref,
            "version": new.version or new.ref, "commit": new.commit,
            "strategy": new.strategy, "requested_by": str(new.requested_by),
            "lead": str(new.lead) if new.lead else None,
            "state": str(state), "state_since": new.at,
            "requested_at": new.at, "reason": new.reason, "note": "",
            "channel": new.channel, "base_commit": new.base_commit,
            "base_version": new.base_version, "undoes": new.undoes,
            "started_at": new.at if state is State.ROLLING_OUT else None,
        }  # fmt: skip
        await self._connection.execute(insert(row).values(**values))
        self._changed(str(values["id"]))
        found = await self.deployment(str(values["id"]))
        assert found is not None  # noqa: S101 - inserted in this transaction
        return found

    async def move(
        self, id: DeploymentId, to: State, *, at: datetime, note: str = "", by: Person | None = None
    ) -> bool:
        """Move a deployment to a state, only if TRANSITIONS allows it from where it is now."""
        row = table(DeploymentRow)
        values: dict[str, Any] = {
            "state": str(to), "state_since": at, "note": note,
            "ended_by": str(by) if by else None, "countdown_until": None,
        }  # fmt: skip
        stamped = times(to)
        if not stamped.is_started:
            values["started_at"] = None
        if stamped.is_landed:
            values["landed_at"] = func.coalesce(row.c.landed_at, at)
        values["finished_at"] = at if stamped.is_over else None
        origins = [str(state) for state in sources(to)]
        moved = await self._connection.execute(
            update(row).where(row.c.id == id, row.c.state.in_(origins)).values(**values)
        )
        self._changed(id)
        if to in _MOVES_THE_PLACE:
            await self._redraw_live(id)
        return moved.rowcount == 1

    async def _redraw_live(self, id: DeploymentId) -> None:
        """Have the card of what is live drawn again: whether it can be rolled back hangs
        on what else moves there.
        """
        deployment = await self.deployment(id)
        live = await self.live(deployment.service, deployment.environment) if deployment else None
        self._changed(live.deployment if live else "")

    async def claim(
        self,
        service: str,
        environment: str,
        id: DeploymentId,
        passing: tuple[DeploymentId, ...] = (),
    ) -> bool:
        """Take an environment's claim if it is free (or already ours) and nobody older waits
        for it who is not passed.
        """
        holder = await self.holder(service, environment)
        if not is_next(id, holder, await self.open_deployments(service, environment), passing):
            return False
        if holder != id:
            await self.seize(service, environment, id)
        return True

    async def seize(self, service: str, environment: str, id: DeploymentId) -> None:
        """Give an environment's claim to a rollback, whoever holds it."""
        await put(
            self._connection,
            ClaimRow,
            {"service": service, "environment": environment, "deployment": id},
        )
        await self._next_epoch(service, environment)
        for waiting in await self.open_deployments(service, environment):
            self._changed(waiting.id)

    async def permit(self, deployment: Deployment, step: str) -> Permit | None:
        """Permit one start of a run to whoever has the claim; every earlier
        permit of the place ends.
        """
        service, environment = deployment.service, deployment.environment
        if await self.holder(service, environment) != deployment.id:
            return None
        return Permit(
            service, environment, await self._next_epoch(service, environment), deployment.id, step
        )

    async def is_newest(self, permit: Permit) -> bool:
        """Tell whether a permit still holds."""
        row = await self._place(permit.service, permit.environment)
        return bool(row["epoch"] == permit.epoch)

    async def _place(self, service: str, environment: str) -> Any:
        place = table(PlaceRow)
        values = {
            "service": service,
            "environment": environment,
            "epoch": 0,
            "unclear": "",
            "why": "",
            "deployment": "",
            "seen": "",
        }
        await add(self._connection, PlaceRow, values)
        row = await self._one(
            select(place).where(place.c.service == service, place.c.environment == environment)
        )
        assert row is not None  # noqa: S101 - just inserted, or there already
        return row

    async def _next_epoch(self, service: str, environment: str) -> int:
        place = table(PlaceRow)
        epoch: int = (await self._place(service, environment))["epoch"] + 1
        there = (place.c.service == service, place.c.environment == environment)
        await self._connection.execute(update(place).where(*there).values(epoch=epoch))
        return epoch

    async def cast_doubt(self, service: str, environment: str, doubt: Doubt | None) -> None:
        """Record that it is not clear what runs in a place; a graver doubt stays.
        None when it is clear again.
        """
        await self._place(service, environment)
        before = await self.doubt(service, environment)
        if doubt is not None:
            doubt = graver(before, doubt)
        place = table(PlaceRow)
        there = (place.c.service == service, place.c.environment == environment)
        values: dict[str, str | datetime | None] = {
            "unclear": "",
            "why": "",
            "deployment": "",
            "since": None,
            "seen": "",
        }
        if doubt is not None:
            seen = " ".join(doubt.seen)
            values = {
                "unclear": str(doubt.kind),
                "why": doubt.why,
                "deployment": doubt.deployment,
                "since": doubt.since,
                "seen": seen,
            }
        await self._connection.execute(update(place).where(*there).values(**values))
        newest = await self.newest_started(service, environment)
        self._changed(newest.id if newest else "")
        await self._redraw_place(service, environment)
        for commit in {*(before.seen if before else ()), *(doubt.seen if doubt else ())}:
            # what can be rolled back hangs on that
            for each in await self.of_commit(service, commit):
                self._changed(each.id if each.environment == environment else "")
        await self._wake_place(service)

    async def give_up(self, stray: Stray) -> None:
        """Record a run that was given up, and start to look for its end: each time anew, since
        it may be given up twice.
        """
        if await add(self._connection, StrayRow, plain(stray)):
            self._changed(stray.deployment)
            await self._redraw_place(stray.service, stray.environment)
            await self.start(
                "chase",
                f"{stray.service} {stray.run} {stray.since.isoformat()}",
                stray.service,
                stray.run,
            )

    async def found_ended(self, stray: Stray) -> None:
        """Forget a run that was given up and has ended, or a start that has been answered; one that
        is not there is forgotten already.
        """
        row = table(StrayRow)
        this = (
            row.c.service == stray.service,
            row.c.run == stray.run,
            row.c.unanswered == stray.unanswered,
        )
        gone = await self._connection.execute(delete(row).where(*this))
        if gone.rowcount:
            self._changed(stray.deployment)
            await self._redraw_place(stray.service, stray.environment)
            await self._wake_place(stray.service)

    async def release(self, id: DeploymentId) -> None:
        """Let go of the claim that a deployment holds, and wake whoever
        waits for the environment.
        """
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
        """Store an approval or rejection; False when this person has decided
        about this commit before.
        """
        self._changed(decision.deployment)
        return await add(
            self._connection,
            DecisionRow,
            {**plain(decision), "by": str(decision.by), "roles": list(decision.roles)},
        )

    async def forget_decisions(self, id: DeploymentId) -> None:
        """Forget who has approved a deployment: it is asked for anew."""
        row = table(DecisionRow)
        await self._connection.execute(delete(row).where(row.c.deployment == id))
        self._changed(id)

    async def recount(self, decision: Decision) -> None:
        """Store with which roles a decision counts now, or why it does not."""
        row = table(DecisionRow)
        same = (
            row.c.deployment == decision.deployment,
            row.c.by == str(decision.by), row.c.commit == decision.commit,
            row.c.base == decision.base,
        )  # fmt: skip
        await self._connection.execute(
            update(row).where(*same).values(roles=list(decision.roles), why_not=decision.why_not)
        )
        self._changed(decision.deployment)

    async def mark(self, mark: Mark) -> bool:
        """Store a mark; False when the key is marked already."""
        self._changed(mark.deployment)
        return await add(self._connection, MarkRow, {**plain(mark), "by": str(mark.by)})

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
            seconds = (
                (step.deployed_at - step.started_at).total_seconds()
                if step.deployed_at and step.started_at
                else None
            )
            values = {
                "deployment": id, "index": step.index, "service": deployment.service,
                "environment": deployment.environment,
                "key": step.key, "run": step.run, "seconds": seconds,
                "deployed_at": step.deployed_at, "body": codec.write(step),
            }  # fmt: skip
            await put(self._connection, StepRow, values)
        self._changed(id)

    async def save_review(self, id: DeploymentId, review: Review) -> None:
        """Store the newest review."""
        await put(
            self._connection,
            PageRow,
            {"deployment": id, "kind": REVIEW, "body": codec.write(review)},
        )
        self._changed(id)

    async def save_normal(self, id: DeploymentId, normal: Normal) -> None:
        """Store what is normal in the place of a deployment that begins."""
        await put(
            self._connection,
            PageRow,
            {"deployment": id, "kind": NORMAL, "body": codec.write(normal)},
        )

    async def save_trouble(self, id: DeploymentId, trouble: Trouble) -> None:
        """Store the newest finding."""
        await put(
            self._connection,
            PageRow,
            {"deployment": id, "kind": TROUBLE, "body": codec.write(trouble)},
        )
        self._changed(id)

    async def save_way_back(self, id: DeploymentId, way: Way) -> None:
        """Store what lies between a deployment and what it would be rolled back to."""
        await put(
            self._connection,
            PageRow,
            {"deployment": id, "kind": WAY_BACK, "body": codec.write(way)},
        )
        self._changed(id)

    async def save_way_there(self, id: DeploymentId, way: Way) -> None:
        """Store what lies between what is live and a deployment that waits."""
        await put(
            self._connection,
            PageRow,
            {"deployment": id, "kind": WAY_THERE, "body": codec.write(way)},
        )

    async def save_changes(self, id: DeploymentId, changes: Changes) -> None:
        """Store what the deployment changes."""
        await put(
            self._connection,
            PageRow,
            {"deployment": id, "kind": CHANGES, "body": codec.write(changes)},
        )
        self._changed(id)

    async def add_snapshot(self, snapshot: Snapshot) -> None:
        """Store a snapshot; the newer one under a label replaces the older."""
        values = {
            "deployment": snapshot.deployment,
            "label": snapshot.label,
            "at": snapshot.at,
            "body": codec.write(snapshot),
        }
        await put(self._connection, SnapshotRow, values)
        self._changed(snapshot.deployment)

    async def set_live(self, live: Live) -> None:
        """Record what is live now; with ``verified_at`` or ``accepted`` the commit joins
        what can be gone back to.
        """
        values = {**plain(live), "by": str(live.by)}
        values.pop("declared")
        await put(
            self._connection, LiveRow, {**values, "declared": await self._declare(live.declared)}
        )
        await self._replace(live)
        if live.verified_at is not None or live.accepted:
            await put(
                self._connection,
                VerifiedRow,
                {**values, "ended_at": live.verified_at or live.since},
            )
        await self._wake_place(live.service)

    async def _replace(self, live: Live) -> None:
        """Record what this has come right after, once for each; draw again what that changes, and
        what has not gone before it.
        """
        said = _sayer(live)
        for each in await self._there(live):
            version = live.deployment if each.commit == live.commit else live.version
            row = {
                "deployment": each.id,
                "version": version,
                "at": live.since,
                "by": str(said) if said else None,
            }
            await add(self._connection, ReplacedRow, row)
            self._changed(each.undoes or each.id)
        again = await self.current(live.service, live.environment)
        if again is not None and again.commit == live.commit:
            row = table(ReplacedRow)
            await self._connection.execute(delete(row).where(row.c.deployment == again.id))
        same = [
            each
            for each in await self.of_commit(live.service, live.commit)
            if each.environment == live.environment
        ]
        coming = await self.open_deployments(live.service, live.environment)
        for each in (*same, *coming):
            self._changed(each.undoes or each.id)

    async def _there(self, live: Live) -> list[Deployment]:
        """List what stood in a place until this became live there: what had ended there, and
        has not been replaced yet.
        """
        row, gone = table(DeploymentRow), table(ReplacedRow)
        was_left = (row.c.state == str(State.SUPERSEDED)) & row.c.ended_by.is_not(None)
        statement = select(row).where(
            row.c.service == live.service,
            row.c.environment == live.environment, row.c.id != live.deployment,
            row.c.state.in_([*AT_REST, State.FAILED.value]) | was_left,
            ~exists().where(gone.c.deployment == row.c.id),
        )  # fmt: skip
        brought_by = await self.deployment(live.deployment)
        is_forward = brought_by is not None and brought_by.kind is Kind.FORWARD
        return [
            each
            for each in map(deployment_of, await self._all(statement))
            if _has_gone(each, live, is_forward=is_forward)
        ]

    async def _declare(self, declared: Declared | None) -> int | None:
        if declared is None:
            return None
        values = {**plain(declared), "by": str(declared.by), "origin": str(declared.origin)}
        row = table(DeclaredRow)
        known = await self._one(
            select(row.c.n).where(*(row.c[name] == value for name, value in values.items()))
        )
        if known is not None:  # it was declared before, and stays so
            return int(known["n"])
        result = await self._connection.execute(insert(table(DeclaredRow)).values(**values))
        return int(result.lastrowid)

    async def leave_by_hand(self, said: Declared, left: Sequence[Left]) -> None:
        """Record what somebody has gone back from by hand; what they say is
        there instead counts again.
        """
        row = table(LeftRow)
        same = (
            row.c.service == said.service,
            row.c.environment == said.environment,
            row.c["commit"] == said.commit,
        )
        await self._connection.execute(delete(row).where(*same))
        for each in left:
            await put(self._connection, LeftRow, {**plain(each), "by": str(each.by)})

    async def put_in_quarantine(
        self, service: str, commit: str, *, reason: str, by: Person, at: datetime
    ) -> None:
        """Keep a commit from being deployed, or chosen as a rollback target, again."""
        await self._redraw_commit(service, commit)
        await add(
            self._connection,
            QuarantineRow,
            {"service": service, "commit": commit, "reason": reason, "by": str(by), "at": at},
        )

    async def set_quarantine_reason(self, service: str, commit: str, reason: str) -> None:
        """Say otherwise why a commit is quarantined."""
        row = table(QuarantineRow)
        mine = update(row).where(row.c.service == service, row.c["commit"] == commit)
        await self._connection.execute(mine.values(reason=reason))

    async def lift_quarantine(self, service: str, commit: str) -> bool:
        """Let a commit be deployed again; False when it was not quarantined."""
        row = table(QuarantineRow)
        gone = await self._connection.execute(
            delete(row).where(row.c.service == service, row.c["commit"] == commit)
        )
        await self._redraw_commit(service, commit)
        await self._wake_place(service)
        return gone.rowcount == 1

    async def add_lock(self, lock: Lock) -> bool:
        """Lock; False when a person has locked the same already. A lock that is over makes room, a
        rollback's stands beside.
        """
        row = table(LockRow)
        over = delete(row).where(
            row.c.service == lock.service,
            row.c.environment == lock.environment,
            row.c.until <= lock.at,
        )
        await self._connection.execute(over)
        self._changed(lock.deployment)
        await self._redraw_place(lock.service, lock.environment)
        return await add(self._connection, LockRow, {**plain(lock), "by": str(lock.by)})

    async def remove_lock(self, lock: Lock) -> bool:
        """Remove this very lock; False when it is gone already."""
        row = table(LockRow)
        this = (
            row.c.service == lock.service,
            row.c.environment == lock.environment,
            row.c.deployment == lock.deployment,
        )
        gone = await self._connection.execute(delete(row).where(*this, row.c.at == lock.at))
        self._changed(lock.deployment)
        await self._redraw_place(lock.service, lock.environment)
        return gone.rowcount == 1


def _sayer(live: Live) -> Person | None:
    """Name who said that it is live, where that is how it is known."""
    return live.said.by if live.said is not None else None


def _has_gone(each: Deployment, live: Live, *, is_forward: bool) -> bool:
    """Tell whether what had ended in a place is there no more: what is live came after it, and is
    not the same put back or said.
    """
    said = _sayer(live)
    if each.state is State.FAILED and (
        each.state_since > live.since or (each.state_since == live.since and said is None)
    ):
        return False
    return each.commit != live.commit or (is_forward and said is None)
