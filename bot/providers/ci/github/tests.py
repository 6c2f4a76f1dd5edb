"""What GitHub says about the tests of a commit, and how they are asked for again."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from bot.domain.errors import IntegrationError
from bot.domain.quality import QualityState
from bot.domain.rollout import RunState
from bot.ports.ci import CIRun, Quality
from bot.providers.ci.github import facts, reading
from bot.providers.ci.github.changed import Changed
from bot.providers.ci.github.client import Repository, escaped
from bot.providers.ci.github.required import Required
from bot.providers.ci.refs import checked
from bot.providers.ci.verdicts import (
    Outcome,
    Said,
    Weighed,
    dated,
    has_failed,
    newest,
    to_repeat,
    weigh,
)
from bot.providers.exchange import RestError

CHECKS = 10
"""How many pages of 100 checks, runs or statuses are read."""
_BLIND = "; checks of other apps cannot be seen with this token"


class Tests:
    """The tests of one repository's commits. The runs of ``workflow``, which deploys, are none."""

    def __init__(
        self, repository: Repository, workflow: str, required: Required, changed: Changed
    ) -> None:
        self._repository = repository
        self._workflow = workflow
        self._required = required
        self._changed = changed

    async def quality(self, commit: str) -> Quality:
        """Tell whether the commit's runs, checks and statuses are green. The runs of our own
        deployments do not count.

        What does not report for a commit that leaves the service's files alone has reported for the
        newest one before it that does not: between the two, nothing of the service has changed.
        """
        required = await self._required.names()
        outcomes, note = await self._outcomes(checked(commit, facts.VENDOR), by_name=bool(required))
        weighed = self._weighed(outcomes, required)
        at = commit
        if self._is_silent(weighed) and (own := await self._changed.newest(commit)) != commit:
            earlier, _ = await self._outcomes(own, by_name=bool(required))
            wanted = [
                each for each in earlier if each.name in weighed.missing or not weighed.missing
            ]
            outcomes, at = [*outcomes, *(dated(each, own) for each in wanted)], own
            weighed = self._weighed(outcomes, required)
        note = (
            note
            if at == commit
            else f"{note}; at {own[:10]}, the newest commit that changes the service's files"
        )
        url = f"{self._repository.url}/commit/{at}/checks" if self._repository.url else ""
        return facts.quality(weighed, outcomes, note=note, url=url)

    @staticmethod
    def _is_silent(weighed: Weighed) -> bool:
        """Tell whether nothing is bad, and something that should have reported
        has not, or nothing has.
        """
        return weighed.state is QualityState.NONE

    def _weighed(self, outcomes: Sequence[Outcome], required: Sequence[str]) -> Weighed:
        return weigh(outcomes, required=required, only_required=self._required.alone)

    async def _outcomes(self, commit: str, *, by_name: bool) -> tuple[list[Outcome], str]:
        """Read everything that has a say. A workflow's run speaks for its jobs, whether or not the
        token may see their check runs.
        """
        every = await self._runs(commit)
        theirs = [run for run in every if not facts.is_of(run, self._workflow)]
        counted = newest(map(facts.workflow, theirs))
        found = [each for run in counted for each in await self._with_jobs(run, by_name=by_name)]
        path = f"/commits/{escaped(commit)}"
        checks, note = await self._checks(
            path, [int(run["check_suite_id"]) for run in every if run.get("check_suite_id")]
        )
        statuses = await self._repository.all(f"{path}/status", key="statuses", limit=CHECKS)
        return [*found, *checks, *facts.statuses(statuses)], note

    async def _runs(self, commit: str) -> list[Any]:
        return await self._repository.all(
            "/actions/runs", {"head_sha": commit}, key="workflow_runs", limit=CHECKS
        )

    async def _with_jobs(self, run: Outcome, *, by_name: bool) -> list[Outcome]:
        """Give a workflow's run, with its jobs where they are asked for by name, or where one of
        them may be why the run ended so.
        """
        if not by_name and run.said not in {Said.FAILED, Said.STOPPED}:
            return [run]
        path = f"/actions/runs/{facts.number(run)}/jobs"
        parts = facts.jobs(
            run, await self._repository.all(path, {"filter": "latest"}, key="jobs", limit=CHECKS)
        )
        return [facts.believed(run, parts), *parts]

    async def _checks(self, path: str, suites: Sequence[int]) -> tuple[list[Outcome], str]:
        """Read the check runs of other apps, where the token may see them: fine-grained tokens have
        no permission for checks.
        """
        try:
            listed = await self._repository.all(
                f"{path}/check-runs", {"filter": "latest"}, key="check_runs", limit=CHECKS
            )
        except RestError as error:
            if error.status != HTTPStatus.FORBIDDEN or error.retry:
                raise
            return [], _BLIND
        return facts.checks(listed, suites), ""

    async def again(self, commit: str) -> CIRun:
        """Run the failed jobs of the commit's workflows again; where none failed, what was
        cancelled as a whole. What runs is left to run.

        Where nothing failed at the commit, what failed at the newest one before it that changes the
        service's files has made it red.

        https://docs.github.com/rest/actions/workflow-runs, "Re-run failed jobs from a workflow
        run". Runs of forks are left alone.
        """
        runs = await self._repeatable(checked(commit, facts.VENDOR))
        outcomes = [facts.workflow(run) for run in runs]
        if not has_failed(outcomes) and (own := await self._changed.newest(commit)) != commit:
            earlier = await self._repeatable(own)
            runs, outcomes = (
                [*runs, *earlier],
                [*outcomes, *(dated(facts.workflow(run), own) for run in earlier)],
            )
        by_id = {int(run["id"]): run for run in runs}
        repeated = to_repeat(outcomes)
        if not repeated:
            sentence = (
                f"GitHub has run no workflow for {commit[:10]} that could be run "
                "again. Start one at GitHub."
            )
            raise IntegrationError(sentence, vendor=facts.VENDOR, retry=False)
        for each in repeated:
            if each.said is not Said.RUNNING:
                await self._run_again(each)
        seen = reading.run(by_id[facts.number(repeated[0])])
        return CIRun(seen.id, RunState.QUEUED if seen.state.is_final else seen.state, seen.url)

    async def _repeatable(self, commit: str) -> list[Any]:
        return [run for run in await self._runs(commit) if facts.may_run_again(run, self._workflow)]

    async def _run_again(self, run: Outcome) -> None:
        call = "rerun-failed-jobs" if run.said is Said.FAILED else "rerun"
        try:
            await self._repository.send("POST", f"/actions/runs/{facts.number(run)}/{call}")
        except RestError as error:
            if error.perhaps_done or error.status not in {
                HTTPStatus.FORBIDDEN,
                HTTPStatus.CONFLICT,
            }:
                raise
            sentence = (
                f"GitHub does not run {run.name} again: "
                f"{str(error).rstrip('.')}. Start it at GitHub."
            )
            raise IntegrationError(
                sentence, vendor=facts.VENDOR, status=error.status, retry=False
            ) from error
