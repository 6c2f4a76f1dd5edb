"""GitLab CI: refs, comparisons, tests of a commit, and what stands in
gonogo.yaml and in the settings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from bot.catalog.paths import path_patterns
from bot.domain.errors import ConfigurationError, IntegrationError, UnknownRef
from bot.domain.quality import QualityState
from bot.ports.ci import Latest, RefKind, Resolved, StartRequest
from bot.providers.ci.gitlab.kind import KIND, build
from bot.providers.context import ProviderContext
from bot.providers.rate_limits import RateLimits
from tests.patience import PATIENCE
from tests.providers.ci.gitlab_fake import TOKEN

if TYPE_CHECKING:
    from tests.providers.ci.gitlab_lab import GitLabLab


class TestFacts:
    async def test_the_newest_pipeline_that_is_not_ours_decides(self, gitlab: GitLabLab) -> None:
        commit = gitlab.commit("first", tests="exit 1")
        again = gitlab.world.tested(commit, good=True)
        for named in (True, False):
            gitlab.world.named = named
            await gitlab.ci.start(StartRequest(f"shop-1:{named}", commit, "production", "deploy"))
        async with asyncio.timeout(PATIENCE):
            while (seen := await gitlab.ci.quality(commit)).state is QualityState.RUNNING:  # noqa: ASYNC110 - a run is polled
                await asyncio.sleep(0.001)
        assert (seen.state, seen.sentence) == (
            QualityState.GREEN,
            f"pipeline {again.id} passed: 12 tests, 0 failed",
        )

    @pytest.mark.parametrize(
        ("pipelines", "state"),
        [
            ((("push", "failed"), ("schedule", "success")), QualityState.RED),
            ((("push", "success"), ("schedule", "failed")), QualityState.RED),
            ((("push", "running"), ("external", "success")), QualityState.RUNNING),
            ((("push", "skipped"), ("schedule", "success")), QualityState.GREEN),
            (
                (("schedule", "failed"), ("push", "success"), ("schedule", "success")),
                QualityState.GREEN,
            ),
            ((("push", "failed"), ("web", "success")), QualityState.RED),
            (
                (
                    ("push", "failed"),
                    ("trigger", "success"),
                    ("api", "success"),
                    ("chat", "success"),
                ),
                QualityState.RED,
            ),
            ((("push", "failed"), ("push", "success")), QualityState.GREEN),
            ((("push", "success"), ("schedule", "canceled")), QualityState.GREEN),
            ((("push", "success"), ("push", "canceled")), QualityState.GREEN),
        ],
    )
    @pytest.mark.case("ci-and-refs-4")
    @pytest.mark.case("ci-and-refs-14")
    async def test_a_pipeline_of_another_source_adds_to_what_the_push_says_and_does_not_replace_it(
        self, gitlab: GitLabLab, pipelines: tuple[tuple[str, str], ...], state: QualityState
    ) -> None:
        commit = gitlab.commit("first", tests="")
        for source, status in pipelines:
            begun = gitlab.world.tested(commit, good=True)
            begun.source, begun.status_is = source, status
        assert (await gitlab.ci.quality(commit)).state is state

    @pytest.mark.parametrize(
        ("status", "state", "words"),
        [
            ("skipped", QualityState.NONE, "nothing has been tested"),
            ("manual", QualityState.RUNNING, "waits for a manual job"),
            ("canceled", QualityState.NONE, "was cancelled, so nothing has been tested"),
            ("failed", QualityState.RED, "failed: 12 tests"),
            ("pending", QualityState.RUNNING, "is running"),
        ],
    )
    async def test_only_success_is_green(
        self, gitlab: GitLabLab, status: str, state: QualityState, words: str
    ) -> None:
        commit = gitlab.commit("first")
        next(iter(gitlab.world.pipelines.values())).status_is = status
        seen = await gitlab.ci.quality(commit)
        assert seen.state is state
        assert words in seen.sentence

    @pytest.mark.parametrize(
        ("fault", "words"), [("403", "reports no test results"), ("", "reports no test results")]
    )
    async def test_a_pipeline_without_a_test_report_says_so(
        self, gitlab: GitLabLab, fault: str, words: str
    ) -> None:
        commit = gitlab.commit("first")
        pipeline = next(iter(gitlab.world.pipelines.values()))
        pipeline.status_is, pipeline.tests = "success", None
        if fault:
            gitlab.break_next(fault, path="test_report_summary")
        assert words in (await gitlab.ci.quality(commit)).sentence

    async def test_a_report_that_gitlab_could_not_read_makes_a_pipeline_that_passed_unknown(
        self, gitlab: GitLabLab
    ) -> None:
        commit = gitlab.commit("first")
        pipeline = next(iter(gitlab.world.pipelines.values()))
        pipeline.status_is, pipeline.unread = "success", "rspec"
        said = await gitlab.ci.quality(commit)
        assert said.state is QualityState.UNKNOWN
        assert said.sentence.endswith("passed, and GitLab could not read the test report of rspec")

    @pytest.mark.case("ci-and-refs-15")
    async def test_a_report_that_could_not_be_read_does_not_hide_behind_a_newer_one(
        self, gitlab: GitLabLab
    ) -> None:
        commit = gitlab.commit("first")
        first, second = (
            next(iter(gitlab.world.pipelines.values())),
            gitlab.world.tested(commit, good=True),
        )
        first.status_is, first.unread, second.status_is, second.source = (
            "success",
            "rspec",
            "success",
            "schedule",
        )
        assert (await gitlab.ci.quality(commit)).state is QualityState.UNKNOWN

    async def test_a_report_that_is_not_answered_for_now_leaves_the_tests_unknown(
        self, gitlab: GitLabLab
    ) -> None:
        commit = gitlab.commit("first")
        next(iter(gitlab.world.pipelines.values())).status_is = "success"
        for _ in range(5):
            gitlab.break_next("503", path="test_report_summary")
        with pytest.raises(IntegrationError):
            await gitlab.ci.quality(commit)

    @pytest.mark.case("ci-and-refs-4")
    @pytest.mark.parametrize(
        ("other", "state"), [("success", QualityState.RED), ("failed", QualityState.RED)]
    )
    async def test_the_pipeline_of_a_tag_does_not_replace_that_of_a_branch(
        self, gitlab: GitLabLab, other: str, state: QualityState
    ) -> None:
        commit = gitlab.commit("first", tests="exit 1")
        begun = gitlab.world.tested(commit, good=True)
        begun.ref, begun.status_is = "v1.0.0", other
        next(iter(gitlab.world.pipelines.values())).status_is = "failed"
        assert (await gitlab.ci.quality(commit)).state is state

    @pytest.mark.case("ci-and-refs-14")
    async def test_a_cancelled_pipeline_of_another_branch_does_not_outvote_a_green_one(
        self, gitlab: GitLabLab
    ) -> None:
        commit = gitlab.commit("first")
        next(iter(gitlab.world.pipelines.values())).status_is = "success"
        begun = gitlab.world.tested(commit, good=True)
        begun.ref, begun.status_is = "side", "canceled"
        assert (await gitlab.ci.quality(commit)).state is QualityState.GREEN

    @pytest.mark.case("ci-and-refs-7")
    async def test_failed_pipelines_are_retried_and_the_retry_decides(
        self, gitlab: GitLabLab
    ) -> None:
        commit = gitlab.commit("first", tests="exit 1")
        pipeline = next(iter(gitlab.world.pipelines.values()))
        while pipeline.status != "failed":
            pipeline.go_on(gitlab.world.now())
        again = await gitlab.ci.test_again(commit)
        assert (again.id, again.state.is_final) == (str(pipeline.id), False)
        while pipeline.status != "success":
            pipeline.go_on(gitlab.world.now())
        assert (await gitlab.ci.quality(commit)).state is QualityState.GREEN
        with pytest.raises(IntegrationError, match="no failed pipeline of") as refused:
            await gitlab.ci.test_again(commit)
        assert not refused.value.retry

    @pytest.mark.case("adoption-2")
    async def test_the_services_newest_commit_has_the_word_where_a_commit_of_others_ran_no_tests(
        self, gitlab: GitLabLab
    ) -> None:
        ours = gitlab.commit("services/shop/a")
        next(iter(gitlab.world.pipelines.values())).status_is = "success"
        others = gitlab.commit("services/search/a", tests="")
        found = await gitlab.provider(paths=path_patterns(["services/shop/"])).quality(others)
        assert (found.state, f"; at {ours[:10]}, " in found.sentence) == (QualityState.GREEN, True)

    @pytest.mark.case("ci-and-refs-7")
    async def test_what_failed_at_the_services_newest_commit_is_retried_for_one_behind_it(
        self, gitlab: GitLabLab
    ) -> None:
        gitlab.commit("services/shop/a", tests="exit 1")
        pipeline = next(iter(gitlab.world.pipelines.values()))
        while pipeline.status != "failed":
            pipeline.go_on(gitlab.world.now())
        others, ci = (
            gitlab.commit("services/search/a", tests=""),
            gitlab.provider(paths=path_patterns(["services/shop/"])),
        )
        assert (await ci.quality(others)).state is QualityState.RED
        assert (await ci.test_again(others)).id == str(pipeline.id)


class TestRefs:
    @pytest.mark.case("adoption-2")
    async def test_latest_and_comparisons_are_the_services_own(self, gitlab: GitLabLab) -> None:
        shop = gitlab.provider(paths=path_patterns(["services/shop/"]))
        base = gitlab.commit("services/shop/a")
        gitlab.commit("services/search/a")
        ours = gitlab.commit("services/shop/b")
        head = gitlab.commit("services/search/b")
        gitlab.tag("search-v2.0.0", head)
        found = await shop.resolve("latest")
        assert (found.commit, found.latest, found.name) == (ours, Latest.NEWEST, "main")
        changes = await shop.compare(base, head)
        assert ([each.subject for each in changes.commits], changes.total) == (
            ["services/shop/b"],
            1,
        )
        gitlab.tag("shop-v1.0.0", base)
        assert (await shop.resolve("latest")).version == "shop-v1.0.0"

    @pytest.mark.case("ci-and-refs-2")
    async def test_a_tag_that_stands_at_no_commit_is_passed_over(self, gitlab: GitLabLab) -> None:
        gitlab.tag("v1.0.0", gitlab.commit("first"))
        gitlab.tag("v2.0.0", "0" * 40)  # a blob
        assert (await gitlab.ci.resolve("latest")).version == "v1.0.0"

    @pytest.mark.case("ci-and-refs-11")
    async def test_a_tag_and_a_branch_of_one_name_can_each_be_named(
        self, gitlab: GitLabLab
    ) -> None:
        older = gitlab.commit("first")
        newer = gitlab.commit("second")
        gitlab.tag("main", older)
        for ref, commit in (
            ("main", older),
            ("tags/main", older),
            ("heads/main", newer),
            ("refs/heads/main", newer),
        ):
            assert (await gitlab.ci.resolve(ref)).commit == commit
        assert (await gitlab.ci.resolve("main")).also is RefKind.BRANCH

    @pytest.mark.case("ci-and-refs-12")
    async def test_a_ref_that_is_not_there_comes_with_the_nearest_and_a_commit_may_be_in_capitals(
        self, gitlab: GitLabLab
    ) -> None:
        commit = gitlab.commit("first")
        gitlab.tag("v1.1.0", commit)
        for typed in ("V1.1.0", "1.1.0", "v1.1"):
            with pytest.raises(UnknownRef, match=r"Did you mean v1\.1\.0"):
                await gitlab.ci.resolve(typed)
        assert (await gitlab.ci.resolve(commit[:10].upper())).commit == commit

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

    async def test_without_tags_and_branches_latest_says_what_to_do(
        self, gitlab: GitLabLab
    ) -> None:
        gitlab.fake.settings = {"default_branch": None}
        with pytest.raises(IntegrationError, match="set the option ref"):
            await gitlab.ci.resolve("latest")

    async def test_what_moves_by_itself_is_no_version(self, gitlab: GitLabLab) -> None:
        gitlab.commit("first")
        with pytest.raises(IntegrationError, match='no tag, branch or commit "HEAD"'):
            await gitlab.ci.resolve("HEAD")

    async def test_what_somebody_proposes_from_a_fork_is_no_version(
        self, gitlab: GitLabLab
    ) -> None:
        gitlab.commit("first")
        stranger = gitlab.world.propose("from a fork")
        for ref in (stranger, stranger[:10]):
            with pytest.raises(IntegrationError, match="on no branch and at no tag") as refused:
                await gitlab.ci.resolve(ref)
            assert not refused.value.retry

    async def test_a_commit_below_the_tip_of_a_branch_or_only_at_a_tag_is_a_version(
        self, gitlab: GitLabLab
    ) -> None:
        below, alone = gitlab.commit("first"), gitlab.world.propose("hotfix")
        gitlab.commit("second")
        gitlab.tag("hotfix-7", alone)
        assert [(await gitlab.ci.resolve(ref)).commit for ref in (below, below[:10], alone)] == [
            below,
            below,
            alone,
        ]

    async def test_the_whole_id_of_a_commit_means_that_commit_whatever_is_called_so(
        self, gitlab: GitLabLab
    ) -> None:
        good, other = gitlab.commit("good"), gitlab.commit("other")
        gitlab.tag(good, other)
        gitlab.world.branches[good] = other
        assert (await gitlab.ci.resolve(good)).commit == good

    @pytest.mark.parametrize("kind", ["tags", "branches"])
    async def test_a_name_that_is_like_another_commit_is_not_guessed(
        self, gitlab: GitLabLab, kind: str
    ) -> None:
        commit = gitlab.commit("first")
        named: dict[str, str] = getattr(gitlab.world, kind)
        named["abcdef0"] = commit
        with pytest.raises(IntegrationError, match="Give the whole id") as refused:
            await gitlab.ci.resolve("abcdef0")
        assert not refused.value.retry
        named[commit[:10]] = commit
        assert (await gitlab.ci.resolve(commit[:10])).commit == commit

    async def test_a_tag_that_is_a_date_is_a_tag(self, gitlab: GitLabLab) -> None:
        commit = gitlab.commit("first")
        gitlab.tag("20261121", commit)
        assert await gitlab.ci.resolve("20261121") == Resolved(commit, "20261121")

    async def test_a_comparison_names_the_files(self, gitlab: GitLabLab) -> None:
        base, head = gitlab.commit("first"), gitlab.commit("second")
        changes = await gitlab.ci.compare(base, head)
        assert (changes.files, changes.url) == (("second.txt",), "https://compare")

    async def test_no_file_hides_behind_a_list_that_gitlab_has_cut(self, gitlab: GitLabLab) -> None:
        base, _, head = (
            gitlab.commit("first"),
            gitlab.commit("db/migrate/7"),
            gitlab.commit("third"),
        )
        gitlab.fake.most_diffs = 0
        changes = await gitlab.ci.compare(base, head)
        assert (changes.files, changes.known) == (("db/migrate/7.txt", "third.txt"), True)

    async def test_a_cut_list_over_very_many_commits_is_said_to_be_incomplete(
        self, gitlab: GitLabLab
    ) -> None:
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
    """A store that is never asked."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


