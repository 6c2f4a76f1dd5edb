"""The Web API methods that the bot uses, each as strict as Slack's."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from bot.sandbox.workspace import blocks
from bot.sandbox.workspace.state import Channel, Json, State

TRIGGER_LIFE = 3.0
TEXT_CAP = 40_000
PAGE, LARGEST_PAGE = 100, 999
"""docs.slack.dev/reference/methods/conversations.history"""


class Refused(Exception):  # noqa: N818 - it is an answer of Slack's
    """Slack answers ``ok: false`` with this error."""

    def __init__(self, error: str, *messages: str) -> None:
        super().__init__(error)
        self.error = error
        self.messages = messages


Answer = dict[str, Any]
Call = Callable[[State, Json], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Method:
    """A method: its scope, its arguments, its calls per minute, and what it does."""

    scope: str
    required: frozenset[str]
    optional: frozenset[str]
    per_minute: int
    call: Call


def method(scope: str, required: str, optional: str, per_minute: int) -> Callable[[Call], Method]:
    """Describe a method; arguments are given as words."""

    def described(call: Call) -> Method:
        return Method(
            scope, frozenset(required.split()), frozenset(optional.split()), per_minute, call
        )

    return described


def check_arguments(found: Method, arguments: Json) -> None:
    """Refuse missing and unknown arguments. Slack ignores unknown ones; we do not,
    because they are mistakes.
    """
    # values may be objects
    missing = [name for name in sorted(found.required) if arguments.get(name) in (None, "")]
    if missing:
        raise Refused("invalid_arguments", f"missing required field: {missing[0]}")
    # the SDK adds these
    unknown = sorted(set(arguments) - found.required - found.optional - {"token", "team_id"})
    if unknown:
        raise Refused("invalid_arguments", f"unknown argument: {unknown[0]}")


def _channel(state: State, name: Any, *, member: bool = True) -> Channel:
    if name in state.users:
        return state.direct(str(name))
    channel = state.channels.get(str(name))
    if channel is None:
        raise Refused("channel_not_found")
    if member and state.bot not in channel.members:
        raise Refused("not_in_channel")
    return channel


def parsed(value: Any) -> Any:
    """Read an argument that comes as JSON text in forms."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise Refused("invalid_json") from None


def _content(arguments: Json) -> Json:
    text, found = str(arguments.get("text") or ""), parsed(arguments.get("blocks") or "[]")
    if not text and not found:
        raise Refused("no_text")
    if len(text) > TEXT_CAP:
        raise Refused("msg_too_long")
    wrong = blocks.problems(found)
    if wrong:
        raise Refused(
            "msg_blocks_too_long" if "msg_blocks_too_long" in wrong else "invalid_blocks", *wrong
        )
    content: Json = {"text": text, "blocks": found}
    if arguments.get("metadata"):
        content["metadata"] = parsed(arguments["metadata"])
    return content


_LOOK = "link_names unfurl_links unfurl_media parse mrkdwn"


@method("chat:write", "channel", f"text blocks thread_ts metadata reply_broadcast {_LOOK}", 60)
async def post_message(state: State, arguments: Json) -> Answer:
    """chat.postMessage."""
    channel = _channel(state, arguments["channel"])
    content = _content(arguments)
    thread = str(arguments.get("thread_ts") or "")
    if thread:
        if state.find(channel, thread) is None:
            raise Refused("thread_not_found")
        content["thread_ts"] = thread
    message = state.post(
        channel, {"user": state.bot, "bot_id": f"B{state.bot[1:]}", "app_id": state.app, **content}
    )
    return {"channel": channel.id, "ts": message["ts"], "message": message}


@method("chat:write", "channel ts", f"text blocks metadata {_LOOK}", 50)
async def update(state: State, arguments: Json) -> Answer:
    """chat.update: text without blocks removes the blocks
    (docs.slack.dev/reference/methods/chat.update).
    """
    channel = _channel(state, arguments["channel"])
    message = state.find(channel, str(arguments["ts"]))
    if message is None:
        raise Refused("message_not_found")
    if message.get("user") != state.bot:
        raise Refused("cant_update_message")
    message.update(_content(arguments), edited={"user": state.bot, "ts": state.ts()})
    state.tell({"type": "message_changed", "channel": channel.id, "message": message})
    return {"channel": channel.id, "ts": message["ts"], "text": message["text"], "message": message}


@method("", "channel message_ts", "", 600)
async def get_permalink(state: State, arguments: Json) -> Answer:
    """chat.getPermalink: the time stamp without its point
    (docs.slack.dev/reference/methods/chat.getPermalink).
    """
    channel, ts = _channel(state, arguments["channel"], member=False), str(arguments["message_ts"])
    if state.find(channel, ts) is None:
        raise Refused("message_not_found")
    return {"channel": channel.id, "permalink": f"/archives/{channel.id}/p{ts.replace('.', '')}"}


