"""GitLab CI: what the contract suite does not ask. Starts that are never repeated, refs, facts, cancelling, configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from bot.domain.errors import ConfigurationError, IntegrationError
from bot.ports import CIRun, QualityState, Resolved, RunState, StartRequest
from bot.providers.ci.gitlab import KIND, build
from bot.providers.ci.gitlab.provider import GitLabCI
from bot.providers.rest import Hosts
from bot.providers.workbench import Workbench
from tests.providers.ci.gitlab_fake import TOKEN

if TYPE_CHECKING:
    from tests.providers.ci.gitlab_lab import GitLabLab

INPUTS = {"percent": "25", "version": "v1.4.2", "strategy": "canary", "deployment": "shop-1"}
UNANSWERED = ("500", "502", "503", "timeout")


def deploy(commit: str, correlation: str = "shop-1:canary-25", action: str = "deploy") -> StartRequest:
    return StartRequest(correlation, commit, "production", action, INPUTS, asked_by="T1/U1")


async def ended(ci: GitLabCI, run: CIRun) -> CIRun:
    async with asyncio.timeout(10):
        while not (seen := await ci.look(run.id)).state.is_final:  # noqa: ASYNC110 - a run is polled
            await asyncio.sleep(0.001)
    return seen


class TestStarting:
    async def test_everything_travels_into_the_pipelines_variables(self, gitlab: GitLabLab) -> None:
        commit = gitlab.commit("first")
        run = await gitlab.ci.start(deploy(commit, action="rollback"))
        assert gitlab.world.pipelines[int(run.id)].variables == {
            "GONOGO_ACTION": "rollback", "GONOGO_COMMIT": commit, "GONOGO_CORRELATION": "shop-1:canary-25",
            "GONOGO_DEPLOYMENT": "shop-1", "GONOGO_ENVIRONMENT": "production", "GONOGO_PERCENT": "25", "GONOGO_SERVICE": "shop",
            "GONOGO_STRATEGY": "canary", "GONOGO_VERSION": "v1.4.2",
        }  # fmt: skip
        assert run.url.endswith(f"/-/pipelines/{run.id}")

    async def test_the_definition_comes_from_the_default_branch_or_the_options(self, gitlab: GitLabLab) -> None:
        commit = gitlab.commit("first")
        gitlab.branch("ci", commit)
        one = await gitlab.ci.start(deploy(commit))
        two = await gitlab.provider(ref="ci").start(deploy(commit, "shop-2:all"))
        assert [gitlab.world.pipelines[int(run.id)].ref for run in (one, two)] == ["main", "ci"]

    @pytest.mark.parametrize("fault", ["lost", "truncated", "nonsense"])
    async def test_an_answer_that_is_lost_is_looked_for_and_not_repeated(self, gitlab: GitLabLab, fault: str) -> None:
        commit = gitlab.commit("first")
        gitlab.break_next(fault, path=gitlab.start_path)
        run = await gitlab.ci.start(deploy(commit))
        assert (await ended(gitlab.ci, run)).state is RunState.SUCCEEDED
        assert gitlab.started() == 1

    @pytest.mark.parametrize("fault", UNANSWERED)
    async def test_a_start_that_cannot_be_told_is_neither_repeated_nor_called_absent(self, gitlab: GitLabLab, fault: str) -> None:
        ci = gitlab.provider(settle=60)
        commit = gitlab.commit("first")
        gitlab.break_next(fault, path=gitlab.start_path)
        for attempt in (ci.start, ci.start):
            with pytest.raises(IntegrationError, match="looks again and does not start it twice") as unclear:
                await attempt(deploy(commit))
            assert unclear.value.retry
        with pytest.raises(IntegrationError, match="may still appear"):
            await ci.find("shop-1:canary-25")
        assert sum(each.startswith("POST") for each in gitlab.fake.seen) <= 1

    async def test_a_late_pipeline_is_found_after_its_start_was_lost(self, gitlab: GitLabLab) -> None:
        ci = gitlab.provider(settle=60)
        commit = gitlab.commit("first")
        gitlab.break_next("timeout", path=gitlab.start_path)
        with pytest.raises(IntegrationError):
            await ci.start(deploy(commit))
        late = gitlab.world.begin("main", {"GONOGO_CORRELATION": "shop-1:canary-25", "GONOGO_COMMIT": commit})
        assert (await ci.start(deploy(commit))).id == str(late.id)

    async def test_once_gitlab_must_have_given_up_the_start_is_made_again(self, gitlab: GitLabLab) -> None:
        commit = gitlab.commit("first")
        gitlab.break_next("503", path=gitlab.start_path)
        with pytest.raises(IntegrationError):
            await gitlab.ci.start(deploy(commit))
        async with asyncio.timeout(5):
            while True:
                try:
                    run = await gitlab.ci.start(deploy(commit))
                except IntegrationError:
                    await asyncio.sleep(0.02)
                else:
                    break
        assert gitlab.started() == 1
        assert (await ended(gitlab.ci, run)).state is RunState.SUCCEEDED

    async def test_two_pipelines_for_one_intent_are_never_guessed_between(self, gitlab: GitLabLab) -> None:
        commit = gitlab.commit("first")
        await gitlab.ci.start(deploy(commit))
        gitlab.twin("shop-1:canary-25")
        for question in (gitlab.ci.find("shop-1:canary-25"), gitlab.ci.start(deploy(commit))):
            with pytest.raises(IntegrationError, match=r"2 pipelines .* delete all but one") as two:
                await question
            assert not two.value.retry
        assert gitlab.started() == 2

    async def test_two_pipelines_after_a_lost_answer_are_never_guessed_between(self, gitlab: GitLabLab) -> None:
        gitlab.fake.doubles = True
        gitlab.break_next("lost", path=gitlab.start_path)
        with pytest.raises(IntegrationError, match="2 pipelines") as two:
            await gitlab.ci.start(deploy(gitlab.commit("first")))
        assert (two.value.retry, gitlab.started()) == (False, 2)

    async def test_a_pipeline_without_a_name_is_found_by_its_variables(self, gitlab: GitLabLab) -> None:
        gitlab.world.named = False
        commit = gitlab.commit("first")
        run = await gitlab.ci.start(deploy(commit))
        found = await gitlab.provider().find("shop-1:canary-25")
        assert found is not None
        assert found.id == run.id
        assert await gitlab.provider().find("shop-1:canary-5") is None

    async def test_without_a_name_a_pipeline_is_looked_into_for_a_day_only(self, gitlab: GitLabLab) -> None:
        gitlab.world.named = False
        gitlab.skew(timedelta(days=-2))
        await gitlab.ci.start(deploy(gitlab.commit("first", held=True)))
        assert await gitlab.provider().find("shop-1:canary-25") is None

    async def test_a_name_alone_is_believed_where_variables_may_not_be_read(self, gitlab: GitLabLab) -> None:
        run = await gitlab.ci.start(deploy(gitlab.commit("first")))
        gitlab.fake.variables_hidden = True
        found = await gitlab.provider().find("shop-1:canary-25")
        assert found is not None
        assert found.id == run.id

    async def test_a_name_without_the_variable_is_not_ours(self, gitlab: GitLabLab) -> None:
        gitlab.commit("first")
        gitlab.world.begin("main", {}).name = "gonogo shop-1:canary-25"
        assert await gitlab.ci.find("shop-1:canary-25") is None

    @pytest.mark.parametrize(
        ("role", "ref", "remedy"),
        [("no_one_allowed", "", "Minimum role to use pipeline variables"), ("developer", "gone", "Set the option ref")],
    )
    async def test_a_refused_start_says_what_to_do(self, gitlab: GitLabLab, role: str, ref: str, remedy: str) -> None:
        gitlab.fake.variables_role = role
        with pytest.raises(IntegrationError, match=remedy) as refused:
            await gitlab.provider(ref=ref).start(deploy(gitlab.commit("first")))
        assert (refused.value.status, refused.value.retry, gitlab.started()) == (400, False, 0)

    async def test_an_unsafe_commit_goes_nowhere(self, gitlab: GitLabLab) -> None:
        with pytest.raises(IntegrationError):
            await gitlab.ci.start(deploy("$(id)"))
        assert not gitlab.fake.seen

    async def test_a_wrong_token_is_said_and_not_shown(self, gitlab: GitLabLab) -> None:
        with pytest.raises(IntegrationError, match="the token is wrong, expired or revoked") as refused:
            await gitlab.provider(token="glpat-another-one").find("shop-1:canary-25")
        assert "glpat" not in str(refused.value)

    async def test_a_project_that_the_token_cannot_see_is_not_found(self, gitlab: GitLabLab) -> None:
        with pytest.raises(IntegrationError, match="404 Project Not Found"):
            await gitlab.provider(project="shop/other").find("shop-1:canary-25")


class TestFollowing:
    async def test_what_has_ended_stays_ended_when_somebody_retries_it(self, gitlab: GitLabLab) -> None:
        done = await ended(gitlab.ci, await gitlab.ci.start(deploy(gitlab.commit("first", failing=1))))
        gitlab.world.retry(gitlab.world.pipelines[int(done.id)], "migrate it")
        assert await gitlab.ci.look(done.id) == done

    async def test_a_job_that_is_retried_does_not_change_the_order_of_the_stages(self, gitlab: GitLabLab) -> None:
        run = await gitlab.ci.start(deploy(gitlab.commit("first", held=True)))
        gitlab.world.retry(gitlab.world.pipelines[int(run.id)], "build it")
        assert [stage.name for stage in (await gitlab.ci.look(run.id)).stages] == ["build", "migrate", "release"]

    async def test_a_manual_job_holds_the_run_and_is_named(self, gitlab: GitLabLab) -> None:
        run = await gitlab.ci.start(deploy(gitlab.commit("first")))
        job = gitlab.world.pipelines[int(run.id)].jobs[2]
        job.manual = True
        async with asyncio.timeout(5):
            while (seen := await gitlab.ci.look(run.id)).state is not RunState.WAITING:  # noqa: ASYNC110 - a run is polled
                await asyncio.sleep(0.001)
        assert seen.sentence == 'release: "release it" waits to be started or approved at GitLab'
        job.status, job.manual = "pending", False
        assert (await ended(gitlab.ci, run)).state is RunState.SUCCEEDED

    async def test_a_child_pipeline_is_shown_in_its_stage(self, gitlab: GitLabLab) -> None:
        run = await gitlab.ci.start(deploy(gitlab.commit("first")))
        bridge = gitlab.world.bridge(gitlab.world.pipelines[int(run.id)], "regions", "release", "running")
        seen = await gitlab.ci.look(run.id)
        assert bridge.downstream is not None
        assert seen.stages[2].sentence == f'"regions": its pipeline {bridge.downstream["id"]} is running'

    async def test_more_jobs_than_a_page_are_all_read(self, gitlab: GitLabLab) -> None:
        run = await gitlab.ci.start(deploy(gitlab.commit("first")))
        pipeline = gitlab.world.pipelines[int(run.id)]
        for number in range(120):
            gitlab.world.bridge(pipeline, f"region {number}", f"region {number}", "success")
        assert len((await gitlab.ci.look(run.id)).stages) == 123

    @pytest.mark.parametrize("run", ["", "0", "../1", "1/jobs", "12 ", "\u0661"])
    async def test_what_cannot_be_a_pipeline_is_not_asked_for(self, gitlab: GitLabLab, run: str) -> None:
        for question in (gitlab.ci.look(run), gitlab.ci.cancel(run)):
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
    async def test_an_answer_of_another_shape_is_an_answer_that_cannot_be_read(self, gitlab: GitLabLab, path: str) -> None:
        run = await gitlab.ci.start(deploy(gitlab.commit("first")))
        gitlab.break_next("nonsense", path=path)
        with pytest.raises(IntegrationError, match="cannot be read") as odd:
            await gitlab.ci.look(run.id)
        assert odd.value.retry

    async def test_a_pipeline_with_endless_jobs_is_given_up(self, gitlab: GitLabLab) -> None:
        run = await gitlab.ci.start(deploy(gitlab.commit("first")))
        for number in range(201):
            gitlab.world.bridge(gitlab.world.pipelines[int(run.id)], f"region {number}", "release", "success")
        with pytest.raises(IntegrationError, match="more than 200 of bridges"):
            await gitlab.provider(most_pages=2).look(run.id)


class TestCancelling:
    async def test_a_finished_pipeline_is_not_even_asked_to_stop(self, gitlab: GitLabLab) -> None:
        done = await ended(gitlab.ci, await gitlab.ci.start(deploy(gitlab.commit("first"))))
        gitlab.fake.seen.clear()
        await gitlab.ci.cancel(done.id)
        assert not any(each.startswith("POST") for each in gitlab.fake.seen)

    async def test_a_pipeline_that_goes_on_although_gitlab_said_yes_is_said_so(self, gitlab: GitLabLab) -> None:
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


class TestFacts:
    async def test_the_newest_pipeline_that_is_not_ours_decides(self, gitlab: GitLabLab) -> None:
        commit = gitlab.commit("first", tests="exit 1")
        again = gitlab.world.tested(commit, good=True)
        for named in (True, False):
            gitlab.world.named = named
            await gitlab.ci.start(deploy(commit, f"shop-1:{named}"))
        async with asyncio.timeout(5):
            while (seen := await gitlab.ci.quality(commit)).state is QualityState.RUNNING:  # noqa: ASYNC110 - a run is polled
                await asyncio.sleep(0.001)
        assert (seen.state, seen.sentence) == (QualityState.GREEN, f"pipeline {again.id} passed: 12 tests, 0 failed")

    @pytest.mark.parametrize(
        ("status", "state", "words"),
        [
            ("skipped", QualityState.NONE, "nothing has been tested"),
            ("manual", QualityState.RUNNING, "waits for a manual job"),
            ("canceled", QualityState.RED, "was cancelled: 12 tests"),
            ("failed", QualityState.RED, "failed: 12 tests"),
            ("pending", QualityState.RUNNING, "is running"),
        ],
    )
    async def test_only_success_is_green(self, gitlab: GitLabLab, status: str, state: QualityState, words: str) -> None:
        commit = gitlab.commit("first")
        next(iter(gitlab.world.pipelines.values())).status_is = status
        seen = await gitlab.ci.quality(commit)
        assert seen.state is state
        assert words in seen.sentence

    @pytest.mark.parametrize(("fault", "words"), [("403", "reports no test results"), ("", "reports no test results")])
    async def test_a_pipeline_without_a_test_report_says_so(self, gitlab: GitLabLab, fault: str, words: str) -> None:
        commit = gitlab.commit("first")
        pipeline = next(iter(gitlab.world.pipelines.values()))
        pipeline.status_is, pipeline.tests = "success", None
        if fault:
            gitlab.break_next(fault, path="test_report_summary")
        assert words in (await gitlab.ci.quality(commit)).sentence


class TestRefs:
    async def test_a_branch_with_a_slash_is_one_name(self, gitlab: GitLabLab) -> None:
        commit = gitlab.commit("first")
        gitlab.branch("feature/basket", commit)
        assert await gitlab.ci.resolve("feature/basket") == await gitlab.ci.resolve(commit)

    async def test_a_tag_wins_over_a_branch_of_the_same_name(self, gitlab: GitLabLab) -> None:
        tagged = gitlab.commit("first")
        gitlab.tag("v1.0.0", tagged)
        gitlab.branch("v1.0.0", gitlab.commit("second"))
        assert (await gitlab.ci.resolve("v1.0.0")).commit == tagged

    async def test_a_tag_beyond_the_first_page_is_found(self, gitlab: GitLabLab) -> None:
        commit = gitlab.commit("first")
        for number in range(130):
            gitlab.tag(f"v1.{number}.0", commit)
        assert await gitlab.ci.resolve("v1.2.0") == Resolved(commit, "v1.2.0")

    async def test_latest_prefers_a_release_to_a_preview(self, gitlab: GitLabLab) -> None:
        gitlab.tag("v1.9.0", gitlab.commit("first"))
        gitlab.tag("v2.0.0-rc.1", gitlab.commit("second"))
        assert (await gitlab.ci.resolve("latest")).version == "v1.9.0"

    async def test_latest_without_tags_is_the_default_branch(self, gitlab: GitLabLab) -> None:
        commit = gitlab.commit("first")
        assert (await gitlab.ci.resolve("latest")).commit == commit

    async def test_without_tags_and_branches_latest_says_what_to_do(self, gitlab: GitLabLab) -> None:
        gitlab.fake.settings = {"default_branch": None}
        with pytest.raises(IntegrationError, match="set the option ref"):
            await gitlab.ci.resolve("latest")

    async def test_what_moves_by_itself_is_no_version(self, gitlab: GitLabLab) -> None:
        gitlab.commit("first")
        with pytest.raises(IntegrationError, match='no tag, branch or commit "HEAD"'):
            await gitlab.ci.resolve("HEAD")

    async def test_a_comparison_names_the_files(self, gitlab: GitLabLab) -> None:
        base, head = gitlab.commit("first"), gitlab.commit("second")
        changes = await gitlab.ci.compare(base, head)
        assert (changes.files, changes.url) == (("second.txt",), "https://compare")

    async def test_no_file_hides_behind_a_list_that_gitlab_has_cut(self, gitlab: GitLabLab) -> None:
        base, _, head = gitlab.commit("first"), gitlab.commit("db/migrate/7"), gitlab.commit("third")
        gitlab.fake.most_diffs = 0
        changes = await gitlab.ci.compare(base, head)
        assert (changes.files, changes.known) == (("db/migrate/7.txt", "third.txt"), True)

    async def test_a_cut_list_over_very_many_commits_is_said_to_be_incomplete(self, gitlab: GitLabLab) -> None:
        base = gitlab.commit("first", tests="")
        head = [gitlab.commit(f"change {number}", tests="") for number in range(101)][-1]
        gitlab.fake.most_diffs = 3
        changes = await gitlab.ci.compare(base, head)
        assert (changes.total, len(changes.files), changes.known) == (101, 3, False)

    async def test_a_commit_that_is_gone_cannot_be_compared(self, gitlab: GitLabLab) -> None:
        with pytest.raises(IntegrationError, match="404 Ref Not Found") as refused:
            await gitlab.ci.compare("0" * 40, gitlab.commit("first"))
        assert not refused.value.retry


class Runs:
    """A ``RunStore`` that is never asked."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


