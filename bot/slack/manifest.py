"""The Slack app as a manifest: paste what ``gonogo manifest`` prints when you create the app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from bot.domain.errors import ConfigurationError

SCOPES = (
    "commands",  # /deploy and /rollback
    "chat:write",  # cards, alarms and answers
    "users:read",  # is this person a member, a guest, deactivated?
    "usergroups:read",  # who holds a role through a user group
    "channels:history",  # look whether a message was posted before posting it again
    "groups:history",  # the same in private channels
    "files:write",  # charts in the thread
    "im:write",  # messages to one person
    "app_mentions:read",  # somebody mentions the bot: they are told how to begin
)
"""What the bot asks for, and why; it asks for nothing else."""

EVENTS = ("app_home_opened", "app_mention")
PATH = "/slack/events"
"""Where Slack sends everything over HTTP."""


def manifest(
    mode: Literal["socket", "http"], url: str = "", *, hints: Mapping[str, str]
) -> dict[str, Any]:
    """Describe the app to Slack. ``url`` is the bot's public address and is needed for HTTP only;
    ``hints`` say what each slash command takes. Raises ConfigurationError without an address.
    """
    address = f"{url.rstrip('/')}{PATH}" if mode == "http" else ""
    if mode == "http" and not (url.startswith("https://") and urlsplit(url).hostname):
        raise ConfigurationError(
            "HTTP mode needs the bot's public address, and Slack calls https only: for example "
            "https://gonogo.example.com."
        )
    return {
        "_metadata": {"major_version": 2, "minor_version": 1},
        "display_information": {
            "name": "Go/No-Go",
            "description": (
                "Deployments that a team can trust at 2 a.m.: checks, approvals, rollout and a "
                "rollback that tells the truth."
            ),
            "background_color": "#1d3a2f",
        },
        "features": {
            "app_home": {
                "home_tab_enabled": True,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": True,
            },
            "bot_user": {"display_name": "gonogo", "always_online": True},
            "slash_commands": [
                _command(
                    "deploy",
                    "Deploy a service, see what runs, lock an environment. /deploy help lists all.",
                    hints["deploy"],
                    address,
                ),
                _command(
                    "rollback",
                    "Roll back to the last version that was verified good.",
                    hints["rollback"],
                    address,
                ),
            ],
        },
        "oauth_config": {"scopes": {"bot": list(SCOPES)}},
        "settings": _settings(mode, address),
    }


def _command(verb: str, description: str, hint: str, address: str) -> dict[str, Any]:
    where = {"url": address} if address else {}
    return {
        "command": f"/{verb}",
        "description": description,
        "usage_hint": hint,
        "should_escape": True,
        **where,
    }


def _settings(mode: str, address: str) -> dict[str, Any]:
    where = {"request_url": address} if address else {}
    return {
        "interactivity": {"is_enabled": True, **where},
        "event_subscriptions": {"bot_events": list(EVENTS), **where},
        "org_deploy_enabled": False,
        "socket_mode_enabled": mode == "socket",
        "token_rotation_enabled": False,
    }
