"""The page in a real Chromium, beside a tiny real bot: what a person holds on to stays
while the channel moves.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import Page
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.workspace import Workspace
from tests.chromium import CHROMIUM, opened

if TYPE_CHECKING:
    from tests.sandbox.workspace.conftest import TinyBot

ANA, BO, CHANNEL = "U0ANA", "U0BO", "C0DEPLOYS"
SURE = {
    "title": {"type": "plain_text", "text": "Roll back"},
    "text": {"type": "mrkdwn", "text": "Sure?"},
    "confirm": {"type": "plain_text", "text": "Roll back"},
    "deny": {"type": "plain_text", "text": "Cancel"},
}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium"),
]


def card(progress: str, *more: str) -> list[dict[str, Any]]:
    """Draw a card: its progress, further lines, a button that opens a dialog
    and one that asks first.
    """
    texts = [
        {"type": "section", "text": {"type": "mrkdwn", "text": text}} for text in (progress, *more)
    ]
    go = {
        "type": "button",
        "action_id": "go",
        "value": "storefront-1",
        "text": {"type": "plain_text", "text": "Go"},
    }
    back = {
        "type": "button",
        "action_id": "back",
        "text": {"type": "plain_text", "text": "Back"},
        "confirm": SURE,
    }
    return [*texts, {"type": "actions", "block_id": "card", "elements": [go, back]}]


@pytest.fixture
async def page(slack: Workspace, bot: TinyBot) -> AsyncIterator[Page]:
    """Open the page as ana."""
    assert bot.url
    async with opened(f"{slack.url}/?quiet=1") as page:
        await page.wait_for_selector(f'.person[data-user="{ANA}"][aria-checked="true"]')
        yield page


async def test_escape_closes_a_dialog_for_the_workspace_too(
    slack: Workspace, bot: TinyBot, client: AsyncWebClient, page: Page
) -> None:
    posted = await client.chat_postMessage(channel=CHANNEL, text="a card", blocks=card("5 %"))
    await page.click('[data-action="go"]')
    await page.fill("#dialog input", "half a sent")
    await page.keyboard.press("Escape")
    await slack.until(lambda: not slack.state.views)

    await page.click('[data-action="back"]')
    await page.wait_for_selector("#question >> text=Sure?")
    await client.chat_update(channel=CHANNEL, ts=posted["ts"], text="a card", blocks=card("25 %"))
    await page.wait_for_selector("article >> text=25 %")
    assert await page.is_visible("#question >> text=Sure?")
    assert not await page.is_visible("#dialog")
    await page.keyboard.press("Escape")
    await page.wait_for_selector("#question", state="hidden")
    assert [heard["actions"][0]["action_id"] for heard in bot.heard] == ["go"], (
        "neither way out is an answer"
    )


async def test_a_card_that_changes_leaves_the_focus_and_a_click_in_the_making_alone(
    slack: Workspace, bot: TinyBot, client: AsyncWebClient, page: Page
) -> None:
    posted = await client.chat_postMessage(channel=CHANNEL, text="a card", blocks=card("5 %"))
    await page.focus('[data-action="go"]')
    await page.hover('[data-action="go"]')
    await page.mouse.down()
    await client.chat_update(
        channel=CHANNEL, ts=posted["ts"], text="a card", blocks=card("25 %", "smoke test")
    )
    await page.wait_for_selector("article >> text=smoke test")
    await client.chat_update(channel=CHANNEL, ts=posted["ts"], text="a card", blocks=card("100 %"))
    await page.wait_for_selector("article >> text=100 %")
    assert await page.evaluate("document.activeElement.dataset.action") == "go"
    await page.mouse.up()
    await slack.until(lambda: bot.heard)
    assert bot.heard[0]["actions"][0]["action_id"] == "go"

    await page.wait_for_selector("#dialog input")
    await page.keyboard.press("Escape")
    await client.chat_update(
        channel=CHANNEL, ts=posted["ts"], text="a card", blocks=card("done")[:1]
    )
    await page.wait_for_selector("article >> text=done")
    assert await page.evaluate("document.activeElement.dataset.ts") == posted["ts"], (
        "a button that is gone leaves the focus at its message"
    )


async def test_the_composer_completes_and_homes_names_and_a_telephone_are_served(
    slack: Workspace, bot: TinyBot, client: AsyncWebClient, page: Page
) -> None:
    await page.type("#text", "/")
    await page.press("#text", "ArrowDown")
    await page.press("#text", "Enter")
    assert await page.input_value("#text") == "/rollback "
    await page.fill("#text", "/dep")
    await page.press("#text", "Enter")
    assert await page.input_value("#text") == "/deploy "
    await page.fill("#text", "/deploy")
    await page.press("#text", "Enter")
    await slack.until(lambda: bot.heard)
    await page.fill("#text", "/foo")
    await page.press("#text", "Enter")
    await page.wait_for_selector("article >> text=/foo is not a valid command/")
    assert [heard["command"] for heard in bot.heard] == ["/deploy"]

    await page.click("#home")
    await page.click(f'.person[data-user="{BO}"]')
    await slack.until(
        lambda: [heard for heard in bot.heard if heard.get("event", {}).get("user") == BO]
    )
    text = f"*<@{ANA}>* deploys to <#{CHANNEL}>, http_requests_total"
    await client.views_publish(user_id=BO, view={"type": "home", "blocks": card(text)[:1]})
    await page.wait_for_selector("#messages >> text=@ana deploys to #deploys, http_requests_total")
    await page.fill("#text", " /foo")
    await page.press("#text", "Enter")
    await slack.until(lambda: slack.message("/foo"))
    direct = (await client.conversations_open(users=[BO]))["channel"]["id"]
    await client.chat_postMessage(channel=direct, text=f"See <#{CHANNEL}|elsewhere> and <@{ANA}>.")
    await page.click("#channels >> text=Go/No-Go")
    await page.wait_for_selector("article >> text=See #deploys and @ana.")

    await page.set_viewport_size({"width": 390, "height": 844})
    await page.click("#home")
    await page.wait_for_selector("#messages >> text=@ana deploys to #deploys")
    await page.click("#guide-open")
    await page.wait_for_selector("#guide", state="visible")
    heights = (
        "[...document.querySelectorAll('#sidebar, main > header')].reduce((sum, each) => "
        "sum + each.offsetHeight, 0)"
    )
    assert await page.evaluate(heights) < 150, "a telephone keeps its height for the channel"
    assert await page.evaluate("document.documentElement.scrollWidth") == 390
