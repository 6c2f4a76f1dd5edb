"""Questions to the store about how long rollbacks, steps, runs and stages took."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select

from bot.domain.deployment import Kind
from bot.domain.rollout import RunState, Step
from bot.storage import codec
from bot.storage.releases import AT_REST, Releases
from bot.storage.rows import table
from bot.storage.tables.record import (
    DeploymentRow,
    StepRow,
)


class Durations(Releases):
    """The part of ``ports.Reader`` that is about time taken."""

    async def rollback_seconds(
        self, service: str, environment: str, limit: int = 20
    ) -> tuple[float, ...]:
        """List how long the newest finished rollbacks took."""
        row = table(DeploymentRow)
        statement = select(row.c.requested_at, row.c.finished_at).where(
            row.c.service == service,
            row.c.environment == environment,
            row.c.kind == Kind.ROLLBACK.value,
            row.c.state.in_(AT_REST),
        )
        rows = await self._all(statement.order_by(row.c.number.desc()).limit(limit))
        return tuple(
            (found["finished_at"] - found["requested_at"]).total_seconds() for found in rows
        )

    async def step_seconds(
        self, service: str, environment: str, key: str, limit: int = 50
    ) -> tuple[float, ...]:
        """List how long a step took in the newest deployments."""
        row = table(StepRow)
        statement = select(row.c.seconds).where(
            row.c.service == service,
            row.c.environment == environment,
            row.c.key == key,
            row.c.deployed_at.is_not(None),
        )
        rows = await self._all(statement.order_by(row.c.deployed_at.desc()).limit(limit))
        return tuple(float(found["seconds"]) for found in rows if found["seconds"] is not None)

    async def run_seconds(self, service: str, limit: int = 50) -> tuple[float, ...]:
        """List how long the newest CI runs of a service took, of whatever step and wherever."""
        row = table(StepRow)
        statement = select(row.c.seconds).where(
            row.c.service == service, row.c.seconds.is_not(None)
        )
        rows = await self._all(statement.order_by(row.c.deployed_at.desc()).limit(limit))
        return tuple(float(found["seconds"]) for found in rows)

    async def stage_seconds(
        self, service: str, environment: str, key: str, limit: int = 20
    ) -> Mapping[str, tuple[float, ...]]:
        """List, by name, how long each stage of a step's runs took in the newest deployments."""
        row = table(StepRow)
        statement = select(row.c.body).where(
            row.c.service == service,
            row.c.environment == environment,
            row.c.key == key,
            row.c.deployed_at.is_not(None),
        )
        seconds: dict[str, tuple[float, ...]] = {}
        for found in await self._all(statement.order_by(row.c.deployed_at.desc()).limit(limit)):
            step = codec.read(Step, found["body"])
            for stage in (*step.deploying_stages, *step.stages):
                if stage.took is not None and stage.state is RunState.SUCCEEDED:
                    seconds[stage.name] = (*seconds.get(stage.name, ()), stage.took.total_seconds())
        return seconds
