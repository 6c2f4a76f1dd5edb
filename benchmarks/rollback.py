"""How fast a click on "Roll back" starts a run at the CI provider, beside the time that the
provider itself takes, in one run.

- ``click``: the deployment lead's signed click is sent over HTTP to the real bot (a process of its
  own, a database on disk), until the first command of the rollback's run writes down the time. In
  between: signature, stored intent, ack, authorisation, audit, journal, git worktree, process.
- ``provider``: the embedded CI is asked directly, in this process, to start the same run of the
  same commit, until its first command writes down the time. Git worktree and process, and the
  stored row that makes a start unique.

Both are taken in turns. Each click needs a deployment of a new commit that went
well; that is not measured.

    python -m benchmarks.rollback [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from bot.adopting import adopt
from bot.ports.ci import StartRequest
from bot.providers.ci.local.provider import LocalCI
from bot.sandbox.workspace import Channel, User, Workspace
from bot.settings import Settings
from bot.storage.database import open_database

ANA, BO, CHANNEL, TEAM = "U0ANA", "U0BO", "C0DEPLOYS", "T0SANDBOX"
NAP = 0.002
"""Seconds between two looks for the mark; the mark itself says when it was
made, so this adds nothing.
"""

PIPELINE = """\
pipelines:
  test: {stages: [{name: unit tests, run: "true"}]}
  smoke: {stages: [{name: smoke, run: "true"}]}
  deploy: {stages: [{name: deploy, run: 'mark=$MARKS/$GONOGO_COMMIT; date +%s.%N > "$mark.new" && mv "$mark.new" "$mark"'}]}
"""  # noqa: E501 - the text is kept as it is

CONFIG = """\
version: 1
team: T0SANDBOX
channel: C0DEPLOYS
roles: {{developer: {{people: [U0ANA, U0BO]}}}}
permissions: {{deploy: [developer], lock: [developer], view: [developer]}}
strategies: {{rolling: {{kind: rolling, steps: [{{percent: 100, hold: 0s}}]}}}}
services:
  storefront:
    ci: {{provider: local, repository: {repository}, environment: {{MARKS: {marks}}}}}
    metrics: {{provider: scrape, every: 1s, commit_label: commit}}
    on_call: {{provider: rota, schedule: storefront}}
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
        watch: 1s
        baseline: 5s
        targets: {{endpoints: ["{figures}"]}}
        summary_after: "off"
        gates: {{unfrozen: "off", on_call: "off"}}
rotas: {{storefront: {{timezone: UTC, people: [U0BO], shift: 1w, start: 2026-01-05}}}}
"""  # noqa: E501 - the text is kept as it is


def git(repository: Path, *arguments: str) -> str:
    """Run git as ana."""
    ana = ["-c", "user.name=ana", "-c", "user.email=ana@example.com"]
    ran = subprocess.run(
        [shutil.which("git") or "git", *ana, *arguments],
        cwd=repository,
        check=True,
        capture_output=True,
        text=True,
    )
    return ran.stdout.strip()


def make_repository(repository: Path, versions: int) -> list[str]:
    """Commit so many versions, v0 first; list the commits."""
    repository.mkdir()
    git(repository, "init", "--quiet", "--initial-branch=main")
    commits = []
    for number in range(versions):
        (repository / "pipeline.yml").write_text(PIPELINE, encoding="utf-8")
        (repository / "version").write_text(str(number), encoding="utf-8")
        git(repository, "add", ".")
        git(repository, "commit", "--quiet", "--message", f"Make v{number}")
        git(repository, "tag", f"v{number}")
        commits.append(git(repository, "rev-parse", "HEAD"))
    return commits


class Healthy:
    """The metrics of a service that serves two hundred requests between two looks, at any
    version, and fails none.
    """

    def __init__(self, commits: Sequence[str]) -> None:
        self._commits = commits
        self._looks = 0

    async def figures(self, _: web.Request) -> web.Response:
        """Serve the exposition."""
        self._looks += 1
        lines = [
            f'http_requests_total{{code="200",commit="{commit}"}} {self._looks * 200}'
            for commit in self._commits
        ]
        return web.Response(text="# TYPE http_requests_total counter\n" + "\n".join(lines) + "\n")


class SystemClock:
    """The wall clock."""

    def now(self) -> datetime:
        """Give the time as aware UTC."""
        return datetime.now(UTC)


class Bench:
    """The place where both are measured."""

    def __init__(self, folder: Path, slack: Workspace, commits: Sequence[str]) -> None:
        self.folder = folder
        self.slack = slack
        self.commits = commits
        self.marks = folder / "marks"

    @property
    def environment(self) -> dict[str, str]:
        """The bot's settings."""
        return {
            "SLACK_BOT_TOKEN": self.slack.token, "SLACK_SIGNING_SECRET": self.slack.secret,
            "SLACK_API_URL": self.slack.api_url,
            "GONOGO_CONFIG": str(self.folder / "gonogo.yaml"),
            "GONOGO_LISTEN": "127.0.0.1:0", "GONOGO_WORK_DIR": str(self.folder / "var"),
            "GONOGO_DATABASE_URL": f"sqlite+aiosqlite:///{self.folder / 'gonogo.db'}",
            "GONOGO_POLL_SECONDS": "0.2",
        }  # fmt: skip

    async def marked(self, commit: str) -> float:
        """Wait for the mark of a commit's run; give the time in it, as seconds since the epoch."""
        mark = self.marks / commit
        async with asyncio.timeout(30):
            while not mark.exists():  # noqa: ASYNC110 - another process makes it
                await asyncio.sleep(NAP)
        return float(mark.read_text(encoding="ascii"))

    async def click(self, number: int) -> float:
        """Deploy a new version, press "Roll back", and give the seconds
        until the run of v0 began.
        """
        await self.slack.says(ANA, f"/deploy storefront v{number} to staging", channel=CHANNEL)
        card = await self.slack.until(
            lambda: self.slack.message(f"storefront v{number} → staging", "live")
        )
        good = self.commits[0]
        (self.marks / good).unlink(missing_ok=True)
        began = time.time()
        clicking = asyncio.create_task(
            self.slack.clicks(BO, card, "gonogo.roll_back", channel=CHANNEL)
        )
        seconds = await self.marked(good) - began
        await clicking
        await self.slack.until(
            lambda: self.slack.message(f"storefront v{number} → staging", "rolled back to v0")
        )
        await self.slack.says(ANA, "/deploy unlock storefront staging", channel=CHANNEL)
        await self.slack.until(lambda: self.slack.whisper(ANA, "unlocked"))
        self.slack.state.ephemerals.clear()
        return seconds

    async def provider(self, ci: LocalCI, number: int) -> float:
        """Start the same run at the provider; give the seconds until it began."""
        good = self.commits[0]
        (self.marks / good).unlink(missing_ok=True)
        began = time.time()
        await ci.start(StartRequest(f"bench-{number}", good, "staging", "deploy"))
        return await self.marked(good) - began


