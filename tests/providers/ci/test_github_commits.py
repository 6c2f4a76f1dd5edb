"""What GitHub says about commits: names, differences, tests; and how little asking costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.domain.errors import IntegrationError, UnknownRef
from bot.ports.ci import Latest, RefKind, StartRequest
from bot.providers.ci.github import facts
from bot.providers.ci.github.client import web_address
from tests.providers.ci.github_door import TOKEN

if TYPE_CHECKING:
    from tests.providers.ci.github_lab import GitHubLab


@pytest.fixture(params=["token", "app"])
async def seeing(github: GitHubLab, request: pytest.FixtureRequest) -> GitHubLab:
    """Give GitHub with a token that may see check runs, as an App's does, and with one that may
    not, as a fine-grained one does not.
    """
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

    @pytest.mark.case("ci-and-refs-11")
    async def test_a_tag_and_a_branch_of_one_name_can_each_be_named_and_the_tag_is_said_to_be_ambiguous(
        self, github: GitHubLab
    ) -> None:
        older, newer = github.commit("first"), github.commit("second")
        github.tag("main", older)
        for ref, commit, kind in (
            ("main", older, RefKind.TAG),
            ("tags/main", older, RefKind.TAG),
            ("heads/main", newer, RefKind.BRANCH),
        ):
            found = await github.ci.resolve(ref)
            assert (found.commit, found.kind, found.name) == (commit, kind, "main")
            assert found.also is (RefKind.BRANCH if ref == "main" else None)

    @pytest.mark.case("ci-and-refs-12")
    @pytest.mark.parametrize(
        ("typed", "meant"),
        [("V1.1.0", "v1.1.0"), ("1.1.0", "v1.1.0"), ("v1.1", "v1.1.0"), ("mian", "main")],
    )
    async def test_a_ref_that_is_not_there_is_refused_with_the_nearest(
        self, github: GitHubLab, typed: str, meant: str
    ) -> None:
        github.tag("v1.1.0", github.commit("first"))
        with pytest.raises(UnknownRef, match=f"Did you mean {meant}") as caught:
            await github.ci.resolve(typed)
        assert caught.value.nearest[0] == meant

    @pytest.mark.case("ci-and-refs-12")
    async def test_a_commit_in_capitals_is_known(self, github: GitHubLab) -> None:
        commit = github.commit("first")
        for ref in (commit.upper(), commit[:10].upper()):
            assert (await github.ci.resolve(ref)).commit == commit

    @pytest.mark.case("ci-and-refs-2")
    async def test_a_tag_that_stands_at_no_commit_is_passed_over(self, github: GitHubLab) -> None:
        commit = github.commit("first")
        github.tag("v1.0.0", commit)
        github.tag("v2.0.0", "0" * 40)  # a blob
        found = await github.ci.resolve("latest")
        assert (found.commit, found.version, found.latest) == (commit, "v1.0.0", Latest.RELEASE)

    @pytest.mark.parametrize("kind", ["tag", "branch"])
    async def test_a_name_that_reads_as_another_commit_is_refused(
        self, github: GitHubLab, kind: str
    ) -> None:
        meant, other = github.commit("first"), github.commit("second")
        (github.tag if kind == "tag" else github.branch)(meant[:10], other)
        with pytest.raises(
            IntegrationError, match="reads as the beginning of another commit"
        ) as caught:
            await github.ci.resolve(meant[:10])
        assert not caught.value.retry
        assert (await github.ci.resolve(meant)).commit == meant

    async def test_a_name_that_reads_as_the_commit_itself_or_as_a_date_is_one(
        self, github: GitHubLab
    ) -> None:
        commit = github.commit("first")
        github.tag(commit[:10], commit)
        github.tag("20261121", commit)
        assert (await github.ci.resolve(commit[:10])).commit == commit
        assert (await github.ci.resolve("20261121")).version == "20261121"

    async def test_a_full_commit_is_never_a_tag(self, github: GitHubLab) -> None:
        meant, other = github.commit("first"), github.commit("second")
        github.tag(meant, other)
        assert (await github.ci.resolve(meant)).commit == meant

    async def test_a_branch_with_slashes_and_a_plain_commit_have_no_version_but_ten_characters(
        self, github: GitHubLab
    ) -> None:
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

    async def test_a_name_is_a_courtesy_that_thousands_of_tags_do_not_cost(
        self, github: GitHubLab
    ) -> None:
        tagged, commit = github.commit("first"), github.commit("second")
        for number in range(5000):
            github.tag(f"v1.{number}.0", tagged)
        assert (await github.ci.resolve("main")).version == commit[:10]
        assert sum("/tags?" in line for line in github.github.requests) == 5

    @pytest.mark.parametrize("length", [40, 10])
    async def test_a_commit_of_a_fork_is_no_version(self, github: GitHubLab, length: int) -> None:
        stranger = github.world.offer("evil", github.commit("first"))
        with pytest.raises(
            IntegrationError, match="is found on no branch and at no tag of acme/shop"
        ) as caught:
            await github.ci.resolve(stranger[:length])
        assert not caught.value.retry

    @pytest.mark.parametrize(
        "where", ["behind the tip", "at a tip", "behind another tip", "at a tag"]
    )
    async def test_a_commit_of_the_repository_is_a_version(
        self, github: GitHubLab, where: str
    ) -> None:
        first = github.commit("first")
        github.commit("second")
        inside = github.world.offer("tagged", first)
        github.tag("v1.0.0", inside)
        github.branch("side", first)
        behind, tip = github.commit("third"), github.commit("fourth")
        commit = {
            "behind the tip": first,
            "at a tip": tip,
            "behind another tip": behind,
            "at a tag": inside,
        }[where]
        assert (await github.ci.resolve(commit)).commit == commit

    async def test_a_repository_that_cannot_be_seen_is_not_mistaken_for_a_wrong_version(
        self, github: GitHubLab
    ) -> None:
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
    async def test_more_than_250_commits_are_counted_and_their_authors_named(
        self, github: GitHubLab, *, backwards: bool
    ) -> None:
        base = github.commit("first", tests="")
        for number in range(310):
            github.commit(f"change {number}", tests="")
        head = github.world.branches["main"]
        changes = await (
            github.ci.compare(head, base) if backwards else github.ci.compare(base, head)
        )
        assert (changes.total, len(changes.commits), changes.backwards) == (
            310,
            facts.SHOWN,
            backwards,
        )
        assert changes.commits[0].subject == "change 0"
        assert (changes.authors, changes.files) == (("ana",), ("src/app.py",))
        assert changes.url == f"https://github.com/acme/shop/compare/{base}...{head}"

    @pytest.mark.parametrize(("changed", "known"), [(299, True), (300, False), (400, False)])
    async def test_where_github_names_no_more_files_others_may_have_changed(
        self, github: GitHubLab, changed: int, *, known: bool
    ) -> None:
        base, head = github.commit("first"), github.commit("second")
        github.world.changed = [{"filename": f"a{number}"} for number in range(changed)]
        found = await github.ci.compare(base, head)
        assert (found.known, len(found.files)) == (known, min(changed, 300))

    async def test_a_file_that_was_moved_is_named_where_it_was_and_where_it_is(
        self, github: GitHubLab
    ) -> None:
        base, head = github.commit("first"), github.commit("second")
        github.world.changed = [
            {"filename": "old/1.sql", "previous_filename": "migrations/1.sql", "status": "renamed"}
        ]
        assert (await github.ci.compare(base, head)).files == ("migrations/1.sql", "old/1.sql")

    async def test_a_commit_that_does_not_exist_is_refused(self, github: GitHubLab) -> None:
        base = github.commit("first")
        with pytest.raises(IntegrationError) as caught:
            await github.ci.compare(base, "0" * 40)
        assert (caught.value.status, caught.value.retry) == (404, False)


class TestTheCostOfAsking:
    async def test_looking_at_a_run_that_has_not_changed_is_free(self, github: GitHubLab) -> None:
        run = await github.ci.start(
            StartRequest("shop-1:all", github.commit("first", held=True), "production", "deploy")
        )
        for _ in range(4):
            await github.ci.look(run.id)
        left, asked = github.github.remaining, len(github.github.requests)
        for _ in range(5):
            await github.ci.look(run.id)
        assert len(github.github.requests) - asked == 10
        assert github.github.remaining == left

    async def test_a_used_up_budget_is_obeyed_by_everybody_and_said(
        self, github: GitHubLab
    ) -> None:
        commit = github.commit("first")
        github.github.remaining = 0
        with pytest.raises(IntegrationError, match="rate limit") as caught:
            await github.ci.quality(commit)
        asked = len(github.github.requests)
        other = github.provider()
        with pytest.raises(IntegrationError, match="asks to be left alone") as later:
            await other.quality(commit)
        assert (caught.value.retry, later.value.retry, len(github.github.requests)) == (
            True,
            True,
            asked,
        )

    async def test_the_last_request_of_a_budget_is_the_last_for_now(
        self, github: GitHubLab
    ) -> None:
        commit = github.commit("first")
        github.github.remaining = 1
        with pytest.raises(IntegrationError, match="asks to be left alone"):
            await github.ci.quality(commit)
        assert len(github.github.requests) == 1
