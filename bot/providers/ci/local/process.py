"""One stage as a real process: in its own group, with a clean environment, a
capped log, TERM before KILL.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.domain.errors import IntegrationError

VENDOR = "local CI"
GRACE = 5.0
"""Seconds between TERM and KILL."""
LOG_CAP = 1024 * 1024
TAIL = 8192
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ")
_ORDINARY_UMASK = 0o022


@dataclass(frozen=True, slots=True)
class Ended:
    """How a stage ended. ``code`` is negative for a signal; ``timed_out`` says that we ended it."""

    code: int
    tail: str
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """The user as whom stages run."""

    name: str
    user: int
    group: int

    @classmethod
    def of(cls, name: str) -> Account:
        """Look a user up. Raises IntegrationError when there is none, or when we may
        not start anything as it.
        """
        try:
            found = pwd.getpwnam(name)
        except (KeyError, ValueError):
            raise IntegrationError(
                f'There is no user "{name[:60]}" on this machine.', vendor=VENDOR, retry=False
            ) from None
        if os.geteuid() not in {0, found.pw_uid}:
            sentence = (
                f"Stages cannot run as {name}: only a bot that runs as root can "
                "start them as another user."
            )
            raise IntegrationError(sentence, vendor=VENDOR, retry=False)
        return cls(name, found.pw_uid, found.pw_gid)

    def own(self, tree: Path) -> None:
        """Give the user a worktree that is new, and a way to it."""
        for folder in (tree.parent, tree.parent.parent):
            folder.chmod(0o711)
        for place, folders, files in os.walk(tree):
            for each in (place, *(os.path.join(place, name) for name in (*folders, *files))):  # noqa: PTH118 - as os.walk gives them
                os.chown(each, self.user, self.group, follow_symlinks=False)

    def identity(self) -> dict[str, Any]:
        """Give what a process is started with."""
        return (
            {}
            if os.geteuid() == self.user
            else {"user": self.user, "group": self.group, "extra_groups": []}
        )


def environment(home: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """Give a stage's environment: what is named, and nothing else of ours
    (our secrets above all).
    """
    return {
        **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
        "HOME": str(home),
        **extra,
    }


def stop_group(group: int, number: int) -> bool:
    """Send a signal to a process group; False when it is gone."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def carries(group: int, correlation: str) -> bool:
    """Tell whether a process group is the one that was started for a correlation id, by its own
    environment and not by its number alone.
    """
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
    command: str, *, folder: Path, env: Mapping[str, str],
    log: Path, timeout: float, began: Callable[[int], object],
    account: Account | None = None,
) -> Ended:  # fmt: skip
    """Run a shell command to its end. ``began`` is told the process group; cancelling
    this ends the whole group.

    The log may hold what other stages said before; the tail is of this one alone.
    """
    before = await asyncio.to_thread(_size, log)
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", command, cwd=folder, env=dict(env),
        stdin=asyncio.subprocess.DEVNULL, umask=_ORDINARY_UMASK,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        start_new_session=True, close_fds=True,
        **(account.identity() if account else {}),
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
    return Ended(process.returncode or 0, await asyncio.to_thread(_tail, log, before), timed_out)


async def _finish(reading: asyncio.Task[None]) -> None:
    done, _ = await asyncio.wait([reading], timeout=1)
    if not done:  # a grandchild outside the group holds the pipe
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _copy(process: asyncio.subprocess.Process, log: Path) -> None:
    """Copy the output into the log, up to its cap; the rest is read and dropped so that
    the process never blocks.
    """
    if process.stdout is None:
        return
    with log.open("ab") as file:
        written = file.tell()
        while chunk := await process.stdout.read(65536):
            if written < LOG_CAP:
                file.write(chunk[: LOG_CAP - written])
                file.flush()
            written += len(chunk)


def _size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def _tail(log: Path, since: int, lines: int = 5) -> str:
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(since, file.seek(0, os.SEEK_END) - TAIL))
        said = file.read(TAIL).decode(errors="replace")
    return "\n".join([line for line in said.split("\n") if line.strip()][-lines:])
