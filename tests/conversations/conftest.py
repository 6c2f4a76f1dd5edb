"""A world for conversations: a strict workspace, a real git repository with a real pipeline, and
the real bot, over real HTTP.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest
from aiohttp import web

from bot.adopting import adopt
from bot.app import Bot, running
from bot.sandbox.page import page_routes
from bot.sandbox.workspace import Channel, User, Workspace
from bot.settings import Settings
from tests.conversations.vendors import VENDORS, Vendor
from tests.patience import PATIENCE

ANA, BO, CY, DI = "U0ANA", "U0BO", "U0CY", "U0DI"
CHANNEL = "C0DEPLOYS"
ENOUGH_SCRAPES = 6

PIPELINE = """\
pipelines:
  test: {stages: [{name: unit tests, run: "true"}]}
  deploy:
    stages:
      - {name: deploy, run: 'echo "$GONOGO_COMMIT $GONOGO_PERCENT" >> "$RECORD"; sh deploy.sh'}
  smoke: {stages: [{name: smoke, run: '! grep -q "^$GONOGO_ENVIRONMENT $GONOGO_COMMIT" "$BROKEN"'}]}
"""

CONFIG = """\
version: 1
team: T0SANDBOX
channel: C0DEPLOYS
roles:
  developer: {{people: [U0ANA, U0CY]}}
  release_manager: {{people: [U0CY]}}
  support: {{people: [U0DI]}}
permissions: {{deploy: [developer], lock: [developer], hand_over: [release_manager], view: [developer, support, release_manager]}}
strategies:
  canary: {{kind: canary, steps: [{{percent: 5, hold: 1s}}, {{percent: 100, hold: 1s}}]}}
  rolling: {{kind: rolling, steps: [{{percent: 100, hold: 0s}}]}}
services:
  storefront:
    ci: {ci}
    metrics: {{provider: scrape, every: 1s, commit_label: commit}}
    on_call: {{provider: rota, schedule: storefront}}
    migrations: [migrations/]
    watch:
      - key: errors
        title: errors
        kind: ratio
        unit: "%"
        min_samples: 20
        query: {{numerator: {{name: http_requests_total, labels: {{code: "~5.."}}}}, denominator: http_requests_total}}
    environments:
      staging:
        tier: staging
        strategy: rolling
        gates: {{unfrozen: "off", on_call: "off"}}
        targets: {{endpoints: ["{metrics}/staging"]}}
        baseline: 10s
        watch: 1s
        snapshots: [1s]
        summary_after: "off"
      production:
        after: staging
        strategy: canary
        checklist: [{{key: support-briefed, title: Support briefed, role: support}}]
        approvals: [{{role: release_manager, count: 1}}]
        targets: {{endpoints: ["{metrics}/production"]}}
        baseline: 10s
        watch: 2s
        snapshots: [1s]
        summary_after: 2s
rotas:
  storefront: {{timezone: UTC, people: [U0BO], shift: 1w, start: 2026-01-05}}
"""


def git(folder: Path, *arguments: str) -> str:
    """Run git as ana."""
    who = {
        "GIT_AUTHOR_NAME": "ana",
        "GIT_AUTHOR_EMAIL": "ana@example.com",
        "GIT_COMMITTER_NAME": "ana",
        "GIT_COMMITTER_EMAIL": "ana@example.com",
    }
    return subprocess.run(
        ["git", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", **who},
    ).stdout.strip()


def make_repository(folder: Path) -> dict[str, str]:
    """Make a repository with v1.0.0, v1.1.0 and v1.2.0; give the commits by tag."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    commits = {}
    for version in ("v1.0.0", "v1.1.0", "v1.2.0"):
        (folder / "pipeline.yml").write_text(PIPELINE)
        (folder / "deploy.sh").write_text(f"exit 0 # {version}\n")
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "-m", f"Make {version} <!channel> & co")
        git(folder, "tag", version)
        commits[version] = git(folder, "rev-parse", "HEAD")
    return commits


