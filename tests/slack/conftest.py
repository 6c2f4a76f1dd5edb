"""A small strict Slack on a socket, with faults to order, and the announcer's
memory without a database.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.domain.card import Card
from bot.domain.deployment import Deployment, Kind, State
from bot.domain.people import Person
from bot.domain.urgency import urgency
from bot.ports.talk import CardDue, Message, Posting
from bot.slack.client import SlackClient
from tests.patience import PATIENCE

NOW = datetime(2026, 11, 21, 10, 2, tzinfo=UTC)
ANA, BO = Person("T1", "UANA"), Person("T1", "UBO")


class FakeSlack:
    """Answers as Slack does, strictly enough for what the announcer asks; remembers every call."""

    def __init__(self) -> None:
        self.channels: dict[str, list[dict[str, Any]]] = {"C1": []}
        self.users: dict[str, dict[str, Any]] = {
            user: {"id": user, "team_id": "T1", "name": user.lower()}
            for user in ("UANA", "UBO", "UCY")
        }
        self.groups: dict[str, list[str]] = {"S1": ["UANA", "UBO"]}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.faults: dict[str, deque[str]] = defaultdict(deque)
        self.whispers: list[dict[str, Any]] = []
        self.responses: list[dict[str, Any]] = []
        self.files: list[dict[str, Any]] = []
        self.away = False
        self.refuses = ""
        """How it refuses the bot as a whole."""
        self.url = ""
        self._ts = itertools.count(int(NOW.timestamp()))

    def asked(self, method: str) -> list[dict[str, Any]]:
        return [arguments for name, arguments in self.calls if name == method]

    def texts(self, channel: str = "C1") -> list[str]:
        return [message["text"] for message in self.channels[channel]]

    async def serve(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        if self.away:
            self._drop(request)
        arguments = await _arguments(request)
        self.calls.append((method, arguments))
        fault = self.faults[method].popleft() if self.faults[method] else ""
        if fault.startswith("429"):
            headers = {"Retry-After": fault[4:]} if fault[4:] else {}
            return web.json_response(
                {"ok": False, "error": "ratelimited"}, status=429, headers=headers
            )
        if fault == "html":
            return web.Response(text="<html>down</html>", status=502, content_type="text/html")
        if self.refuses:
            return web.json_response({"ok": False, "error": self.refuses})
        if fault.startswith("error "):
            return web.json_response({"ok": False, "error": fault[6:]})
        answer = self._carry_out(method, arguments, request)
        if fault == "lost":
            self._drop(request)
        return web.json_response(answer)

    def _drop(self, request: web.Request) -> None:
        assert request.transport is not None
        request.transport.abort()
        raise ConnectionResetError

    def _carry_out(
        self, method: str, arguments: dict[str, Any], request: web.Request
    ) -> dict[str, Any]:
        if request.headers.get("Authorization") != "Bearer xoxb-test":
            return {"ok": False, "error": "not_authed"}
        do = getattr(self, method.replace(".", "_"), None)
        error = "unknown_method" if do is None else ""
        try:
            return {"ok": True, **do(arguments)} if do else {"ok": False, "error": error}
        except KeyError as no:
            return {"ok": False, "error": str(no.args[0])}

    def _channel(self, arguments: dict[str, Any]) -> list[dict[str, Any]]:
        if arguments["channel"] not in self.channels:
            raise KeyError("channel_not_found")
        return self.channels[arguments["channel"]]

    @staticmethod
    def _check(arguments: dict[str, Any]) -> None:
        if not arguments.get("text"):
            raise KeyError("no_text")
        if (
            len(arguments.get("blocks") or []) > 50
            or len(json.dumps(arguments.get("blocks"), ensure_ascii=False)) > 13_200
        ):
            raise KeyError("msg_blocks_too_long")

    def chat_postMessage(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - Slack's name
        messages = self._channel(arguments)
        self._check(arguments)
        thread = arguments.get("thread_ts", "")
        if thread and all(message["ts"] != thread for message in messages):
            raise KeyError("thread_not_found")
        messages.append({**arguments, "ts": f"{next(self._ts)}.000100", "thread_ts": thread})
        return {"ts": messages[-1]["ts"], "channel": arguments["channel"]}

    def chat_update(self, arguments: dict[str, Any]) -> dict[str, Any]:
        self._check(arguments)
        for message in self._channel(arguments):
            if message["ts"] == arguments["ts"]:
                message.update(
                    {
                        key: arguments[key]
                        for key in ("text", "blocks", "metadata")
                        if key in arguments
                    }
                )
                return {"ts": message["ts"]}
        raise KeyError("message_not_found")

    def chat_getPermalink(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - Slack's name
        assert any(message["ts"] == arguments["message_ts"] for message in self._channel(arguments))
        return {
            "permalink": (
                f"https://t1.slack.com/archives/{arguments['channel']}/"
                f"p{arguments['message_ts'].replace('.', '')}"
            )
        }

    def chat_postEphemeral(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - Slack's name
        self._channel(arguments)
        self._check(arguments)
        self.whispers.append(arguments)
        return {"message_ts": "1.1"}

    def conversations_open(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if arguments["users"] not in self.users:
            raise KeyError("user_not_found")
        channel = f"D{arguments['users'][1:]}"
        self.channels.setdefault(channel, [])
        return {"channel": {"id": channel}}

    def conversations_history(self, arguments: dict[str, Any]) -> dict[str, Any]:
        found = [
            message
            for message in self._channel(arguments)
            if not message["thread_ts"] and message["ts"] >= arguments["oldest"]
        ]
        return {"messages": found[::-1]}

    def conversations_replies(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return {
            "messages": [
                message
                for message in self._channel(arguments)
                if arguments["ts"] in {message["ts"], message["thread_ts"]}
            ]
        }

    def users_info(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if arguments["user"] not in self.users:
            raise KeyError("user_not_found")
        return {"user": self.users[arguments["user"]]}

    def usergroups_users_list(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if arguments["usergroup"] not in self.groups:
            raise KeyError("no_such_subteam")
        return {"users": self.groups[arguments["usergroup"]]}

    def files_getUploadURLExternal(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - Slack's name
        assert int(arguments["length"]) > 0
        return {"upload_url": f"{self.url}upload", "file_id": "F1"}

    def files_completeUploadExternal(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - Slack's name
        self.files.append(arguments)
        return {"files": [{"id": "F1"}]}

    async def take_file(self, request: web.Request) -> web.Response:
        return web.Response(text=f"OK - {len(await request.read())}")

    async def take_response(self, request: web.Request) -> web.Response:
        fault = self.faults["response_url"].popleft() if self.faults["response_url"] else ""
        if fault:
            return web.Response(status=int(fault))
        self.responses.append(await request.json())
        return web.Response(text="ok")


async def _arguments(request: web.Request) -> dict[str, Any]:
    if request.content_type == "application/json":
        given: dict[str, Any] = await request.json()
        return given
    form = {**request.query, **{key: str(value) for key, value in (await request.post()).items()}}
    return {key: json.loads(value) if value[:1] in "[{" else value for key, value in form.items()}


class MemoryPostings:
    """``ports.Postings`` in memory."""

    def __init__(self) -> None:
        self.stored: dict[str, Posting] = {}
        self.waiting: dict[str, Message] = {}
        self.parked: dict[str, str] = {}
        self.put_aside: dict[str, Message] = {}
        self.overtaken: list[str] = []
        self.asks: dict[str, Message] = {}

    async def get(self, key: str) -> Posting | None:
        return self.stored.get(key)

    async def intend(self, key: str, channel: str) -> Posting:
        return self.stored.setdefault(key, Posting(key, channel))

    async def save(self, posting: Posting) -> None:
        self.stored[posting.key] = posting

    async def outbox(self, limit: int = 50) -> tuple[Message, ...]:
        return tuple(self.waiting.values())[:limit]

    async def heads(self, limit: int = 50, *, besides: Collection[str] = ()) -> tuple[Message, ...]:
        first = {
            message.lane: message
            for message in reversed(self.waiting.values())
            if message.lane not in besides
        }
        order = list(self.waiting)
        return tuple(
            sorted(first.values(), key=lambda head: (head.to == "thread", order.index(head.key)))
        )[:limit]

    async def sent(self, key: str) -> None:
        if self.asks.pop(key, None) is None:
            self.waiting.pop(key)

    async def asked(self, key: str) -> None:
        self.asks[key] = self.waiting.pop(key)

    async def asking(self, deployments: Collection[str] | None = None) -> tuple[Message, ...]:
        return tuple(
            each
            for each in self.asks.values()
            if deployments is None or each.deployment in deployments
        )

    async def drop(self, key: str) -> None:
        self.waiting.pop(key)
        self.overtaken.append(key)

    async def park(self, key: str, why: str) -> None:
        self.parked[key] = why
        self.put_aside[key] = self.waiting.pop(key)

    async def unpark(self) -> None:
        self.waiting.update(self.put_aside)
        self.put_aside.clear()

    def put(self, *messages: Message) -> None:
        self.waiting.update({message.key: message for message in messages})


class World:
    """The stored state that cards are drawn from."""

    def __init__(self) -> None:
        self.cards: dict[str, Card] = {}
        self.drawn: list[str] = []
        self.postings = MemoryPostings()

    def deployment(
        self, id: str = "storefront-42", state: State = State.QUEUED, **changes: Any
    ) -> Card:
        base = Deployment(
            id, Kind.FORWARD, "storefront", "production", "v1.2.0",
            "v1.2.0", "c" * 40, "canary", ANA, BO, state, NOW,
            NOW - timedelta(minutes=1), channel="C1",
        )  # fmt: skip
        self.cards[id] = Card(replace(base, **changes), NOW)
        return self.cards[id]

    async def card_of(self, id: str) -> Card | None:
        self.drawn.append(id)
        return self.cards.get(id)

    async def cards_due(self, ids: Collection[str]) -> Mapping[str, CardDue]:
        return {
            each: CardDue(
                each,
                urgency(card.deployment.state, is_degraded=card.is_degraded),
                card.deployment.state,
                card.deployment.channel,
            )
            for each in ids
            if (card := self.cards.get(each)) is not None
        }


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def postings(world: World) -> MemoryPostings:
    return world.postings


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    fake = FakeSlack()
    application = web.Application()
    application.router.add_post("/upload", fake.take_file)
    application.router.add_post("/respond", fake.take_response)
    application.router.add_route("*", "/api/{method}", fake.serve)
    server = TestServer(application, host="127.0.0.1")
    await server.start_server()
    fake.url = str(server.make_url("/"))
    yield fake
    await server.close()


@pytest.fixture
async def client(slack: FakeSlack) -> AsyncIterator[SlackClient]:
    async with aiohttp.ClientSession() as session:
        yield SlackClient(session, token="xoxb-test", base_url=f"{slack.url}api/")


@pytest.fixture
def until() -> Callable[[Callable[[], object]], Any]:
    """Wait for a condition, with a deadline."""

    async def wait(holds: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not holds():  # noqa: ASYNC110 - the condition is in the fake, which knows nothing of events
                await asyncio.sleep(0.01)

    return wait
