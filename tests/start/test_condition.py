"""Readiness writes, names what is blocked, and the figures say how much there is to do."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from ruamel.yaml import YAML
from sqlalchemy import text

from bot.domain.workload import Workload, named
from bot.logs import Calm
from bot.storage.database import Database
from handlers.web.telemetry import Telemetry
from tests.storage.conftest import database as database  # noqa: PLC0414 - a fixture
from tests.storage.conftest import deploy

ROOT = Path(__file__).parents[2]
RULES = ROOT / "examples" / "prometheus" / "gonogo.rules.yml"


@pytest.mark.case("reliability-6")
async def test_a_database_that_takes_no_more_is_not_ready_and_says_why(database: Database) -> None:
    assert await database.condition.problem() == ""
    async with database.writer.connect() as connection:
        await connection.execute(text("PRAGMA query_only=ON"))
    said = await database.condition.problem()
    assert said.endswith("gonogo.db may not be written. Give it to the user that the bot runs as.")


@pytest.mark.case("reliability-6")
async def test_readiness_really_writes(database: Database, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "gonogo.db", isolation_level=None)) as other:
        before = other.execute("PRAGMA data_version").fetchone()
        assert await database.condition.problem() == ""
        assert other.execute("PRAGMA data_version").fetchone() != before


@pytest.mark.case("reliability-6")
async def test_a_damaged_page_is_a_worry(database: Database, tmp_path: Path) -> None:
    for _ in range(40):
        await deploy(database)
    async with database.writer.connect() as connection:
        await connection.execute(text("COMMIT"))
        await connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        await connection.execute(text("BEGIN"))
    with (tmp_path / "gonogo.db").open("r+b") as file:
        file.seek(4096 * 4)
        file.write(b"\xff" * 4096 * 12)
    assert await database.condition.damage() == "", "nobody waits for the look"
    await asyncio.gather(
        *(task for task in asyncio.all_tasks() if task.get_name() == "look through the database")
    )
    assert "damaged" in await database.condition.damage()
    assert (await database.condition.known()).startswith(
        "Damaged when it was looked through to its end"
    )


@pytest.mark.case("reliability-6")
def test_of_many_blocked_runbooks_the_first_are_named() -> None:
    assert named({}) == ""
    assert named({f"shop-{number}": "" for number in range(7)}).endswith(
        "shop-4: no reason was written down; and 2 more"
    )


@pytest.mark.case("reliability-9")
async def test_the_figures_count_what_is_stored_and_not_done(database: Database) -> None:
    await deploy(database)
    await deploy(database)
    work = await database.condition.workload()
    assert work.open_deployments == {"requested": 2}
    assert (work.inbox, work.blocked, work.outbox) == (0, {}, {})
    assert work.database_bytes > 4096
    telemetry = Telemetry()
    telemetry.counted(work)
    telemetry.counted(Workload())
    assert b"gonogo_open_deployments{" not in generate_latest(telemetry.registry), (
        "what is over is no figure any more"
    )


@pytest.mark.case("reliability-9")
def test_every_figure_in_the_alert_rules_is_one_that_the_bot_has() -> None:
    rules = YAML(typ="safe").load(RULES.read_text(encoding="utf-8"))["groups"][0]["rules"]
    telemetry = Telemetry()
    telemetry.called("Slack", "ok", 0.1)
    telemetry.counted(Workload({"requested": 1}))
    known = {sample.name for family in telemetry.registry.collect() for sample in family.samples}
    used = {name for rule in rules for name in re.findall(r"gonogo_\w+", rule["expr"])}
    assert used <= known
    assert all(
        rule["annotations"]["summary"] and rule["labels"]["severity"] in {"page", "ticket"}
        for rule in rules
    )


@pytest.mark.case("reliability-9")
def test_every_figure_for_operators_is_described() -> None:
    page = (ROOT / "docs" / "how-to" / "run-in-production.md").read_text(encoding="utf-8")
    names = re.findall(
        r'(?:Gauge|Counter|Histogram|Summary)\(\s*"(\w+)", "(?!How late|Requests of|Time to)',
        (ROOT / "handlers/web/telemetry.py").read_text(encoding="utf-8"),
    )
    assert [name for name in names if f"`{name}" not in page] == []


@pytest.mark.case("reliability-6")
def test_the_trace_of_a_fault_that_comes_again_is_written_once_a_minute() -> None:
    now = 0.0
    calm = Calm(lambda: now)
    seen = []
    for _ in range(5):
        try:
            (ROOT / "none").read_bytes()
        except OSError:
            seen.append(
                calm(
                    None,
                    "error",
                    {"event": "the engine could not read its journal", "exc_info": True},
                )
            )
    assert [bool(event.get("exc_info")) for event in seen] == [True, False, False, False, False]
    assert str(seen[1]["error"]).startswith("FileNotFoundError: [Errno 2] No such file")
