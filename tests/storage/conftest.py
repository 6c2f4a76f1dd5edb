"""A database in a file, and deployments to put into it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.domain.deployment import Deployment, Kind
from bot.domain.people import Person
from bot.ports.store import NewDeployment
from bot.storage.database import Database, open_database

NOW = datetime(2026, 11, 21, 9, 30, 15, 123456, tzinfo=UTC)
ANA, BO = Person("T1", "ANA"), Person("T1", "BO")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """Give a database of its own."""
    opened = await open_database(f"sqlite+aiosqlite:///{tmp_path}/gonogo.db")
    yield opened
    await opened.close()


def request(
    service: str = "shop",
    environment: str = "production",
    kind: Kind = Kind.FORWARD,
    undoes: str = "",
) -> NewDeployment:
    """Ask for a deployment."""
    return NewDeployment(
        kind,
        service,
        environment,
        ref="v1",
        strategy="canary",
        requested_by=ANA,
        at=NOW,
        lead=BO,
        commit="c" * 40,
        undoes=undoes,
    )


async def deploy(database: Database, new: NewDeployment | None = None) -> Deployment:
    """Store a deployment."""
    async with database.store.transaction() as tx:
        return await tx.add_deployment(new or request())
