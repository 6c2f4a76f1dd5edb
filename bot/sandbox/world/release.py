"""One version of the service as it runs: its own copy of the files, its
own process, its own port.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from bot.sandbox.world.process import start_process, stop_process

PATIENCE = 20.0
"""Seconds that a service has to start."""
_READY = re.compile(rb"listening on (\d+)")
_SUCCESS = 200


class PlatformError(Exception):
    """The platform could not do what was asked."""


@dataclass
class Release:
    """A running version."""

    commit: str
    version: str
    folder: Path
    process: asyncio.subprocess.Process
    url: str = ""
    in_flight: int = 0
    _tail: list[bytes] = field(default_factory=list)
    _reading: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls,
        commit: str,
        version: str,
        *,
        source: Path,
        folder: Path,
        session: aiohttp.ClientSession,
    ) -> Release:
        """Copy the files, start the process, and wait until it says that it is
        well. Raises PlatformError.
        """
        await asyncio.to_thread(_copy, source, folder)
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "COMMIT": commit,
            "VERSION": version,
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        process = await start_process(
            ["app.py"], folder=folder, environment=environment, log=asyncio.subprocess.PIPE
        )
        release = cls(commit, version, folder, process)
        try:
            async with asyncio.timeout(PATIENCE):
                await release._listen()
                await release._wait_until_well(session)
        except (TimeoutError, PlatformError) as error:
            await release.stop()
            raise PlatformError(
                f"{version} did not start: {error or 'it took too long'}"
            ) from error
        except asyncio.CancelledError:
            await release.stop()
            raise
        return release

    async def _listen(self) -> None:
        """Read the port from the process's output; what comes afterwards is read and dropped."""
        output = self.process.stdout
        while output is not None and (line := await output.readline()):
            self._tail = [*self._tail, line][-5:]
            found = _READY.search(line)
            if found:
                self.url = f"http://127.0.0.1:{int(found[1])}"
                self._reading = asyncio.create_task(_drop(output), name=f"output of {self.version}")
                return
        raise PlatformError(
            b"".join(self._tail).decode(errors="replace").strip() or "it ended at once"
        )

    async def _wait_until_well(self, session: aiohttp.ClientSession) -> None:
        while True:
            with contextlib.suppress(aiohttp.ClientError, OSError):
                async with session.get(f"{self.url}/healthz") as response:
                    if response.status == _SUCCESS:
                        return
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """End the process and remove its files."""
        await stop_process(self.process)
        if self._reading is not None:
            await asyncio.gather(self._reading, return_exceptions=True)
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)


def _copy(source: Path, folder: Path) -> None:
    if not (source / "app.py").is_file():
        raise PlatformError(f"{source} has no app.py")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns(".git", "__pycache__"))


async def _drop(output: asyncio.StreamReader) -> None:
    while await output.read(65536):
        continue
