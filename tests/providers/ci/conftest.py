"""The laboratory of each CI provider: where the contract suite can prepare what it wants to see."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest

from bot.ports.ci import CIProvider
from bot.providers.ci.local.provider import LocalCI
from bot.testing.ci_contract import Lab
from tests.providers.ci import buildbot_server, github_lab
from tests.providers.ci.buildbot_fake import FakeMaster
from tests.providers.ci.buildbot_lab import BuildbotLab, laboratory
from tests.providers.ci.github_fake import GitHub
from tests.providers.ci.github_lab import GitHubLab
from tests.providers.ci.gitlab_lab import GitLabLab, gitlab_lab
from tests.providers.ci.jenkins_lab import JenkinsLab
from tests.providers.ci.memory_runs import MemoryRuns, MemoryStarts

STAGES = ("build", "migrate", "release")


class FaultyLab(Lab, Protocol):
    """What a vendor that speaks HTTP must be able to do besides, for ``test_faults.py``."""

    @property
    def start_path(self) -> str:
        """Give a part of the path of the call that starts a run."""
        ...

    def break_next(self, fault: str, *, path: str = "", times: int = 1) -> None:
        """Let the next requests whose path contains ``path`` go wrong.

        ``fault`` is a status ("401"), ``timeout`` (no answer), ``truncated`` (carried out, half of
        the JSON comes) or ``lost`` (carried out, then the connection is closed).
        """
        ...

    def restored(self) -> CIProvider:
        """Make a provider whose database was restored from before every start."""
        ...

    def twin(self, correlation: str) -> None:
        """Make a second run with a correlation id on the vendor's side."""
        ...

    def notice(self, run: str) -> tuple[dict[str, str], bytes]:
        """Give a correctly signed webhook about a run."""
        ...


class SkewedLab(FaultyLab, Protocol):
    """A vendor whose clock can be wrong."""

    def skew(self, by: timedelta) -> None:
        """Set the vendor's clock wrong."""
        ...


