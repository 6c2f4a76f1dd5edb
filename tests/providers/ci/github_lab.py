"""GitHub's laboratory: the provider against our fake of GitHub, over HTTP on this machine."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.test_utils import TestServer

from bot.domain.catalog import PathPatterns
from bot.domain.versions import Tags
from bot.ports.ci import StartStore
from bot.providers.ci.github import kind, webhook
from bot.providers.ci.github.provider import GitHubCI
from bot.providers.context import ProviderContext
from bot.providers.exchange import Budget
from bot.providers.rate_limits import RateLimits
from tests.providers.ci import github_shape as shape
from tests.providers.ci.github_app import APP, private_key
from tests.providers.ci.github_door import TOKEN, Fault
from tests.providers.ci.github_fake import GitHub
from tests.providers.ci.memory_runs import MemoryRuns, MemoryStarts

SECRET = "the webhook secret of the shop"
QUICK = Budget(timeout=3.0, tries=2, longest_wait=5.0, first_pause=0.01)


class ShiftedClock:
    """The real time, and what was added to it."""

    def __init__(self) -> None:
        self.shift = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.shift


class GitHubLab:
    """See ``conftest.Lab``."""

    start_path = "/dispatches"

    def __init__(
        self,
        github: GitHub,
        session: aiohttp.ClientSession,
        url: str,
        starts: StartStore,
        secrets: Mapping[str, str] | None,
    ) -> None:
        self.github = github
        self.world = github.world
        self.clock = ShiftedClock()
        self.rate_limits = RateLimits()
        self.secrets = dict(
            secrets or {"GONOGO_GITHUB_TOKEN": TOKEN, "GONOGO_GITHUB_WEBHOOK_SECRET": SECRET}
        )
        self.options: dict[str, Any] = {
            "repository": self.world.name,
            "api": url + github.prefix,
            "alerts": "off",
        }
        self.environments = ("staging", "production")
        self.paths = PathPatterns()
        self.tags = Tags("shop")
        self._session = session
        self.starts = starts
        self.ci = self.provider()

    def context(self) -> ProviderContext:
        assert set(self.options) <= set(kind.KIND.options)
        assert set(self.secrets) <= {secret.name for secret in kind.KIND.secrets}
        return ProviderContext(
            "shop", self.options, lambda name: self.secrets.get(name, ""),
            self._session, self.rate_limits, self.clock, MemoryRuns(), self.starts,
            Path("unused"), lambda _: None, environments=self.environments,
            paths=self.paths, tags=self.tags,
        )  # fmt: skip

    def provider(self) -> GitHubCI:
        """Make a provider on the same GitHub and the same stored runs, as a restart does."""
        return kind.build(self.context(), budget=QUICK)

    def commit(
        self, subject: str, *, failing: int = -1, held: bool = False, tests: str = "true"
    ) -> str:
        sha = self.world.commit(subject, failing=failing, held=held)
        if tests:
            self.world.test(sha, "success" if tests == "true" else "failure")
        return sha

    def gated(self, subject: str) -> str:  # noqa: ARG002 - the contract's signature
        """Give none: a gate for our own start is opened without being asked;
        test_github_protection.py has the others.
        """
        return ""

    def branch(self, name: str, start: str) -> None:
        self.world.branch(name, start)

    def tag(self, name: str, commit: str) -> None:
        self.world.tags[name] = commit

    def started(self) -> int:
        return len(self.world.deploy_runs())

    def break_next(self, fault: str, *, path: str = "", times: int = 1) -> None:
        """Let the next requests to a path go wrong; see ``GitHub._door`` for the faults. An App
        answers one 401 with a new token.
        """
        renews = fault == "401" and "GONOGO_GITHUB_APP_ID" in self.secrets
        self.github.faults.append(Fault(fault, path, times * 2 if renews else times))

    def skew(self, by: timedelta) -> None:
        self.world.skew = by

    def restored(self) -> GitHubCI:
        """Make a provider whose database was restored from before every start."""
        self.starts = MemoryStarts()
        return self.provider()

    def twin(self, correlation: str) -> None:
        """Make a second run with the correlation of the first."""
        first = next(run for run in self.world.deploy_runs() if correlation in run.title)
        self.world.runs.append(replace(first, id=self.world.new_id()))

    def notice(self, run: str) -> tuple[dict[str, str], bytes]:
        """Sign a webhook that says that a run has ended."""
        found = next(each for each in self.world.runs if str(each.id) == run)
        payload = {
            "action": "completed", "workflow_run": self.github.views.run(found),
            "repository": self.github.views.repository(),
        }  # fmt: skip
        return self.signed("workflow_run", payload)

    def signed(
        self, event: str, payload: Any, *, secret: str = SECRET
    ) -> tuple[dict[str, str], bytes]:
        body = json.dumps(payload).encode()
        headers: Mapping[str, str] = {
            "X-GitHub-Event": event, "X-GitHub-Delivery": "0b989ba4-242f-11e5-81e1-c7b6966d2516",
            "Content-Type": "application/json",
            "X-Hub-Signature-256": webhook.sign(secret, body),
        }  # fmt: skip
        return dict(headers), body


def app_secrets() -> dict[str, str]:
    """Give what an App shows instead of a token."""
    return {
        "GONOGO_GITHUB_APP_ID": APP,
        "GONOGO_GITHUB_APP_KEY": private_key(),
        "GONOGO_GITHUB_WEBHOOK_SECRET": SECRET,
    }


@asynccontextmanager
async def opened(
    starts: StartStore, github: GitHub | None = None, *, secrets: Mapping[str, str] | None = None
) -> AsyncIterator[GitHubLab]:
    """Give an open laboratory; at its end GitHub must have had nothing to complain about."""
    shape.make_ready()
    github = github or GitHub()
    async with TestServer(github.application()) as server, aiohttp.ClientSession() as session:
        lab = GitHubLab(github, session, str(server.make_url("")).rstrip("/"), starts, secrets)
        await lab.ci.open()
        try:
            yield lab
        finally:
            await lab.ci.close()
            github.closing.set()
    assert not github.complaints, "\n".join(github.complaints)
