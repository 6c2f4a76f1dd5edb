"""A workspace with three people, the real slack_sdk client, and a tiny real Bolt
app that listens over HTTP.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.page import page_routes
from bot.sandbox.workspace import Channel, User, Workspace

ANA, BO, CY = "U0ANA", "U0BO", "U0CY"
CHANNEL = "C0DEPLOYS"

FORM = {
    "type": "modal",
    "callback_id": "form",
    "title": {"type": "plain_text", "text": "Why"},
    "submit": {"type": "plain_text", "text": "Send"},
    "private_metadata": "storefront-1",
    "blocks": [
        {
            "type": "input",
            "block_id": "reason",
            "label": {"type": "plain_text", "text": "Reason"},
            "element": {"type": "plain_text_input", "action_id": "text"},
        }
    ],
}


@dataclass
class TinyBot:
    """A real Bolt app; what it received stands in ``heard``."""

    app: AsyncApp
    url: str = ""
    heard: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
async def slack() -> AsyncIterator[Workspace]:
    """Start a workspace."""
    workspace = Workspace(
        users=[User(ANA, "ana"), User(BO, "bo"), User(CY, "cy")],
        channels=[Channel(CHANNEL, "deploys")],
    )
    workspace.application.add_routes(page_routes({}))
    await workspace.start()
    yield workspace
    await workspace.close()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session for everything that calls the workspace."""
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def client(slack: Workspace, session: aiohttp.ClientSession) -> AsyncWebClient:
    """Give the real client, which repeats nothing by itself."""
    return AsyncWebClient(
        token=slack.token, base_url=slack.api_url, session=session, retry_handlers=[]
    )


@pytest.fixture
async def bot(slack: Workspace, client: AsyncWebClient) -> AsyncIterator[TinyBot]:
    """Serve the tiny bot."""
    tiny = TinyBot(
        AsyncApp(
            signing_secret=slack.secret, process_before_response=True, authorize=_authorize(slack)
        )
    )
    _listen(tiny, client)

    async def events(request: web.Request) -> web.StreamResponse:
        answer = await to_aiohttp_response(
            await tiny.app.async_dispatch(await to_bolt_request(request))
        )
        slack.state.tell({"type": "heard"})  # whoever waits for what the bot hears looks again
        return answer

    application = web.Application()
    application.add_routes([web.post("/slack/events", events)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    tiny.url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
    slack.call_at(tiny.url)
    yield tiny
    await runner.cleanup()


def _authorize(slack: Workspace) -> Callable[[], Awaitable[AuthorizeResult]]:
    """Know the bot without asking: Bolt asks auth.test with a team_id, which the
    workspace does not take.
    """

    async def authorize() -> AuthorizeResult:
        return AuthorizeResult(
            enterprise_id=None,
            team_id=slack.state.team,
            bot_user_id=slack.state.bot,
            bot_token=slack.token,
        )

    return authorize


def _listen(tiny: TinyBot, client: AsyncWebClient) -> None:
    # the client of the test: Bolt's own adds a team_id to every call, which
    # the workspace does not take
    @tiny.app.command("/deploy")
    async def command(ack: AsyncAck, body: dict[str, Any]) -> None:
        tiny.heard.append(body)
        await ack(text=f"Understood: {body['text']}")

    @tiny.app.action("go")
    async def pressed(ack: AsyncAck, body: dict[str, Any]) -> None:
        tiny.heard.append(body)
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=FORM)

    @tiny.app.view("form")
    async def submitted(ack: AsyncAck, body: dict[str, Any]) -> None:
        tiny.heard.append(body)
        if body["view"]["state"]["values"]["reason"]["text"]["value"] == "because":
            await ack(response_action="errors", errors={"reason": "Say more."})
        else:
            await ack()

    @tiny.app.event("app_mention")
    @tiny.app.event("app_home_opened")
    async def opened(body: dict[str, Any]) -> None:
        tiny.heard.append(body)