class WallClock:
    """The real time: real processes take it."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class LocalLab:
    """The embedded CI on a real git repository."""

    def __init__(self, folder: Path) -> None:
        self.repository = folder / "shop"
        self.work = folder / "work"
        self.begun = folder / "begun"
        self.runs = MemoryRuns()
        self.git("init", "--quiet", "--initial-branch=main", str(self.repository), inside=False)
        self.ci = self.provider()

    def provider(self) -> LocalCI:
        """Make a provider on the same repository and the same stored runs, as a restart does."""
        return LocalCI(
            "shop",
            self.repository,
            runs=self.runs,
            clock=WallClock(),
            work=self.work,
            pass_on={"GIVEN": "on purpose", "BEGUN": str(self.begun)},
        )

    def git(self, *arguments: str, inside: bool = True) -> str:
        where = ("-C", str(self.repository)) if inside else ()
        who = ("-c", "user.name=ana", "-c", "user.email=ana@example.com")
        return subprocess.run(
            ["git", *where, *who, *arguments], check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit_file(self, subject: str, pipeline: str) -> str:
        """Commit a pipeline.yml as it is given."""
        (self.repository / "pipeline.yml").write_text(pipeline)
        self.git("add", "pipeline.yml")
        self.git("commit", "--quiet", "--allow-empty", "--message", subject)
        return self.git("rev-parse", "HEAD")

    def gated(self, subject: str) -> str:
        return self.commit_file(
            subject,
            (
                "pipelines:\n  deploy:\n    stages: [{name: build, run: 'true'}, {name: release, "
                "run: 'true', gate: manual}]\n"
            ),
        )

    def commit(
        self, subject: str, *, failing: int = -1, held: bool = False, tests: str = "true"
    ) -> str:
        commands = [
            f"echo {name} is broken; exit 3" if index == failing else "true"
            for index, name in enumerate(STAGES)
        ]
        commands[0] = f'echo x >> "$BEGUN"; {commands[0]}'
        commands[2] = "sleep 60" if held else commands[2]
        stages = "".join(
            f"      - {{name: {name}, run: '{run}'}}\n"
            for name, run in zip(STAGES, commands, strict=True)
        )
        test = f"  test:\n    stages:\n      - {{name: unit, run: '{tests}'}}\n" if tests else ""
        return self.commit_file(
            subject, f"# {subject}\npipelines:\n{test}  deploy:\n    stages:\n{stages}"
        )

    def branch(self, name: str, start: str) -> None:
        self.git("checkout", "--quiet", "-b", name, start)

    def tag(self, name: str, commit: str) -> None:
        self.git("tag", name, commit)

    def started(self) -> int:
        return len(self.begun.read_text().splitlines()) if self.begun.exists() else 0


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[LocalLab]:
    """Give the embedded CI, opened."""
    lab = LocalLab(tmp_path)
    await lab.ci.open()
    yield lab
    await lab.ci.close()


@pytest.fixture(scope="session")
def buildbot_master() -> Iterator[buildbot_server.Server]:
    """Give a real Buildbot for the whole session, where one is installed."""
    yield buildbot_server.shared()
    buildbot_server.stop_shared()


@pytest.fixture
async def buildbot_fake(tmp_path: Path) -> AsyncIterator[BuildbotLab[FakeMaster]]:
    """Give a master in this process, opened, where no Buildbot is needed."""
    master = FakeMaster(tmp_path)
    async with master.open(), laboratory(master, tmp_path) as lab:
        yield lab


@pytest.fixture
async def buildbot(
    buildbot_master: buildbot_server.Server, tmp_path: Path
) -> AsyncIterator[BuildbotLab[buildbot_server.Server]]:
    """Give Buildbot, opened."""
    async with laboratory(buildbot_master, tmp_path) as lab:
        yield lab


@pytest.fixture
async def github() -> AsyncIterator[GitHubLab]:
    """Give GitHub with a fine-grained token, opened."""
    async with github_lab.opened(MemoryStarts()) as lab:
        yield lab


@pytest.fixture
async def github_app() -> AsyncIterator[GitHubLab]:
    """Give GitHub with an App, opened."""
    async with github_lab.opened(MemoryStarts(), secrets=github_lab.app_secrets()) as lab:
        yield lab


@pytest.fixture
async def github_enterprise() -> AsyncIterator[GitHubLab]:
    """Give an older GitHub Enterprise Server, which does not say which run it starts, opened."""
    async with github_lab.opened(
        MemoryStarts(), GitHub(prefix="/api/v3", names_runs_it_starts=False)
    ) as lab:
        yield lab


@pytest.fixture
async def gitlab() -> AsyncIterator[GitLabLab]:
    """Give GitLab CI, against a fake GitLab."""
    async with gitlab_lab() as lab:
        yield lab


@pytest.fixture
async def jenkins(tmp_path: Path) -> AsyncIterator[JenkinsLab]:
    """Give a Jenkins with a job that deploys and one that tests, opened."""
    lab = JenkinsLab(tmp_path)
    await lab.open()
    yield lab
    await lab.close()


@pytest.fixture(
    params=[
        "local",
        "github",
        "github_app",
        "github_enterprise",
        "gitlab",
        "jenkins",
        "buildbot_fake",
        "buildbot",
    ]
)
def lab(request: pytest.FixtureRequest) -> Lab:
    """Give each provider's laboratory in turn."""
    found: Lab = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["github", "github_app", "gitlab", "jenkins", "buildbot_fake", "buildbot"])
def faulty(request: pytest.FixtureRequest) -> FaultyLab:
    """Give each laboratory whose vendor can misbehave in turn."""
    found: FaultyLab = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["github", "github_app", "gitlab", "jenkins", "buildbot_fake"])
def skewed(request: pytest.FixtureRequest) -> SkewedLab:
    """Give each laboratory whose vendor's clock can be wrong in turn."""
    found: SkewedLab = request.getfixturevalue(request.param)
    return found