@dataclass
class Service:
    """The running service as its metrics endpoints tell it: counters
    that grow with every scrape.
    """

    commits: dict[str, str]
    live: dict[str, list[str]] = field(default_factory=lambda: {"staging": [], "production": []})
    bad: set[str] = field(default_factory=set)
    counts: dict[tuple[str, str, str], float] = field(default_factory=dict)
    is_down: bool = False
    idle: set[str] = field(default_factory=set)
    """The addresses at which nothing serves."""
    scrapes: int = 0
    scraped: asyncio.Event = field(default_factory=asyncio.Event)

    async def metrics(self, request: web.Request) -> web.Response:
        """Serve the exposition."""
        if self.is_down or request.match_info["environment"] in self.idle:
            return web.Response(status=503)
        self.scrapes += 1
        if self.scrapes >= ENOUGH_SCRAPES:
            self.scraped.set()
        environment = request.match_info["environment"]
        lines = ["# TYPE http_requests_total counter"]
        for version, commit in self.commits.items():
            for code, amount in (("200", 200.0), ("500", 40.0 if version in self.bad else 0.2)):
                key = (environment, version, code)
                self.counts[key] = self.counts.get(key, 0.0) + amount
                lines.append(
                    f'http_requests_total{{code="{code}",commit="{commit}"}} {self.counts[key]}'
                )
        return web.Response(text="\n".join(lines) + "\n")


