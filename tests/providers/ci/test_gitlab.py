"""GitLab CI: what the contract suite does not ask of runs. Starts that are never repeated,
following, gates, cancelling.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bot.domain.errors import IntegrationError
from bot.domain.rollout import RunState
from bot.ports.ci import CIRun, GateAnswer, StartRequest
from bot.providers.ci.gitlab.provider import GitLabCI
from bot.providers.ci.starts import EARLIER
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from tests.providers.ci.gitlab_lab import GitLabLab

INPUTS = {"percent": "25", "version": "v1.4.2", "strategy": "canary", "deployment": "shop-1"}
UNANSWERED = ("500", "502", "503", "timeout")


def deploy(
    commit: str, correlation: str = "shop-1:canary-25", action: str = "deploy"
) -> StartRequest:
    return StartRequest(correlation, commit, "production", action, INPUTS, asked_by="T1/U1")


async def ended(ci: GitLabCI, run: CIRun) -> CIRun:
    async with asyncio.timeout(PATIENCE):
        while not (seen := await ci.look(run.id)).state.is_final:  # noqa: ASYNC110 - a run is polled
            await asyncio.sleep(0.001)
    return seen


async def waiting(gitlab: GitLabLab, run: CIRun) -> CIRun:
    """Make the last job a manual one, and follow the run until it waits there."""
    gitlab.world.pipelines[int(run.id)].jobs[2].manual = True
    async with asyncio.timeout(PATIENCE):
        while (seen := await gitlab.ci.look(run.id)).state is not RunState.WAITING:  # noqa: ASYNC110 - a run is polled
            await asyncio.sleep(0.001)
    return seen


class TestStarting:
    async def test_everything_travels_into_the_pipelines_variables(self, gitlab: GitLabLab) -> None:
        commit = gitlab.commit("first")
        run = await gitlab.ci.start(deploy(commit, action="rollback"))
        assert gitlab.world.pipelines[int(run.id)].variables == {
            "GONOGO_ACTION": "rollback", "GONOGO_COMMIT": commit,
            "GONOGO_CORRELATION": "shop-1:canary-25",
            "GONOGO_DEPLOYMENT": "shop-1", "GONOGO_ENVIRONMENT": "production",
            "GONOGO_PERCENT": "25", "GONOGO_SERVICE": "shop",
            "GONOGO_STRATEGY": "canary", "GONOGO_VERSION": "v1.4.2",
        }  # fmt: skip
        assert run.url.endswith(f"/-/pipelines/{run.id}")

    async def test_the_definition_comes_from_the_default_branch_or_the_options(
        self, gitlab: GitLabLab
    ) -> None:
        commit = gitlab.commit("first")
        gitlab.branch("ci", commit)
        one = await gitlab.ci.start(deploy(commit))
        two = await gitlab.provider(ref="ci").start(deploy(commit, "shop-2:all"))
        assert [gitlab.world.pipelines[int(run.id)].ref for run in (one, two)] == ["main", "ci"]

    async def test_a_default_branch_that_is_renamed_while_the_bot_runs_is_asked_for_anew(
        self, gitlab: GitLabLab
    ) -> None:
        commit = gitlab.commit("first")
        await gitlab.ci.start(deploy(commit))
        gitlab.world.rename_default("trunk")
        run = await gitlab.ci.start(deploy(commit, "shop-2:rollback", "rollback"))
        assert (gitlab.world.pipelines[int(run.id)].ref, gitlab.started()) == ("trunk", 2)

    @pytest.mark.parametrize("fault", ["lost", "truncated", "nonsense"])
    async def test_an_answer_that_is_lost_is_looked_for_and_not_repeated(
        self, gitlab: GitLabLab, fault: str
    ) -> None:
        commit = gitlab.commit("first")
        gitlab.break_next(fault, path=gitlab.start_path)
        run = await gitlab.ci.start(deploy(commit))
        assert (await ended(gitlab.ci, run)).state is RunState.SUCCEEDED
        assert gitlab.started() == 1

    @pytest.mark.parametrize("fault", UNANSWERED)
    async def test_a_start_that_cannot_be_told_is_neither_repeated_nor_called_absent(
        self, gitlab: GitLabLab, fault: str
    ) -> None:
        ci = gitlab.provider(settle=60)
        commit = gitlab.commit("first")
        gitlab.break_next(fault, path=gitlab.start_path)
        for attempt in (ci.start, ci.start):
            with pytest.raises(
                IntegrationError, match="looks again and does not start it twice"
            ) as unclear:
                await attempt(deploy(commit))
            assert unclear.value.retry
        with pytest.raises(IntegrationError, match="may still appear"):
            await ci.find("shop-1:canary-25")
        assert sum(each.startswith("POST") for each in gitlab.fake.seen) <= 1

    async def test_a_restart_does_not_forget_that_an_answer_is_awaited(
        self, gitlab: GitLabLab
    ) -> None:
        commit = gitlab.commit("first")
        gitlab.break_next("timeout", path=gitlab.start_path)
        with pytest.raises(IntegrationError):
            await gitlab.provider(settle=60).start(deploy(commit))
        restarted = gitlab.provider(settle=60)
        for question in (restarted.find("shop-1:canary-25"), restarted.start(deploy(commit))):
            with pytest.raises(IntegrationError, match="may still appear"):
                await question
        late = gitlab.world.begin(
            "main", {"GONOGO_CORRELATION": "shop-1:canary-25", "GONOGO_COMMIT": commit}
        )
        assert (await gitlab.provider(settle=60).start(deploy(commit))).id == str(late.id)
        assert gitlab.started() == 1

    async def test_a_bot_that_died_before_it_asked_asks_once_gitlab_must_have_given_up(
        self, gitlab: GitLabLab
    ) -> None:
        request = deploy(gitlab.commit("first"))
        await gitlab.sent(request)
        with pytest.raises(IntegrationError, match="may still appear"):
            await gitlab.provider(settle=60).start(request)
        gitlab.clock.skew = timedelta(seconds=61)
        await gitlab.provider(settle=60).start(request)
        assert gitlab.started() == 1

    async def test_a_late_pipeline_is_found_after_its_start_was_lost(
        self, gitlab: GitLabLab
    ) -> None:
        ci = gitlab.provider(settle=60)
        commit = gitlab.commit("first")
        gitlab.break_next("timeout", path=gitlab.start_path)
        with pytest.raises(IntegrationError):
            await ci.start(deploy(commit))
        late = gitlab.world.begin(
            "main", {"GONOGO_CORRELATION": "shop-1:canary-25", "GONOGO_COMMIT": commit}
        )
        assert (await ci.start(deploy(commit))).id == str(late.id)

    async def test_once_gitlab_must_have_given_up_the_start_is_made_again(
        self, gitlab: GitLabLab
    ) -> None:
        commit = gitlab.commit("first")
        gitlab.break_next("503", path=gitlab.start_path)
        with pytest.raises(IntegrationError):
            await gitlab.ci.start(deploy(commit))
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    run = await gitlab.ci.start(deploy(commit))
                except IntegrationError:
                    await asyncio.sleep(0.02)
                else:
                    break
        assert gitlab.started() == 1
        assert (await ended(gitlab.ci, run)).state is RunState.SUCCEEDED

    async def test_two_pipelines_for_one_intent_are_never_guessed_between(
        self, gitlab: GitLabLab
    ) -> None:
        request = deploy(gitlab.commit("first"))
        await gitlab.ci.start(request)
        gitlab.twin("shop-1:canary-25")
        gitlab.starts.rows.clear()
        await gitlab.sent(request)
        for question in (gitlab.ci.find("shop-1:canary-25"), gitlab.ci.start(request)):
            with pytest.raises(IntegrationError, match=r"2 pipelines .* delete all but one") as two:
                await question
            assert not two.value.retry
        assert gitlab.started() == 2

    async def test_the_pipeline_that_gitlab_named_is_ours_whatever_else_carries_the_name(
        self, gitlab: GitLabLab
    ) -> None:
        request = deploy(gitlab.commit("first"))
        run = await gitlab.ci.start(request)
        gitlab.twin("shop-1:canary-25")
        restarted = gitlab.provider()
        found, again = await restarted.find("shop-1:canary-25"), await restarted.start(request)
        assert found is not None
        assert (found.id, again.id) == (run.id, run.id)

    async def test_what_we_know_nothing_of_is_asked_for_by_its_name(
        self, gitlab: GitLabLab
    ) -> None:
        gitlab.commit("first")
        assert await gitlab.ci.find("shop-1:rollback") is None
        assert len(gitlab.fake.seen) == 1

    async def test_a_search_looks_into_no_pipeline_that_is_older_than_the_start(
        self, gitlab: GitLabLab
    ) -> None:
        request = deploy(gitlab.commit("first"))
        for _ in range(150):
            gitlab.world.begin(
                "main", {"GONOGO_COMMIT": request.commit}
            ).created_at = gitlab.world.ago(EARLIER + timedelta(minutes=1))
        await gitlab.sent(request)
        with pytest.raises(IntegrationError, match="may still appear"):
            await gitlab.provider(settle=60).find("shop-1:canary-25")
        assert len(gitlab.fake.seen) == 2

    async def test_more_young_pipelines_than_can_be_looked_through_are_not_taken_for_none(
        self, gitlab: GitLabLab
    ) -> None:
        request = deploy(gitlab.commit("first"))
        for _ in range(201):
            gitlab.world.begin("main", {"GONOGO_COMMIT": request.commit})
        await gitlab.sent(request)
        with pytest.raises(
            IntegrationError, match="more than 200 of pipelines since then"
        ) as unclear:
            await gitlab.provider(settle=0, most_pages=2).find("shop-1:canary-25")
        assert unclear.value.retry

    @pytest.mark.parametrize("action", ["deploy", "rollback"])
    async def test_a_start_does_not_wait_for_another_one_that_hangs(
        self, gitlab: GitLabLab, action: str
    ) -> None:
        commit = gitlab.commit("first")
        await gitlab.sent(deploy(commit))
        gitlab.break_next("timeout", path="/pipelines$")
        hanging = asyncio.create_task(gitlab.ci.start(deploy(commit)))
        async with asyncio.timeout(PATIENCE):
            while not gitlab.fake.seen and gitlab.fake.faults:  # noqa: ASYNC110 - until it hangs
                await asyncio.sleep(0.001)
            await gitlab.ci.start(deploy(commit, f"shop-2:{action}", action))
        assert not hanging.done()
        hanging.cancel()
        await asyncio.gather(hanging, return_exceptions=True)

    async def test_starts_of_one_intent_at_the_same_time_are_one(self, gitlab: GitLabLab) -> None:
        request = deploy(gitlab.commit("first"))
        runs = await asyncio.gather(*(gitlab.ci.start(request) for _ in range(5)))
        assert ({run.id for run in runs}, gitlab.started()) == ({runs[0].id}, 1)

    async def test_two_pipelines_after_a_lost_answer_are_never_guessed_between(
        self, gitlab: GitLabLab
    ) -> None:
        gitlab.fake.doubles = True
        gitlab.break_next("lost", path=gitlab.start_path)
        with pytest.raises(IntegrationError, match="2 pipelines") as two:
            await gitlab.ci.start(deploy(gitlab.commit("first")))
        assert (two.value.retry, gitlab.started()) == (False, 2)

    @pytest.mark.parametrize(("named", "hidden"), [(True, False), (True, True), (False, False)])
    async def test_a_start_without_an_answer_is_found_by_its_name_or_by_its_variables(
        self, gitlab: GitLabLab, named: bool, hidden: bool
    ) -> None:
        gitlab.world.named = named
        run = await gitlab.ci.start(deploy(gitlab.commit("first")))
        gitlab.fake.variables_hidden = hidden
        gitlab.starts.rows.clear()
        for correlation in ("shop-1:canary-25", "shop-1:canary-5"):
            await gitlab.sent(deploy(gitlab.commit("other"), correlation))
        gitlab.clock.skew = timedelta(seconds=1)
        found = await gitlab.provider().find("shop-1:canary-25")
        assert found is not None
        assert found.id == run.id
        assert await gitlab.provider().find("shop-1:canary-5") is None

    async def test_a_name_without_the_variable_is_not_ours(self, gitlab: GitLabLab) -> None:
        await gitlab.sent(deploy(gitlab.commit("first")))
        gitlab.world.begin("main", {}).name = "gonogo shop-1:canary-25"
        assert await gitlab.provider(settle=0).find("shop-1:canary-25") is None

    @pytest.mark.parametrize(
        ("role", "ref", "remedy"),
        [
            ("no_one_allowed", "", "Minimum role to use pipeline variables"),
            ("developer", "gone", "Set the option ref"),
        ],
    )
    async def test_a_refused_start_says_what_to_do(
        self, gitlab: GitLabLab, role: str, ref: str, remedy: str
    ) -> None:
        gitlab.fake.variables_role = role
        with pytest.raises(IntegrationError, match=remedy) as refused:
            await gitlab.provider(ref=ref).start(deploy(gitlab.commit("first")))
        assert (refused.value.status, refused.value.retry, gitlab.started()) == (400, False, 0)

    async def test_an_unsafe_commit_goes_nowhere(self, gitlab: GitLabLab) -> None:
        with pytest.raises(IntegrationError):
            await gitlab.ci.start(deploy("$(id)"))
        assert not gitlab.fake.seen

    async def test_a_wrong_token_is_said_and_not_shown(self, gitlab: GitLabLab) -> None:
        with pytest.raises(
            IntegrationError, match="the token is wrong, expired or revoked"
        ) as refused:
            await gitlab.provider(token="glpat-another-one").look("7")
        assert "glpat" not in str(refused.value)

    async def test_a_project_that_the_token_cannot_see_is_not_found(
        self, gitlab: GitLabLab
    ) -> None:
        with pytest.raises(IntegrationError, match="404 Project Not Found"):
            await gitlab.provider(project="shop/other").look("7")


class TestFollowing:
    async def test_what_has_ended_stays_ended_when_somebody_retries_it(
        self, gitlab: GitLabLab
    ) -> None:
        done = await ended(
            gitlab.ci, await gitlab.ci.start(deploy(gitlab.commit("first", failing=1)))
        )
        gitlab.world.retry(gitlab.world.pipelines[int(done.id)], "migrate it")
        assert await gitlab.ci.look(done.id) == done

    async def test_a_job_that_is_retried_does_not_change_the_order_of_the_stages(
        self, gitlab: GitLabLab
    ) -> None:
        run = await gitlab.ci.start(deploy(gitlab.commit("first", held=True)))
        gitlab.world.retry(gitlab.world.pipelines[int(run.id)], "build it")
        assert [stage.name for stage in (await gitlab.ci.look(run.id)).stages] == [
            "build",
            "migrate",
            "release",
        ]

    async def test_a_manual_job_holds_the_run_and_is_named(self, gitlab: GitLabLab) -> None:
        run = await gitlab.ci.start(deploy(gitlab.commit("first")))
        seen = await waiting(gitlab, run)
        assert seen.sentence == 'release: "release it" waits to be started or approved at GitLab'
        assert [stage.passable for stage in seen.stages] == [False, False, True]

    async def test_a_child_pipeline_is_shown_in_its_stage(self, gitlab: GitLabLab) -> None:
        run = await gitlab.ci.start(deploy(gitlab.commit("first")))
        bridge = gitlab.world.bridge(
            gitlab.world.pipelines[int(run.id)], "regions", "release", "running"
        )
        seen = await gitlab.ci.look(run.id)
        assert bridge.downstream is not None
        assert (
            seen.stages[2].sentence
            == f'"regions": its pipeline {bridge.downstream["id"]} is running'
        )

    async def test_more_jobs_than_a_page_are_all_read(self, gitlab: GitLabLab) -> None:
        run = await gitlab.ci.start(deploy(gitlab.commit("first")))
        pipeline = gitlab.world.pipelines[int(run.id)]
        for number in range(120):
            gitlab.world.bridge(pipeline, f"region {number}", f"region {number}", "success")
        assert len((await gitlab.ci.look(run.id)).stages) == 123

    @pytest.mark.parametrize("run", ["", "0", "../1", "1/jobs", "12 ", "\u0661"])
    async def test_what_cannot_be_a_pipeline_is_not_asked_for(
        self, gitlab: GitLabLab, run: str
    ) -> None:
        for question in (
            gitlab.ci.look(run),
            gitlab.ci.cancel(run),
            gitlab.ci.open_gate(run, "production"),
        ):
            with pytest.raises(IntegrationError) as refused:
                await question
            assert (refused.value.status, refused.value.retry) == (404, False)
        assert not gitlab.fake.seen

    @pytest.mark.parametrize("fault", ["429", "500", "502", "503", "timeout", "truncated", "lost"])
    async def test_a_look_survives_what_passes(self, gitlab: GitLabLab, fault: str) -> None:
        run = await gitlab.ci.start(deploy(gitlab.commit("first")))
        gitlab.break_next(fault, path="/jobs")
        assert len((await gitlab.ci.look(run.id)).stages) == 3

    @pytest.mark.parametrize("path", ["/pipelines/", "/jobs", "/bridges"])
    async def test_an_answer_of_another_shape_is_an_answer_that_cannot_be_read(
        self, gitlab: GitLabLab, path: str
    ) -> None:
        run = await gitlab.ci.start(deploy(gitlab.commit("first")))
        gitlab.break_next("nonsense", path=path)
        with pytest.raises(IntegrationError, match="cannot be read") as odd:
            await gitlab.ci.look(run.id)
        assert odd.value.retry

    async def test_a_pipeline_with_endless_jobs_is_given_up(self, gitlab: GitLabLab) -> None:
        run = await gitlab.ci.start(deploy(gitlab.commit("first")))
        for number in range(201):
            gitlab.world.bridge(
                gitlab.world.pipelines[int(run.id)], f"region {number}", "release", "success"
            )
        with pytest.raises(IntegrationError, match="more than 200 of bridges"):
            await gitlab.provider(most_pages=2).look(run.id)


class TestGates:
    async def test_a_gate_that_is_opened_lets_the_run_go_on(self, gitlab: GitLabLab) -> None:
        run = await gitlab.ci.start(deploy(gitlab.commit("first")))
        await waiting(gitlab, run)
        await gitlab.ci.open_gate(run.id, "production")
        assert (await ended(gitlab.ci, run)).state is RunState.SUCCEEDED

    async def test_a_run_that_does_not_wait_is_left_as_it_is(self, gitlab: GitLabLab) -> None:
        run = await gitlab.ci.start(deploy(gitlab.commit("first")))
        await gitlab.ci.open_gate(run.id, "production")
        await gitlab.ci.open_gate((await ended(gitlab.ci, run)).id, "production")
        assert not any(each.endswith("/play") for each in gitlab.fake.seen)

    async def test_a_click_that_comes_twice_opens_once(self, gitlab: GitLabLab) -> None:
        run = await gitlab.ci.start(deploy(gitlab.commit("first", held=True)))
        await waiting(gitlab, run)
        opened = await asyncio.gather(
            gitlab.ci.open_gate(run.id, "production"), gitlab.ci.open_gate(run.id, "production")
        )
        assert set(opened) == {GateAnswer.OPENED, GateAnswer.WAS_OPEN}
        assert gitlab.world.pipelines[int(run.id)].jobs[2].status in {"pending", "running"}

    @pytest.mark.case("trust-9")
    @pytest.mark.parametrize(
        ("named", "answer"), [("live", GateAnswer.NOT_THERE), ("production", GateAnswer.OPENED)]
    )
    async def test_a_manual_job_of_another_environment_is_not_started(
        self, gitlab: GitLabLab, named: str, answer: GateAnswer
    ) -> None:
        run = await gitlab.ci.start(deploy(gitlab.commit("first")))
        gitlab.world.deploys[gitlab.world.pipelines[int(run.id)].jobs[2].id] = named
        await waiting(gitlab, run)
        assert await gitlab.ci.open_gate(run.id, "production") is answer
        assert any(each.endswith("/play") for each in gitlab.fake.seen) is (
            answer is GateAnswer.OPENED
        )

    @pytest.mark.parametrize("hidden", [False, True])
    async def test_after_a_restored_database_a_gate_is_opened_where_gitlab_says_for_what_it_is(
        self, gitlab: GitLabLab, *, hidden: bool
    ) -> None:
        run = await gitlab.ci.start(deploy(gitlab.commit("first")))
        await waiting(gitlab, run)
        ci, gitlab.fake.variables_hidden = gitlab.restored(), hidden
        assert await ci.open_gate(run.id, "staging") is GateAnswer.NOT_THERE
        assert await ci.open_gate(run.id, "production") is (
            GateAnswer.NOT_THERE if hidden else GateAnswer.OPENED
        )

    async def test_deployments_that_may_not_be_read_keep_no_gate_shut(
        self, gitlab: GitLabLab
    ) -> None:
        run = await gitlab.ci.start(deploy(gitlab.commit("first")))
        await waiting(gitlab, run)
        gitlab.break_next("403", path="/deployments")
        assert await gitlab.ci.open_gate(run.id, "production") is GateAnswer.OPENED

    async def test_an_answer_that_is_lost_opens_the_gate_all_the_same(
        self, gitlab: GitLabLab
    ) -> None:
        run = await gitlab.ci.start(deploy(gitlab.commit("first")))
        await waiting(gitlab, run)
        gitlab.break_next("lost", path="/play")
        await gitlab.ci.open_gate(run.id, "production")
        assert (await ended(gitlab.ci, run)).state is RunState.SUCCEEDED

    async def test_a_gate_that_this_token_may_not_open_is_said_so(self, gitlab: GitLabLab) -> None:
        run = await gitlab.ci.start(deploy(gitlab.commit("first")))
        await waiting(gitlab, run)
        gitlab.fake.protected = True
        with pytest.raises(
            IntegrationError, match="Open it at GitLab, or give the token a role"
        ) as refused:
            await gitlab.ci.open_gate(run.id, "production")
        assert (refused.value.status, refused.value.retry) == (403, False)


class TestCancelling:
    async def test_a_finished_pipeline_is_not_even_asked_to_stop(self, gitlab: GitLabLab) -> None:
        done = await ended(gitlab.ci, await gitlab.ci.start(deploy(gitlab.commit("first"))))
        gitlab.fake.seen.clear()
        await gitlab.ci.cancel(done.id)
        assert not any(each.startswith("POST") for each in gitlab.fake.seen)

    async def test_a_pipeline_that_goes_on_although_gitlab_said_yes_is_said_so(
        self, gitlab: GitLabLab
    ) -> None:
        run = await gitlab.ci.start(deploy(gitlab.commit("first", held=True)))
        gitlab.world.pipelines[int(run.id)].stubborn = True
        with pytest.raises(IntegrationError, match="Cancel it at GitLab") as refused:
            await gitlab.ci.cancel(run.id)
        assert refused.value.retry

    async def test_a_pipeline_that_is_being_cancelled_is_enough(self, gitlab: GitLabLab) -> None:
        run = await gitlab.ci.start(deploy(gitlab.commit("first", held=True)))
        pipeline = gitlab.world.pipelines[int(run.id)]
        pipeline.stubborn, pipeline.status_is = True, "canceling"
        await gitlab.ci.cancel(run.id)
        assert (await gitlab.ci.look(run.id)).state is RunState.RUNNING

    async def test_a_lost_answer_to_a_cancellation_is_asked_again(self, gitlab: GitLabLab) -> None:
        run = await gitlab.ci.start(deploy(gitlab.commit("first", held=True)))
        gitlab.break_next("lost", path="/cancel")
        await gitlab.ci.cancel(run.id)
        assert (await gitlab.ci.look(run.id)).state is RunState.CANCELLED
