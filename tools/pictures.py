"""Make the pictures of the card in ``docs/images``: the demo is played through its page in
Chromium, and each phase photographed.

    python tools/pictures.py docs/images

What is seen is what the sandbox showed at that moment; nothing is drawn or put in order
afterwards. It takes two minutes.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
from PIL import Image
from playwright.async_api import Page, ViewportSize, async_playwright

from bot.sandbox.demo import CHANNEL
from bot.sandbox.story import (
    ACKNOWLEDGE,
    ANA,
    APPROVE,
    BO,
    CY,
    DI,
    ROLL_BACK,
    WARM_UP,
    Player,
    Post,
)

CHROMIUM = Path("/usr/bin/chromium")
QUIETLY = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
    "--disable-quic",
]
PORT = 3111
SIZE: ViewportSize = {"width": 1280, "height": 1400}
COLOURS = 64
STOP = 20.0
"""Seconds that the demo has to end."""


@dataclass
class Photographer:
    """Somebody with a camera at the page; ``player`` does what the people do."""

    page: Page
    player: Player
    folder: Path

    async def takes(self, name: str, card: Post, word: str) -> Post:
        """Photograph a message once it says this; an alarm about the same deployment that says
        it too is another message.
        """

        def find(state: dict[str, Any]) -> Post | None:
            same = (post for post in state["messages"][CHANNEL] if post["ts"] == card["ts"])
            return next((post for post in same if word in post.get("text", "")), None)

        post: Post = await self.player.until(f"the card with {word}", ANA, find)
        shown = self.page.locator(f'article[data-ts="{post["ts"]}"]').first
        await shown.get_by_text(word).first.wait_for()
        taken = Image.open(BytesIO(await shown.screenshot()))
        await asyncio.to_thread(
            taken.quantize(COLOURS).save, self.folder / f"phase-{name}.png", optimize=True
        )
        return post

    async def deploys(self, version: str, *, pictures: bool) -> Post:
        """Ask for a version in production, clear its gates and approve it; give its card."""
        title = f"storefront {version} → production"
        await self.player.says(ANA, "/deploy", f"storefront {version} to production")
        card = await self.player.card(ANA, title, "not ready")
        if pictures:
            await self.takes("blocked", card, "not ready")
        await self.player.clicks(BO, card, ACKNOWLEDGE)
        for user in (BO, CY, DI):
            await self.player.ticks(user, card)
        ready = await self.player.card(CY, title, "waiting for")
        if pictures:
            await self.takes("waiting", card, "waiting for")
        await self.player.clicks(CY, ready, APPROVE)
        return card


async def tell(camera: Photographer) -> None:
    """Play the story: a good version, then a bad one that is rolled back."""
    await asyncio.sleep(WARM_UP)
    good = await camera.deploys("v1.1.0", pictures=True)
    await camera.takes("canary", good, "canary 25 %")
    await camera.takes("done", good, "live and healthy")
    await camera.player.says(ANA, "/deploy", "storefront v1.2.0 to staging")
    await camera.player.card(ANA, "storefront v1.2.0 → staging", "live and ")
    bad = await camera.deploys("v1.2.0", pictures=False)
    degraded = await camera.takes("degraded", bad, "DEGRADED")
    await camera.player.clicks(DI, degraded, ROLL_BACK)
    await camera.player.clicks(BO, degraded, ROLL_BACK)
    await camera.takes("rolled-back", bad, "rolled back to v1.1.0")
    await camera.takes("summary", await camera.player.card(ANA, "Summary", "storefront"), "Summary")


@asynccontextmanager
async def demo() -> AsyncIterator[str]:
    """Run the demo as its users do; give the page's address."""
    command = [sys.executable, "-m", "bot", "demo", "--no-browser", "--port", str(PORT)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        while process.stdout and b"The workspace is at" not in (
            line := await process.stdout.readline()
        ):
            if not line:
                raise SystemExit("The demo ended before it had begun.")
        yield f"http://127.0.0.1:{PORT}"
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), STOP)


async def main(folder: Path) -> None:
    """Make all pictures."""
    async with demo() as url, async_playwright() as playwright, aiohttp.ClientSession() as session:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIETLY)
        page = await browser.new_page(viewport=SIZE)
        await page.goto(f"{url}/?quiet=1")
        await tell(Photographer(page, Player(session, url, CHANNEL), folder))
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
