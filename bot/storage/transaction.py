"""What a transaction stores: rows. It decides nothing; who is to be told of it is in
``bot.storage.telling``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain.audit import Keys
from bot.domain.deployment import ACTING, Deployment, DeploymentId, Kind, State, sources, times
from bot.domain.locks import Lock
from bot.domain.people import Person
from bot.domain.places import Doubt, Permit, Stray, graver
from bot.domain.queue import is_next
from bot.ports.store import NewDeployment
from bot.ports.talk import Answer
from bot.storage import codec
from bot.storage.live import SqlLive
from bot.storage.marker import Marker
from bot.storage.rows import add, plain, put, table
from bot.storage.tables.record import (
    ClaimRow,
    DeploymentRow,
    LockRow,
    PlaceRow,
    QuarantineRow,
    StrayRow,
)
from bot.storage.tables.work import TakenRow

_MOVES_THE_PLACE = frozenset(
    {State.ROLLING_OUT, State.ROLLING_BACK, State.ROLLED_BACK, State.FAILED}
)


class SqlTransaction(SqlLive):
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
