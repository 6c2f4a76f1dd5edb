"""What GitHub says about the tests of a commit: several runs, required checks, shared repositories,
and tests that are asked for again.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from bot.catalog.paths import path_patterns
from bot.domain.errors import ConfigurationError, IntegrationError
from bot.domain.quality import QualityState
from bot.domain.rollout import RunState
from bot.ports.ci import Latest, StartRequest
from bot.providers.ci.github import facts
from bot.providers.ci.verdicts import Outcome, Said, weigh
from tests.providers.ci.github_door import TOKEN

if TYPE_CHECKING:
    from bot.providers.ci.github.provider import GitHubCI
    from tests.providers.ci.github_lab import GitHubLab


@pytest.fixture(params=["token", "app"])
async def seeing(github: GitHubLab, request: pytest.FixtureRequest) -> GitHubLab:
    """Give GitHub with a token that may see check runs, as an App's does, and with one that may
    not, as a fine-grained one does not.
    """
    if request.param == "app":
        github.github.tokens[TOKEN]["checks"] = "read"
    return github


class TestTests:
    async def test_the_newest_rerun_decides(self, seeing: GitHubLab) -> None:
        commit = seeing.commit("first", tests="exit 1")
        assert (await seeing.ci.quality(commit)).state is QualityState.RED
        run = seeing.world.runs[0]
        run.conclusion, run.jobs[0].conclusion = "success", "success"
        assert (await seeing.ci.quality(commit)).state is QualityState.GREEN

    @pytest.mark.parametrize("conclusion", ["failure", "timed_out"])
    async def test_whatever_is_no_success_is_red(self, seeing: GitHubLab, conclusion: str) -> None:
        commit = seeing.commit("first")
        seeing.world.test(commit, conclusion, name="integration")
        assert (await seeing.ci.quality(commit)).state is QualityState.RED

    async def test_tests_that_run_are_not_green_yet(self, seeing: GitHubLab) -> None:
        commit = seeing.commit("first", tests="")
        seeing.world.test(commit, None)
        found = await seeing.ci.quality(commit)
        assert found.state is QualityState.RUNNING
        assert "still running" in found.sentence
        assert found.since == datetime.fromisoformat(seeing.world.runs[-1].created_at)

    @pytest.mark.parametrize("conclusion", ["skipped", "neutral"])
    async def test_only_skipped_tests_are_no_tests(
        self, seeing: GitHubLab, conclusion: str
    ) -> None:
        commit = seeing.commit("first", tests="")
        seeing.world.test(commit, conclusion)
        assert (await seeing.ci.quality(commit)).state is QualityState.NONE

    async def test_no_statuses_are_not_pending_statuses(self, seeing: GitHubLab) -> None:
        assert (await seeing.ci.quality(seeing.commit("first"))).state is QualityState.GREEN

    @pytest.mark.parametrize(
        ("state", "expected"),
        [
            ("success", QualityState.GREEN),
            ("failure", QualityState.RED),
            ("error", QualityState.RED),
            ("pending", QualityState.RUNNING),
        ],
    )
    async def test_statuses_of_other_tools_count(
        self, seeing: GitHubLab, state: str, expected: QualityState
    ) -> None:
        commit = seeing.commit("first", tests="")
        seeing.world.statuses[commit] = [
            {"context": f"ci/{number}", "state": "success"} for number in range(120)
        ]
        seeing.world.statuses[commit].append({"context": "ci/last", "state": state})
        assert (await seeing.ci.quality(commit)).state is expected

    async def test_our_own_deployments_are_no_tests_of_the_commit_they_stand_at(
        self, seeing: GitHubLab
    ) -> None:
        tip = seeing.commit("first", failing=0)
        run = seeing.world.dispatch(
            "deploy.yml", "main", {"commit": tip, "correlation": "shop-1:all"}
        )
        assert (await seeing.ci.quality(tip)).state is QualityState.GREEN
        while run.status != "completed":
            seeing.world.tick(run)
        assert run.conclusion == "failure"
        assert (await seeing.ci.quality(tip)).state is QualityState.GREEN

    async def test_what_a_token_cannot_see_is_said(self, github: GitHubLab) -> None:
        found = await github.ci.quality(github.commit("first"))
        assert (
            found.sentence == "1 check passed; checks of other apps cannot be seen with this token"
        )

    async def test_a_workflow_that_still_runs_is_waited_for_though_all_its_jobs_so_far_are_green(
        self, seeing: GitHubLab
    ) -> None:
        commit = seeing.commit("first", tests="")
        run = seeing.world.test(commit, None, name="lint")
        run.jobs[0].status, run.jobs[0].conclusion = "completed", "success"
        found = await seeing.ci.quality(commit)
        assert (found.state, found.sentence.partition(";")[0]) == (
            QualityState.RUNNING,
            "ci still running",
        )

    def test_a_long_list_of_failures_is_cut(self) -> None:
        found = facts.quality(weigh(Outcome(name, Said.FAILED, (name,)) for name in "dcbae"))
        assert found.sentence == "a, b, c and 2 more failed"

    async def test_more_checks_than_are_read_are_not_called_green(self, github: GitHubLab) -> None:
        commit = github.commit("first", tests="")
        github.world.statuses[commit] = [
            {"context": f"ci/{number}", "state": "success"} for number in range(1000)
        ]
        with pytest.raises(IntegrationError, match="1,000 or more entries"):
            await github.ci.quality(commit)


@pytest.mark.parametrize(
    ("conclusion", "said"),
    [
        ("success", Said.PASSED), ("failure", Said.FAILED),
        ("timed_out", Said.FAILED), ("startup_failure", Said.FAILED),
        ("a word of tomorrow", Said.FAILED), (None, Said.FAILED),
        ("skipped", Said.SKIPPED), ("neutral", Said.SKIPPED),
        ("cancelled", Said.STOPPED), ("stale", Said.STOPPED), ("action_required", Said.STOPPED),
    ],
)  # fmt: skip
def test_a_word_that_is_not_known_is_never_a_success(conclusion: str | None, said: Said) -> None:
    run = {
        "id": 1,
        "workflow_id": 2,
        "event": "push",
        "head_branch": "main",
        "status": "completed",
        "conclusion": conclusion,
    }
    assert facts.workflow(run).said is said


class TestSeveralRuns:
    @pytest.mark.case("ci-and-refs-5")
    @pytest.mark.parametrize("first", ["failure", "cancelled"])
    async def test_the_same_workflow_run_again_replaces_the_earlier_run_for_app_and_token_alike(
        self, seeing: GitHubLab, first: str
    ) -> None:
        commit = seeing.commit("first", tests="")
        seeing.world.test(commit, first)
        seeing.world.test(commit, "success")
        assert (await seeing.ci.quality(commit)).state is QualityState.GREEN

    @pytest.mark.case("ci-and-refs-4")
    @pytest.mark.parametrize(
        ("event", "branch"), [("push", "v1.0.0"), ("schedule", "main"), ("pull_request", "main")]
    )
    async def test_a_run_of_something_else_replaces_nothing(
        self, seeing: GitHubLab, event: str, branch: str
    ) -> None:
        commit = seeing.commit("first", tests="exit 1")
        seeing.world.test(commit, "success", event=event, branch=branch)
        assert (await seeing.ci.quality(commit)).state is QualityState.RED

    @pytest.mark.case("ci-and-refs-14")
    @pytest.mark.parametrize("conclusion", ["cancelled", "skipped", "action_required"])
    @pytest.mark.parametrize("branch", ["main", "side"])
    async def test_a_run_that_tested_nothing_outvotes_none_that_did(
        self, seeing: GitHubLab, conclusion: str, branch: str
    ) -> None:
        commit = seeing.commit("first")
        seeing.world.test(commit, conclusion, branch=branch)
        assert (await seeing.ci.quality(commit)).state is QualityState.GREEN

    @pytest.mark.case("ci-and-refs-14")
    async def test_a_run_that_was_cancelled_after_a_job_had_failed_has_tested_something(
        self, seeing: GitHubLab
    ) -> None:
        commit = seeing.commit("first")
        run = seeing.world.test(commit, "failure", branch="side")
        run.conclusion = "cancelled"
        assert (await seeing.ci.quality(commit)).state is QualityState.RED

    async def test_only_cancelled_tests_are_no_tests_and_said_to_be_cancelled(
        self, seeing: GitHubLab
    ) -> None:
        commit = seeing.commit("first", tests="")
        seeing.world.test(commit, "cancelled")
        found = await seeing.ci.quality(commit)
        assert (found.state, found.sentence.partition(";")[0]) == (
            QualityState.NONE,
            "ci cancelled, so nothing has been tested",
        )

    @pytest.mark.case("ci-and-refs-3")
    async def test_a_job_that_may_fail_does_not_make_its_run_red(self, seeing: GitHubLab) -> None:
        commit = seeing.commit("first", tests="")
        run = seeing.world.test(commit, "failure")
        run.conclusion = "success"  # continue-on-error
        assert (await seeing.ci.quality(commit)).state is QualityState.GREEN


class TestTestsAgain:
    @pytest.mark.case("ci-and-refs-7")
    async def test_the_failed_jobs_are_run_again_and_the_rerun_decides(
        self, seeing: GitHubLab
    ) -> None:
        commit = seeing.commit("first", tests="exit 1")
        first = seeing.world.runs[0]
        seeing.world.add_job(first, "lint", "success")
        again = await seeing.ci.test_again(commit)
        assert (again.id, again.state, first.attempt) == (str(first.id), RunState.QUEUED, 2)
        assert (await seeing.ci.quality(commit)).state is QualityState.RUNNING
        seeing.world.finish(first, "success")
        assert (await seeing.ci.quality(commit)).state is QualityState.GREEN

    @pytest.mark.case("ci-and-refs-7")
    async def test_a_run_that_was_cancelled_after_a_job_had_failed_is_run_again_and_not_a_newer_green_one(
        self, seeing: GitHubLab
    ) -> None:
        commit = seeing.commit("first", tests="")
        red, green = (
            seeing.world.test(commit, "cancelled", event="pull_request"),
            seeing.world.test(commit, "success"),
        )
        red.jobs[0].conclusion = "failure"
        assert (await seeing.ci.quality(commit)).state is QualityState.RED
        await seeing.ci.test_again(commit)
        assert (red.attempt, green.attempt) == (2, 1)

    async def test_an_older_run_that_is_run_again_is_the_newest(self, seeing: GitHubLab) -> None:
        commit = seeing.commit("first", tests="exit 1")
        first, second = seeing.world.runs[0], seeing.world.test(commit, "failure")
        seeing.world.rerun(first, first.jobs)
        first.started_at = "2999-01-01T00:00:00Z"
        seeing.world.finish(first, "success")
        assert second.id > first.id
        assert (await seeing.ci.quality(commit)).state is QualityState.GREEN

    async def test_what_runs_is_left_to_run(self, github: GitHubLab) -> None:
        commit = github.commit("first", tests="")
        run = github.world.test(commit, None)
        assert (await github.ci.test_again(commit)).state is RunState.RUNNING
        assert run.attempt == 1

    async def test_what_has_no_workflow_of_its_own_is_refused_with_what_to_do(
        self, github: GitHubLab
    ) -> None:
        commit = github.commit("first", tests="")
        await github.ci.start(StartRequest("shop-1:all", commit, "production", "deploy"))
        with pytest.raises(
            IntegrationError, match=r"could be run again\. Start one at GitHub"
        ) as caught:
            await github.ci.test_again(commit)
        assert not caught.value.retry


class TestASharedRepository:
    """``services/shop/`` is the service's; the rest is others'."""

    @pytest.fixture
    def shared(self, seeing: GitHubLab) -> GitHubLab:
        seeing.paths = path_patterns(["services/shop/"])
        seeing.ci = seeing.provider()
        return seeing

    def commit(self, lab: GitHubLab, subject: str, *files: str, tests: str = "") -> str:
        made = lab.commit(subject, tests=tests)
        lab.world.commits[made].files = files
        return made

    @pytest.mark.case("adoption-2")
    async def test_a_comparison_lists_only_the_commits_that_change_the_services_files(
        self, shared: GitHubLab
    ) -> None:
        base = self.commit(shared, "first", "services/shop/a.py")
        self.commit(shared, "others", "services/search/a.py")
        self.commit(shared, "ours", "services/shop/b.py", "README.md")
        head = self.commit(shared, "others again", "README.md")
        for one, two in ((base, head), (head, base)):
            changes = await shared.ci.compare(one, two)
            assert ([each.subject for each in changes.commits], changes.total) == (["ours"], 1)

    @pytest.mark.case("adoption-2")
    async def test_latest_without_a_version_is_the_newest_commit_of_the_service(
        self, shared: GitHubLab
    ) -> None:
        ours = self.commit(shared, "ours", "services/shop/a.py")
        shared.tag("search-v0.2.0", self.commit(shared, "others", "services/search/a.py"))
        found = await shared.ci.resolve("latest")
        assert (found.commit, found.latest, found.name) == (ours, Latest.NEWEST, "main")

    @pytest.mark.case("adoption-2")
    @pytest.mark.parametrize("checks", [None, ["unit", "legal"]])
    async def test_a_check_that_is_filtered_by_paths_does_not_hold_a_commit_that_leaves_them_alone(
        self, shared: GitHubLab, checks: Any
    ) -> None:
        if checks:
            shared.options["checks"] = checks
        ours = self.commit(shared, "ours", "services/shop/a.py", tests="true")
        others = self.commit(shared, "others", "README.md")
        for commit in (ours, others) if checks else (ours,):
            shared.world.statuses[commit] = [{"context": "legal", "state": "success"}]
        found = await shared.provider().quality(others)
        assert (
            found.state,
            f"; at {ours[:10]}, the newest commit that changes the service's files"
            in found.sentence,
        ) == (
            QualityState.GREEN,
            True,
        )

    @pytest.mark.case("adoption-2")
    async def test_what_failed_at_the_services_newest_commit_is_red_behind_it_too(
        self, shared: GitHubLab
    ) -> None:
        self.commit(shared, "ours", "services/shop/a.py", tests="exit 1")
        assert (
            await shared.ci.quality(self.commit(shared, "others", "README.md"))
        ).state is QualityState.RED

    @pytest.mark.case("ci-and-refs-7")
    async def test_what_failed_at_the_services_newest_commit_is_run_again_for_one_behind_it(
        self, shared: GitHubLab
    ) -> None:
        self.commit(shared, "ours", "services/shop/a.py", tests="exit 1")
        others = self.commit(shared, "others", "README.md")
        await shared.ci.test_again(others)
        assert (await shared.ci.quality(others)).state is QualityState.RUNNING
        shared.world.finish(shared.world.runs[0], "success")
        assert (await shared.ci.quality(others)).state is QualityState.GREEN


class TestRequiredChecks:
    def require(self, github: GitHubLab, checks: Any) -> GitHubCI:
        github.options["checks"] = checks
        return github.provider()

    @pytest.mark.parametrize("checks", ["e2e", ["unit", "e2e"], "required"])
    async def test_what_has_not_reported_yet_is_waited_for(
        self, seeing: GitHubLab, checks: Any
    ) -> None:
        seeing.world.ruled = ["unit", "e2e"]
        commit, ci = seeing.commit("first"), self.require(seeing, checks)
        found = await ci.quality(commit)
        assert found.state is QualityState.NONE
        assert found.sentence.startswith(
            "1 check passed; required and not reported: e2e, and nothing runs that could; "
        )
        seeing.world.statuses[commit] = [{"context": "e2e", "state": "success"}]
        assert (await ci.quality(commit)).state is QualityState.GREEN

    async def test_a_required_check_may_be_the_job_of_a_workflow(self, seeing: GitHubLab) -> None:
        commit = seeing.commit("first")
        seeing.world.test(commit, "failure", name="e2e")
        found = await self.require(seeing, ["unit", "e2e"]).quality(commit)
        assert (found.state, found.sentence.partition(";")[0]) == (QualityState.RED, "e2e failed")

    async def test_what_runs_is_waited_for(self, seeing: GitHubLab) -> None:
        commit = seeing.commit("first", tests="")
        seeing.world.test(commit, None)
        found = await self.require(seeing, ["unit", "e2e"]).quality(commit)
        assert found.state is QualityState.RUNNING

    @pytest.mark.case("ci-and-refs-3")
    @pytest.mark.parametrize(
        "order", [("failure", "success"), ("success", "failure"), ("failure", "skipped")]
    )
    @pytest.mark.parametrize("checks", [None, "unit"])
    async def test_a_failed_job_does_not_hide_behind_its_namesake(
        self, seeing: GitHubLab, order: tuple[str, str], checks: Any
    ) -> None:
        commit = seeing.commit("first", tests="")
        run = seeing.world.test(commit, order[0])
        seeing.world.add_job(run, "unit", order[1])
        run.conclusion = "failure"
        ci = self.require(seeing, checks) if checks else seeing.ci
        assert (await ci.quality(commit)).state is QualityState.RED

    @pytest.mark.case("ci-and-refs-16")
    async def test_where_only_the_required_ones_count_another_that_fails_is_shown(
        self, seeing: GitHubLab
    ) -> None:
        commit = seeing.commit("first")
        seeing.world.statuses[commit] = [{"context": "lint", "state": "failure"}]
        seeing.options["counts"] = "required only"
        found = await self.require(seeing, "unit").quality(commit)
        assert (found.state, "; lint failed, which does not count here" in found.sentence) == (
            QualityState.GREEN,
            True,
        )

    @pytest.mark.parametrize(
        ("counts", "remedy"),
        [("some", "write all or required only"), ("required only", "say under checks")],
    )
    def test_what_counts_is_one_of_two_words_and_needs_something_required(
        self, github: GitHubLab, counts: str, remedy: str
    ) -> None:
        github.options["counts"] = counts
        with pytest.raises(ConfigurationError, match=remedy):
            github.provider()

    async def test_another_check_that_fails_is_red_all_the_same(self, seeing: GitHubLab) -> None:
        commit = seeing.commit("first")
        seeing.world.statuses[commit] = [{"context": "lint", "state": "failure"}]
        assert (await self.require(seeing, "unit").quality(commit)).state is QualityState.RED

    @pytest.mark.parametrize("ruled", [[], None])
    async def test_the_older_kind_of_protection_is_a_rule_too(
        self, seeing: GitHubLab, ruled: list[str] | None
    ) -> None:
        seeing.world.ruled, seeing.world.protected = ruled, ["unit", "e2e"]
        commit = seeing.commit("first")
        assert (await self.require(seeing, "required").quality(commit)).state is QualityState.NONE

    async def test_rules_that_require_nothing_are_no_green_light(self, seeing: GitHubLab) -> None:
        commit = seeing.commit("first")
        with pytest.raises(
            IntegrationError, match="no rule of main at GitHub requires a check"
        ) as caught:
            await self.require(seeing, "required").quality(commit)
        assert not caught.value.retry

    @pytest.mark.parametrize("checks", ["", [""], ["required", "unit"], [1], {"unit": "e2e"}])
    def test_an_option_that_names_nothing_is_refused(self, github: GitHubLab, checks: Any) -> None:
        with pytest.raises(
            ConfigurationError, match=r"services\.shop\.ci\.checks: .* does not do; (write|name) "
        ):
            self.require(github, checks)
