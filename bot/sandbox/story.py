"""The scripted story: plays the main job without a person, over the same HTTP that the page uses, and says what happened as JSON lines.

It ends well only if the story ended as it must: v1.1.0 deployed and verified, v1.2.0 found degraded during the canary, an outsider's click
refused, the lead's click rolled it back, and a summary was posted.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

PATIENCE = 240.0
"""Seconds that the story waits for any one thing."""

Post = Mapping[str, Any]
"""A message as the workspace holds it."""


class StoryError(Exception):
    """The story did not go as it must."""


@dataclass
class Player:
    """Somebody at the page: reads the channel and clicks, over the workspace's own HTTP."""

    session: aiohttp.ClientSession
    url: str
    channel: str
    started: float = field(default_factory=time.monotonic)

    def tell(self, event: str, **facts: object) -> None:
        """Print one JSON line."""
        line = {"at": round(time.monotonic() - self.started, 1), "event": event, **facts}
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
        sys.stdout.flush()

    async def says(self, user: str, command: str, text: str) -> None:
        """Type a slash command."""
        self.tell("command", user=user, text=f"{command} {text}")
        await self._post("command", {"user": user, "channel": self.channel, "command": command, "text": text})

    async def clicks(self, user: str, message: Post, action_id: str) -> None:
        """Press a button on a message."""
        block_id, value = button(message, action_id)
        self.tell("click", user=user, button=action_id)
        body = {
            "user": user,
            "channel": self.channel,
            "message_ts": message["ts"],
            "block_id": block_id,
            "action_id": action_id,
            "value": value,
        }
        await self._post("action", body)

    async def state(self, user: str) -> dict[str, Any]:
        """Read what a person sees."""
        async with self.session.get(f"{self.url}/sandbox/state", params={"user": user}) as response:
            response.raise_for_status()
            found: dict[str, Any] = await response.json()
            return found

    async def until(self, what: str, user: str, look: Callable[[dict[str, Any]], Any]) -> Any:
        """Look at what a person sees, until there is something."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found = look(await self.state(user))
            if found:
                return found
            await asyncio.sleep(0.3)
        raise StoryError(f"waited {PATIENCE:.0f} s for: {what}")

    async def card(self, user: str, *words: str) -> Post:
        """Wait for a card whose first line has all the words."""

        def find(state: dict[str, Any]) -> Post | None:
            posts = state["messages"].get(self.channel, [])
            return next((post for post in reversed(posts) if all(word in post.get("text", "") for word in words)), None)

        found: Post = await self.until(f"a message with {' and '.join(words)}", user, find)
        self.tell("seen", text=found["text"])
        return found

    async def _post(self, door: str, body: Mapping[str, Any]) -> dict[str, Any]:
        async with self.session.post(f"{self.url}/sandbox/{door}", json=body) as response:
            if response.status >= 400:  # noqa: PLR2004 - HTTP
                raise StoryError(f"the workspace refused {door}: {await response.text()}")
            found: dict[str, Any] = await response.json()
            return found


def button(message: Post, action_id: str) -> tuple[str, str]:
    """Find a button on a message: its block and its value. Raises StoryError when it is not there."""
    for block in message.get("blocks", []):
        for element in [*block.get("elements", []), *([block["accessory"]] if "accessory" in block else [])]:
            if isinstance(element, dict) and element.get("action_id") == action_id:
                return block.get("block_id", ""), element.get("value", "")
    raise StoryError(f"there is no button {action_id} on: {message.get('text', '')}")
