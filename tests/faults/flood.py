"""Strangers who each send half a request and stay: ``python flood.py PORT HOW_MANY ADDRESSES``.
Whoever is turned away comes again.
"""

from __future__ import annotations

import asyncio
import resource
import sys

HALF = b"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


async def stay(port: int, source: str, tried: asyncio.Semaphore) -> None:
    """Be one of them."""
    while True:
        try:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, local_addr=(source, 0)
            )
            writer.write(HALF)
            tried.release()
            await reader.read()
            writer.close()
        except OSError:
            tried.release()
        await asyncio.sleep(1)


async def flood(port: int, number: int, addresses: int) -> None:
    """Be all of them, and say so once each has come."""
    tried = asyncio.Semaphore(0)
    tasks = [
        asyncio.create_task(stay(port, f"127.0.7.{1 + each % addresses}", tried))
        for each in range(number)
    ]
    for _ in tasks:
        await tried.acquire()
    sys.stdout.write("all have come\n")
    sys.stdout.flush()
    await asyncio.gather(*tasks)


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else 65536, hard)
    )
    asyncio.run(flood(*map(int, sys.argv[1:4])))
