"""What a transaction saves of one deployment: decisions, marks, steps, and what was found of it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, update

from bot.domain.changes import Changes
from bot.domain.decisions import Decision, Mark
from bot.domain.deployment import DeploymentId
from bot.domain.health import Snapshot
from bot.domain.normal import Normal
from bot.domain.readiness import Review
from bot.domain.rollback import Way
from bot.domain.rollout import Step
from bot.domain.trouble import Trouble
from bot.storage import codec
from bot.storage.pages import CHANGES, NORMAL, REVIEW, TROUBLE, WAY_BACK, WAY_THERE
from bot.storage.rows import add, plain, put, table
from bot.storage.setters import SqlSetters
from bot.storage.tables.record import (
    DecisionRow,
    MarkRow,
    PageRow,
    SnapshotRow,
    StepRow,
)


class SqlSaving(SqlSetters):
    """``ports.Transaction``, as far as it saves the pages of a deployment."""

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