@method("chat:write", "channel user", f"text blocks thread_ts {_LOOK}", 100)
async def post_ephemeral(state: State, arguments: Json) -> Answer:
    """chat.postEphemeral."""
    channel = _channel(state, arguments["channel"])
    if arguments["user"] not in state.users:
        raise Refused("user_not_in_channel")
    content = _content(arguments)
    if arguments.get("thread_ts"):
        content["thread_ts"] = arguments["thread_ts"]
    message = state.whisper(channel.id, str(arguments["user"]), {"user": state.bot, **content})
    return {"message_ts": message["ts"]}


@method("", "", "", 600)
async def auth_test(state: State, _arguments: Json) -> Answer:
    """auth.test."""
    return {
        "url": "http://127.0.0.1/", "team": state.team_name,
        "user": state.users[state.bot].name, "team_id": state.team,
        "user_id": state.bot, "bot_id": f"B{state.bot[1:]}",
        **({"enterprise_id": state.enterprise} if state.enterprise else {}),
    }  # fmt: skip


@method("users:read", "bot", "team_id", 50)
async def bots_info(state: State, arguments: Json) -> Answer:
    """bots.info."""
    return {
        "bot": {
            "id": str(arguments["bot"]),
            "deleted": False,
            "name": state.users[state.bot].name,
            "app_id": state.app,
        }
    }


@method("users:read", "user", "include_locale", 100)
async def users_info(state: State, arguments: Json) -> Answer:
    """users.info."""
    user = state.users.get(str(arguments["user"]))
    if user is None:
        raise Refused("user_not_found")
    return {
        "user": {
            "id": user.id, "team_id": state.team, "name": user.name,
            "real_name": user.name, "deleted": user.deleted, "is_bot": user.is_bot,
            "is_restricted": user.is_guest, "is_ultra_restricted": False,
            "is_app_user": False, "tz": "Europe/Berlin",
            "profile": {"real_name": user.name, "display_name": user.name, "title": user.title},
        }
    }  # fmt: skip


@method("usergroups:read", "usergroup", "include_disabled", 20)
async def group_members(state: State, arguments: Json) -> Answer:
    """usergroups.users.list."""
    if arguments["usergroup"] not in state.groups:
        raise Refused("no_such_subteam")
    return {"users": state.groups[str(arguments["usergroup"])][1]}


@method("im:write", "users", "return_im prevent_creation", 50)
async def conversations_open(state: State, arguments: Json) -> Answer:
    """conversations.open."""
    if arguments["users"] not in state.users:
        raise Refused("user_not_found")
    return {"channel": {"id": state.direct(str(arguments["users"])).id}}


@method(
    "channels:history", "channel", "cursor oldest latest limit inclusive include_all_metadata", 50
)
async def history(state: State, arguments: Json) -> Answer:
    """conversations.history: newest first, without replies."""
    channel = _channel(state, arguments["channel"])
    found = [
        message
        for message in channel.messages
        if message.get("thread_ts", message["ts"]) == message["ts"]
    ]
    return _page(list(reversed(found)), arguments)


@method(
    "channels:history",
    "channel ts",
    "cursor oldest latest limit inclusive include_all_metadata",
    50,
)
async def replies(state: State, arguments: Json) -> Answer:
    """conversations.replies: the parent and its replies, oldest first."""
    channel = _channel(state, arguments["channel"])
    found = [m for m in channel.messages if arguments["ts"] in {m["ts"], m.get("thread_ts")}]
    if not found:
        raise Refused("thread_not_found")
    return _page(found, arguments)


def _page(found: list[Json], arguments: Json) -> Answer:
    """Give one page (docs.slack.dev/apis/web-api/pagination): at most ``limit`` messages, and a
    cursor when there are more.
    """
    oldest, latest = str(arguments.get("oldest") or "0"), str(arguments.get("latest") or "9")
    within = [message for message in found if oldest <= message["ts"] <= latest]
    cursor, limit = str(arguments.get("cursor") or "0"), str(arguments.get("limit") or PAGE)
    if not cursor.isdigit():
        raise Refused("invalid_cursor")
    if not limit.isdigit() or not 1 <= int(limit) <= LARGEST_PAGE:
        raise Refused("invalid_limit")
    end = int(cursor) + int(limit)
    more = end < len(within)
    shown = [_seen(message, arguments) for message in within[int(cursor) : end]]
    return {
        "messages": shown,
        "has_more": more,
        "response_metadata": {"next_cursor": str(end) if more else ""},
    }


def _seen(message: Json, arguments: Json) -> Json:
    shows = str(arguments.get("include_all_metadata", "")).lower() in {"true", "1"}
    return message if shows else {key: value for key, value in message.items() if key != "metadata"}