def bench(session: aiohttp.ClientSession, options: Mapping[str, Any], gitlab: GitLabLab, **secrets: str) -> Workbench:
    given = {"GONOGO_GITLAB_TOKEN": TOKEN, **secrets}
    assert set(given) <= {each.name for each in KIND.secrets}
    return Workbench(
        "shop", options, lambda name: given.get(name, ""), session, Hosts(), gitlab.clock, Runs(), Path("nowhere"), lambda _: None
    )  # fmt: skip


class TestConfiguring:
    @pytest.mark.parametrize("project", ["shop/storefront", 7])
    async def test_a_provider_is_built_from_options_and_settings_alone(self, gitlab: GitLabLab, project: str | int) -> None:
        commit = gitlab.commit("first")
        options = {"project": project, "api": str(gitlab.fake.server.make_url("/"))}
        assert set(options) <= set(KIND.options)
        async with aiohttp.ClientSession() as session:
            ci = build(bench(session, options, gitlab))
            assert (await ci.resolve("main")).commit == commit

    @pytest.mark.parametrize(
        ("options", "secrets", "said"),
        [
            ({}, {}, 'project "" is no path'),
            ({"project": "shop/../admin?x"}, {}, "is no path like group/project"),
            ({"project": "shop/storefront", "ref": "-x"}, {}, 'ref "-x" cannot be'),
            ({"project": "shop/storefront", "api": "http://gitlab.example.com"}, {}, "must be an https address"),
            ({"project": "shop/storefront", "api": "https://ana:secret@gitlab.example.com"}, {}, "must be an https address"),
            ({"project": "shop/storefront"}, {"GONOGO_GITLAB_TOKEN": ""}, "GONOGO_GITLAB_TOKEN is not set"),
            ({"project": "shop/storefront"}, {"GONOGO_GITLAB_SIGNING_TOKEN": "plain"}, "does not begin with whsec_"),
            ({"project": "shop/storefront"}, {"GONOGO_GITLAB_SIGNING_TOKEN": "whsec_%"}, "is not base64"),
            ({"project": "shop/storefront"}, {"GONOGO_GITLAB_SIGNING_TOKEN": "whsec_YWJj"}, "holds 3 bytes, not 32"),
        ],
    )
    async def test_what_makes_no_sense_is_said_at_the_start(
        self, gitlab: GitLabLab, options: dict[str, str], secrets: dict[str, str], said: str
    ) -> None:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(ConfigurationError, match=r"services\.shop\.ci") as wrong:
                build(bench(session, options, gitlab, **secrets))
        assert said in str(wrong.value)
        assert "secret@" not in str(wrong.value)
