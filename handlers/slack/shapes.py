"""What a payload of Slack's looks like, as far as anything here or in Bolt relies on it;
another shape is no payload.

Whatever passes can be read by every listener without a second look: an object is an object, an id
is a text of bounded length.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TEXTS = (
    "type", "command", "trigger_id", "response_url", "team_id", "user_id",
    "channel_id", "api_app_id", "callback_id", "enterprise_id",
    "action_id", "block_id", "event_id", "action_ts", "value", "name",
)  # fmt: skip
OBJECTS = (
    "team",
    "user",
    "channel",
    "message",
    "view",
    "enterprise",
    "container",
    "event",
    "state",
)
EVENT_OBJECTS = (
    "message",
    "previous_message",
    "view",
    "assistant_thread",
    "function",
    "workflow_step",
)
LONGEST_TEXT = 4000
"""Twice Slack's own longest, the value of a button."""
LONGEST_METADATA = 3000
VIEWS = frozenset({"view_submission", "view_closed"})
ASKING = frozenset({"shortcut", "message_action"})
HEARD = frozenset({"app_rate_limited", "url_verification"})
"""What has no parts that anybody relies on. Whatever else there is (old dialogs, attachments, steps
of workflows) this app has none of.
"""
PERSON = ("id", "team_id")


def is_known(payload: Mapping[str, Any]) -> bool:
    """Tell whether a payload has a shape that Slack's have."""
    if not (
        _has_texts(payload, TEXTS)
        and _has_objects(payload, OBJECTS)
        and isinstance(payload.get("text") or "", str)
    ):
        return False
    around = [payload.get(name) or {} for name in ("team", "user", "channel", "enterprise")]
    if not all(_has_texts(each, PERSON) for each in around) or not _is_message(
        payload.get("message") or {}
    ):
        return False
    view = payload.get("view")
    return (view is None or _is_view(view)) and _fits_type(payload)


def _fits_type(payload: Mapping[str, Any]) -> bool:
    kind = payload.get("type")
    if payload.get("command"):
        return kind is None
    if kind == "block_actions":
        return _are_actions(payload.get("actions"))
    if kind in VIEWS:
        return bool((payload.get("view") or {}).get("type"))
    if kind == "event_callback":
        event = payload.get("event")
        return isinstance(event, dict) and bool(event.get("type")) and _is_event(event)
    if kind in ASKING:
        return bool(payload.get("callback_id"))
    if kind == "block_suggestion":
        return bool(payload.get("action_id"))
    return kind in HEARD


def _are_actions(actions: object) -> bool:
    return (
        isinstance(actions, list)
        and bool(actions)
        and all(isinstance(each, dict) and _is_action(each) for each in actions)
    )


def _is_action(action: Mapping[str, Any]) -> bool:
    return bool(action.get("action_id")) and _has_texts(action, TEXTS)


def _is_view(view: Mapping[str, Any]) -> bool:
    """Tell a dialog, or the home."""
    metadata, blocks = view.get("private_metadata") or "", view.get("blocks") or []
    return (
        _has_texts(view, ("type", "callback_id", "id", "hash"))
        and isinstance(metadata, str)
        and len(metadata) <= LONGEST_METADATA
        and _has_objects(view, ("state",))
        and isinstance(blocks, list)
    )


def _is_event(event: Mapping[str, Any]) -> bool:
    return _has_texts(event, ("type", "tab", "subtype", "channel_type")) and _has_objects(
        event, EVENT_OBJECTS
    )


def _is_message(message: Mapping[str, Any]) -> bool:
    return _has_texts(message, ("ts", "thread_ts"))


def _has_texts(found: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    return all(
        isinstance(value := found.get(name) or "", str) and len(value) <= LONGEST_TEXT
        for name in names
    )


def _has_objects(found: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    return all(isinstance(found.get(name), dict | None) for name in names)
