"""GitLab CI: a pipeline per run, started with variables, found again by its
name, never started twice.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from weakref import WeakValueDictionary

from bot.domain.catalog import Freeze, PathPatterns
from bot.domain.changes import Changes
from bot.domain.errors import IntegrationError
from bot.domain.rollout import RunState
from bot.domain.versions import Tags
from bot.ports.ci import CIRun, GateAnswer, Quality, Resolved, RunHint, StartRequest
from bot.ports.time import Clock
from bot.providers.ci.gates import Gates
from bot.providers.ci.gitlab import doctor, freezes, reading, webhook
from bot.providers.ci.gitlab.client import Object, Project
from bot.providers.ci.gitlab.pipelines import FORBIDDEN, Pipelines, remember
from bot.providers.ci.gitlab.reading import VENDOR
from bot.providers.ci.gitlab.repository import Repository
from bot.providers.ci.gitlab.tests import Tests
from bot.providers.ci.refs import checked
from bot.providers.ci.starts import EARLIER, Attempt, Starts
from bot.providers.context import Finding
from bot.providers.exchange import RestError

NO_PATHS = PathPatterns()


class GitLabCI:
    """``ports.CIProvider`` for one service's project at GitLab."""

    def __init__(
        self,
        service: str,
        project: Project,
        *,
        clock: Clock,
        starts: Starts,
        ref: str = "",
        signing_key: bytes = b"",
        webhook_token: str = "",
        tags: Tags | None = None,
        paths: PathPatterns = NO_PATHS,
        pauses: Sequence[float] = (0.5, 1.0, 2.0),
    ) -> None:
        self._service = service
        self._project = project
        self._clock = clock
        self._starts = starts
        self._ref = ref
        self._repository = Repository(project, ref, tags=tags or Tags(service), paths=paths)
        self._signing_key = signing_key
        self._webhook_token = webhook_token
        self._pauses = tuple(pauses)
        self._starting: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._pipelines = Pipelines(project)
        self._tests = Tests(project, self._repository, self._pipelines)
        self._ended: OrderedDict[str, CIRun] = OrderedDict()
        self._gates = Gates()

    async def open(self) -> None:
        """Take up work. Nothing is asked of GitLab: the bot starts although GitLab is down."""

    async def close(self) -> None:
        """Let go; pipelines go on at GitLab."""

    async def resolve(self, ref: str) -> Resolved:
        """Resolve a tag, branch or commit, or ``latest`` (the highest version,
        else the default branch).
        """
        return await self._repository.resolve(ref)

    async def compare(self, base: str, head: str) -> Changes:
        """List what ``head`` has and ``base`` has not; the other way round, and marked,
        when head lies behind base.
        """
        return await self._repository.compare(base, head)

    async def quality(self, commit: str) -> Quality:
        """Tell what the pipelines say of the commit that are not ours."""
        return await self._tests.quality(commit)

    async def test_again(self, commit: str) -> CIRun:
        """Retry the pipelines of the commit that failed or were cancelled."""
        return await self._tests.test_again(commit)

    async def freezes(self, environment: str) -> tuple[Freeze, ...]:
        """List the project's freeze periods that are in force; GitLab keeps them for the project,
        so they hold for every environment.
        """
        return freezes.in_force(
            await self._project.pages("freeze_periods"), environment, self._clock.now()
        )

    async def find(self, correlation: str) -> CIRun | None:
        """Find the pipeline of an intent; None is certain, and what is not certain raises.

        The pipeline that GitLab named is ours, whatever else carries the id. Else GitLab's
        list is searched, also when we know of no start: our database may be one that was
        restored from before it.
        """
        attempt = await self._starts.of(correlation)
        if attempt.run:
            return await self.look(attempt.run)
        found = await self._search(correlation, attempt)
        if found is None and not self._starts.has_settled(attempt):
            raise _lost(correlation)
        return found

    async def _search(self, correlation: str, attempt: Attempt) -> CIRun | None:
        """Look for the one pipeline that carries a correlation id. Raises
        IntegrationError when several do.
        """
        found = await self._pipelines.of(correlation, attempt, self._starts.age(attempt) + EARLIER)
        if len(found) > 1:
            raise _two(correlation, found)
        if not found:
            return None
        await self._starts.became(correlation, found[0])
        return await self.look(found[0])

    async def start(self, request: StartRequest) -> CIRun:
        """Start a pipeline on the option's branch, with the commit as a variable. An answer that
        was lost is looked for, never repeated.
        """
        checked(request.commit, VENDOR)
        one_at_a_time = self._starting.setdefault(request.correlation, asyncio.Lock())
        async with one_at_a_time:  # per intent: a rollback does not wait for a start that hangs
            found = await self.find(request.correlation)
            return found or await self._start(request)

    async def _start(self, request: StartRequest) -> CIRun:
        branch = await self._repository.branch()
        await self._starts.send(request)
        try:
            created = await self._create(branch, reading.variables(request, self._service))
        except RestError as error:
            if not error.perhaps_done:
                await self._starts.refused(request.correlation)
                raise _explained(error, branch) from error
            await self._starts.unanswered(request.correlation, error.status)
            return await self._found_again(request.correlation, error)
        run = str(created["id"])
        await self._starts.became(request.correlation, run)
        self._pipelines.know(run, request.correlation)
        return reading.run(created, ())

    async def _create(self, branch: str, variables: Mapping[str, str]) -> Object:
        """Create a pipeline; once more when GitLab does not know the default branch any more,
        because it has another name by now.
        """
        try:
            return await self._project.start(branch, variables)
        except RestError as error:
            is_unknown = not error.perhaps_done and "reference not found" in str(error).lower()
            if not is_unknown or not await self._repository.is_renamed():
                raise
        return await self._project.start(await self._repository.branch(), variables)

    async def _found_again(self, correlation: str, lost: RestError) -> CIRun:
        """Look for a pipeline whose start was not answered."""
        attempt = await self._starts.of(correlation)
        for pause in (0.0, *self._pauses):
            await asyncio.sleep(pause)
            found = await self._search(correlation, attempt)
            if found is not None:
                return found
        raise _lost(correlation) from lost

    async def look(self, run: str) -> CIRun:
        """See where a pipeline stands. What has once ended stays ended, also when somebody
        retries its jobs at GitLab.
        """
        ended = self._ended.get(run)
        if ended is not None:
            return ended
        pipeline = await self._pipelines.one(run)
        seen = reading.run(pipeline, await self._pipelines.jobs(run))
        if seen.state is RunState.WAITING:
            self._gates.waits(run)
        if seen.state.is_final:
            remember(self._ended, run, seen)
        return seen

    async def cancel(self, run: str) -> None:
        """Ask a pipeline to stop, and look whether GitLab obeys: it answers
        200 whatever the state is.
        """
        if reading.is_over(await self._pipelines.one(run)):
            return
        await self._project.cancel(run)
        for pause in (0.0, *self._pauses):
            await asyncio.sleep(pause)
            pipeline = await self._pipelines.one(run)
            if reading.is_over(pipeline) or pipeline.get("status") == "canceling":
                return
        sentence = (
            f"GitLab took the request to cancel pipeline {run}, and it is still "
            f"{pipeline.get('status')}. Cancel it at GitLab."
        )
        raise IntegrationError(sentence, vendor=VENDOR)

    async def open_gate(self, run: str, environment: str) -> GateAnswer:
        """Start the one manual job of this environment that a pipeline waits for."""
        pipeline = await self._pipelines.one(run)
        if reading.is_over(pipeline):
            return self._gates.past(run)
        job = reading.gate(await self._pipelines.jobs(run))
        if not job:
            return self._gates.past(run)
        if not await self._is_for(environment, pipeline, job):
            return GateAnswer.NOT_THERE
        self._gates.waits(run)
        return await self._play(run, job)

    async def _play(self, run: str, job: int) -> GateAnswer:
        """Start a manual job. Whatever GitLab answers, a gate that is open now is enough."""
        try:
            await self._project.play(job)
        except RestError as error:
            if reading.gate(await self._pipelines.jobs(run)) == job:
                sentence = (
                    f"{error} Open it at GitLab, or give the token a role that may start this job."
                )
                raise RestError(
                    sentence, vendor=VENDOR, status=error.status, retry=error.retry, wait=error.wait
                ) from error
            return GateAnswer.OPENED if error.perhaps_done else GateAnswer.WAS_OPEN
        return GateAnswer.OPENED

    async def _is_for(self, environment: str, pipeline: Object, job: int) -> bool:
        """Tell whether a pipeline and its manual job are for an environment; what nobody
        says of a pipeline is not.

        GitLab keeps a blocked deployment for a manual job with an environment
        (doc/api/deployments.md), and none for ``action: prepare``.
        """
        attempt = await self._starts.of(await self._pipelines.carries(pipeline))
        is_ours = attempt.request is not None and attempt.run == str(pipeline.get("id"))
        ours = (
            attempt.request.environment
            if is_ours and attempt.request
            else await self._pipelines.environment(str(pipeline.get("id")))
        )
        if ours != environment:
            return False
        try:
            blocked = await self._project.page(
                "deployments", status="blocked", order_by="id", sort="desc"
            )
        except RestError as error:
            if error.status not in FORBIDDEN:
                raise
            return True
        return reading.deployed_to(blocked, job) in {"", environment}

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> RunHint:
        """Verify and read a webhook."""
        now = self._clock.now()
        webhook.verify(headers, body, key=self._signing_key, token=self._webhook_token, now=now)
        return webhook.read(headers, body)

    async def examine(self) -> Sequence[Finding]:
        """Check token, project, pipeline definition, webhook and clock at
        GitLab; changes nothing.
        """
        secrets = doctor.WebhookSecrets(
            signing=bool(self._signing_key), token=bool(self._webhook_token)
        )
        return await doctor.examine(
            self._project, ref=self._ref, secrets=secrets, now=self._clock.now
        )


