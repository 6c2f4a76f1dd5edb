"""Programs of others, and our own, started as processes for the length of a test."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from tests.patience import PATIENCE


def free_port() -> int:
    """Ask the kernel for a port. In a network namespace of our own nobody
    else takes it in between.
    """
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


async def start(
    stack: AsyncExitStack, *command: str, environment: Mapping[str, str], up: str, log: Path
) -> None:
    """Start a program, wait until it says ``up``, and end it with the stack. What it
    says is kept in ``log``.
    """
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, **environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while up not in (line := (await process.stdout.readline()).decode()):
                output.write(line.encode())
                assert line, f"{command[0]} ended before it was up; see {log}"
    reading = asyncio.create_task(_drain(process.stdout, log))

    async def end() -> None:
        process.terminate()
        await process.wait()
        await reading

    stack.push_async_callback(end)


async def _drain(stream: asyncio.StreamReader, log: Path) -> None:
    with log.open("ab") as output:
        while line := await stream.readline():
            output.write(line)
            output.flush()
