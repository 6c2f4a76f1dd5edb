"""The main job, played through the page in a real Chromium."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import Page

from tests.chromium import CHROMIUM, opened

if TYPE_CHECKING:
    from tests.conversations.conftest import World

ANA, BO, CY, DI = "U0ANA", "U0BO", "U0CY", "U0DI"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium"),
]


@pytest.fixture
async def page(world: World) -> AsyncIterator[Page]:
    """Open the page."""
    async with opened(f"{world.slack.url}/?quiet=1") as page:
        yield page


async def act_as(page: Page, user: str) -> None:
    """Switch to somebody else."""
    await page.click(f'.person[data-user="{user}"]')
    await page.wait_for_selector(f'.person[data-user="{user}"][aria-checked="true"]')


async def press(page: Page, action: str) -> None:
    """Press the newest button of an action."""
    await page.click(f'[data-action="gonogo.{action}"] >> nth=-1')


async def test_the_main_job_can_be_played_through_the_page(world: World, page: Page) -> None:
    await act_as(page, ANA)
    await page.fill("#text", "/dep")
    await page.wait_for_selector("#completions >> text=/deploy")
    await page.press("#text", "Tab")
    await page.type("#text", "storefront v1.1.0 to production")
    await page.press("#text", "Enter")
    await page.wait_for_selector("article >> text=/not ready/")
    await act_as(page, BO)
    await press(page, "acknowledge")
    await act_as(page, DI)
    await press(page, "tick")
    await page.check("dialog input[type=checkbox]")
    await page.click("dialog button.primary")
    await act_as(page, CY)
    await press(page, "approve")
    await page.wait_for_selector("article >> text=/live and healthy/")

    await act_as(page, DI)
    await press(page, "roll_back")
    await page.click("#confirm")
    await page.wait_for_selector("article >> text=/the deployment lead, can roll this back/")
    await act_as(page, BO)
    await press(page, "roll_back")
    await page.wait_for_selector("dialog >> text=/This undoes 1 commit/")
    await page.click("#confirm")
    await page.wait_for_selector("article >> text=/(?<!being )rolled back to v1.0.0/")
    assert world.started()[-1].startswith(world.commits["v1.0.0"])
