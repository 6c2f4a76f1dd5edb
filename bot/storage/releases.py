"""Questions to the store about what ended its watch, what was gone back from, and what
versions were the names of.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, Select, and_, bindparam, exists, select
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain.called import name_of
from bot.domain.declared import Left
from bot.domain.deployment import Deployment, State
from bot.domain.live import Live
from bot.storage.rows import asking, table, with_person
from bot.storage.tables.record import DeploymentRow, LeftRow, QuarantineRow, VerifiedRow

IS_COMMIT = re.compile(r"[0-9a-fA-F]{7,40}")
"""A commit, or its beginning, as people type it."""
AT_REST = (State.VERIFIED.value, State.ACCEPTED.value)
_TAKEN_BACK = (State.ROLLING_BACK.value, State.ROLLED_BACK.value)


@cache
def _releases(*, kept_out: bool) -> Select[Any]:
    """Give the statement that lists releases; it is made once, as by ``rows.asking``."""
    service: BindParameter[str] = bindparam("service")
    environment: BindParameter[str] = bindparam("environment")
    good, bad, deployment, left = (
        table(VerifiedRow),
        table(QuarantineRow),
        table(DeploymentRow),
        table(LeftRow),
    )
    quarantined = select(bad.c["commit"]).where(bad.c.service == service)
    rolled_back_since = exists().where(
        deployment.c["commit"] == good.c["commit"],
        deployment.c.service == service, deployment.c.environment == environment,
        deployment.c.state.in_(_TAKEN_BACK), deployment.c.state_since > good.c.ended_at,
    )  # fmt: skip
    left_since = exists().where(
        left.c.service == service,
        left.c.environment == environment,
        left.c["commit"] == good.c["commit"],
        left.c.at >= good.c.ended_at,
    )
    let_in = and_(good.c["commit"].not_in(quarantined), ~rolled_back_since, ~left_since)
    return (
        select(good)
        .where(
            good.c.service == service,
            good.c.environment == environment,
            good.c["commit"].in_(quarantined) if kept_out else let_in,
        )
        .order_by(good.c.verified_at.is_(None), good.c.ended_at.desc())
        .limit(bindparam("most"))
    )


class Releases:
    """The part of ``ports.Reader`` that is about releases, on one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def _all(self, statement: Select[Any]) -> Sequence[RowMapping]:
        rows: Sequence[RowMapping] = (await self._connection.execute(statement)).mappings().all()
        return rows

    async def _every(self, row: type[Any], order: str = "", **equal: Any) -> Sequence[RowMapping]:
        rows: Sequence[RowMapping] = (
            (await self._connection.execute(asking(table(row), tuple(equal), order), equal))
            .mappings()
            .all()
        )
        return rows

    async def _find(self, row: type[Any], **equal: Any) -> RowMapping | None:
        found: RowMapping | None = (
            (await self._connection.execute(asking(table(row), tuple(equal)), equal))
            .mappings()
            .first()
        )
        return found

    async def _one(self, statement: Select[Any]) -> RowMapping | None:
        row: RowMapping | None = (await self._connection.execute(statement)).mappings().first()
        return row

    async def releases(
        self, service: str, environment: str, limit: int | None = 5, *, kept_out: bool = False
    ) -> tuple[Live, ...]:
        """List the commits that ended their watch here: verified ones first, newest first; none
        quarantined, or gone back from since.
        """
        asked = {
            "service": service,
            "environment": environment,
            "most": -1 if limit is None else limit,
        }
        found = await self._connection.execute(_releases(kept_out=kept_out), asked)
        rows = found.mappings().all()
        return tuple(
            Live(**{key: value for key, value in with_person(row).items() if key != "ended_at"})
            for row in rows
        )

    async def was_verified(self, deployment: Deployment) -> bool:
        """Tell whether the commit was proved here since a deployment of it began, also where a
        rollback has put it back since.
        """
        if deployment.started_at is None:
            return False
        good = table(VerifiedRow)
        here = (good.c.service == deployment.service, good.c.environment == deployment.environment)
        its = (good.c["commit"] == deployment.commit, good.c.verified_at >= deployment.started_at)
        return await self._one(select(good).where(*here, *its)) is not None

    async def known_as(self, service: str, version: str) -> tuple[str, ...]:
        """List the commits that a version has been the name of, newest first."""
        row, good = table(DeploymentRow), table(VerifiedRow)
        asked = select(row.c["commit"]).where(
            row.c.service == service, row.c.version == version, row.c["commit"] != ""
        )
        there = select(good.c["commit"]).where(good.c.service == service, good.c.version == version)
        found = [
            *await self._all(asked.order_by(row.c.number.desc())),
            *await self._all(there.order_by(good.c.ended_at.desc())),
        ]
        return tuple(dict.fromkeys(str(each["commit"]) for each in found))

    async def once_called(self, service: str, name: str) -> tuple[str, ...]:
        """List the commits that a name has meant, newest first: also those that have been told
        apart from the first by a name of their own.
        """
        found: dict[str, None] = {}
        for row, order in ((table(DeploymentRow), "number"), (table(VerifiedRow), "ended_at")):
            is_called = (row.c.version == name) | row.c.version.startswith(
                f"{name}@", autoescape=True
            )
            asked = select(row.c.version, row.c["commit"]).where(
                row.c.service == service, is_called, row.c["commit"] != ""
            )
            for each in await self._all(asked.order_by(row.c[order].desc())):
                if name_of(str(each["version"])) == name:
                    found[str(each["commit"])] = None
        return tuple(found)

    async def pinned(self, service: str, ref: str) -> tuple[str, ...]:
        """List the commits that a version has been the name of, or that begin so, newest first."""
        named = await self.known_as(service, ref)
        if not named and (IS_COMMIT.fullmatch(ref)):
            row = table(DeploymentRow)
            begins = select(row.c["commit"]).where(
                row.c.service == service, row.c["commit"].startswith(ref.lower(), autoescape=True)
            )
            named = tuple(
                dict.fromkeys(
                    str(each["commit"])
                    for each in await self._all(begins.order_by(row.c.number.desc()))
                )
            )
        return named

    async def left_by_hand(self, service: str, environment: str) -> tuple[Left, ...]:
        """List the versions that somebody has gone back from by hand and that count for
        no rollback, newest first.
        """
        left, good = table(LeftRow), table(VerifiedRow)
        proved_since = exists().where(
            good.c.service == service,
            good.c.environment == environment,
            good.c["commit"] == left.c["commit"],
            good.c.ended_at > left.c.at,
        )
        statement = select(left).where(
            left.c.service == service, left.c.environment == environment, ~proved_since
        )
        return tuple(
            Left(**with_person(row))
            for row in await self._all(statement.order_by(left.c.at.desc()))
        )
