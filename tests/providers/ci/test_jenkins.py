"""Jenkins, on a fake that refuses what the real one refuses."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from bot.domain.errors import IntegrationError
from bot.domain.quality import QualityState
from bot.domain.rollout import RunState
from bot.providers.ci.jenkins.reading import PARAMETERS
from bot.providers.ci.starts import SETTLES
from tests.patience import PATIENCE
from tests.providers.ci.jenkins_lab import deploy, ends, reaches

if TYPE_CHECKING:
    from tests.providers.ci.jenkins_lab import JenkinsLab


class TestStarting:
    async def test_everything_that_a_pipeline_has_to_know_travels_into_the_build(
        self, jenkins: JenkinsLab
    ) -> None:
        commit = jenkins.commit("first")
        run = await jenkins.ci.start(deploy(commit))
        assert (run.id, run.state, run.url) == (
            "shop-1:canary-25",
            RunState.QUEUED,
            f"{jenkins.address}/job/team/job/shop/",
        )
        done = await ends(jenkins.ci, run)
        assert done.url == f"{jenkins.address}/job/team/job/shop/1/"
        assert dict(jenkins.job.builds[0].parameters) == {
            "CORRELATION_ID": "shop-1:canary-25", "ACTION": "deploy",
            "ENVIRONMENT": "production", "COMMIT": commit,
            "VERSION": "v1.4.2", "PERCENT": "25", "STRATEGY": "canary",
            "DEPLOYMENT": "shop-1", "SERVICE": "shop",
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("declared", "words"),
        [
            ((), "does not declare CORRELATION_ID, ACTION, SERVICE, ENVIRONMENT, COMMIT, PERCENT"),
            (
                tuple(each for each in PARAMETERS if each != "CORRELATION_ID"),
                "does not declare CORRELATION_ID, so Jenkins would drop",
            ),
        ],
    )
    async def test_a_job_that_would_drop_what_it_is_told_is_not_started(
        self, jenkins: JenkinsLab, declared: tuple[str, ...], words: str
    ) -> None:
        jenkins.job.parameters = declared
        with pytest.raises(IntegrationError, match=words) as refused:
            await jenkins.ci.start(deploy(jenkins.commit("first")))
        assert (refused.value.retry, jenkins.job.builds, jenkins.world.items) == (False, [], {})

    async def test_a_disabled_job_is_said_so(self, jenkins: JenkinsLab) -> None:
        jenkins.job.enabled = False
        with pytest.raises(IntegrationError, match="is disabled in Jenkins") as refused:
            await jenkins.ci.start(deploy(jenkins.commit("first")))
        assert not refused.value.retry

    async def test_a_rule_of_jenkins_that_keeps_the_build_out_of_the_queue_is_said_so(
        self, jenkins: JenkinsLab
    ) -> None:
        jenkins.fake.refuses_all = True
        with pytest.raises(IntegrationError, match="did not queue team/shop") as refused:
            await jenkins.ci.start(deploy(jenkins.commit("first")))
        assert not refused.value.retry

    @pytest.mark.parametrize("fault", ["lost", "500", "502"])
    async def test_a_start_whose_answer_is_lost_is_found_and_not_repeated(
        self, jenkins: JenkinsLab, fault: str
    ) -> None:
        commit = jenkins.commit("first")
        jenkins.break_next(fault, path=jenkins.start_path)
        if fault != "lost":  # carried out, and then a proxy says 500
            jenkins.world.queue(
                jenkins.job,
                tuple(
                    (
                        name,
                        {"CORRELATION_ID": "shop-1:canary-25", "COMMIT": commit}.get(
                            name, "deploy"
                        ),
                    )
                    for name in PARAMETERS
                ),
            )
            jenkins.world.executors.clear()
        run = await jenkins.ci.start(deploy(commit))
        jenkins.world.executors.set()
        assert (await ends(jenkins.ci, run)).state is RunState.SUCCEEDED
        assert (len(jenkins.job.builds), jenkins.started()) == (1, 1)

    @pytest.mark.parametrize("fault", ["timeout", "503"])
    async def test_a_start_that_cannot_be_told_is_left_to_the_next_look(
        self, jenkins: JenkinsLab, fault: str
    ) -> None:
        commit = jenkins.commit("first")
        jenkins.break_next(fault, path=jenkins.start_path)
        with pytest.raises(
            IntegrationError,
            match=(
                r"did not say whether it has queued shop-1:canary-25, .* "
                r"\(Jenkins (answered|did not)"
            ),
        ) as unclear:
            await jenkins.ci.start(deploy(commit))
        assert unclear.value.retry
        for ci in (jenkins.ci, jenkins.provider()):  # a restart forgets nothing
            for question in (ci.find("shop-1:canary-25"), ci.start(deploy(commit))):
                with pytest.raises(IntegrationError, match="did not say whether it has queued"):
                    await question
        jenkins.clock.skew = SETTLES
        assert await jenkins.ci.find("shop-1:canary-25") is None
        await ends(jenkins.ci, await jenkins.ci.start(deploy(commit)))
        assert jenkins.started() == 1

    async def test_a_build_that_comes_late_after_a_lost_start_is_the_only_one(
        self, jenkins: JenkinsLab
    ) -> None:
        commit = jenkins.commit("first")
        jenkins.break_next("timeout", path=jenkins.start_path)
        with pytest.raises(IntegrationError):
            await jenkins.ci.start(deploy(commit))
        restarted = jenkins.provider()
        with pytest.raises(IntegrationError):
            await restarted.start(deploy(commit))
        values = {"CORRELATION_ID": "shop-1:canary-25", "COMMIT": commit}
        jenkins.world.queue(
            jenkins.job, tuple((name, values.get(name, "deploy")) for name in PARAMETERS)
        )
        assert (
            await ends(restarted, await restarted.start(deploy(commit)))
        ).state is RunState.SUCCEEDED
        assert jenkins.started() == 1

    async def test_a_queue_item_that_is_not_named_is_found_by_its_correlation(
        self, jenkins: JenkinsLab
    ) -> None:
        jenkins.fake.names_no_item = True
        run = await jenkins.ci.start(deploy(jenkins.commit("first")))
        assert (await ends(jenkins.ci, run)).state is RunState.SUCCEEDED

    async def test_where_the_answer_points_to_is_never_followed(self, jenkins: JenkinsLab) -> None:
        await ends(jenkins.ci, await jenkins.ci.start(deploy(jenkins.commit("first"))))
        assert {request.host for request in jenkins.fake.requests} == {
            jenkins.address.split("/")[2]
        }

    async def test_a_start_that_is_refused_for_good_is_not_taken_for_a_lost_answer(
        self, jenkins: JenkinsLab
    ) -> None:
        jenkins.break_next("403", path=jenkins.start_path)
        with pytest.raises(IntegrationError, match="403") as refused:
            await jenkins.ci.start(deploy(jenkins.commit("first")))
        assert not refused.value.retry


class TestLooking:
    async def test_a_build_that_asks_something_waits_and_says_what(
        self, jenkins: JenkinsLab
    ) -> None:
        run = await jenkins.ci.start(deploy(jenkins.commit("first", asks=1)))
        seen = await reaches(jenkins.ci, run, RunState.WAITING)
        assert seen.sentence == 'waits in Jenkins for an answer "Release it?"'
        assert [stage.state for stage in seen.stages] == [
            RunState.SUCCEEDED,
            RunState.WAITING,
            RunState.QUEUED,
        ]
        assert (seen.stages[1].passable, seen.stages[1].sentence) == (True, "Release it?")
        await jenkins.ci.open_gate(run.id, "production")
        done = await ends(jenkins.ci, run)
        assert done.state is RunState.SUCCEEDED
        await jenkins.ci.open_gate(run.id, "production")

    @pytest.mark.parametrize(
        "more",
        [
            {"inputs": [{"name": "WHERE", "type": "StringParameterDefinition"}]},
            {"id": "../../quietDown"},
        ],
    )
    async def test_a_question_that_a_yes_does_not_answer_is_left_to_jenkins(
        self, jenkins: JenkinsLab, more: dict[str, Any]
    ) -> None:
        run = await jenkins.ci.start(deploy(jenkins.commit("first", asks=0)))
        await reaches(jenkins.ci, run, RunState.WAITING)
        jenkins.job.builds[0].questions[0].update(more)
        await jenkins.ci.open_gate(run.id, "production")
        seen = await jenkins.ci.look(run.id)
        assert (seen.state, seen.stages[0].passable) == (RunState.WAITING, False)
        assert not any(
            request.method == "POST"
            for request in jenkins.fake.requests[1:]
            if "buildWithParameters" not in request.path
        )

    async def test_a_question_that_only_somebody_else_may_answer_is_said_so(
        self, jenkins: JenkinsLab
    ) -> None:
        run = await jenkins.ci.start(deploy(jenkins.commit("first", asks=0)))
        await reaches(jenkins.ci, run, RunState.WAITING)
        jenkins.job.builds[0].submitter = "bo"
        with pytest.raises(IntegrationError, match="Answer it in Jenkins") as refused:
            await jenkins.ci.open_gate(run.id, "production")
        assert not refused.value.retry

    async def test_a_yes_whose_answer_is_lost_is_not_said_twice(self, jenkins: JenkinsLab) -> None:
        run = await jenkins.ci.start(deploy(jenkins.commit("first", asks=0)))
        await reaches(jenkins.ci, run, RunState.WAITING)
        jenkins.break_next("lost", path="/proceedEmpty")
        with pytest.raises(IntegrationError):
            await jenkins.ci.open_gate(run.id, "production")
        await ends(jenkins.ci, run)
        assert (
            len(
                [
                    request
                    for request in jenkins.fake.requests
                    if request.path.endswith("/proceedEmpty")
                ]
            )
            == 1
        )

    async def test_a_build_that_asks_something_can_be_stopped(self, jenkins: JenkinsLab) -> None:
        run = await jenkins.ci.start(deploy(jenkins.commit("first", asks=0)))
        await reaches(jenkins.ci, run, RunState.WAITING)
        await jenkins.ci.cancel(run.id)
        done = await ends(jenkins.ci, run)
        assert [stage.state for stage in done.stages] == [
            RunState.CANCELLED,
            RunState.SKIPPED,
            RunState.SKIPPED,
        ]

    async def test_what_a_run_waits_for_in_the_queue_is_said_without_the_seconds(
        self, jenkins: JenkinsLab
    ) -> None:
        jenkins.world.executors.clear()
        run = await jenkins.ci.start(deploy(jenkins.commit("first")))
        async with asyncio.timeout(PATIENCE):
            while not (seen := await jenkins.ci.look(run.id)).sentence:  # noqa: ASYNC110 - the quiet period passes
                await asyncio.sleep(0.01)
        assert (seen.state, seen.sentence) == (
            RunState.QUEUED,
            "waits in Jenkins' queue: Waiting for next available executor",
        )
        assert [stage.state for stage in seen.stages] == [RunState.QUEUED] * 3

    async def test_the_stage_that_failed_is_named_with_its_reason(
        self, jenkins: JenkinsLab
    ) -> None:
        done = await ends(
            jenkins.ci, await jenkins.ci.start(deploy(jenkins.commit("first", failing=1)))
        )
        assert done.sentence == "migrate failed: script returned exit code 3"

    async def test_a_commit_that_cannot_be_checked_out_is_told_as_the_stage_of_jenkins_that_failed(
        self, jenkins: JenkinsLab
    ) -> None:
        done = await ends(jenkins.ci, await jenkins.ci.start(deploy("0" * 40)))
        assert done.state is RunState.FAILED
        assert done.sentence.startswith("Declarative: Checkout SCM failed")

    async def test_without_the_stage_plugin_a_run_has_no_stages_and_still_ends(
        self, jenkins: JenkinsLab
    ) -> None:
        jenkins.fake.stage_plugin = False
        good = await ends(jenkins.ci, await jenkins.ci.start(deploy(jenkins.commit("first"))))
        bad = await ends(
            jenkins.ci,
            await jenkins.ci.start(deploy(jenkins.commit("second", failing=2), "shop-2:deploy")),
        )
        assert (good.state, good.stages, bad.state, bad.sentence) == (
            RunState.SUCCEEDED,
            (),
            RunState.FAILED,
            "the build ended with FAILURE",
        )

    @pytest.mark.parametrize(
        ("result", "cause", "state", "sentence"),
        [
            (
                "ABORTED",
                "Aborted by bo",
                RunState.CANCELLED,
                "the build was stopped: Aborted by bo",
            ),
            (
                "NOT_BUILT",
                "Superseded by #7",
                RunState.CANCELLED,
                "the build was replaced by a newer one (Superseded by #7)",
            ),
            ("ABORTED", "", RunState.CANCELLED, "the build was stopped"),
            ("UNSTABLE", "", RunState.FAILED, "the build is unstable: some of its tests failed"),
        ],
    )
    async def test_a_build_that_ended_otherwise_says_how(
        self, jenkins: JenkinsLab, result: str, cause: str, state: RunState, sentence: str
    ) -> None:
        other = jenkins.world.add_build(
            jenkins.job, (("CORRELATION_ID", "shop-1:canary-25"),), result=result
        )
        other.causes = [cause] if cause else []
        seen = await jenkins.ci.look("shop-1:canary-25")
        assert (seen.state, seen.sentence) == (state, sentence)

    async def test_how_a_run_ended_never_changes_again(self, jenkins: JenkinsLab) -> None:
        done = await ends(jenkins.ci, await jenkins.ci.start(deploy(jenkins.commit("first"))))
        jenkins.job.builds.clear()
        jenkins.world.forget_left()
        assert await jenkins.ci.look(done.id) == done

    async def test_times_are_aware_and_in_order(self, jenkins: JenkinsLab) -> None:
        done = await ends(jenkins.ci, await jenkins.ci.start(deploy(jenkins.commit("first"))))
        times = [time for stage in done.stages for time in (stage.started_at, stage.finished_at)]
        assert all(time is not None and time.tzinfo is UTC for time in times)


class TestCancelling:
    async def test_a_run_that_waits_is_taken_out_of_the_queue(self, jenkins: JenkinsLab) -> None:
        jenkins.world.executors.clear()
        run = await jenkins.ci.start(deploy(jenkins.commit("first")))
        await jenkins.ci.cancel(run.id)
        seen = await jenkins.ci.look(run.id)
        assert (seen.state, seen.sentence) == (
            RunState.CANCELLED,
            "it was taken out of Jenkins' queue before it began",
        )
        jenkins.world.executors.set()
        jenkins.world.forget_left()
        again = await jenkins.ci.start(deploy(jenkins.commit("second")))
        assert (again, jenkins.started(), jenkins.job.builds) == (seen, 1, [])

    @pytest.mark.parametrize("old_core", [False, True])
    async def test_a_run_that_leaves_the_queue_just_now_is_stopped_as_a_build(
        self, jenkins: JenkinsLab, old_core: bool
    ) -> None:
        jenkins.fake.old_core = old_core
        jenkins.world.executors.clear()
        run = await jenkins.ci.start(deploy(jenkins.commit("first", held=True)))
        await jenkins.ci.look(run.id)
        jenkins.fake.before_cancelling = jenkins.world.executors.set
        await jenkins.ci.cancel(run.id)
        assert (await ends(jenkins.ci, run)).state is RunState.CANCELLED
        assert len(jenkins.job.builds) == 1

    @pytest.mark.parametrize(
        ("old_core", "words", "retry"),
        [(True, "has not taken the run out of its queue yet", True), (False, "422", False)],
    )
    async def test_a_run_that_may_not_be_taken_out_of_the_queue_is_said_so(
        self, jenkins: JenkinsLab, old_core: bool, words: str, retry: bool
    ) -> None:
        jenkins.fake.old_core, jenkins.fake.may_cancel = old_core, False
        jenkins.world.executors.clear()
        run = await jenkins.ci.start(deploy(jenkins.commit("first")))
        with pytest.raises(IntegrationError, match=words) as refused:
            await jenkins.ci.cancel(run.id)
        assert refused.value.retry is retry

    async def test_a_stop_whose_answer_is_lost_is_asked_again(self, jenkins: JenkinsLab) -> None:
        run = await jenkins.ci.start(deploy(jenkins.commit("first", held=True)))
        await reaches(jenkins.ci, run, RunState.RUNNING)
        jenkins.break_next("lost", path="/stop")
        await jenkins.ci.cancel(run.id)
        assert (await ends(jenkins.ci, run)).state is RunState.CANCELLED

    async def test_a_run_that_is_over_is_not_asked_to_stop(self, jenkins: JenkinsLab) -> None:
        done = await ends(jenkins.ci, await jenkins.ci.start(deploy(jenkins.commit("first"))))
        await jenkins.provider().cancel(done.id)
        assert not any(request.path.endswith("/stop") for request in jenkins.fake.requests)


class TestQuality:
    async def test_the_newest_build_of_the_commit_decides(self, jenkins: JenkinsLab) -> None:
        commit = jenkins.commit("first", tests="exit 1")
        red = await jenkins.ci.quality(commit)
        assert (red.state, red.sentence) == (
            QualityState.RED,
            "team/shop-tests #1 ended with FAILURE",
        )
        jenkins.world.add_build(jenkins.tests, result="SUCCESS", tested=commit).counts = (0, 2, 128)
        green = await jenkins.ci.quality(commit)
        assert (green.state, green.sentence) == (
            QualityState.GREEN,
            "128 of 128 tests passed in team/shop-tests #2",
        )
        assert green.url == f"{jenkins.address}/job/team/job/shop-tests/2/"
        build = jenkins.world.add_build(jenkins.tests, tested=commit)
        running = await jenkins.ci.quality(commit)
        assert (running.state, running.since) == (
            QualityState.RUNNING,
            datetime.fromtimestamp(build.began / 1000, UTC),
        )

    @pytest.mark.case("ci-and-refs-14")
    @pytest.mark.parametrize("result", ["ABORTED", "NOT_BUILT"])
    async def test_a_build_that_tested_nothing_outvotes_none_that_did(
        self, jenkins: JenkinsLab, result: str
    ) -> None:
        commit = jenkins.commit("first")
        jenkins.world.add_build(jenkins.tests, result=result, tested=commit)
        assert (await jenkins.ci.quality(commit)).state is QualityState.GREEN

    @pytest.mark.case("ci-and-refs-4")
    async def test_a_build_of_another_branch_replaces_nothing(self, jenkins: JenkinsLab) -> None:
        commit = jenkins.commit("first", tests="exit 1")
        jenkins.world.add_build(
            jenkins.tests, result="SUCCESS", tested=commit
        ).branch = "refs/remotes/origin/side"
        assert (await jenkins.ci.quality(commit)).state is QualityState.RED

    @pytest.mark.case("ci-and-refs-7")
    async def test_a_build_that_was_given_the_commit_is_repeated_with_the_same_parameters(
        self, jenkins: JenkinsLab
    ) -> None:
        commit = jenkins.commit("first", tests="")
        jenkins.tests.parameters = ("COMMIT",)
        jenkins.world.add_build(jenkins.tests, (("COMMIT", commit),), result="FAILURE")
        assert (await jenkins.ci.test_again(commit)).state is RunState.QUEUED
        again = await jenkins.ci.test_again(commit)
        assert again.state in {RunState.QUEUED, RunState.RUNNING}

    @pytest.mark.case("ci-and-refs-7")
    async def test_the_build_that_failed_is_repeated_and_not_a_newer_one_that_passed(
        self, jenkins: JenkinsLab
    ) -> None:
        commit = jenkins.commit("first", tests="")
        jenkins.tests.parameters = ("COMMIT", "SUITE")
        for suite, result in (("unit", "FAILURE"), ("e2e", "SUCCESS")):
            jenkins.world.add_build(
                jenkins.tests, (("COMMIT", commit), ("SUITE", suite)), result=result
            )
        assert (await jenkins.ci.quality(commit)).state is QualityState.RED
        await jenkins.ci.test_again(commit)
        assert [dict(item.parameters)["SUITE"] for item in jenkins.world.items.values()] == ["unit"]

    @pytest.mark.case("ci-and-refs-7")
    async def test_where_only_what_passed_could_be_repeated_what_failed_is_named(
        self, jenkins: JenkinsLab
    ) -> None:
        commit = jenkins.commit("first", tests="exit 1")
        jenkins.world.add_build(jenkins.tests, (("COMMIT", commit),), result="SUCCESS")
        with pytest.raises(IntegrationError, match="Jenkins has no build #1 whose parameters hold"):
            await jenkins.ci.test_again(commit)

    @pytest.mark.case("ci-and-refs-7")
    async def test_tests_that_cannot_be_repeated_for_the_commit_are_refused_with_what_to_do(
        self, jenkins: JenkinsLab
    ) -> None:
        with pytest.raises(
            IntegrationError,
            match=(
                r"no build #1 whose parameters hold [0-9a-f]{10}, so it cannot be repeated "
                r"from here\. Build it there\."
            ),
        ) as refused:
            await jenkins.ci.test_again(jenkins.commit("first"))
        assert not refused.value.retry

    async def test_an_unstable_build_says_how_many_tests_failed(self, jenkins: JenkinsLab) -> None:
        commit = jenkins.commit("first", tests="")
        jenkins.world.add_build(jenkins.tests, result="UNSTABLE", tested=commit).counts = (
            3,
            0,
            128,
        )
        assert (
            await jenkins.ci.quality(commit)
        ).sentence == "team/shop-tests #1 ended with UNSTABLE, 125 of 128 tests passed"

    async def test_a_build_that_was_given_the_commit_as_a_parameter_counts(
        self, jenkins: JenkinsLab
    ) -> None:
        commit = jenkins.commit("first", tests="")
        jenkins.world.add_build(jenkins.tests, (("COMMIT", commit),), result="SUCCESS")
        assert (await jenkins.ci.quality(commit)).state is QualityState.GREEN

    async def test_without_a_job_that_tests_nothing_is_green(self, jenkins: JenkinsLab) -> None:
        seen = await jenkins.provider(tests="").quality(jenkins.commit("first"))
        assert seen.state is QualityState.NONE
        assert "ci.tests" in seen.sentence
