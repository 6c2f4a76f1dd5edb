"""What the journal engine promises beside the conformance suite: timers, outages,
closing, and 10,000 parked runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from bot.engine.journal import JournalEngine
from bot.engine.released import Registry
from bot.engine.simulated import MemoryJournal
from bot.ports.engine import Run
from bot.ports.time import Json
from bot.storage.database import Database, open_database
from bot.storage.tables.work import RunbookRow
from tests.engine.conftest import eventually
from tests.patience import PATIENCE


class WallClock:
    """The real time."""

    def now(self) -> datetime:
        return datetime.now(UTC)


NAP = timedelta(milliseconds=50)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_database(f"sqlite+aiosqlite:///{tmp_path}/gonogo.db")
    yield opened
    await opened.close()


async def test_a_long_step_does_not_hold_back_the_timers_of_others(database: Database) -> None:
    registry, done, gate = Registry(), asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        await gate.wait()

    async def ring() -> None:
        done.set()

    async def long_step(run: Run) -> None:
        await run.step("slow", slow)

    began = WallClock().now()

    async def has_napped() -> bool | None:
        return WallClock().now() - began >= NAP or None

    async def timer(run: Run) -> None:
        await run.until("napped", has_napped, every=NAP)
        await run.step("ring", ring)

    registry.add("long", 1, long_step)
    registry.add("timer", 1, timer)
    engine = JournalEngine(database.journal, registry, WallClock())
    await engine.open()
    await engine.start("long", "shop-1")
    await engine.start("timer", "shop-2")
    async with asyncio.timeout(PATIENCE):
        await done.wait()
    assert engine.running[0] == "shop-1"
    gate.set()
    await engine.close()


async def test_as_many_run_at_a_time_as_are_allowed_and_nobody_starves(database: Database) -> None:
    registry, gate, inside = Registry(), asyncio.Event(), list[str]()

    async def slow(run: str) -> None:
        inside.append(run)
        await gate.wait()

    async def deploy(run: Run) -> None:
        await run.step("slow", slow, run.id)

    registry.add("deploy", 1, deploy)
    engine = JournalEngine(database.journal, registry, WallClock(), concurrency=2)
    await engine.open()
    for number in range(5):
        await engine.start("deploy", f"shop-{number}")

    async def two_are_inside() -> bool:
        return len(inside) == 2

    async def all_are_done() -> bool:
        return len(inside) == 5 and not engine.running

    await eventually(two_are_inside)
    assert len(engine.running) == 2
    gate.set()
    await eventually(all_are_done)
    await engine.close()


class LosesOneWrite(MemoryJournal):
    """A journal whose disk is full once."""

    lost = False

    async def record(self, run: str, name: str, value: Json) -> None:
        if not self.lost:
            self.lost = True
            raise OSError("no space left on device")
        await super().record(run, name, value)


async def test_a_journal_that_cannot_be_written_is_no_failure_of_the_step() -> None:
    registry, journal, caught, stuck = Registry(), LosesOneWrite(), list[str](), list[str]()

    async def build() -> str:
        return "built"

    async def deploy(run: Run) -> str:
        try:
            return await run.step("build", build)
        except Exception as error:
            caught.append(str(error))
            raise

    registry.add("deploy", 1, deploy)
    engine = JournalEngine(
        journal, registry, WallClock(), on_stuck=lambda run, _: stuck.append(run.id), rest=0.01
    )
    await engine.open()
    await engine.start("deploy", "shop-1")

    async def is_done() -> bool:
        return journal.rows["shop-1"].state == "done"

    await eventually(is_done)
    await engine.close()
    assert (caught, stuck, journal.lost) == ([], [], True)


async def test_closing_finishes_the_step_under_way_and_begins_no_other(database: Database) -> None:
    registry, gate, did = Registry(), asyncio.Event(), list[str]()

    async def act(what: str) -> str:
        did.append(what)
        await gate.wait()
        return what

    async def deploy(run: Run) -> None:
        await run.step("first", act, "first")
        await run.step("second", act, "second")

    async def first_is_under_way() -> bool:
        return did == ["first"]

    registry.add("deploy", 1, deploy)
    engine = JournalEngine(database.journal, registry, WallClock())
    await engine.open()
    await engine.start("deploy", "shop-1")
    await eventually(first_is_under_way)
    closing = asyncio.create_task(engine.close())
    await asyncio.sleep(0)
    gate.set()
    await closing
    assert did == ["first"]
    assert await database.journal.entries("shop-1") == {"first": "first"}


async def test_ten_thousand_parked_runs_are_rows_and_nothing_else(database: Database) -> None:
    rows: list[dict[str, Json]] = [
        {
            "id": f"shop-{n}",
            "name": "deploy",
            "version": 1,
            "args": [],
            "state": "waiting",
            "wake_at": None,
            "wakes": 0,
            "attempts": 0,
            "faults": 0,
            "error": "",
        }
        for n in range(10_000)
    ]
    async with database.writer.begin() as connection:
        await connection.execute(insert(RunbookRow), rows)
    registry = Registry()

    async def approver() -> str:
        return "ana"

    async def deploy(run: Run) -> str:
        return await run.until("approved", approver, every=timedelta(days=1))

    registry.add("deploy", 1, deploy)
    engine = JournalEngine(database.journal, registry, WallClock())
    await engine.open()
    async with database.store.transaction() as tx:
        await tx.wake("shop-4711")
    engine.nudge()

    async def is_done() -> bool:
        record = await database.journal.get("shop-4711")
        return record is not None and record.result == "ana" and not engine.running

    await eventually(is_done)
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("run ")]
    await engine.close()


@pytest.mark.case("races-7")
async def test_sixty_four_looks_that_hang_do_not_hold_a_rollback_up(database: Database) -> None:
    hang, began = asyncio.Event(), asyncio.Event()
    registry = Registry()

    async def deploy(run: Run) -> bool:
        return await run.step("look", hang.wait)

    async def roll_back(_run: Run) -> str:
        began.set()
        return "back"

    registry.add("deploy", 1, deploy)
    registry.add("roll_back", 1, roll_back)
    engine = JournalEngine(database.journal, registry, WallClock(), urgent={"roll_back"})
    for n in range(70):
        await database.journal.start(f"shop-{n}", "deploy", 1, [])
    await engine.open()

    async def is_full() -> bool:
        return len(engine.running) == 64

    await eventually(is_full)
    await engine.start("roll_back", "shop-99")
    async with asyncio.timeout(PATIENCE):
        await began.wait()
    hang.set()
    await engine.close()
