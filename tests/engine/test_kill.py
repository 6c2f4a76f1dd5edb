"""kill -9, for real."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

from bot.storage.database import open_database
from tests.patience import PATIENCE

KILLS = 6
BOT = Path(__file__).with_name("bot_that_dies.py")


async def start(folder: Path) -> asyncio.subprocess.Process:
    root = Path(__file__).parents[2]
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(BOT),
        str(folder),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(root)},
    )


async def line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        return (await process.stdout.readline()).decode().strip()


def marks(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("shop-*")}


async def test_a_killed_bot_goes_on_where_it_was_and_does_nothing_twice(tmp_path: Path) -> None:
    chance = random.Random(4)  # noqa: S311 - not for secrets
    for _ in range(KILLS):
        process = await start(tmp_path)
        said = await line(process)
        if said != "READY":
            break
        try:
            await asyncio.wait_for(process.wait(), chance.uniform(0.0, 0.15))
        except TimeoutError:
            process.kill()
        await process.communicate()
    process = await start(tmp_path)
    assert [await line(process), await line(process)] == ["READY", "DONE"]
    await process.communicate()
    assert process.returncode == 0
    assert marks(tmp_path) == {f"shop-{run}-{number}" for run in (1, 2) for number in range(8)}
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path}/gonogo.db")
    names = list(await database.journal.entries("shop-1"))
    await database.close()
    assert names == [
        entry
        for n in range(8)
        for entry in (f"start {n}", f"finished {n}", f"since when {n}", f"baked {n}")
    ]
