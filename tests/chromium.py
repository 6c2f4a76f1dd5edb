"""A real Chromium for the tests of the page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Page, async_playwright

from tests.patience import PATIENCE

CHROMIUM = Path("/usr/bin/chromium")
QUIETLY = [
    "--no-sandbox", "--disable-gpu", "--no-first-run",
    "--disable-background-networking", "--disable-sync", "--disable-quic",
]  # fmt: skip


@asynccontextmanager
async def opened(url: str, *, width: int = 1280, height: int = 860) -> AsyncIterator[Page]:
    """Open an address; width and height are the window's, in pixels."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIETLY)
        page = await browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(PATIENCE * 1000)
        await page.goto(url)
        yield page
        await browser.close()
