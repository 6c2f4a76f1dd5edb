"""What ``gonogo doctor`` asks of a Jenkins. Nothing is started and nothing changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from bot.domain.errors import IntegrationError
from bot.ports.time import Clock
from bot.providers.ci.jenkins import reading, webhook
from bot.providers.ci.jenkins.client import JenkinsClient
from bot.providers.ci.mirror import Mirror
from bot.providers.context import Finding, unanswered
from bot.providers.exchange import Reply

SKEW = timedelta(seconds=30)
_HERE = frozenset({"127.0.0.1", "localhost", "::1"})


def address(url: str) -> Finding:
    """Say whether the token stays between Jenkins and us on the way to an address."""
    parts = urlsplit(url)
    if parts.scheme == "https" or parts.hostname in _HERE:
        return Finding(
            "address",
            ok=True,
            sentence=f"{parts.scheme}://{parts.netloc} keeps the token to itself.",
        )
    return Finding(
        "address",
        ok=False,
        sentence="The token travels in clear text over http.",
        remedy="Use https:// in ci.url.",
    )


class Examination:
    """One look at everything."""

    def __init__(
        self,
        client: JenkinsClient,
        tests: JenkinsClient | None,
        mirror: Mirror,
        *,
        has_webhook_secret: bool,
        has_api_token: bool,
        clock: Clock,
    ) -> None:
        self._client = client
        self._tests = tests
        self._mirror = mirror
        self._has_webhook_secret = has_webhook_secret
        self._has_api_token = has_api_token
        self._clock = clock

    async def findings(self) -> Sequence[Finding]:
        """Look at each thing; what cannot be asked is a finding too."""
        found = [address(self._client.url())]
        for subject, look, remedy in (
            (
                "token",
                self._identity,
                (
                    "Set ci.user and GONOGO_JENKINS_TOKEN to a user and an API token of "
                    "that user (not a password)."
                ),
            ),
            (
                "job",
                self._job,
                (
                    "Check ci.job, and give the user the permissions Job/Read, "
                    "Job/Build and Job/Cancel on it."
                ),
            ),
            ("stages", self._stages, "Check ci.job."),
            (
                "tests",
                self._tested,
                "Check ci.tests, and give the user the permission Job/Read on that job.",
            ),
        ):
            found += await _asked(subject, look, remedy)
        return (*found, await self._repository(), self._secret())

    async def _identity(self) -> list[Finding]:
        reply = await self._client.who()
        who = reply.data if isinstance(reply.data, dict) else {}
        version = reply.headers.get("x-jenkins", "")
        if not who.get("authenticated") or who.get("anonymous"):
            remedy = "Set ci.user and GONOGO_JENKINS_TOKEN."
            return [
                Finding(
                    "token", ok=False, sentence="Jenkins does not know who we are.", remedy=remedy
                ),
                self._skew(reply),
            ]
        said = f"Jenkins {version} knows us as {who.get('name')}.".replace("  ", " ")
        if not self._has_api_token:
            doubt = (
                f"{said} The token does not look like an API token; a password can start nothing."
            )
            remedy = "Add an API token on the user's own page, under Security."
            return [Finding("token", ok=None, sentence=doubt, remedy=remedy), self._skew(reply)]
        return [Finding("token", ok=True, sentence=said), self._skew(reply)]

    def _skew(self, reply: Reply) -> Finding:
        try:
            skew = abs(parsedate_to_datetime(reply.headers.get("date", "")) - self._clock.now())
        except (TypeError, ValueError):
            return Finding("clock", ok=None, sentence="Jenkins does not say what time it is.")
        seconds = skew.total_seconds()
        if skew <= SKEW:
            return Finding("clock", ok=True, sentence="Jenkins and the bot agree on the time.")
        sentence = (
            f"Jenkins' clock and ours differ by {seconds:.0f} s; notices are refused from "
            f"{webhook.TOLERANCE.seconds} s on."
        )
        return Finding(
            "clock",
            ok=False,
            sentence=sentence,
            remedy="Let both machines take their time from the same source (NTP).",
        )

    async def _job(self) -> list[Finding]:
        job = await self._client.job()
        missing = [each for each in reading.PARAMETERS if each not in reading.declared(job)]
        if not reading.is_buildable(job):
            return [
                Finding(
                    "job",
                    ok=False,
                    sentence=f"{self._client.name} is disabled.",
                    remedy="Enable it in Jenkins.",
                )
            ]
        if missing:
            sentence = f"{self._client.name} does not declare {', '.join(missing)}."
            remedy = (
                "Use our Jenkinsfile, and run the job once by hand: Jenkins learns a pipeline's "
                "parameters from its first run."
            )
            return [Finding("job", ok=False, sentence=sentence, remedy=remedy)]
        rights = (
            "Whether the user may start and stop it cannot be known without doing it: it needs "
            "Job/Build and Job/Cancel."
        )
        return [
            Finding(
                "job", ok=True, sentence=f"{self._client.name} is there and takes our parameters."
            ),
            Finding("permissions", ok=None, sentence=rights),
        ]

    async def _stages(self) -> list[Finding]:
        if await self._client.has_stages():
            return [Finding("stages", ok=True, sentence="Jenkins tells the stages of a build.")]
        sentence = (
            "Jenkins does not tell the stages of this job's builds, nor whether "
            "one waits for an answer."
        )
        return [
            Finding(
                "stages",
                ok=None,
                sentence=sentence,
                remedy='Make it a pipeline, and install the plugin "Pipeline: REST API".',
            )
        ]

    async def _tested(self) -> list[Finding]:
        if self._tests is None:
            sentence = "No job is named that tests commits, so no commit's tests are ever green."
            return [
                Finding(
                    "tests",
                    ok=None,
                    sentence=sentence,
                    remedy="Name one under ci.tests, or leave the tests gate out.",
                )
            ]
        builds = await self._tests.tested()
        if any(each.commits for each in builds) or not builds:
            return [Finding("tests", ok=True, sentence=f"{self._tests.name} can be read.")]
        sentence = f"The builds of {self._tests.name} do not say which commit they have tested."
        return [
            Finding(
                "tests",
                ok=False,
                sentence=sentence,
                remedy="Let it check out with the git plugin, or give it a parameter COMMIT.",
            )
        ]

    async def _repository(self) -> Finding:
        try:
            await self._mirror.fetch()
        except IntegrationError as error:
            remedy = (
                "Check ci.repository, and that the bot's user may read it without "
                "being asked for a password."
            )
            return Finding("repository", ok=False, sentence=str(error), remedy=remedy)
        return Finding("repository", ok=True, sentence="The repository can be read.")

    def _secret(self) -> Finding:
        if self._has_webhook_secret:
            return Finding("webhook", ok=True, sentence="The secret for notices is set.")
        sentence = "Without a secret all notices are refused; runs are seen by polling alone."
        remedy = "Set GONOGO_JENKINS_WEBHOOK_SECRET, and the same as a credential in Jenkins."
        return Finding("webhook", ok=None, sentence=sentence, remedy=remedy)


async def _asked(
    subject: str, look: Callable[[], Awaitable[list[Finding]]], remedy: str
) -> list[Finding]:
    try:
        return await look()
    except IntegrationError as error:
        return [unanswered(subject, error, remedy)]