async def _keep(stream: asyncio.StreamReader, log: Path) -> None:
    with log.open("wb") as output:
        while line := await stream.readline():
            output.write(line)
            output.flush()


@asynccontextmanager
async def bot(bench: Bench) -> AsyncIterator[None]:
    """Run the bot in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        "run",
        env={**os.environ, **bench.environment},
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None  # noqa: S101 - it was asked for
    while line := (await process.stderr.readline()).decode():
        if "is up" in line:
            bench.slack.call_at(line.split('"url": "')[1].split('"')[0] + "/slack/events")
            break
    reading = asyncio.create_task(_keep(process.stderr, bench.folder / "bot.log"))
    yield
    process.terminate()
    await process.wait()
    await reading


async def measure(times: int) -> tuple[list[float], list[float]]:
    """Measure both in turns; give the seconds of the clicks and of the provider."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        commits = make_repository(folder / "storefront", times + 3)
        slack = Workspace(
            users=[User(ANA, "ana"), User(BO, "bo")],
            channels=[Channel(CHANNEL, "deploys")],
            rates=1000,
        )
        slack.application.add_routes([web.get("/figures", Healthy(commits).figures)])
        await slack.start()
        stack.push_async_callback(slack.close)
        bench = Bench(folder, slack, commits)
        bench.marks.mkdir()
        (folder / "gonogo.yaml").write_text(
            CONFIG.format(
                repository=folder / "storefront", marks=bench.marks, figures=f"{slack.url}/figures"
            ),
            encoding="utf-8",
        )
        await adopt(
            Settings.read(bench.environment), service="storefront", ref="v0", environment="staging"
        )
        await stack.enter_async_context(bot(bench))
        database = await open_database(f"sqlite+aiosqlite:///{folder}/provider.db")
        stack.push_async_callback(database.close)
        repository, handed = folder / "storefront", {"MARKS": str(bench.marks)}
        ci = LocalCI(
            "storefront",
            repository,
            runs=database.runs,
            clock=SystemClock(),
            work=folder / "own",
            pass_on=handed,
        )
        await ci.open()
        stack.push_async_callback(ci.close)
        for number in (1, 2):  # a warm-up
            await bench.click(number)
            await bench.provider(ci, number)
        clicks, alone = list[float](), list[float]()
        for number in range(3, times + 3):
            clicks.append(await bench.click(number))
            alone.append(await bench.provider(ci, number))
        return clicks, alone


def show(clicks: list[float], alone: list[float]) -> None:
    """Print both, and what the bot adds, as a share of the provider's own time."""
    print(f"{len(clicks)} rollbacks {'p50 ms':>12} {'p99 ms':>9}")
    rows = {"click to run started": clicks, "the provider itself": alone}
    found = {
        name: [
            statistics.quantiles(seconds, n=100, method="inclusive")[cut] * 1000 for cut in (49, 98)
        ]
        for name, seconds in rows.items()
    }
    for name, (middle, high) in found.items():
        print(f"{name:<22} {middle:>7.1f} {high:>9.1f}")
    click, provider = found.values()
    print(f"{'as a multiple':<22} {click[0] / provider[0]:>7.2f} {click[1] / provider[1]:>9.2f}")
    print(f"{'the bot adds, ms':<22} {click[0] - provider[0]:>7.1f} {click[1] - provider[1]:>9.1f}")


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description="Measure the way from the click to the run.")
    arguments.add_argument(
        "--quick", action="store_true", help="three rollbacks: it shows that it works, not how fast"
    )
    asked = arguments.parse_args()
    show(*asyncio.run(measure(3 if asked.quick else 60)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
