"""What Jenkins says about the tests of a commit, and how they are asked for again."""

from __future__ import annotations

from bot.domain.errors import IntegrationError
from bot.domain.quality import QualityState
from bot.domain.rollout import RunState
from bot.ports.ci import CIRun, Quality
from bot.providers.ci.jenkins import reading
from bot.providers.ci.jenkins.client import PAGE, VENDOR, JenkinsClient
from bot.providers.ci.verdicts import to_repeat, weigh


class Tests:
    """The builds of the job that tests commits, where one is named."""

    def __init__(self, job: JenkinsClient | None) -> None:
        self.job = job

    async def quality(self, commit: str) -> Quality:
        """Tell what the builds of the commit say in the job that tests commits; a rerun
        replaces it, the worst decides.
        """
        if self.job is None:
            return Quality(
                QualityState.NONE,
                "Jenkins is not asked for tests: name the job that tests commits under ci.tests",
            )
        builds = {
            str(each.number): each for each in await self.job.tested() if commit in each.commits
        }
        weighed = weigh(map(reading.outcome, builds.values()))
        if not weighed.deciding:
            return Quality(
                QualityState.NONE,
                f"none of the newest {PAGE} builds of {self.job.name} has tested this commit",
            )
        return _quality(builds[max(weighed.deciding, key=lambda each: each.at).name], self.job)

    async def test_again(self, commit: str) -> CIRun:
        """Queue the builds of the commit that failed once more, with the same parameters; only
        where one of these is the commit.
        """
        builds = (
            {str(each.number): each for each in await self.job.tested() if commit in each.commits}
            if self.job
            else {}
        )
        repeated = [builds[each.name] for each in to_repeat(map(reading.outcome, builds.values()))]
        if self.job is not None and repeated and not repeated[0].state.is_final:
            return CIRun(
                str(repeated[0].number), RunState.RUNNING, self.job.url(repeated[0].number)
            )
        can = [each for each in repeated if commit in each.parameters.values()]
        if self.job is None or not can:
            which = "".join(f" #{each.number}" for each in repeated)
            sentence = (
                f"Jenkins has no build{which} whose parameters hold {commit[:10]}, so it cannot be "
                "repeated from here. Build it there."
            )
            raise IntegrationError(sentence, vendor=VENDOR, retry=False)
        for each in can:
            await self.job.start(each.parameters)
        return CIRun(f"{self.job.name} queued", RunState.QUEUED, self.job.url())


def _quality(found: reading.Tested, job: JenkinsClient) -> Quality:
    name, url = f"{job.name} #{found.number}", job.url(found.number)
    if not found.state.is_final:
        return Quality(QualityState.RUNNING, f"{name} is running", url, since=found.began)
    counted = f"{found.total - found.failed} of {found.total} tests passed" if found.total else ""
    if found.state is RunState.SUCCEEDED:
        return Quality(QualityState.GREEN, f"{counted or 'the tests passed'} in {name}", url)
    if found.state is RunState.CANCELLED:
        return Quality(
            QualityState.NONE,
            f"{name} ended with {found.result}, so nothing has been tested",
            url,
            has_run=True,
        )
    return Quality(
        QualityState.RED,
        f"{name} ended with {found.result}{f', {counted}' if counted else ''}",
        url,
    )
