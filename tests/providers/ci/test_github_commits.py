"""What GitHub says about commits: names, differences, tests; and how little asking costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bot.domain.errors import ConfigurationError, IntegrationError
from bot.ports import QualityState, StartRequest
from bot.providers.ci.github import facts
from bot.providers.ci.github.repository import web_address
from tests.providers.ci.github_fake import TOKEN

if TYPE_CHECKING:
    from bot.providers.ci.github.provider import GitHubCI
    from tests.providers.ci.github_lab import GitHubLab


@pytest.fixture(params=["token", "app"])
async def seeing(github: GitHubLab, request: pytest.FixtureRequest) -> GitHubLab:
    """Give GitHub with a token that may see check runs, as an App's does, and with one that may not, as a fine-grained one does not."""
    if request.param == "app":
        github.github.tokens[TOKEN]["checks"] = "read"
    return github


class TestNames:
    @pytest.mark.parametrize("text", ["c" * 40, "c" * 40 + "\n", '{"sha": "' + "c" * 40 + '"}'])
    def test_a_commit_is_read_alone_or_in_json(self, text: str) -> None:
        assert facts.full_commit(text) == "c" * 40

    @pytest.mark.parametrize("text", ["", "cccccccc", "{", "{}", '{"sha": 1}', "<html>"])
    def test_anything_else_is_no_commit(self, text: str) -> None:
        with pytest.raises(ValueError, match=r".?"):
            facts.full_commit(text)

    async def test_a_tag_wins_over_a_branch_of_the_same_name(self, github: GitHubLab) -> None:
        older, newer = github.commit("first"), github.commit("second")
        github.tag("main", older)
        assert (await github.ci.resolve("main")).commit == older
        assert newer != older

    @pytest.mark.parametrize("kind", ["tag", "branch"])
    async def test_a_name_that_reads_as_another_commit_is_refused(self, github: GitHubLab, kind: str) -> None:
        meant, other = github.commit("first"), github.commit("second")
        (github.tag if kind == "tag" else github.branch)(meant[:10], other)
        with pytest.raises(IntegrationError, match="reads as the beginning of another commit") as caught:
            await github.ci.resolve(meant[:10])
        assert not caught.value.retry
        assert (await github.ci.resolve(meant)).commit == meant

    async def test_a_name_that_reads_as_the_commit_itself_or_as_a_date_is_one(self, github: GitHubLab) -> None:
        commit = github.commit("first")
        github.tag(commit[:10], commit)
        github.tag("20261121", commit)
        assert (await github.ci.resolve(commit[:10])).commit == commit
        assert (await github.ci.resolve("20261121")).version == "20261121"

    async def test_a_full_commit_is_never_a_tag(self, github: GitHubLab) -> None:
        meant, other = github.commit("first"), github.commit("second")
        github.tag(meant, other)
        assert (await github.ci.resolve(meant)).commit == meant

    async def test_a_branch_with_slashes_and_a_plain_commit_have_no_version_but_ten_characters(self, github: GitHubLab) -> None:
        commit = github.commit("first")
        github.branch("feature/a+b", commit)
        found = await github.ci.resolve("feature/a+b")
        assert (found.commit, found.version) == (commit, commit[:10])

    async def test_latest_without_tags_is_the_default_branch(self, github: GitHubLab) -> None:
        commit = github.commit("first")
        assert (await github.ci.resolve("latest")).commit == commit

    async def test_hundreds_of_tags_are_all_read(self, github: GitHubLab) -> None:
        commit = github.commit("first")
        for number in range(250):
            github.tag(f"v1.{number}.0", commit)
        assert (await github.ci.resolve("latest")).version == "v1.249.0"

    async def test_a_name_is_a_courtesy_that_thousands_of_tags_do_not_cost(self, github: GitHubLab) -> None:
        tagged, commit = github.commit("first"), github.commit("second")
        for number in range(5000):
            github.tag(f"v1.{number}.0", tagged)
        assert (await github.ci.resolve("main")).version == commit[:10]
        assert sum("/tags?" in line for line in github.github.requests) == 5

    @pytest.mark.parametrize("length", [40, 10])
    async def test_a_commit_of_a_fork_is_no_version(self, github: GitHubLab, length: int) -> None:
        stranger = github.world.offer("evil", github.commit("first"))
        with pytest.raises(IntegrationError, match="is found on no branch and at no tag of acme/shop") as caught:
            await github.ci.resolve(stranger[:length])
        assert not caught.value.retry

    @pytest.mark.parametrize("where", ["behind the tip", "at a tip", "behind another tip", "at a tag"])
    async def test_a_commit_of_the_repository_is_a_version(self, github: GitHubLab, where: str) -> None:
        first = github.commit("first")
        github.commit("second")
        inside = github.world.offer("tagged", first)
        github.tag("v1.0.0", inside)
        github.branch("side", first)
        behind, tip = github.commit("third"), github.commit("fourth")
        commit = {"behind the tip": first, "at a tip": tip, "behind another tip": behind, "at a tag": inside}[where]
        assert (await github.ci.resolve(commit)).commit == commit

    async def test_a_repository_that_cannot_be_seen_is_not_mistaken_for_a_wrong_version(self, github: GitHubLab) -> None:
        github.options["repository"] = "acme/elsewhere"
        with pytest.raises(IntegrationError, match=r"404 to GET /repos/acme/elsewhere"):
            await github.provider().resolve("v1.0.0")

    async def test_an_empty_repository_is_said_to_be_empty(self, github: GitHubLab) -> None:
        with pytest.raises(IntegrationError, match=r"Git Repository is empty"):
            await github.ci.resolve("v1.0.0")


