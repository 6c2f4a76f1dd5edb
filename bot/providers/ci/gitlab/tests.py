"""What GitLab says about the tests of a commit, and how they are asked for again."""

from __future__ import annotations

from dataclasses import replace

import structlog

from bot.domain.errors import IntegrationError
from bot.domain.quality import QualityState
from bot.ports.ci import CIRun, Quality
from bot.providers.ci.gitlab import facts, reading
from bot.providers.ci.gitlab.client import Object, Project
from bot.providers.ci.gitlab.pipelines import Pipelines
from bot.providers.ci.gitlab.reading import VENDOR
from bot.providers.ci.gitlab.repository import Repository
from bot.providers.ci.refs import checked
from bot.providers.ci.verdicts import Said, dated, has_failed, newest_first, to_repeat, weigh
from bot.providers.exchange import RestError

log = structlog.get_logger(__name__)

_BY_HAND = frozenset({"api", "trigger", "web"})
"""Sources of pipelines that can carry variables (doc/ci/jobs/job_rules.md, CI_PIPELINE_SOURCE)."""


class Tests:
    """The pipelines of one project that are not ours."""

    def __init__(self, project: Project, repository: Repository, pipelines: Pipelines) -> None:
        self._project = project
        self._repository = repository
        self._pipelines = pipelines

    async def quality(self, commit: str) -> Quality:
        """Tell what the pipelines say of the commit that are not ours; the worst decides, and a
        rerun of the same thing replaces it.

        Where none has tested it, the newest commit before it that changes the
        service's files has the word.
        """
        said = await self._said(checked(commit, VENDOR))
        if (
            said.state is QualityState.NONE
            and (own := await self._repository.changed.newest(commit)) != commit
        ):
            earlier = await self._said(own)
            if earlier.state is not QualityState.NONE:
                return replace(
                    earlier,
                    sentence=(
                        f"{earlier.sentence}; at {own[:10]}, the newest commit that "
                        "changes the service's files"
                    ),
                )
        return said

    async def _said(self, commit: str) -> Quality:
        pipelines = await self._tests(commit)
        weighed = weigh(map(facts.outcome, pipelines.values()))
        if not weighed.deciding:
            return Quality(QualityState.NONE, "GitLab has run no pipeline for this commit")
        said = [
            facts.quality(pipelines[each.name], await self._summary(each.name))
            for each in newest_first(weighed.deciding)
        ]
        return next((each for each in said if each.state is QualityState.UNKNOWN), said[0])

    async def _tests(self, commit: str) -> dict[str, Object]:
        """Give the pipelines of a commit that are not ours, by their ids."""
        found = await self._project.pages("pipelines", sha=commit, order_by="id", sort="desc")
        return {str(each.get("id")): each for each in found if not await self._is_ours(each)}

    async def test_again(self, commit: str) -> CIRun:
        """Retry the pipelines of the commit that failed or were cancelled (doc/api/pipelines.md,
        "Retry jobs in a pipeline").
        """
        pipelines = await self._tests(checked(commit, VENDOR))
        outcomes = [facts.outcome(each) for each in pipelines.values()]
        if (
            not has_failed(outcomes)
            and (own := await self._repository.changed.newest(commit)) != commit
        ):
            earlier = await self._tests(own)
            outcomes += [dated(facts.outcome(each), own) for each in earlier.values()]
            pipelines |= earlier
        repeated = to_repeat(outcomes)
        if repeated and repeated[0].said is Said.RUNNING:
            return reading.run(pipelines[repeated[0].name], ())
        if not repeated or repeated[0].said not in {Said.FAILED, Said.STOPPED}:
            sentence = (
                f"GitLab has no failed pipeline of {commit[:10]} that could be retried. Run a new "
                "pipeline for it at GitLab."
            )
            raise IntegrationError(sentence, vendor=VENDOR, retry=False)
        for each in repeated[1:]:
            await self._project.retry(each.name)
        return reading.run(await self._project.retry(repeated[0].name), ())

    async def _is_ours(self, pipeline: Object) -> bool:
        if reading.named(pipeline):
            return True
        return pipeline.get("source") in _BY_HAND and bool(await self._pipelines.carries(pipeline))

    async def _summary(self, pipeline: str) -> Object | None:
        """Read the test report's figures; a project may have none, or the token no right. Raises
        IntegrationError when it may pass.
        """
        try:
            return await self._project.one("pipelines", pipeline, "test_report_summary")
        except RestError as error:
            if error.retry:
                raise
            log.info("no test report", pipeline=pipeline, status=error.status)
            return None
