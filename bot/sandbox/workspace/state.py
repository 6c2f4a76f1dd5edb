"""What the workspace holds: people, channels, messages, views, files; and who
is told when it changes.
"""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
COLOURS = ("#0f766e", "#b45309", "#6d28d9", "#be123c", "#1d4ed8", "#4d7c0f")


@dataclass(frozen=True, slots=True)
class User:
    """A person (or a bot) of the workspace."""

    id: str
    name: str
    title: str = ""
    is_bot: bool = False
    is_guest: bool = False
    deleted: bool = False


@dataclass(slots=True)
class Channel:
    """A channel or a direct message; ``members`` may read it, the bot is
    one where it was invited.
    """

    id: str
    name: str
    topic: str = ""
    is_im: bool = False
    members: set[str] = field(default_factory=set)
    messages: list[Json] = field(default_factory=list)


@dataclass(slots=True)
class Trigger:
    """Lets the bot open one dialog, within three seconds."""

    user: str
    at: float
    used: bool = False


@dataclass(slots=True)
class ResponseUrl:
    """Lets the bot answer five times within half an hour
    (docs.slack.dev/interactivity/handling-user-interaction).
    """

    channel: str
    user: str
    at: float
    uses: int = 0


@dataclass
class State:
    """Everything, in memory."""

    team: str
    team_name: str
    users: dict[str, User]
    channels: dict[str, Channel]
    bot: str
    app: str
    enterprise: str = ""
    """The organisation that the workspace belongs to; empty for none."""
    triggers: dict[str, Trigger] = field(default_factory=dict)
    answers: dict[str, ResponseUrl] = field(default_factory=dict)
    views: dict[str, Json] = field(default_factory=dict)
    """Open dialogs by id; each knows its ``_user``."""
    homes: dict[str, Json] = field(default_factory=dict)
    ephemerals: list[Json] = field(default_factory=list)
    files: dict[str, Json] = field(default_factory=dict)
    groups: dict[str, tuple[str, list[str]]] = field(default_factory=dict)
    _counter: itertools.count[int] = field(default_factory=itertools.count)
    _watchers: list[Callable[[Json], None]] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def ts(self) -> str:
        """Give the next timestamp: unique and increasing."""
        return f"{int(time.time())}.{next(self._counter):06d}"

    def trigger(self, user: str) -> str:
        """Make a trigger id for a person."""
        trigger = f"{uuid.uuid4().hex}.{user}"
        self.triggers[trigger] = Trigger(user, time.monotonic())
        return trigger

    def answer_to(self, channel: str, user: str) -> str:
        """Make the name of a response_url."""
        name = uuid.uuid4().hex
        self.answers[name] = ResponseUrl(channel, user, time.monotonic())
        return name

    def tell(self, event: Json) -> None:
        """Tell every page, and wake whoever waits for a change."""
        for watcher in list(self._watchers):
            watcher(event)
        self._changed.set()
        self._changed = asyncio.Event()

    def watch(self, watcher: Callable[[Json], None]) -> Callable[[], None]:
        """Be told of changes; call the result to stop."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    async def changed(self) -> None:
        """Wait for the next change."""
        await self._changed.wait()

    def direct(self, user: str) -> Channel:
        """Find or open the direct message between the bot and a person."""
        for channel in self.channels.values():
            if channel.is_im and user in channel.members:
                return channel
        channel = Channel(
            f"D{user[1:]}", self.users[self.bot].name, is_im=True, members={user, self.bot}
        )
        self.channels[channel.id] = channel
        return channel

    def find(self, channel: Channel, ts: str) -> Json | None:
        """Find a message."""
        return next((message for message in channel.messages if message["ts"] == ts), None)

    def post(self, channel: Channel, message: Json) -> Json:
        """Add a message to a channel, in its thread if it has one."""
        message = {"type": "message", "ts": self.ts(), **message}
        parent = self.find(channel, str(message.get("thread_ts") or ""))
        if parent is not None:
            parent["reply_count"] = parent.get("reply_count", 0) + 1
            parent["thread_ts"] = parent["ts"]
        channel.messages.append(message)
        self.tell({"type": "message", "channel": channel.id, "message": message})
        return message

    def whisper(self, channel: str, user: str, message: Json) -> Json:
        """Show a message to one person."""
        message = {
            "type": "message",
            "ts": self.ts(),
            "channel": channel,
            "to": user,
            "is_ephemeral": True,
            **message,
        }
        self.ephemerals.append(message)
        self.tell({"type": "ephemeral", "channel": channel, "user": user, "message": message})
        return message