@pytest.mark.parametrize(
    ("api", "web"),
    [
        ("https://api.github.com", "https://github.com"),
        ("https://github.example.com/api/v3", "https://github.example.com"),
        ("https://api.acme.ghe.com", "https://acme.ghe.com"),
        ("https://proxy.example.com/github", ""),
    ],
)
def test_people_are_sent_where_people_look(api: str, web: str) -> None:
    assert web_address(api) == web


class TestDifferences:
    @pytest.mark.parametrize("backwards", [False, True])
    async def test_more_than_250_commits_are_counted_and_their_authors_named(self, github: GitHubLab, *, backwards: bool) -> None:
        base = github.commit("first", tests="")
        for number in range(310):
            github.commit(f"change {number}", tests="")
        head = github.world.branches["main"]
        changes = await (github.ci.compare(head, base) if backwards else github.ci.compare(base, head))
        assert (changes.total, len(changes.commits), changes.backwards) == (310, facts.SHOWN, backwards)
        assert changes.commits[0].subject == "change 0"
        assert (changes.authors, changes.files) == (("ana",), ("src/app.py",))
        assert changes.url == f"https://github.com/acme/shop/compare/{base}...{head}"

    @pytest.mark.parametrize(("changed", "known"), [(299, True), (300, False), (400, False)])
    async def test_where_github_names_no_more_files_others_may_have_changed(self, github: GitHubLab, changed: int, *, known: bool) -> None:
        base, head = github.commit("first"), github.commit("second")
        github.world.changed = [{"filename": f"a{number}"} for number in range(changed)]
        found = await github.ci.compare(base, head)
        assert (found.known, len(found.files)) == (known, min(changed, 300))

    async def test_a_file_that_was_moved_is_named_where_it_was_and_where_it_is(self, github: GitHubLab) -> None:
        base, head = github.commit("first"), github.commit("second")
        github.world.changed = [{"filename": "old/1.sql", "previous_filename": "migrations/1.sql", "status": "renamed"}]
        assert (await github.ci.compare(base, head)).files == ("migrations/1.sql", "old/1.sql")

    async def test_a_commit_that_does_not_exist_is_refused(self, github: GitHubLab) -> None:
        base = github.commit("first")
        with pytest.raises(IntegrationError) as caught:
            await github.ci.compare(base, "0" * 40)
        assert (caught.value.status, caught.value.retry) == (404, False)


class TestTests:
    async def test_the_newest_rerun_decides(self, seeing: GitHubLab) -> None:
        commit = seeing.commit("first", tests="exit 1")
        assert (await seeing.ci.quality(commit)).state is QualityState.RED
        run = seeing.world.runs[0]
        run.conclusion, run.jobs[0].conclusion = "success", "success"
        assert (await seeing.ci.quality(commit)).state is QualityState.GREEN

    @pytest.mark.parametrize("conclusion", ["failure", "cancelled", "timed_out", "action_required"])
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

    @pytest.mark.parametrize("conclusion", ["skipped", "neutral"])
    async def test_only_skipped_tests_are_no_tests(self, seeing: GitHubLab, conclusion: str) -> None:
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
    async def test_statuses_of_other_tools_count(self, seeing: GitHubLab, state: str, expected: QualityState) -> None:
        commit = seeing.commit("first", tests="")
        seeing.world.statuses[commit] = [{"context": f"ci/{number}", "state": "success"} for number in range(120)]
        seeing.world.statuses[commit].append({"context": "ci/last", "state": state})
        assert (await seeing.ci.quality(commit)).state is expected

    async def test_our_own_deployments_are_no_tests_of_the_commit_they_stand_at(self, seeing: GitHubLab) -> None:
        tip = seeing.commit("first", failing=0)
        run = seeing.world.dispatch("deploy.yml", "main", {"commit": tip, "correlation": "shop-1:all"})
        assert (await seeing.ci.quality(tip)).state is QualityState.GREEN
        while run.status != "completed":
            seeing.world.tick(run)
        assert run.conclusion == "failure"
        assert (await seeing.ci.quality(tip)).state is QualityState.GREEN

    async def test_what_a_token_cannot_see_is_said(self, github: GitHubLab) -> None:
        found = await github.ci.quality(github.commit("first"))
        assert found.sentence == "1 check passed; checks of other apps cannot be seen with this token"

    async def test_a_workflow_that_still_runs_is_waited_for_though_all_its_jobs_so_far_are_green(self, seeing: GitHubLab) -> None:
        commit = seeing.commit("first", tests="")
        run = seeing.world.test(commit, None, name="lint")
        run.jobs[0].status, run.jobs[0].conclusion = "completed", "success"
        found = await seeing.ci.quality(commit)
        assert (found.state, found.sentence.partition(";")[0]) == (QualityState.RUNNING, "ci still running")

    def test_a_long_list_of_failures_is_cut(self) -> None:
        found = facts.quality([facts.Check(name, "red") for name in "dcbae"])
        assert found.sentence == "a, b, c and 2 more failed"

    async def test_more_checks_than_are_read_are_not_called_green(self, github: GitHubLab) -> None:
        commit = github.commit("first", tests="")
        github.world.statuses[commit] = [{"context": f"ci/{number}", "state": "success"} for number in range(1000)]
        with pytest.raises(IntegrationError, match="1,000 or more entries"):
            await github.ci.quality(commit)


