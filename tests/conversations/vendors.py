"""The CI of a conversation: the same service, deployed by each provider in turn, chosen by a line
of gonogo.yaml and nothing else.

Our fakes of vendors get the commits of the real repository, so that a conversation can name them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

from aiohttp.test_utils import TestServer

from bot.providers.ci.jenkins.reading import PARAMETERS
from tests.conversations.buildbot_vendor import buildbot
from tests.providers.ci import github_door, github_world, gitlab_fake, gitlab_world, jenkins_fake
from tests.providers.ci.github_fake import GitHub
from tests.providers.ci.gitlab_fake import FakeGitLab
from tests.providers.ci.jenkins_fake import FakeJenkins
from tests.providers.ci.jenkins_world import Job, Plan
from tests.providers.ci.jenkins_world import World as Controller

FOR_LONG = 10_000


class Vendor(Protocol):
    """What a conversation needs of a CI."""

    name: str
    line: str
    """What stands after ``ci:`` in gonogo.yaml."""
    secrets: Mapping[str, str]

    def learn(self, version: str, commit: str) -> None:
        """Learn of a commit that was pushed with its tag; its tests are green."""
        ...

    def fail_smoke(self, commit: str, environment: str) -> None:
        """Let the smoke test of a commit fail in an environment."""
        ...

    def started(self) -> list[str]:
        """List what was really deployed, in order: commit and percent."""
        ...

    def go_away(self) -> None:
        """Answer nothing any more."""
        ...

    def come_back(self) -> None:
        """Answer again."""
        ...


class Local:
    """The embedded CI: a real pipeline, which writes down what it deploys."""

    name = "local"
    secrets: Mapping[str, str] = {}

    def __init__(self, folder: Path) -> None:
        self.repository = folder / "storefront"
        self.record = folder / "record"
        self.broken = folder / "broken"
        self.broken.touch()
        environment = f"{{RECORD: {self.record}, BROKEN: {self.broken}}}"
        self.line = (
            f"{{provider: local, repository: {self.repository}, environment: {environment}}}"
        )

    def learn(self, version: str, commit: str) -> None:
        """Know it already: the repository is the CI's own."""

    def fail_smoke(self, commit: str, environment: str) -> None:
        with self.broken.open("a") as broken:
            broken.write(f"{environment} {commit}\n")

    def started(self) -> list[str]:
        return self.record.read_text().splitlines() if self.record.exists() else []

    def go_away(self) -> None:
        self.repository.rename(self.repository.with_name("away"))

    def come_back(self) -> None:
        self.repository.with_name("away").rename(self.repository)


class OnGitHub:
    """GitHub Actions, as our fake of it."""

    name = "github"

    def __init__(self, github: GitHub, url: str) -> None:
        self.github = github
        self.world = github.world
        self.secrets: Mapping[str, str] = {"GONOGO_GITHUB_TOKEN": github_door.TOKEN}
        self.line = f"{{provider: github, repository: {self.world.name}, api: '{url}'}}"

    def learn(self, version: str, commit: str) -> None:
        world = self.world
        world.commits[commit] = github_world.Commit(
            commit, f"Make {version}", world.branches.get("main", ""), failing=-1, held=False
        )
        world.branches["main"] = world.tags[version] = commit
        world.test(commit, "success")

    def fail_smoke(self, commit: str, environment: str) -> None:
        self.world.broken.add(("smoke", environment, commit))

    def started(self) -> list[str]:
        inputs = [run.inputs for run in self.world.deploy_runs()]
        return [
            f"{each['commit']} {each['percent']}" for each in inputs if each["action"] != "smoke"
        ]

    def go_away(self) -> None:
        self.github.faults.append(github_door.Fault("503", "", FOR_LONG))

    def come_back(self) -> None:
        self.github.faults.clear()


