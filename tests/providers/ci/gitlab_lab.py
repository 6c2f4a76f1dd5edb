"""The laboratory of the provider ``gitlab``: a fake GitLab behind real HTTP, in which pauses
pass fifty times as fast.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import aiohttp

from bot.domain.catalog import PathPatterns
from bot.ports.ci import StartRequest
from bot.providers.ci.gitlab.client import Project
from bot.providers.ci.gitlab.provider import GitLabCI
from bot.providers.ci.gitlab.webhook import signature, signing_key
from bot.providers.ci.starts import Starts
from bot.providers.exchange import Budget
from bot.providers.rate_limits import RateLimits
from bot.providers.rest import RestClient
from tests.providers.ci.gitlab_fake import PROJECT, PROJECT_ID, TOKEN, FakeGitLab
from tests.providers.ci.memory_runs import MemoryStarts

SIGNING_TOKEN = f"whsec_{base64.b64encode(b'k' * 32).decode()}"
WEBHOOK_TOKEN = "the hook's old token"
FASTER = 50
EVERYTHING = PathPatterns()
BUDGET = Budget(timeout=3.0, tries=2, longest_wait=5.0, first_pause=0.05)


class Clock:
    """The real time, or one that is wrong by ``skew``."""

    def __init__(self) -> None:
        self.skew = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.skew


async def pause(seconds: float) -> None:
    """Wait, fifty times as fast."""
    await asyncio.sleep(seconds / FASTER)


class GitLabLab:
    """A project at a fake GitLab, and the provider that drives it."""

    def __init__(self, fake: FakeGitLab, session: aiohttp.ClientSession) -> None:
        self.fake = fake
        self.world = fake.world
        self.clock = Clock()
        self.starts = MemoryStarts()
        self._session = session
        self.ci = self.provider()

    def provider(
        self,
        *,
        token: str = TOKEN,
        project: str = PROJECT,
        ref: str = "",
        settle: float = 0.2,
        most_pages: int = 20,
        paths: PathPatterns = EVERYTHING,
    ) -> GitLabCI:
        """Make a provider on the same stored runs, as a restart does."""
        starts = Starts(
            "gitlab", "shop", self.starts, self.clock, settles=timedelta(seconds=settle)
        )
        rate_limits = RateLimits(now=lambda: time.monotonic() * FASTER)
        api = str(self.fake.server.make_url("/api/v4"))
        rest = RestClient(
            self._session,
            api,
            vendor="GitLab",
            rate_limits=rate_limits,
            headers={"PRIVATE-TOKEN": token},
            secrets=(token,),
            budget=BUDGET,
            sleep=pause,
        )
        return GitLabCI(
            "shop", Project(rest, project, most_pages=most_pages),
            clock=self.clock, starts=starts, ref=ref,
            signing_key=signing_key(SIGNING_TOKEN),
            webhook_token=WEBHOOK_TOKEN, paths=paths, pauses=(0.01, 0.02),
        )  # fmt: skip

    # What the contract suite asks for

    def commit(
        self, subject: str, *, failing: int = -1, held: bool = False, tests: str = "true"
    ) -> str:
        return self.world.commit(subject, failing=failing, held=held, tests=tests)

    def gated(self, subject: str) -> str:
        return self.world.commit(subject, gated=True)

    def branch(self, name: str, start: str) -> None:
        self.world.branches[name] = start
        self.world.on = name

    def tag(self, name: str, commit: str) -> None:
        self.world.tags[name] = commit

    async def sent(self, request: StartRequest) -> None:
        """Store that GitLab was asked for this start, as a bot does that dies
        before it has the answer.
        """
        await Starts("gitlab", "shop", self.starts, self.clock).send(request)

    def started(self) -> int:
        return sum("GONOGO_CORRELATION" in each.variables for each in self.world.pipelines.values())

    # What the fault suite asks for

    def break_next(self, fault: str, *, path: str = "", times: int = 1) -> None:
        self.fake.faults += [(fault, path)] * times

    def skew(self, by: timedelta) -> None:
        self.world.skew = by

    @property
    def start_path(self) -> str:
        return "/pipeline$"

    def restored(self) -> GitLabCI:
        """Make a provider whose database was restored from before every start."""
        self.starts = MemoryStarts()
        return self.provider()

    def twin(self, correlation: str) -> None:
        first = next(
            each
            for each in self.world.pipelines.values()
            if each.variables.get("GONOGO_CORRELATION") == correlation
        )
        self.world.begin(first.ref, dict(first.variables))

    def notice(self, run: str) -> tuple[dict[str, str], bytes]:
        pipeline = self.world.pipelines[int(run)]
        listed = [{"key": key, "value": value} for key, value in pipeline.variables.items()]
        attributes = {
            "id": pipeline.id,
            "name": pipeline.name,
            "status": pipeline.status,
            "source": "api",
            "variables": listed,
        }
        project = {"id": PROJECT_ID, "path_with_namespace": PROJECT}
        body = json.dumps(
            {"object_kind": "pipeline", "object_attributes": attributes, "project": project}
        ).encode()
        return self.signed("Pipeline Hook", body), body

    def signed(self, event: str, body: bytes, *, delivery: str = "2f1a0b") -> dict[str, str]:
        """Sign a body as GitLab does now."""
        timestamp = str(int(self.clock.now().timestamp()))
        return {
            "X-Gitlab-Event": event, "webhook-id": delivery, "webhook-timestamp": timestamp,
            "webhook-signature": signature(signing_key(SIGNING_TOKEN), delivery, timestamp, body),
        }  # fmt: skip


@asynccontextmanager
async def gitlab_lab() -> AsyncIterator[GitLabLab]:
    """Run a fake GitLab with its provider opened."""
    fake = FakeGitLab()
    await fake.server.start_server()
    try:
        async with aiohttp.ClientSession() as session:
            lab = GitLabLab(fake, session)
            await lab.ci.open()
            yield lab
            await lab.ci.close()
    finally:
        await fake.server.close()
