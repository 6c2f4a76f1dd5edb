"""How late the event loop is: the one figure that says whether anything else can be on time."""

from __future__ import annotations

import asyncio

NAP = 0.02


async def loop_lag() -> float:
    """Take a short nap and tell by how many seconds it was overslept."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.sleep(NAP)
    return max(0.0, loop.time() - began - NAP)
