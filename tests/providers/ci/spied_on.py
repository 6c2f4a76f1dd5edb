"""A small bot, as a process that is not root: it holds a secret, runs a stage that looks for it,
and prints what the stage saw.
"""

from __future__ import annotations

import asyncio
import concurrent.futures.thread  # noqa: F401 - see main
import ctypes
import os
import sys
from pathlib import Path

from bot import secrecy
from bot.ports.ci import StartRequest
from bot.providers.ci.local import pipeline
from bot.providers.ci.local.provider import LocalCI
from tests.providers.ci.conftest import WallClock
from tests.providers.ci.memory_runs import MemoryRuns

NOBODY = 65534


async def spied_on(folder: Path, commit: str) -> str:
    """Run the deployment of a commit, and give its log."""
    runs = MemoryRuns()
    ci = LocalCI("shop", folder / "shop", runs=runs, clock=WallClock(), work=folder / "work")
    await ci.open()
    run = await ci.start(StartRequest("shop-1:deploy", commit, "production", "deploy"))
    await asyncio.gather(*ci._tasks.values())
    return f"{(await ci.look(run.id)).state}\n{await asyncio.to_thread(Path(runs.rows[run.id].log).read_text)}"


def main(way: str, folder: str, commit: str) -> None:
    """Withdraw and close (``closed``) or not (``open``), and let the stage look."""
    # what is loaded late may be out of reach of anybody but root
    pipeline.parse("pipelines: {test: {stages: [{name: a, run: b}]}}")
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # as a process that never was root
    if way != "open":
        secrecy.withdraw(["SLACK_BOT_TOKEN"])
    if way == "closed":
        assert secrecy.close_to_others()
    sys.stdout.write(asyncio.run(spied_on(Path(folder), commit)))


if __name__ == "__main__":
    main(*sys.argv[1:])
