"""A process that drives two deployments and writes down each thing that it does outside. It is
killed again and again by its test.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.engine.journal import JournalEngine
from bot.engine.released import Registry
from bot.ports.engine import Run
from bot.storage.database import Database, open_database

RUNS = ("shop-1", "shop-2")
BAKED = timedelta(milliseconds=10)


class WallClock:
    """The real time."""

    def now(self) -> datetime:
        """Give the time as aware UTC."""
        return datetime.now(UTC)


async def find_or_do(folder: Path, key: str) -> str:
    """Leave a mark outside, once under a key; a file is made or found."""
    (folder / key).touch()
    await asyncio.sleep(0.02)  # so that a kill falls often between the act and its note
    return key


async def look(folder: Path, key: str) -> str | None:
    """Find what was done."""
    return key if (folder / key).exists() else None


async def now() -> datetime:
    """Give the time."""
    return datetime.now(UTC)


async def is_baked(since: datetime) -> bool | None:
    """Look whether it has been left alone for long enough."""
    return datetime.now(UTC) - since >= BAKED or None


async def have_landed(database: Database) -> bool:
    """Tell whether every deployment has ended."""
    records = [await database.journal.get(run) for run in RUNS]
    return all(record is not None and record.result == "landed" for record in records)


def say(word: str) -> None:
    """Tell the test."""
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


async def main(folder: Path) -> None:
    """Drive the deployments to their end."""

    async def deploy(run: Run) -> str:
        for number in range(8):
            done = await run.step(f"start {number}", find_or_do, folder, f"{run.id}-{number}")
            await run.until(
                f"finished {number}", look, folder, done, every=timedelta(milliseconds=10)
            )
            since = await run.step(f"since when {number}", now)
            await run.until(f"baked {number}", is_baked, since, every=BAKED)
        return "landed"

    database = await open_database(f"sqlite+aiosqlite:///{folder}/gonogo.db")
    registry = Registry()
    registry.add("deploy", 1, deploy)
    engine = JournalEngine(
        database.journal,
        registry,
        WallClock(),
        on_stuck=lambda run, why: say(f"STUCK {run.id} {why}"),
    )
    database.store.on_runs(engine.nudge)
    await engine.open()
    async with database.store.transaction() as tx:
        for run in RUNS:
            await tx.start("deploy", run)
    say("READY")
    while not await have_landed(database):  # noqa: ASYNC110 - the condition is in a database
        await asyncio.sleep(0.01)
    say("DONE")
    await engine.close()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