def _view(arguments: Json, kind: str) -> Json:
    view = parsed(arguments["view"])
    if not isinstance(view, dict) or view.get("type") != kind:
        raise Refused("invalid_arguments", f"view must be of type {kind}")
    wrong = blocks.problems(view.get("blocks"), "view")
    has_input = any(
        block.get("type") == "input" for block in view.get("blocks", []) if isinstance(block, dict)
    )
    if kind == "modal":
        wrong += [
            f"{part} is too long"
            for part in ("title", "submit", "close")
            if len(blocks.text_of(view.get(part))) > 24  # noqa: PLR2004
        ]
        wrong += [] if view.get("title") else ["missing required field: title"]
        wrong += (
            ["submit is required with input blocks"] if has_input and not view.get("submit") else []
        )
    if len(view.get("private_metadata", "")) > 3000:  # noqa: PLR2004 - Slack's limit
        wrong.append("private_metadata is too long")
    if wrong:
        raise Refused("invalid_arguments", *wrong)
    return view


@method("", "trigger_id view", "", 100)
async def views_open(state: State, arguments: Json) -> Answer:
    """views.open: a trigger is good once, for three seconds."""
    view = _view(arguments, "modal")
    trigger = state.triggers.get(str(arguments["trigger_id"]))
    if trigger is None:
        raise Refused("invalid_trigger_id")
    if trigger.used:
        raise Refused("exchanged_trigger_id")
    if time.monotonic() - trigger.at > TRIGGER_LIFE:
        raise Refused("expired_trigger_id")
    trigger.used = True
    shown = {
        **view,
        "id": f"V{uuid.uuid4().hex[:10].upper()}",
        "hash": uuid.uuid4().hex,
        "team_id": state.team,
        "_user": trigger.user,
    }
    state.views[shown["id"]] = shown
    state.tell({"type": "view_opened", "user": trigger.user, "view": shown})
    return {"view": shown}


@method("", "view view_id", "hash external_id", 100)
async def views_update(state: State, arguments: Json) -> Answer:
    """views.update."""
    old = state.views.get(str(arguments["view_id"]))
    if old is None:
        raise Refused("not_found")
    if arguments.get("hash") and arguments["hash"] != old["hash"]:
        raise Refused("hash_conflict")
    old.update(_view(arguments, "modal"), hash=uuid.uuid4().hex)
    state.tell({"type": "view_updated", "user": old["_user"], "view": old})
    return {"view": old}


@method("", "user_id view", "hash", 100)
async def views_publish(state: State, arguments: Json) -> Answer:
    """views.publish."""
    view = {**_view(arguments, "home"), "id": f"VH{arguments['user_id']}", "hash": uuid.uuid4().hex}
    state.homes[str(arguments["user_id"])] = view
    state.tell({"type": "home", "user": arguments["user_id"], "view": view})
    return {"view": view}


@method("files:write", "filename length", "alt_txt snippet_type", 100)
async def upload_url(state: State, arguments: Json) -> Answer:
    """files.getUploadURLExternal."""
    name = f"F{uuid.uuid4().hex[:10].upper()}"
    state.files[name] = {
        "id": name,
        "name": arguments["filename"],
        "alt_txt": arguments.get("alt_txt", ""),
        "bytes": b"",
    }
    return {"upload_url": f"/upload/{name}", "file_id": name}


@method("files:write", "files", "channel_id thread_ts initial_comment channels blocks", 100)
async def complete_upload(state: State, arguments: Json) -> Answer:
    """files.completeUploadExternal: the file is shown where it was meant for."""
    shown = []
    for each in parsed(arguments["files"]):
        file = state.files.get(str(each.get("id")))
        if file is None or not file["bytes"]:
            raise Refused("file_not_found")
        file["title"] = each.get("title", file["name"])
        shown.append({key: value for key, value in file.items() if key != "bytes"})
    if arguments.get("channel_id"):
        channel = _channel(state, arguments["channel_id"])
        message: Json = {
            "user": state.bot,
            "text": str(arguments.get("initial_comment") or ""),
            "files": shown,
        }
        if arguments.get("thread_ts"):
            message["thread_ts"] = arguments["thread_ts"]
        state.post(channel, message)
    return {"files": shown}


METHODS: dict[str, Method] = {
    "auth.test": auth_test,
    "bots.info": bots_info,
    "chat.postMessage": post_message,
    "chat.update": update,
    "chat.postEphemeral": post_ephemeral,
    "chat.getPermalink": get_permalink,
    "users.info": users_info,
    "usergroups.users.list": group_members,
    "conversations.open": conversations_open,
    "conversations.history": history,
    "conversations.replies": replies,
    "views.open": views_open,
    "views.update": views_update,
    "views.publish": views_publish,
    "files.getUploadURLExternal": upload_url,
    "files.completeUploadExternal": complete_upload,
}