def _two(correlation: str, found: Sequence[str]) -> IntegrationError:
    sentence = (
        f'GitLab has {len(found)} pipelines for "{correlation}" ({", ".join(found)}), and the bot '
        "cannot tell which one counts. "
        "Cancel those that should not run, delete all but one of them at GitLab, and try again."
    )
    return IntegrationError(sentence, vendor=VENDOR, retry=False)


def _lost(correlation: str) -> IntegrationError:
    sentence = (
        f'GitLab did not answer when it was asked to start "{correlation}", and '
        "shows no such pipeline yet. "
        "It may still appear; the bot looks again and does not start it twice."
    )
    return IntegrationError(sentence, vendor=VENDOR)


_REMEDIES = {
    "pipeline variables": (
        "Let the token's role set them: Settings > CI/CD > Variables > Minimum role "
        "to use pipeline variables."
    ),
    "reference not found": "Set the option ref to a branch of the project.",
    "sufficient permission": (
        "Allow the token's role to merge or push to the branch, or use a token "
        "with the role Maintainer."
    ),
    "protected ref": (
        "Allow the token's role to merge or push to the branch, or use a token "
        "with the role Maintainer."
    ),
    "rules": (
        "Its .gitlab-ci.yml has no job for a pipeline started by the bot; "
        "compare it with the template."
    ),
    "missing ci config": "Add the template as .gitlab-ci.yml to the branch.",
}


def _explained(error: RestError, branch: str) -> IntegrationError:
    """Add the remedy to GitLab's own words."""
    said = str(error).lower()
    remedy = next((remedy for words, remedy in _REMEDIES.items() if words in said), "")
    if not remedy:
        return error
    return RestError(
        f'{error} (branch "{branch}") {remedy}', vendor=error.vendor,
        status=error.status, retry=error.retry, wait=error.wait
    )  # fmt: skip
