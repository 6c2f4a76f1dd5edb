"""What a transaction records of what is live in a place, and of what that replaces."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, exists, insert, select

from bot.domain.declared import Declared, Left
from bot.domain.deployment import Deployment, Kind, State
from bot.domain.live import Live
from bot.domain.people import Person
from bot.storage.releases import AT_REST
from bot.storage.rows import add, deployment_of, plain, put, table
from bot.storage.saving import SqlSaving
from bot.storage.tables.record import (
    DeclaredRow,
    DeploymentRow,
    LeftRow,
    LiveRow,
    ReplacedRow,
    VerifiedRow,
)


class SqlLive(SqlSaving):
    """``ports.Transaction``, as far as it is about what is live."""

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
