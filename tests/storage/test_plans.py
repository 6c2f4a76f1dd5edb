"""How SQLite finds what is asked for: by an index, and from the few rows and not the many."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert, text

from bot.domain.deployment import State
from bot.ports.reader import Reader
from bot.storage.database import Database
from bot.storage.rows import table
from bot.storage.tables.record import DeploymentRow, StepRow
from tests.storage.conftest import NOW

Ask = Callable[[Reader], Awaitable[Any]]


@asynccontextmanager
async def statements(database: Database) -> AsyncIterator[list[tuple[str, Any]]]:
    seen: list[tuple[str, Any]] = []

    def executed(
        _connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: Any
    ) -> None:
        seen.append((statement, parameters))

    event.listen(database.reader.sync_engine, "before_cursor_execute", executed)
    yield seen
    event.remove(database.reader.sync_engine, "before_cursor_execute", executed)


async def plan(database: Database, ask: Ask) -> list[str]:
    """Tell how SQLite answers what is asked."""
    async with statements(database) as seen, database.store.reading() as reader:
        await ask(reader)
    lines: list[str] = []
    async with database.reader.connect() as connection:
        for statement, parameters in seen:
            if statement.startswith("SELECT"):
                found = await connection.exec_driver_sql(
                    f"EXPLAIN QUERY PLAN {statement}", parameters
                )
                lines += [str(row[-1]) for row in found]
    return lines


def deployment(number: int, state: State) -> dict[str, Any]:
    since = NOW + timedelta(seconds=number)
    return {
        "id": f"shop-{number}", "number": number, "kind": "forward",
        "service": "shop", "environment": "production", "ref": "v1",
        "version": "v1", "commit": "", "strategy": "canary",
        "requested_by": "T1/ANA", "state": str(state),
        "state_since": since, "requested_at": since,
        "reason": "", "note": "", "channel": "",
        "base_commit": "", "base_version": "", "undoes": "",
    }  # fmt: skip


def step(number: int) -> dict[str, Any]:
    return {
        "deployment": f"shop-{number}", "index": 0, "service": "shop",
        "environment": "production", "key": "all", "run": f"run-{number}",
        "body": {},
    }  # fmt: skip


async def fill(database: Database, count: int, state: State) -> None:
    async with database.writer.begin() as connection:
        await connection.execute(
            insert(table(DeploymentRow)),
            [deployment(number, state) for number in range(1, count + 1)],
        )
        await connection.execute(
            insert(table(StepRow)), [step(number) for number in range(1, count + 1)]
        )
        await connection.execute(text("ANALYZE"))  # what SQLite knows when it has seen the many


@pytest.mark.case("reliability-11")
async def test_what_changed_lately_is_found_by_an_index_among_100_000_deployments(
    database: Database,
) -> None:
    await fill(database, 100_000, State.VERIFIED)
    lines = await plan(
        database, lambda reader: reader.changed_since(NOW + timedelta(seconds=99_999))
    )
    assert lines == ["SEARCH deployment USING INDEX deployment_changed (state_since>?)"]


@pytest.mark.case("reliability-11")
async def test_whoever_waits_with_a_commit_is_found_from_the_commit_among_10_000_open_ones(
    database: Database,
) -> None:
    await fill(database, 10_000, State.GATED)
    async with database.writer.begin() as connection:
        await connection.execute(text('UPDATE deployment SET "commit" = id'))
        await connection.execute(text("ANALYZE"))
    lines = await plan(database, lambda reader: reader.waiting_with("b" * 40))
    assert [line for line in lines if line.startswith(("SEARCH", "SCAN"))] == [
        "SEARCH deployment USING INDEX deployment_commit (commit=?)"
    ]


@pytest.mark.parametrize("is_analyzed", [False, True])
async def test_the_deployments_of_a_run_are_found_from_the_run_among_10_000_open_ones(
    database: Database, is_analyzed: bool
) -> None:
    await fill(database, 10_000, State.GATED)
    if not is_analyzed:
        async with database.writer.begin() as connection:
            await connection.execute(text("DELETE FROM sqlite_stat1"))
    lines = await plan(database, lambda reader: reader.deployments_of_run("run-unknown"))
    assert [line for line in lines if line.startswith(("SEARCH", "SCAN"))] == [
        "SEARCH deployment USING INDEX sqlite_autoindex_deployment_1 (id=?)",
        "SEARCH step USING INDEX ix_step_run (run=?)",
    ]  # fmt: skip
    async with database.store.reading() as reader:
        assert [each.id for each in await reader.deployments_of_run("run-7")] == ["shop-7"]
        assert await reader.deployments_of_run("") == ()