class TestRequiredChecks:
    def require(self, github: GitHubLab, checks: Any) -> GitHubCI:
        github.options["checks"] = checks
        return github.provider()

    @pytest.mark.parametrize("checks", ["e2e", ["unit", "e2e"], "required"])
    async def test_what_has_not_reported_yet_is_waited_for(self, seeing: GitHubLab, checks: Any) -> None:
        seeing.world.ruled = ["unit", "e2e"]
        commit, ci = seeing.commit("first"), self.require(seeing, checks)
        found = await ci.quality(commit)
        assert (found.state, found.sentence.split("; checks")[0]) == (
            QualityState.RUNNING,
            "1 check passed; required and not reported yet: e2e",
        )
        seeing.world.statuses[commit] = [{"context": "e2e", "state": "success"}]
        assert (await ci.quality(commit)).state is QualityState.GREEN

    async def test_a_required_check_may_be_the_job_of_a_workflow(self, seeing: GitHubLab) -> None:
        commit = seeing.commit("first")
        seeing.world.test(commit, "failure", name="e2e")
        found = await self.require(seeing, ["unit", "e2e"]).quality(commit)
        assert (found.state, found.sentence.partition(";")[0]) == (QualityState.RED, "e2e failed")

    async def test_another_check_that_fails_is_red_all_the_same(self, seeing: GitHubLab) -> None:
        commit = seeing.commit("first")
        seeing.world.statuses[commit] = [{"context": "lint", "state": "failure"}]
        assert (await self.require(seeing, "unit").quality(commit)).state is QualityState.RED

    @pytest.mark.parametrize("ruled", [[], None])
    async def test_the_older_kind_of_protection_is_a_rule_too(self, seeing: GitHubLab, ruled: list[str] | None) -> None:
        seeing.world.ruled, seeing.world.protected = ruled, ["unit", "e2e"]
        commit = seeing.commit("first")
        assert (await self.require(seeing, "required").quality(commit)).state is QualityState.RUNNING

    async def test_rules_that_require_nothing_are_no_green_light(self, seeing: GitHubLab) -> None:
        commit = seeing.commit("first")
        with pytest.raises(IntegrationError, match="no rule of main at GitHub requires a check") as caught:
            await self.require(seeing, "required").quality(commit)
        assert not caught.value.retry

    @pytest.mark.parametrize("checks", ["", [""], ["required", "unit"], [1], {"unit": "e2e"}])
    def test_an_option_that_names_nothing_is_refused(self, github: GitHubLab, checks: Any) -> None:
        with pytest.raises(ConfigurationError, match=r"services\.shop\.ci\.checks: .* does not do; (write|name) "):
            self.require(github, checks)


class TestTheCostOfAsking:
    async def test_looking_at_a_run_that_has_not_changed_is_free(self, github: GitHubLab) -> None:
        run = await github.ci.start(StartRequest("shop-1:all", github.commit("first", held=True), "production", "deploy"))
        for _ in range(4):
            await github.ci.look(run.id)
        left, asked = github.github.remaining, len(github.github.requests)
        for _ in range(5):
            await github.ci.look(run.id)
        assert len(github.github.requests) - asked == 10
        assert github.github.remaining == left

    async def test_a_used_up_budget_is_obeyed_by_everybody_and_said(self, github: GitHubLab) -> None:
        commit = github.commit("first")
        github.github.remaining = 0
        with pytest.raises(IntegrationError, match="rate limit") as caught:
            await github.ci.quality(commit)
        asked = len(github.github.requests)
        other = github.provider()
        with pytest.raises(IntegrationError, match="asks to be left alone") as later:
            await other.quality(commit)
        assert (caught.value.retry, later.value.retry, len(github.github.requests)) == (True, True, asked)

    async def test_the_last_request_of_a_budget_is_the_last_for_now(self, github: GitHubLab) -> None:
        commit = github.commit("first")
        github.github.remaining = 1
        with pytest.raises(IntegrationError, match="asks to be left alone"):
            await github.ci.quality(commit)
        assert len(github.github.requests) == 1
