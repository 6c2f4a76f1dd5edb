"""GitHub Actions as a CI provider."""

from __future__ import annotations

from collections.abc import Mapping

from bot.domain.catalog import Freeze
from bot.domain.changes import Changes
from bot.ports.ci import CIRun, GateAnswer, Quality, Resolved, RunHint, StartRequest
from bot.providers.ci.github import reading, webhook
from bot.providers.ci.github.client import Repository
from bot.providers.ci.github.commits import Commits
from bot.providers.ci.github.doctor import Doctor
from bot.providers.ci.github.names import Names
from bot.providers.ci.github.protection import ProtectionCheck
from bot.providers.ci.github.required import Required
from bot.providers.ci.github.runs import Runs
from bot.providers.ci.github.surroundings import Surroundings
from bot.providers.ci.github.tests import Tests
from bot.providers.context import Finding


class GitHubCI:
    """``ports.CIProvider`` for one workflow of one repository."""

    def __init__(
        self,
        repository: Repository,
        workflow: str,
        *,
        names: Names,
        commits: Commits,
        tests: Tests,
        runs: Runs,
        required: Required,
        surroundings: Surroundings,
        protection_check: ProtectionCheck | None = None,
        webhook_secret: str = "",
    ) -> None:
        self._repository = repository
        self._workflow = workflow
        self._names = names
        self._commits = commits
        self._tests = tests
        self._required = required
        self._runs = runs
        self._surroundings = surroundings
        self._protection_check = protection_check
        self._webhook_secret = webhook_secret

    async def open(self) -> None:
        """Take up work. GitHub is not asked: the bot must come up while GitHub is down;
        ``gonogo doctor`` checks the options.
        """

    async def close(self) -> None:
        """Let go. Runs that are under way go on at GitHub."""

    async def resolve(self, ref: str) -> Resolved:
        """Resolve a tag, branch, commit or ``latest``."""
        with reading.understood():
            return await self._names.resolve(ref)

    async def compare(self, base: str, head: str) -> Changes:
        """List what ``head`` has and ``base`` has not."""
        with reading.understood():
            return await self._commits.compare(base, head)

    async def quality(self, commit: str) -> Quality:
        """Tell whether the commit's tests are green, and what stands beside them."""
        with reading.understood():
            return await self._surroundings.beside(await self._tests.quality(commit), commit)

    async def test_again(self, commit: str) -> CIRun:
        """Run the commit's tests again: the failed jobs of its workflows."""
        with reading.understood():
            return await self._tests.again(commit)

    async def freezes(self, environment: str) -> tuple[Freeze, ...]:  # noqa: ARG002 - the port's signature
        """List none: GitHub keeps no freezes."""
        return ()

    async def find(self, correlation: str) -> CIRun | None:
        """Find the run that carries a correlation id; None is certain."""
        with reading.understood():
            return await self._runs.find(correlation)

    async def start(self, request: StartRequest) -> CIRun:
        """Start a run; the same correlation never starts twice."""
        with reading.understood():
            return await self._runs.start(request)

    async def look(self, run: str) -> CIRun:
        """See where a run stands."""
        with reading.understood():
            return await self._runs.look(run)

    async def cancel(self, run: str) -> None:
        """Ask a run to stop. A finished run is left as it is."""
        with reading.understood():
            await self._runs.cancel(run)

    async def open_gate(self, run: str, environment: str) -> GateAnswer:
        """Let a run go on that waits at our protection rule. GitHub's own reviewers and timers are
        refused: they are answered there.
        """
        with reading.understood():
            return await self._runs.open_gate(run, environment)

    async def examine(self) -> tuple[Finding, ...]:
        """Check the configuration live, for ``gonogo doctor``."""
        blocking = self._surroundings if self._surroundings.blocks else None
        has_secret = bool(self._webhook_secret)
        doctor = Doctor(
            self._repository,
            self._workflow,
            self._required,
            blocking=blocking,
            protection_check=self._protection_check,
            has_webhook_secret=has_secret,
        )
        return await doctor.examine()

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> RunHint:
        """Verify and read a webhook without I/O."""
        return webhook.parse(headers, body, secret=self._webhook_secret)
