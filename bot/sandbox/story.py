"""The scripted story: plays the main job without a person, over the same HTTP that the page uses,
and says what happened as JSON lines.

It ends well only if the story ended as it must: v1.1.0 deployed and verified, v1.2.0 found
degraded during the canary, an outsider's click refused, the lead's click rolled it back,
and a summary was posted.
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

from bot.domain.actions import Action
from bot.slack.ids import action_id

ANA, BO, CY, DI = "U0ANA", "U0BO", "U0CY", "U0DI"
ACKNOWLEDGE, TICK, APPROVE, ROLL_BACK = (
    action_id(action)
    for action in (Action.ACKNOWLEDGE, Action.TICK, Action.APPROVE, Action.ROLL_BACK)
)

PATIENCE = 100.0
"""Seconds that the story waits for any one thing."""
WARM_UP = 12.0
"""Seconds of traffic before the first command, so that there is a baseline to compare with; a
person takes as long to read the guide.
"""

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
    patience: float = PATIENCE
    warm_up: float = WARM_UP
    started: float = field(default_factory=time.monotonic)

    def tell(self, event: str, **facts: object) -> None:
        """Print one JSON line."""
        line = {"at": round(time.monotonic() - self.started, 1), "event": event, **facts}
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
        sys.stdout.flush()

    async def says(self, user: str, command: str, text: str) -> None:
        """Type a slash command."""
        self.tell("command", user=user, text=f"{command} {text}")
        await self._post(
            "command", {"user": user, "channel": self.channel, "command": command, "text": text}
        )

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
        deadline = time.monotonic() + self.patience
        while time.monotonic() < deadline:
            found = look(await self.state(user))
            if found:
                return found
            await asyncio.sleep(0.3)
        raise StoryError(f"waited {self.patience:.0f} s for: {what}")

    async def card(self, user: str, *words: str) -> Post:
        """Wait for a card whose first line has all the words."""

        def find(state: dict[str, Any]) -> Post | None:
            posts = state["messages"].get(self.channel, [])
            return next(
                (
                    post
                    for post in reversed(posts)
                    if all(word in post.get("text", "") for word in words)
                ),
                None,
            )

        found: Post = await self.until(f"a message with {' and '.join(words)}", user, find)
        self.tell("seen", text=found["text"].split("\n")[0])
        return found

    async def ticks(self, user: str, message: Post) -> None:
        """Open the checklist and tick everything that this person answers for."""
        await self.clicks(user, message, TICK)
        view = await self.until(
            "the checklist", user, lambda state: next(iter(state["views"]), None)
        )
        values = {}
        for block in view["blocks"]:
            element = block.get("element") or {}
            if element.get("type") == "checkboxes":
                values[block["block_id"]] = {
                    element["action_id"]: {
                        "type": "checkboxes",
                        "selected_options": element["options"],
                    }
                }
        self.tell(
            "ticked",
            user=user,
            items=[
                o["value"]
                for b in values.values()
                for e in b.values()
                for o in e["selected_options"]
            ],
        )
        answer = await self._post("submit", {"user": user, "view_id": view["id"], "values": values})
        if answer.get("response_action") == "errors":
            raise StoryError(f"the checklist was not taken: {answer}")

    async def _post(self, door: str, body: Mapping[str, Any]) -> dict[str, Any]:
        async with self.session.post(f"{self.url}/sandbox/{door}", json=body) as response:
            if response.status >= 400:  # noqa: PLR2004 - HTTP
                raise StoryError(f"the workspace refused {door}: {await response.text()}")
            found: dict[str, Any] = await response.json()
            return found


def button(message: Post, action_id: str) -> tuple[str, str]:
    """Find a button on a message: its block and its value. Raises
    StoryError when it is not there.
    """
    for block in message.get("blocks", []):
        for element in [
            *block.get("elements", []),
            *([block["accessory"]] if "accessory" in block else []),
        ]:
            if isinstance(element, dict) and element.get("action_id") == action_id:
                return block.get("block_id", ""), element.get("value", "")
    raise StoryError(f"there is no button {action_id} on: {message.get('text', '')}")


async def play_story(
    url: str, channel: str, *, patience: float = PATIENCE, warm_up: float = WARM_UP
) -> int:
    """Play the story against a workspace; give the exit code: 0 only if
    everything happened as it must.
    """
    async with aiohttp.ClientSession() as session:
        player = Player(session, url, channel, patience, warm_up)
        try:
            await _good_version(player)
            await _bad_version(player)
            await _summary(player)
        except (StoryError, aiohttp.ClientError) as error:
            player.tell("failed", why=str(error))
            return 1
        player.tell(
            "finished",
            story=(
                "v1.1.0 verified, v1.2.0 degraded and rolled back by the lead, an "
                "outsider refused, summary posted"
            ),
        )
        return 0


async def _good_version(player: Player) -> None:
    """v1.1.0 goes to production and is verified there."""
    player.tell("warming up", seconds=player.warm_up)
    await asyncio.sleep(player.warm_up)
    await player.says(ANA, "/deploy", "storefront v1.1.0 to production")
    await _through_the_gates(player, "v1.1.0")
    await player.card(ANA, "storefront v1.1.0 → production", "live and ")
    player.tell("verified", version="v1.1.0", environment="production")


async def _bad_version(player: Player) -> None:
    """v1.2.0 passes on staging, shows its faults in the canary, and is
    rolled back by the lead alone.
    """
    await player.says(ANA, "/deploy", "storefront v1.2.0 to staging")
    await player.card(ANA, "storefront v1.2.0 → staging", "live and ")
    player.tell("verified", version="v1.2.0", environment="staging")
    await player.says(ANA, "/deploy", "storefront v1.2.0 to production")
    await _through_the_gates(player, "v1.2.0")
    card = await player.card(ANA, "storefront v1.2.0 → production", "DEGRADED")
    player.tell("degraded", version="v1.2.0")
    await player.clicks(DI, card, ROLL_BACK)
    await _refusal(player)
    await player.clicks(BO, card, ROLL_BACK)
    await player.card(BO, "storefront v1.2.0 → production", "rolled back to v1.1.0")
    player.tell("rolled back", version="v1.2.0", to="v1.1.0", by=BO)


async def _through_the_gates(player: Player, version: str) -> None:
    """Acknowledge, tick and approve, each by whom it falls to."""
    asked = await player.card(ANA, f"storefront {version} → production", "not ready")
    await player.clicks(BO, asked, ACKNOWLEDGE)
    for user in (BO, CY, DI):
        await player.ticks(user, asked)
    ready = await player.card(CY, f"storefront {version} → production", "waiting for")
    await player.clicks(CY, ready, APPROVE)


async def _refusal(player: Player) -> None:
    """Wait for what the outsider alone is told."""

    def find(state: dict[str, Any]) -> Post | None:
        mine = [
            post for post in state["messages"].get(player.channel, []) if post.get("is_ephemeral")
        ]
        return next((post for post in mine if "can roll this back" in post["text"]), None)

    found = await player.until("the refusal of the outsider's click", DI, find)
    player.tell("refused", user=DI, text=found["text"])


async def _summary(player: Player) -> None:
    """Wait for the post-deploy summary."""
    await player.card(ANA, "Summary", "storefront")
    player.tell("summary")