@dataclass
class World:
    """Everything that a conversation needs."""

    slack: Workspace
    service: Service
    settings: Settings
    vendor: Vendor
    repository: Path
    commits: dict[str, str]
    stack: AsyncExitStack
    bot: Bot | None = None
    bot_stack: AsyncExitStack | None = None

    async def start_bot(self) -> None:
        """Start the bot."""
        self.bot_stack = AsyncExitStack()
        self.bot = await self.bot_stack.enter_async_context(running(self.settings))
        self.slack.call_at(f"{self.bot.url}/slack/events")

    async def stop_bot(self) -> None:
        """Stop the bot."""
        if self.bot_stack is not None:
            await self.bot_stack.aclose()
            self.bot_stack = None

    def commit(self, version: str) -> None:
        """Commit what was changed in the repository, and tag it."""
        git(self.repository, "commit", "--quiet", "--all", "-m", version)
        git(self.repository, "tag", version)
        self.commits[version] = git(self.repository, "rev-parse", "HEAD")
        self.vendor.learn(version, self.commits[version])

    def started(self) -> list[str]:
        """List what CI really ran: commit and percent."""
        return self.vendor.started()

    async def says(self, user: str, text: str) -> None:
        """Type a command."""
        outcome = await self.slack.says(user, text, channel=CHANNEL)
        assert outcome.status == 200, outcome

    async def card(self, *words: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """Wait for a card with these words."""
        found = await self.slack.until(lambda: self.slack.message(*words), seconds=seconds)
        assert isinstance(found, dict)
        return found

    async def reply(self, user: str, *words: str) -> dict[str, Any]:
        """Wait for an answer to one person."""
        found = await self.slack.until(lambda: self.slack.whisper(user, *words), seconds=PATIENCE)
        assert isinstance(found, dict)
        return found

    async def says_live(self, user: str, text: str) -> str:
        """Say what is live: type it, and press the button of the dialog;
        gives what the dialog showed.
        """
        await self.says(user, text)
        dialog = await self.reply(
            user, "Say that *", "Nothing is done before the button is pressed."
        )
        await self.clicks(user, dialog, "say_live")
        return str(dialog["blocks"])

    async def clicks(self, user: str, message: dict[str, Any], action: str) -> None:
        """Press a button."""
        outcome = await self.slack.clicks(user, message, f"gonogo.{action}", channel=CHANNEL)
        assert outcome.status == 200, outcome

    async def deploy(self, version: str, environment: str) -> dict[str, Any]:
        """Have a version deployed and verified, whoever has to act for it."""
        await self.says(ANA, f"/deploy storefront {version} to {environment}")
        if environment == "production":
            await self.clear(version)
        return await self.card(f"storefront {version}", environment, "live and healthy")

    async def clear(self, version: str) -> None:
        """Clear the gates and approve."""
        card = await self.card(f"storefront {version} → production", "not ready")
        await self.clicks(BO, card, "acknowledge")
        await self.clicks(DI, card, "tick")
        await self.slack.until(
            lambda: [v for v in self.slack.state.views.values() if v["_user"] == DI]
        )
        await self.slack.submits(
            DI, "gonogo.tick_form", {"gonogo.field.items": ["support-briefed"]}
        )
        card = await self.card(f"storefront {version} → production", "waiting for")
        await self.clicks(CY, card, "approve")


async def serve_metrics(stack: AsyncExitStack, service: Service) -> str:
    """Serve the service's metrics; give the address."""
    application = web.Application()
    application.add_routes([web.get("/{environment}", service.metrics)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return f"http://127.0.0.1:{runner.addresses[0][1]}"


class Address(Protocol):
    """Where a workspace is, and what it lets in."""

    token: str
    secret: str

    @property
    def api_url(self) -> str: ...


def environment_of(slack: Address, folder: Path) -> dict[str, str]:
    """Give the settings of a bot that works in a folder."""
    return {
        "SLACK_BOT_TOKEN": slack.token, "SLACK_SIGNING_SECRET": slack.secret,
        "SLACK_API_URL": slack.api_url,
        "GONOGO_CONFIG": str(folder / "gonogo.yaml"),
        "GONOGO_DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'gonogo.db'}",
        "GONOGO_LISTEN": "127.0.0.1:0",
        "GONOGO_WORK_DIR": str(folder / "var"), "GONOGO_POLL_SECONDS": "0.05",
    }  # fmt: skip


async def build_world(stack: AsyncExitStack, folder: Path, ci: str = "local") -> World:
    """Build everything but the bot."""
    commits = await asyncio.to_thread(make_repository, folder / "storefront")
    vendor = await stack.enter_async_context(VENDORS[ci](folder))
    for version, commit in commits.items():
        vendor.learn(version, commit)
    service = Service(commits)
    metrics = await serve_metrics(stack, service)
    slack = Workspace(
        users=[
            User(ANA, "ana", "developer"),
            User(BO, "bo", "on call"),
            User(CY, "cy", "release manager"),
            User(DI, "di", "support"),
        ],
        channels=[Channel(CHANNEL, "deploys")],
        rates=100,
    )
    slack.application.add_routes(page_routes({}))
    await slack.start()
    stack.push_async_callback(slack.close)
    (folder / "gonogo.yaml").write_text(CONFIG.format(ci=vendor.line, metrics=metrics))
    settings = Settings.read(
        {**environment_of(slack, folder), **vendor.secrets}, secrets=vendor.secrets
    )
    return World(slack, service, settings, vendor, folder / "storefront", commits, stack)


@pytest.fixture
def ci() -> str:
    """Name the CI provider of the conversation."""
    return "local"


@pytest.fixture
async def world(tmp_path: Path, ci: str) -> AsyncIterator[World]:
    """Start a world in which v1.1.0 is live on staging and v1.0.0 in production."""
    async with AsyncExitStack() as stack:
        world = await build_world(stack, tmp_path, ci)
        await adopt(world.settings, service="storefront", ref="v1.1.0", environment="staging")
        await adopt(world.settings, service="storefront", ref="v1.0.0", environment="production")
        await world.start_bot()
        stack.push_async_callback(world.stop_bot)
        await world.service.scraped.wait()  # without a baseline there is nothing to compare with
        yield world
