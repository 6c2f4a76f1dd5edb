"""Jenkins: which item or build is the one that the bot has started, and
that none is started twice.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bot.domain.errors import IntegrationError
from bot.domain.rollout import RunState
from bot.providers.ci.starts import EARLIER
from tests.patience import PATIENCE
from tests.providers.ci.jenkins_lab import deploy, ends, reaches

if TYPE_CHECKING:
    from tests.providers.ci.jenkins_lab import JenkinsLab


class TestFinding:
    async def test_a_run_is_found_after_a_restart_whether_it_waits_runs_or_is_over(
        self, jenkins: JenkinsLab
    ) -> None:
        jenkins.world.executors.clear()
        run = await jenkins.ci.start(deploy(jenkins.commit("first", held=True)))
        waiting = await jenkins.provider().find(run.id)
        assert waiting is not None
        assert waiting.state is RunState.QUEUED
        jenkins.world.executors.set()
        restarted = jenkins.provider()
        await reaches(restarted, run, RunState.RUNNING)
        await restarted.cancel(run.id)
        done = await ends(restarted, run)
        assert await jenkins.provider().find(run.id) == done

    async def test_a_run_is_found_when_jenkins_has_forgotten_its_queue_item(
        self, jenkins: JenkinsLab
    ) -> None:
        run = await jenkins.ci.start(deploy(jenkins.commit("first")))
        async with asyncio.timeout(PATIENCE):
            while not jenkins.job.builds or jenkins.job.builds[0].building:  # noqa: ASYNC110 - the bot does not look meanwhile
                await asyncio.sleep(0.01)
        jenkins.world.forget_left()
        assert (await jenkins.ci.look(run.id)).state is RunState.SUCCEEDED

    async def test_a_run_is_found_behind_hundreds_of_other_builds(
        self, jenkins: JenkinsLab
    ) -> None:
        run = await ends(jenkins.ci, await jenkins.ci.start(deploy(jenkins.commit("first"))))
        for _ in range(250):
            jenkins.world.add_build(jenkins.job, result="SUCCESS")
        found = await jenkins.provider().find(run.id)
        assert found is not None
        assert found.url == run.url

    async def test_looking_back_ends_at_the_time_of_the_start(self, jenkins: JenkinsLab) -> None:
        for _ in range(350):
            began = jenkins.world.add_build(jenkins.job, result="SUCCESS")
            began.began -= int((EARLIER + timedelta(minutes=1)) / timedelta(milliseconds=1))
        await jenkins.forget(deploy(jenkins.commit("first")))
        with pytest.raises(IntegrationError, match="shows nothing of it yet"):
            await jenkins.ci.find("shop-1:canary-25")
        assert (
            len(
                [
                    each
                    for each in jenkins.fake.requests
                    if "allBuilds" in each.query.get("tree", "")
                ]
            )
            == 1
        )

    async def test_more_builds_than_can_be_looked_through_are_not_taken_for_none(
        self, jenkins: JenkinsLab
    ) -> None:
        for _ in range(2000):
            jenkins.world.add_build(jenkins.job, result="SUCCESS")
        await jenkins.forget(deploy(jenkins.commit("first")))
        with pytest.raises(
            IntegrationError, match=r"whether shop-1:canary-25 is one of them cannot be told"
        ) as unclear:
            await jenkins.ci.find("shop-1:canary-25")
        assert unclear.value.retry

    async def test_a_job_with_very_many_builds_starts_all_the_same(
        self, jenkins: JenkinsLab
    ) -> None:
        for _ in range(2000):
            jenkins.world.add_build(jenkins.job, result="SUCCESS")
        run = await jenkins.ci.start(deploy(jenkins.commit("first"), "shop-2:rollback", "rollback"))
        assert (await ends(jenkins.provider(), run)).state is RunState.SUCCEEDED

    async def test_starts_of_one_intent_at_the_same_time_are_one(self, jenkins: JenkinsLab) -> None:
        request = deploy(jenkins.commit("first"))
        await asyncio.gather(*(jenkins.ci.start(request) for _ in range(5)))
        assert jenkins.started() == 1

    async def test_a_start_does_not_wait_for_another_one_that_hangs(
        self, jenkins: JenkinsLab
    ) -> None:
        commit = jenkins.commit("first")
        await jenkins.forget(deploy(commit))
        jenkins.break_next("timeout", path="/queue/api/json", times=1)
        hanging = asyncio.create_task(jenkins.ci.start(deploy(commit)))
        async with asyncio.timeout(PATIENCE):
            while not jenkins.fake.requests:  # noqa: ASYNC110 - until it hangs
                await asyncio.sleep(0.001)
            await jenkins.ci.start(deploy(commit, "shop-2:rollback", "rollback"))
        assert not hanging.done()
        hanging.cancel()
        await asyncio.gather(hanging, return_exceptions=True)

    @pytest.mark.parametrize(
        "name", ["Deploy (production)", "R&D/a+b", "~shop", "plain job", "it's, 100 @ home = $1!"]
    )
    async def test_a_start_whose_answer_is_lost_is_seen_in_the_queue_whatever_the_job_is_called(
        self, jenkins: JenkinsLab, name: str
    ) -> None:
        jenkins.job.name, jenkins.world.jobs = (
            name,
            {name: jenkins.job, jenkins.tests.name: jenkins.tests},
        )
        jenkins.world.executors.clear()
        ci = jenkins.provider()
        jenkins.break_next("lost", path=jenkins.start_path)
        run = await ci.start(deploy(jenkins.commit("first")))
        assert (run.state, jenkins.started()) == (RunState.QUEUED, 1)
        await ci.cancel(run.id)
        assert (await ci.look(run.id)).state is RunState.CANCELLED

    async def test_what_we_know_nothing_of_is_looked_for_in_the_queue_and_on_one_page_of_builds(
        self, jenkins: JenkinsLab
    ) -> None:
        asked = len(jenkins.fake.requests)
        assert await jenkins.ci.find("shop-1:canary-25") is None
        assert len(jenkins.fake.requests) == asked + 2

    async def test_another_jobs_run_with_the_same_correlation_is_not_ours(
        self, jenkins: JenkinsLab
    ) -> None:
        jenkins.world.executors.clear()
        jenkins.world.queue(jenkins.tests, (("CORRELATION_ID", "shop-1:canary-25"),))
        assert await jenkins.ci.find("shop-1:canary-25") is None

    async def test_two_builds_with_one_correlation_are_told_and_never_guessed(
        self, jenkins: JenkinsLab
    ) -> None:
        request = deploy(jenkins.commit("first"))
        run = await ends(jenkins.ci, await jenkins.ci.start(request))
        jenkins.twin(run.id)
        await jenkins.forget(request)
        restarted = jenkins.provider()
        for question in (restarted.find, restarted.look):
            with pytest.raises(
                IntegrationError,
                match="build #1 and build #2 in Jenkins both say that they are shop-1:canary-25",
            ) as unclear:
                await question(run.id)
            assert unclear.value.retry
        with pytest.raises(IntegrationError, match="build #1 and build #2"):
            await restarted.start(request)
        jenkins.job.builds.pop()
        assert (await restarted.look(run.id)).state is RunState.SUCCEEDED

    @pytest.mark.parametrize("forgotten", [False, True])
    async def test_the_run_that_jenkins_named_is_ours_whatever_was_rebuilt(
        self, jenkins: JenkinsLab, forgotten: bool
    ) -> None:
        request = deploy(jenkins.commit("first", held=True))
        run = await reaches(jenkins.ci, await jenkins.ci.start(request), RunState.RUNNING)
        jenkins.twin(run.id)
        if forgotten:
            jenkins.world.forget_left()
        for question in (jenkins.provider().find, jenkins.provider().look):
            found = await question(run.id)
            assert found is not None
            assert found.url.endswith("/1/")
        assert (await jenkins.provider().start(request)).url.endswith("/1/")
        await jenkins.provider().cancel(run.id)
        assert (await ends(jenkins.provider(), run)).state is RunState.CANCELLED

    async def test_a_run_whose_build_was_deleted_is_not_begun_again(
        self, jenkins: JenkinsLab
    ) -> None:
        request = deploy(jenkins.commit("first"))
        await ends(jenkins.ci, await jenkins.ci.start(request))
        jenkins.job.builds.clear()
        jenkins.world.forget_left()
        restarted = jenkins.provider()
        for question in (restarted.find(request.correlation), restarted.start(request)):
            with pytest.raises(
                IntegrationError, match="was never started, or its build was deleted"
            ) as gone:
                await question
            assert (gone.value.status, gone.value.retry) == (404, False)
        assert jenkins.started() == 1

    async def test_a_run_that_was_seen_is_still_ours_when_a_twin_comes(
        self, jenkins: JenkinsLab
    ) -> None:
        run = await jenkins.ci.start(deploy(jenkins.commit("first", held=True)))
        await reaches(jenkins.ci, run, RunState.RUNNING)
        jenkins.twin(run.id)
        assert (await jenkins.ci.look(run.id)).url.endswith("/1/")
        await jenkins.ci.cancel(run.id)
        assert (await ends(jenkins.ci, run)).state is RunState.CANCELLED

    async def test_a_build_number_that_was_given_anew_is_not_taken_for_the_run(
        self, jenkins: JenkinsLab
    ) -> None:
        run = await jenkins.ci.start(deploy(jenkins.commit("first", held=True)))
        await reaches(jenkins.ci, run, RunState.RUNNING)
        jenkins.job.builds[0].parameters = (("CORRELATION_ID", "shop-9:canary-5"),)
        with pytest.raises(
            IntegrationError, match="was never started, or its build was deleted"
        ) as gone:
            await jenkins.ci.look(run.id)
        assert (gone.value.status, gone.value.retry) == (404, False)
