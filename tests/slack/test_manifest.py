from __future__ import annotations

from typing import Any, Literal

import jsonschema
import pytest

from bot.dispatch.tables import USAGE
from bot.dispatch.typed import HINTS
from bot.domain.errors import ConfigurationError
from bot.slack.manifest import SCOPES, manifest

WEB = {"type": "string", "pattern": r"^https?://", "maxLength": 3000}
FLAG = {"type": "boolean"}


def mapping(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(required),
        "properties": properties,
        "additionalProperties": False,
    }


def text(longest: int, shortest: int = 1, **more: Any) -> dict[str, Any]:
    return {"type": "string", "minLength": shortest, "maxLength": longest, **more}


RULES = mapping(
    ("display_information",),
    _metadata=mapping(major_version={"const": 2}, minor_version={"type": "integer"}),
    display_information=mapping(
        ("name",),
        name=text(35),
        description=text(140),
        background_color=text(7, 4, pattern="^#[0-9a-fA-F]{6}$"),
    ),
    features=mapping(
        app_home=mapping(
            home_tab_enabled=FLAG, messages_tab_enabled=FLAG, messages_tab_read_only_enabled=FLAG
        ),
        bot_user=mapping(("display_name",), display_name=text(80), always_online=FLAG),
        slash_commands={
            "type": "array",
            "minItems": 1,
            "maxItems": 50,
            "items": mapping(
                ("command", "description"),
                command=text(32, 2, pattern="^/"),
                url=WEB,
                description=text(2000),
                usage_hint=text(1000),
                should_escape=FLAG,
            ),
        },
    ),
    oauth_config=mapping(
        scopes=mapping(
            bot={
                "type": "array",
                "uniqueItems": True,
                "items": text(100, pattern="^[a-z_.]+(:[a-z_.]+)*$"),
            }
        )
    ),
    settings=mapping(
        interactivity=mapping(
            ("is_enabled",), is_enabled=FLAG, request_url=WEB, message_menu_options_url=WEB
        ),
        event_subscriptions=mapping(
            request_url=WEB,
            bot_events={"type": "array", "minItems": 1, "maxItems": 100, "items": text(100)},
        ),
        org_deploy_enabled=FLAG,
        socket_mode_enabled=FLAG,
        token_rotation_enabled=FLAG,
    ),
)
"""The part of Slack's manifest rules (version 2) that our manifest touches, with Slack's limits."""


@pytest.mark.parametrize("mode", ["socket", "http"])
def test_slack_takes_the_manifest(mode: Literal["socket", "http"]) -> None:
    jsonschema.validate(manifest(mode, "https://gonogo.example.com", hints=HINTS), RULES)


def test_over_http_slack_sends_everything_to_one_address() -> None:
    made = manifest("http", "https://gonogo.example.com/", hints=HINTS)
    address = "https://gonogo.example.com/slack/events"
    assert [command["url"] for command in made["features"]["slash_commands"]] == [address, address]
    assert (
        made["settings"]["interactivity"]["request_url"]
        == made["settings"]["event_subscriptions"]["request_url"]
        == address
    )
    assert made["settings"]["socket_mode_enabled"] is False


def test_with_socket_mode_no_address_is_named() -> None:
    made = manifest("socket", hints=HINTS)
    assert made["settings"]["socket_mode_enabled"] is True
    assert "http" not in str(made)


@pytest.mark.parametrize("url", ["", "http://gonogo.example.com", "https://", "gonogo.example.com"])
def test_http_without_an_address_that_slack_calls_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="public address, and Slack calls https only"):
        manifest("http", url, hints=HINTS)


def test_mentions_in_commands_arrive_as_ids_and_the_hints_come_from_the_grammar() -> None:
    for command in manifest("socket", hints=HINTS)["features"]["slash_commands"]:
        assert command["should_escape"] is True
        assert (
            f"{command['command']} {command['usage_hint']}"
            == USAGE[command["command"].removeprefix("/")].syntax
        )


def test_the_bot_asks_for_no_more_than_it_needs() -> None:
    wanted = {
        "commands", "chat:write", "users:read", "usergroups:read",
        "channels:history", "groups:history", "files:write", "im:write",
        "app_mentions:read",
    }  # fmt: skip
    assert set(SCOPES) == wanted