def context(
    session: aiohttp.ClientSession, options: Mapping[str, Any], gitlab: GitLabLab, **secrets: str
) -> ProviderContext:
    given = {"GONOGO_GITLAB_TOKEN": TOKEN, **secrets}
    assert set(given) <= {each.name for each in KIND.secrets}
    return ProviderContext(
        "shop", options, lambda name: given.get(name, ""), session, RateLimits(),
        gitlab.clock, Runs(), Runs(), Path("nowhere"), lambda _: None
    )  # fmt: skip


class TestConfiguring:
    @pytest.mark.parametrize("project", ["shop/storefront", 7])
    async def test_a_provider_is_built_from_options_and_settings_alone(
        self, gitlab: GitLabLab, project: str | int
    ) -> None:
        commit = gitlab.commit("first")
        options = {"project": project, "api": str(gitlab.fake.server.make_url("/"))}
        assert set(options) <= set(KIND.options)
        async with aiohttp.ClientSession() as session:
            ci = build(context(session, options, gitlab))
            assert (await ci.resolve("main")).commit == commit

    @pytest.mark.parametrize(
        ("options", "secrets", "said"),
        [
            ({}, {}, 'project "" is no path'),
            ({"project": "shop/../admin?x"}, {}, "is no path like group/project"),
            ({"project": "shop/storefront", "ref": "-x"}, {}, 'ref "-x" cannot be'),
            (
                {"project": "shop/storefront", "api": "http://gitlab.example.com"},
                {},
                "must be an https address",
            ),
            (
                {"project": "shop/storefront", "api": "https://ana:secret@gitlab.example.com"},
                {},
                "must be an https address",
            ),
            (
                {"project": "shop/storefront"},
                {"GONOGO_GITLAB_TOKEN": ""},
                "GONOGO_GITLAB_TOKEN is not set",
            ),
            (
                {"project": "shop/storefront"},
                {"GONOGO_GITLAB_SIGNING_TOKEN": "plain"},
                "does not begin with whsec_",
            ),
            (
                {"project": "shop/storefront"},
                {"GONOGO_GITLAB_SIGNING_TOKEN": "whsec_%"},
                "is not base64",
            ),
            (
                {"project": "shop/storefront"},
                {"GONOGO_GITLAB_SIGNING_TOKEN": "whsec_YWJj"},
                "holds 3 bytes, not 32",
            ),
        ],
    )
    async def test_what_makes_no_sense_is_said_at_the_start(
        self, gitlab: GitLabLab, options: dict[str, str], secrets: dict[str, str], said: str
    ) -> None:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(ConfigurationError, match=r"services\.shop\.ci") as wrong:
                build(context(session, options, gitlab, **secrets))
        assert said in str(wrong.value)
        assert "secret@" not in str(wrong.value)

    @pytest.mark.parametrize(
        "token", ["glpat-one\nglpat-two", "glpat-one\n", "glpat one", "\ufeffglpat-one"]
    )
    async def test_a_token_that_was_not_copied_alone_is_said_so_and_not_shown(
        self, gitlab: GitLabLab, token: str
    ) -> None:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(
                ConfigurationError, match="GONOGO_GITLAB_TOKEN: contains spaces, line breaks"
            ) as wrong:
                build(
                    context(
                        session, {"project": "shop/storefront"}, gitlab, GONOGO_GITLAB_TOKEN=token
                    )
                )
        assert "glpat" not in str(wrong.value)
