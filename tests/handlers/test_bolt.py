"""Bolt, as it is set up here."""

from __future__ import annotations

import logging

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from handlers.slack.intake import bolt_app


def test_bolt_is_given_one_token_and_warns_of_none(caplog: pytest.LogCaptureFixture) -> None:
    client = AsyncWebClient(token="xoxb-1")
    with caplog.at_level(logging.INFO):
        app = bolt_app(client, token="xoxb-1", team="T1", bot_user="UBOT", bot="B1")
    assert [record.message for record in caplog.records] == []
    assert client.token == "xoxb-1", "the client that everything else uses keeps it"
    assert app.client.token is None