class OnGitLab:
    """GitLab CI, as our fake of it."""

    name = "gitlab"

    def __init__(self, fake: FakeGitLab) -> None:
        self.fake = fake
        self.world = fake.world
        self.secrets: Mapping[str, str] = {"GONOGO_GITLAB_TOKEN": gitlab_fake.TOKEN}
        self.line = (
            f"{{provider: gitlab, project: {gitlab_fake.PROJECT}, api: "
            f"'{fake.server.make_url('/')}'}}"
        )

    def learn(self, version: str, commit: str) -> None:
        world = self.world
        world.commits[commit] = gitlab_world.Commit(
            commit, world.branches.get("main", ""), f"Make {version}"
        )
        world.branches["main"] = world.tags[version] = commit
        world.tested(commit, good=True)

    def fail_smoke(self, commit: str, environment: str) -> None:
        self.world.broken.add(("smoke", environment, commit))

    def started(self) -> list[str]:
        variables = [
            each.variables
            for _, each in sorted(self.world.pipelines.items())
            if "GONOGO_CORRELATION" in each.variables
        ]
        return [
            f"{each['GONOGO_COMMIT']} {each['GONOGO_PERCENT']}"
            for each in variables
            if each["GONOGO_ACTION"] != "smoke"
        ]

    def go_away(self) -> None:
        self.fake.faults += [("503", "")] * FOR_LONG

    def come_back(self) -> None:
        self.fake.faults.clear()


class OnJenkins:
    """Jenkins, as our fake of it; the repository is real."""

    name = "jenkins"

    def __init__(self, fake: FakeJenkins, url: str, repository: Path) -> None:
        self.fake = fake
        self.world = fake.world
        self.repository = repository
        self.deploys, self.tests = self.world.jobs.values()
        self.secrets: Mapping[str, str] = {"GONOGO_JENKINS_TOKEN": jenkins_fake.TOKEN}
        self.line = (
            f"{{provider: jenkins, url: '{url}', user: {jenkins_fake.USER}, job: "
            f"{self.deploys.name}, tests: {self.tests.name},"
            f" repository: {repository}}}"
        )

    def learn(self, version: str, commit: str) -> None:
        assert version
        self.world.plans[commit] = Plan()
        self.world.add_build(self.tests, result="SUCCESS", tested=commit)

    def fail_smoke(self, commit: str, environment: str) -> None:
        self.world.broken.add(("smoke", environment, commit))

    def started(self) -> list[str]:
        builds = [build for build in self.deploys.builds if build.parameter("ACTION") != "smoke"]
        return [f"{build.parameter('COMMIT')} {build.parameter('PERCENT')}" for build in builds]

    def go_away(self) -> None:
        self.repository.rename(self.repository.with_name("away"))
        self.fake.faults.append(jenkins_fake.Fault("503", "", FOR_LONG))

    def come_back(self) -> None:
        self.repository.with_name("away").rename(self.repository)
        self.fake.faults.clear()


@asynccontextmanager
async def local(folder: Path) -> AsyncIterator[Vendor]:
    """Give the embedded CI."""
    yield Local(folder)


@asynccontextmanager
async def github(_folder: Path) -> AsyncIterator[Vendor]:
    """Serve GitHub; at the end it must have had nothing to complain about."""
    github = GitHub()
    async with TestServer(github.application()) as server:
        yield OnGitHub(github, str(server.make_url("")).rstrip("/") + github.prefix)
        github.closing.set()
    assert not github.complaints, "\n".join(github.complaints)


@asynccontextmanager
async def gitlab(_folder: Path) -> AsyncIterator[Vendor]:
    """Serve GitLab."""
    fake = FakeGitLab()
    async with fake.server:
        yield OnGitLab(fake)


@asynccontextmanager
async def jenkins(folder: Path) -> AsyncIterator[Vendor]:
    """Serve Jenkins."""
    controller = Controller()
    controller.jobs = {
        job.name: job for job in (Job("team/storefront", PARAMETERS), Job("team/storefront-tests"))
    }
    fake = FakeJenkins(controller)
    url = await fake.open()
    yield OnJenkins(fake, url, folder / "storefront")
    await fake.close()


VENDORS: Mapping[str, Callable[[Path], AbstractAsyncContextManager[Vendor]]] = {
    "local": local, "github": github, "gitlab": gitlab, "jenkins": jenkins, "buildbot": buildbot,
}  # fmt: skip
