"""Whether Slack takes our token, asked seldom."""

from __future__ import annotations

import aiohttp

from bot.sandbox.workspace import Channel, User, Workspace
from bot.slack.authentication import Authentication
from bot.slack.client import SlackClient


async def test_slack_is_asked_until_it_says_yes_and_then_left_alone() -> None:
    slack = Workspace(users=[User("U0ANA", "ana")], channels=[Channel("C0DEPLOYS", "deploys")])
    await slack.start()
    slack.faults.fail_next["auth.test"] = ["503"]
    async with aiohttp.ClientSession() as session:
        authentication = Authentication(
            SlackClient(session, token=slack.token, base_url=slack.api_url)
        )
        assert await authentication.problem()
        assert [await authentication.problem() for _ in range(3)] == [""] * 3
        refused = Authentication(SlackClient(session, token="xoxb-revoked", base_url=slack.api_url))
        assert "invalid_auth" in await refused.problem()
    await slack.close()
    assert [call["answer"]["ok"] for call in slack.calls] == [True, False]
