"""One stage as a real process: in its own group, with a clean environment, a capped log, TERM before KILL."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

GRACE = 5.0
"""Seconds between TERM and KILL."""
LOG_CAP = 1024 * 1024
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a stage ended. ``code`` is negative for a signal; ``timed_out`` says that we ended it."""

    code: int
    tail: str
    timed_out: bool = False


def environment(home: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """Give a stage's environment: what is named, and nothing else of ours (our secrets above all)."""
    return {**{name: os.environ[name] for name in PASSED_ON if name in os.environ}, "HOME": str(home), **extra}


def stop_group(group: int, number: int) -> bool:
    """Send a signal to a process group; False when it is gone."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def carries(group: int, correlation: str) -> bool:
    """Tell whether a process group is the one that was started for a correlation id, by its own environment and not by its number alone."""
    try:
        environ = Path(f"/proc/{group}/environ").read_bytes()
    except OSError:
        return False
    return f"GONOGO_CORRELATION={correlation}".encode() in environ.split(b"\0")


async def end_group(group: int) -> None:
    """End a process group: TERM, and KILL for what is left after the grace."""
    if not stop_group(group, signal.SIGTERM):
        return
    deadline = asyncio.get_running_loop().time() + GRACE
    while asyncio.get_running_loop().time() < deadline:
        if not stop_group(group, 0):
            return
        await asyncio.sleep(0.02)
    stop_group(group, signal.SIGKILL)


async def run_stage(
    command: str, *, folder: Path, env: Mapping[str, str], log: Path, timeout: float, began: Callable[[int], object]
) -> Ended:
    """Run a shell command to its end. ``began`` is told the process group; cancelling this ends the whole group."""
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", command, cwd=folder, env=dict(env), stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    began(process.pid)
    reading = asyncio.create_task(_copy(process, log))
    timed_out = False
    try:
        await asyncio.wait_for(process.wait(), timeout)
    except TimeoutError:
        timed_out = True
    finally:
        await end_group(process.pid)
        await process.wait()
        await _finish(reading)
    return Ended(process.returncode or 0, await asyncio.to_thread(_tail, log), timed_out)


async def _finish(reading: asyncio.Task[None]) -> None:
    done, _ = await asyncio.wait([reading], timeout=1)
    if not done:  # a grandchild outside the group holds the pipe
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _copy(process: asyncio.subprocess.Process, log: Path) -> None:
    """Copy the output into the log, up to its cap; the rest is read and dropped so that the process never blocks."""
    if process.stdout is None:
        return
    with log.open("ab") as file:
        written = file.tell()
        while chunk := await process.stdout.read(65536):
            if written < LOG_CAP:
                file.write(chunk[: LOG_CAP - written])
                file.flush()
            written += len(chunk)


def _tail(log: Path, lines: int = 5) -> str:
    if not log.exists():
        return ""
    said = [line for line in log.read_bytes()[-8192:].decode(errors="replace").split("\n") if line.strip()]
    return "\n".join(said[-lines:])
