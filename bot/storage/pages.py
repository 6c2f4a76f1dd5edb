"""Questions to the store about what was found and decided of one deployment."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from bot.domain.audit import RESTORED
from bot.domain.changes import Changes
from bot.domain.decisions import Decision, Mark
from bot.domain.deployment import DeploymentId
from bot.domain.health import MEANWHILE, Snapshot
from bot.domain.normal import Normal
from bot.domain.readiness import Review
from bot.domain.rollback import Way
from bot.domain.rollout import Step
from bot.domain.trouble import Trouble
from bot.ports.reader import Forgotten
from bot.storage import codec
from bot.storage.durations import Durations
from bot.storage.rows import entries_of, table, with_person
from bot.storage.tables.record import (
    AuditRow,
    DecisionRow,
    MarkRow,
    PageRow,
    SnapshotRow,
    StepRow,
)

REVIEW, CHANGES, BASELINE = "review", "changes", "baseline"
WAY_BACK, WAY_THERE, TROUBLE, NORMAL = "way back", "way there", "trouble", "normal"


class Pages(Durations):
    """The part of ``ports.Reader`` that is about the pages of a deployment, and about
    those that are lost.
    """

    async def forgotten(self) -> Forgotten | None:
        """Read when the database was last replaced by another one; None where it never was."""
        row = table(AuditRow)
        told = select(row).where(row.c.deployment == "", row.c.action == RESTORED)
        found = await self._one(told.order_by(row.c.n.desc()).limit(1))
        if found is None:
            return None
        (entry,) = entries_of([found])
        newest = await self._one(select(row).where(row.c.n == entry.facts["newest"]))
        return Forgotten(entry.at, entries_of([newest])[0].at if newest else None)

    async def decisions(self, id: DeploymentId) -> tuple[Decision, ...]:
        """List approvals and rejections, oldest first."""
        rows = await self._every(DecisionRow, "at", deployment=id)
        return tuple(
            Decision(**{**with_person(found), "roles": tuple(found["roles"])}) for found in rows
        )

    async def marks(self, id: DeploymentId) -> tuple[Mark, ...]:
        """List marks, oldest first."""
        rows = await self._every(MarkRow, "at", deployment=id)
        return tuple(Mark(**with_person(found)) for found in rows)

    async def steps(self, id: DeploymentId) -> tuple[Step, ...]:
        """List the rollout's steps in order."""
        rows = await self._every(StepRow, "index", deployment=id)
        return tuple(codec.read(Step, found["body"]) for found in rows)

    async def snapshots(self, id: DeploymentId, limit: int = 20) -> tuple[Snapshot, ...]:
        """List snapshots, oldest first; of many, the baseline and the newest."""
        row = table(SnapshotRow)
        judging = row.c.label.not_in((BASELINE, MEANWHILE))
        newest = (
            select(row.c.body)
            .where(row.c.deployment == id, judging)
            .order_by(row.c.at.desc())
            .limit(limit)
        )
        baseline = await self._all(
            select(row.c.body).where(row.c.deployment == id, row.c.label == BASELINE)
        )
        rows = [*baseline, *reversed(await self._all(newest))]
        return tuple(codec.read(Snapshot, found["body"]) for found in rows)

    async def meanwhile(self, rollback: DeploymentId) -> Snapshot | None:
        """Read the newest numbers of what serves, or served last, while a rollback is under way."""
        found = await self._find(SnapshotRow, deployment=rollback, label=MEANWHILE)
        return codec.read(Snapshot, found["body"]) if found else None

    async def _page(self, id: DeploymentId, kind: str) -> Any:
        found = await self._find(PageRow, deployment=id, kind=kind)
        return found["body"] if found else None

    async def review(self, id: DeploymentId) -> Review | None:
        """Read the newest readiness review."""
        body = await self._page(id, REVIEW)
        return codec.read(Review, body) if body is not None else None

    async def normal(self, id: DeploymentId) -> Normal | None:
        """Read what was normal in its place when a deployment began."""
        body = await self._page(id, NORMAL)
        return codec.read(Normal, body) if body is not None else None

    async def trouble(self, id: DeploymentId) -> Trouble | None:
        """Read the newest finding about a deployment's numbers."""
        body = await self._page(id, TROUBLE)
        return codec.read(Trouble, body) if body is not None else None

    async def way_back(self, id: DeploymentId) -> Way | None:
        """Read what lies between a deployment and what it would be rolled back to."""
        body = await self._page(id, WAY_BACK)
        return codec.read(Way, body) if body is not None else None

    async def way_there(self, id: DeploymentId) -> Way | None:
        """Read what lies between what is live and a deployment that waits."""
        body = await self._page(id, WAY_THERE)
        return codec.read(Way, body) if body is not None else None

    async def changes(self, id: DeploymentId) -> Changes | None:
        """Read what the deployment changes."""
        body = await self._page(id, CHANGES)
        return codec.read(Changes, body) if body is not None else None
