"""Jenkins for the contract suite: the fake, and a real git repository beside it."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from bot.domain.rollout import RunState
from bot.ports.ci import CIRun, StartRequest
from bot.providers.ci.jenkins.kind import GIT_TOKEN, TOKEN, WEBHOOK_SECRET, build
from bot.providers.ci.jenkins.provider import Jenkins
from bot.providers.ci.jenkins.reading import PARAMETERS
from bot.providers.ci.jenkins.webhook import HEADER, sign
from bot.providers.ci.starts import Starts
from bot.providers.context import ProviderContext
from bot.providers.exchange import Budget
from bot.providers.rate_limits import RateLimits
from tests.patience import PATIENCE
from tests.providers.ci import jenkins_fake
from tests.providers.ci.jenkins_fake import FakeJenkins, Fault
from tests.providers.ci.jenkins_world import STAGES, Job, Plan, World
from tests.providers.ci.memory_runs import MemoryRuns, MemoryStarts

SECRET = "the secret of the notices"
INPUTS = {"percent": "25", "version": "v1.4.2", "strategy": "canary", "deployment": "shop-1"}
BUDGET = Budget(timeout=3.0, tries=2, longest_wait=5.0, first_pause=0.005)


class WallClock:
    """The real time, or one that is wrong by ``skew``."""

    def __init__(self) -> None:
        self.skew = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.skew


class JenkinsLab:
    """One job that deploys, one that tests, and a repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repository = folder / "shop"
        self.world = World()
        self.job = Job("team/shop", PARAMETERS)
        self.tests = Job("team/shop-tests")
        self.world.jobs = {each.name: each for each in (self.job, self.tests)}
        self.fake = FakeJenkins(self.world)
        self.rate_limits = RateLimits()
        self.clock = WallClock()
        self.starts = MemoryStarts()
        self.session: aiohttp.ClientSession
        self.address = ""
        self.ci: Jenkins
        self.git("init", "--quiet", "--initial-branch=main", str(self.repository), inside=False)

    async def open(self) -> None:
        self.session = aiohttp.ClientSession()
        self.address = await self.fake.open()
        self.ci = self.provider()
        await self.ci.open()

    async def close(self) -> None:
        await self.ci.close()
        await self.fake.close()
        await self.session.close()

    def provider(self, secrets: Mapping[str, str] | None = None, **options: Any) -> Jenkins:
        """Make a provider that knows what was stored, as a restart does."""
        return build(self.context(secrets, **options), BUDGET)

    def context(self, secrets: Mapping[str, str] | None = None, **options: Any) -> ProviderContext:
        usual = {
            "url": self.address,
            "user": jenkins_fake.USER,
            "job": self.job.name,
            "tests": self.tests.name,
            "repository": str(self.repository),
            "stages": list(STAGES),
        }
        known = {
            TOKEN: jenkins_fake.TOKEN,
            WEBHOOK_SECRET: SECRET,
            GIT_TOKEN: "",
            **(secrets or {}),
        }
        return ProviderContext(
            service="shop", options={**usual, **options}, secret=known.__getitem__,
            session=self.session, rate_limits=self.rate_limits,
            clock=self.clock, runs=MemoryRuns(), starts=self.starts,
            work=self.folder / "work", wake=lambda _: None,
        )  # fmt: skip

    def git(self, *arguments: str, inside: bool = True) -> str:
        where = ("-C", str(self.repository)) if inside else ()
        who = ("-c", "user.name=ana", "-c", "user.email=ana@example.com")
        return subprocess.run(
            ["git", *where, *who, *arguments], check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(
        self,
        subject: str,
        *,
        failing: int = -1,
        held: bool = False,
        tests: str = "true",
        asks: int = -1,
    ) -> str:
        (self.repository / "CHANGES").write_text(subject)
        self.git("add", "CHANGES")
        self.git("commit", "--quiet", "--allow-empty", "--message", subject)
        commit = self.git("rev-parse", "HEAD")
        self.world.plans[commit] = Plan(failing, held, asks)
        if tests:
            self.world.add_build(
                self.tests, result="SUCCESS" if tests == "true" else "FAILURE", tested=commit
            )
        return commit

    def gated(self, subject: str) -> str:
        return self.commit(subject, asks=2)

    def branch(self, name: str, start: str) -> None:
        self.git("checkout", "--quiet", "-b", name, start)

    def tag(self, name: str, commit: str) -> None:
        self.git("tag", name, commit)

    async def forget(self, request: StartRequest) -> None:
        """Leave no more in the store than that Jenkins was asked for this start, as a bot does that
        dies before it has the answer.
        """
        self.starts.rows.clear()
        await Starts("jenkins", "shop", self.starts, self.clock).send(request)

    def started(self) -> int:
        return self.world.begun

    @property
    def start_path(self) -> str:
        return "/buildWithParameters"

    def break_next(self, fault: str, *, path: str = "", times: int = 1) -> None:
        self.fake.faults.append(Fault(fault, path, times))

    def skew(self, by: timedelta) -> None:
        self.fake.skew = by.total_seconds()
        self.world.skew = int(by / timedelta(milliseconds=1))

    def restored(self) -> Jenkins:
        """Make a provider whose database was restored from before every start."""
        self.starts = MemoryStarts()
        return self.provider()

    def twin(self, correlation: str) -> None:
        """Rebuild a build in Jenkins: all its parameters are copied."""
        self.world.add_build(
            self.job, (("CORRELATION_ID", correlation), ("ACTION", "deploy")), result="SUCCESS"
        )

    def notice(self, run: str) -> tuple[dict[str, str], bytes]:
        body = json.dumps({"correlation": run, "build": 1, "state": "SUCCESS"}).encode()
        return {HEADER: sign(SECRET, body, datetime.now(UTC))}, body


def deploy(
    commit: str, correlation: str = "shop-1:canary-25", action: str = "deploy"
) -> StartRequest:
    return StartRequest(correlation, commit, "production", action, INPUTS, asked_by="ana")


async def reaches(ci: Jenkins, run: CIRun, *states: RunState) -> CIRun:
    async with asyncio.timeout(PATIENCE):
        while (seen := await ci.look(run.id)).state not in states:  # noqa: ASYNC110 - a run is polled
            await asyncio.sleep(0.01)
    return seen


async def ends(ci: Jenkins, run: CIRun) -> CIRun:
    return await reaches(ci, run, *(state for state in RunState if state.is_final))
