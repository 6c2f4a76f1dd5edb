"""Real processes that end with their parent: started in a session of their own, stopped by TERM
and then KILL.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

PARENT_WATCH = Path(__file__).with_name("parent_watch.py")
GRACE = 5.0
"""Seconds between TERM and KILL."""


async def start_process(
    arguments: Sequence[str],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    log: IO[bytes] | int,
) -> asyncio.subprocess.Process:
    """Start a Python program that cannot outlive this process. Its standard
    output goes to ``log`` too.
    """
    return await asyncio.create_subprocess_exec(
        sys.executable, str(PARENT_WATCH), *arguments, cwd=folder,
        env=dict(environment if environment is not None else os.environ),
        stdin=asyncio.subprocess.PIPE, stdout=log,
        stderr=log if log != asyncio.subprocess.PIPE else asyncio.subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip


async def stop_process(process: asyncio.subprocess.Process) -> None:
    """Stop a process and wait until it is gone."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), GRACE)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
