"""What ``gonogo doctor`` asks GitHub: reads only; it starts and changes nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus

from bot.domain.errors import IntegrationError
from bot.providers.ci.github import reading, workflow
from bot.providers.ci.github.client import Repository, escaped
from bot.providers.ci.github.protection import ProtectionCheck
from bot.providers.ci.github.required import Required
from bot.providers.ci.github.surroundings import Surroundings
from bot.providers.context import Finding, unanswered
from bot.providers.exchange import RestError

TOLERABLE = timedelta(seconds=60)
_CHECKS_NOTE = (
    "check runs cannot be seen, as with every fine-grained token; the runs of GitHub Actions and "
    "commit statuses count as tests. "
    "An App with Checks: read sees the checks of other apps as well"
)
_TEMPLATE = "copy templates/ci/github/deploy.yml and keep its inputs and its run-name"


class Doctor:
    """The examination of one repository and its workflow."""

    def __init__(
        self,
        repository: Repository,
        workflow: str,
        required: Required,
        *,
        blocking: Surroundings | None = None,
        protection_check: ProtectionCheck | None = None,
        has_webhook_secret: bool,
    ) -> None:
        self._repository = repository
        self._workflow = workflow
        self._required = required
        self._blocking = blocking
        self._protection_check = protection_check
        self._has_webhook_secret = has_webhook_secret

    async def examine(self) -> tuple[Finding, ...]:
        """Check everything that can be checked without changing anything."""
        found = [
            await self._ask(
                "repository",
                self._see,
                "check the token, its list of repositories, and the option repository",
            )
        ]
        if found[0].ok:
            found += [
                await self._ask(
                    "workflow",
                    self._file,
                    f"add .github/workflows/{self._workflow} to that branch; {_TEMPLATE}",
                ),
                await self._ask("runs", self._runs, "give the token Actions: read and write"),
                await self._ask(
                    "tests", self._tests, "give the token Commit statuses: read and Actions: read"
                ),
            ]
            if self._required.by_rules:
                found.append(
                    await self._ask(
                        "checks",
                        self._checks,
                        "let the rules of the default branch require checks, or name them",
                    )
                )
            if self._blocking:
                found.append(
                    await self._ask(
                        "alerts",
                        self._alerts,
                        "give the token Code scanning alerts and Dependabot alerts: read",
                    )
                )
            if self._protection_check:
                found.append(
                    await self._ask(
                        "protection", self._protection, "give the App Actions: read and write"
                    )
                )
        return (*found, self._secret(), self._clock())

    async def _ask(
        self, subject: str, check: Callable[[str], Awaitable[Finding]], remedy: str
    ) -> Finding:
        try:
            with reading.understood():
                return await check(subject)
        except IntegrationError as error:
            return unanswered(subject, error, f"{remedy[0].upper()}{remedy[1:]}.")

    async def _see(self, subject: str) -> Finding:
        reply = await self._repository.get("")
        scopes = _scopes(reply.headers)
        if scopes is not None and not scopes & {"repo", "public_repo"}:
            sentence = f"The token is a classic one with {', '.join(sorted(scopes)) or 'no scope'}."
            return Finding(
                subject,
                ok=False,
                sentence=sentence,
                remedy="Give it the scope repo, or better: use a fine-grained token.",
            )
        return Finding(subject, ok=True, sentence=f"{self._repository.name} can be read.")

    async def _file(self, subject: str) -> Finding:
        ref = await self._repository.ref()
        problems = _problems(await workflow.read(self._repository, self._workflow))
        if problems:
            sentence = f"{self._workflow} on {ref}: {'; '.join(problems)}."
            return Finding(
                subject,
                ok=False,
                sentence=sentence,
                remedy=f"{_TEMPLATE[0].upper()}{_TEMPLATE[1:]}.",
            )
        return Finding(
            subject,
            ok=True,
            sentence=f"{self._workflow} on {ref} can be started and names its runs.",
        )

    async def _runs(self, subject: str) -> Finding:
        path = f"/actions/workflows/{escaped(self._workflow)}"
        state = str((await self._repository.get(path)).data.get("state"))
        if state != "active":
            return Finding(
                subject,
                ok=False,
                sentence=f"The workflow is {state}.",
                remedy="Enable it on the repository's page Actions.",
            )
        await self._repository.get(f"{path}/runs", {"per_page": "1"})
        sentence = (
            "Runs can be read. Whether one may be started shows at the first start: "
            "GitHub does not tell before."
        )
        return Finding(subject, ok=True, sentence=sentence)

    async def _tests(self, subject: str) -> Finding:
        path = f"/commits/{escaped('heads/' + await self._repository.ref())}"
        await self._repository.get(f"{path}/status", {"per_page": "1"})
        try:
            await self._repository.get(f"{path}/check-runs", {"per_page": "1"})
        except RestError as error:
            if error.status != HTTPStatus.FORBIDDEN or error.retry:
                raise
            return Finding(
                subject, ok=True, sentence=f"Commit statuses can be read; {_CHECKS_NOTE}."
            )
        return Finding(subject, ok=True, sentence="Check runs and commit statuses can be read.")

    async def _checks(self, subject: str) -> Finding:
        names = await self._required.names()
        return Finding(
            subject,
            ok=True,
            sentence=(
                f"The rules of {await self._repository.default_branch()} require {_listed(names)}."
            ),
        )

    async def _alerts(self, subject: str) -> Finding:
        missing = await self._blocking.unavailable() if self._blocking else []
        if not missing:
            return Finding(
                subject, ok=True, sentence="Open alerts can be read; critical ones block."
            )
        sentence = (
            "Critical alerts should block, and this is off or may not be read: "
            f"{' and '.join(missing)}."
        )
        return Finding(
            subject,
            ok=False,
            sentence=sentence,
            remedy="Switch it on at GitHub and let the token read it, or set alerts: show.",
        )

    async def _protection(self, subject: str) -> Finding:
        named, missing = (
            (self._protection_check.environments, await self._protection_check.missing())
            if self._protection_check
            else ((), {})
        )
        if not missing:
            return Finding(
                subject,
                ok=True,
                sentence=f"GitHub asks the App before a job of {_listed(named)} starts.",
            )
        without = _listed([f"{name} ({why})" for name, why in missing.items()])
        sentence = (
            f"GitHub starts jobs of these environments without the approval from Slack: {without}."
        )
        where = (
            "Switch the App on under Settings, Environments, the environment, "
            "Deployment protection rules"
        )
        if len(missing) < len(named):  # it may be meant that way
            return Finding(
                subject, ok=None, sentence=sentence, remedy=f"{where}, unless it is meant so."
            )
        return Finding(
            subject, ok=False, sentence=sentence, remedy=f"{where}, or set protection: off."
        )

    def _secret(self) -> Finding:
        if self._has_webhook_secret:
            return Finding("webhook", ok=True, sentence="Its secret is set.")
        sentence = "Webhooks are refused, because no secret is set; runs are followed by asking."
        return Finding(
            "webhook",
            ok=None,
            sentence=sentence,
            remedy="Set GONOGO_GITHUB_WEBHOOK_SECRET to hear of changes at once.",
        )

    def _clock(self) -> Finding:
        ahead = self._repository.client.ahead
        if ahead is None:
            return Finding("clock", ok=None, sentence="GitHub did not tell its time.")
        seconds = round(abs(ahead).total_seconds())
        if abs(ahead) <= TOLERABLE:
            return Finding(
                "clock",
                ok=True,
                sentence=f"This machine and GitHub agree within {max(seconds, 1)} s.",
            )
        behind = "behind" if ahead > timedelta() else "ahead of"
        sentence = f"This machine is {seconds} s {behind} GitHub."
        return Finding(
            "clock", ok=False, sentence=sentence, remedy="Let the machine keep its time by NTP."
        )


def _problems(found: workflow.Workflow) -> list[str]:
    if not found.is_dispatched:
        return ["it has no workflow_dispatch, so nobody can start it"]
    problems = []
    if found.missing:
        problems.append(
            f"it does not declare {', '.join(found.missing)}, and GitHub refuses "
            "inputs that are not declared"
        )
    if found.demanded:
        problems.append(f"it demands {', '.join(found.demanded)}, which no start sends")
    if not found.names_runs:
        problems.append(
            "its run-name does not hold inputs.correlation, so a run whose start was not "
            "answered cannot be found"
        )
    return problems


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _scopes(headers: Mapping[str, str]) -> frozenset[str] | None:
    """Read the scopes of a classic token; None for other tokens, which do not tell."""
    listed = headers.get("x-oauth-scopes")
    return (
        None
        if listed is None
        else frozenset(filter(None, (each.strip() for each in listed.split(","))))
    )
