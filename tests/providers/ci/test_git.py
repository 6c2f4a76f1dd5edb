"""Git on repositories that people have written strange things into: refs, authors,
subjects and files, as they are.
"""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest

from bot.catalog.paths import path_patterns
from bot.domain.errors import IntegrationError, UnknownRef
from bot.domain.versions import Tags
from bot.ports.ci import Latest, RefKind
from bot.providers.ci.git import Git
from bot.providers.ci.local.clone import Clone

LINE_ENDS = [
    "\r",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x1d",
    "\x1e",
    "\x1f",
    "\x85",
    "\u2028",
    "\u2029",
    "\u00a0",
]
"""What some standard or other takes for the end of a line or of a record, and a
space that does not break.
"""


class Repository:
    """A real repository."""

    def __init__(self, path: Path) -> None:
        self.path = path
        subprocess.run(["git", "init", "--quiet", "--initial-branch=main", str(path)], check=True)

    def git(self, *arguments: str, author: str = "ana") -> str:
        who = ("-c", f"user.name={author}", "-c", "user.email=ana@example.com")
        ran = subprocess.run(
            ["git", "-C", str(self.path), *who, *arguments], check=True, capture_output=True
        )
        return ran.stdout.decode().removesuffix("\n")

    def commit(self, subject: str, *, author: str = "ana", file: str = "app.py") -> str:
        (self.path / file).parent.mkdir(parents=True, exist_ok=True)
        (self.path / file).write_text(subject)
        self.git("add", "--all")
        self.git(
            "commit",
            "--quiet",
            "--allow-empty",
            "--cleanup=verbatim",
            f"--message={subject}",
            author=author,
        )
        return self.git("rev-parse", "HEAD")

    def clone(self, path: Path) -> Repository:
        subprocess.run(["git", "clone", "--quiet", str(self.path), str(path)], check=True)
        found = Repository.__new__(Repository)
        found.path = path
        return found


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "shop")


@pytest.fixture
def git(repository: Repository) -> Git:
    return Git(repository.path)


@pytest.mark.case("ci-and-refs-6")
async def test_no_sign_in_a_subject_or_a_name_makes_a_commit_vanish_or_tears_an_author_apart(
    repository: Repository, git: Git
) -> None:
    base = repository.commit("first")
    head = base
    for sign in LINE_ENDS:
        head = repository.commit(f"one{sign}two", author=f"An{sign}Na")
    changes = await git.compare(base, head)
    assert [each.subject for each in changes.commits] == ["one two"] * len(LINE_ENDS)
    assert (changes.total, changes.authors) == (len(LINE_ENDS), ("An Na",))


@pytest.mark.case("ci-and-refs-6")
async def test_a_file_is_named_whole_whatever_is_in_its_name(
    repository: Repository, git: Git
) -> None:
    base = repository.commit("first")
    head = repository.commit("second", file="migrations/0001\n0002 \u2028\x1e.sql")
    assert (await git.compare(base, head)).files == ("migrations/0001 0002 .sql",)


async def test_of_two_that_have_parted_each_has_its_own_files_alone_and_what_both_brought_is_neithers(
    repository: Repository, git: Git
) -> None:
    repository.commit("first")
    repository.git("branch", "hotfix")
    repository.commit("everywhere", file="migrations/7.sql")
    live = repository.commit("live", file="migrations/8.sql")
    repository.git("checkout", "--quiet", "hotfix")
    repository.commit("everywhere", author="cy", file="migrations/7.sql")
    fix = repository.commit("fix", file="migrations/9.sql")
    there, back = await git.compare(live, fix), await git.compare(fix, live)
    assert (there.files, back.files) == (("migrations/9.sql",), ("migrations/8.sql",))
    assert ([each.subject for each in there.commits], there.backwards) == (
        ["everywhere", "fix"],
        False,
    )


async def test_of_two_without_a_commit_in_common_everything_that_differs_is_listed(
    repository: Repository, git: Git
) -> None:
    one = repository.commit("one", file="one.py")
    repository.git("checkout", "--quiet", "--orphan", "other")
    other = repository.commit("other", file="other.py")
    assert (await git.compare(one, other)).files == ("other.py",)


@pytest.mark.case("ci-and-refs-6")
async def test_a_migration_that_is_moved_away_is_among_the_files_that_differ(
    repository: Repository, git: Git
) -> None:
    base = repository.commit("create table basket (id int)", file="migrations/0001.sql")
    repository.git("mv", "migrations/0001.sql", "attic.sql")
    head = repository.commit("moved")
    assert "migrations/0001.sql" in (await git.compare(base, head)).files


@pytest.mark.case("ci-and-refs-2")
async def test_a_tag_with_a_space_that_does_not_break_is_one_tag_and_no_version(
    repository: Repository, git: Git
) -> None:
    commit = repository.commit("first")
    repository.git("tag", "v9.0.0\u00a0v8.0.0", commit)
    repository.git("tag", "v1.0.0", commit)
    assert (await git.resolve("latest")).version == (await git.resolve(commit)).version == "v1.0.0"


@pytest.mark.case("ci-and-refs-2")
async def test_latest_is_no_tag_on_something_that_is_no_commit(
    repository: Repository, git: Git
) -> None:
    commit = repository.commit("first")
    repository.git("tag", "v2.0.0", f"{commit}:app.py")
    repository.git("tag", "v1.0.0", commit)
    found = await git.resolve("latest")
    assert (found.version, found.commit, found.latest) == ("v1.0.0", commit, Latest.RELEASE)


@pytest.mark.case("ci-and-refs-2")
async def test_latest_without_a_version_is_the_newest_commit_and_says_so(
    repository: Repository, git: Git
) -> None:
    repository.git("tag", "before-refactoring", repository.commit("old"))
    newest = repository.commit("new")
    found = await git.resolve("latest")
    assert (found.commit, found.latest) == (newest, Latest.NEWEST)


@pytest.mark.case("ci-and-refs-2")
async def test_in_a_shared_repository_latest_is_the_services_own_version(
    repository: Repository,
) -> None:
    commit = repository.commit("first")
    for tag in ("api/v10.0.0", "web/v1.2.0"):
        repository.git("tag", tag, commit)
    assert (await Git(repository.path, tags=Tags("web")).resolve("latest")).version == "web/v1.2.0"


@pytest.mark.case("ci-and-refs-11")
async def test_a_tag_that_is_also_a_branch_says_so_and_each_can_be_named(
    repository: Repository, git: Git
) -> None:
    tagged = repository.commit("tagged")
    repository.git("tag", "stable", tagged)
    ahead = repository.commit("ahead")
    repository.git("branch", "stable", ahead)
    found = await git.resolve("stable")
    assert (found.commit, found.kind, found.also) == (tagged, RefKind.TAG, RefKind.BRANCH)
    for ref in ("heads/stable", "refs/heads/stable"):
        assert (await git.resolve(ref)).commit == ahead
    for ref in ("tags/stable", "refs/tags/stable"):
        named = await git.resolve(ref)
        assert (named.commit, named.version, named.also) == (tagged, "stable", None)


@pytest.mark.case("ci-and-refs-12")
@pytest.mark.parametrize("typed", ["V1.1.0", "1.1.0", "v1.1", "1.1"])
async def test_a_version_that_is_written_otherwise_is_offered(
    repository: Repository, git: Git, typed: str
) -> None:
    repository.git("tag", "v1.1.0", repository.commit("first"))
    with pytest.raises(UnknownRef) as refused:
        await git.resolve(typed)
    assert refused.value.nearest == ("v1.1.0",)
    assert "Did you mean v1.1.0?" in str(refused.value)


@pytest.mark.case("ci-and-refs-12")
@pytest.mark.parametrize("length", [8, 40])
async def test_a_commit_may_be_written_in_capitals(
    repository: Repository, git: Git, length: int
) -> None:
    commit = repository.commit("first")
    assert (await git.resolve(commit[:length].upper())).commit == commit


@pytest.mark.case("trust-7")
@pytest.mark.parametrize(
    "tag",
    ["v9.1.0-$(touch${IFS}x)", "v9.1.0;id", "v9.1.0`id`", "v9.1.0|x", "v9.1.0&&x", "v9.1.0\u202e"],
)
async def test_a_tag_that_a_shell_could_run_is_not_what_a_commit_is_called(
    repository: Repository, git: Git, tag: str
) -> None:
    commit = repository.commit("first")
    repository.git("tag", tag, commit)
    for ref in (commit, commit[:8], "main"):
        assert (await git.resolve(ref)).version == commit[:10]
    assert (await git.resolve("latest")).commit == commit


@pytest.mark.case("trust-6")
async def test_git_that_says_too_much_is_stopped_and_the_reason_is_a_sentence(
    repository: Repository, git: Git
) -> None:
    (repository.path / "large.txt").write_text("x" * 300_000)
    commit = repository.commit("large")
    with pytest.raises(IntegrationError, match="says more than 64 kB") as refused:
        await git.show(commit, "large.txt", most=64 * 1024)
    assert not refused.value.retry
    assert len(await git.show(commit, "large.txt")) == 300_000


@pytest.mark.case("trust-5")
async def test_git_sees_none_of_our_secrets(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-secret")
    repository.commit("first")
    repository.git("config", "alias.seen", "!env")
    assert "xoxb-secret" not in await Git(repository.path).run("seen")


@pytest.mark.case("ci-and-refs-9")
async def test_in_a_clone_a_branch_is_what_the_remote_said_last_and_not_what_nobody_pulled(
    repository: Repository, tmp_path: Path
) -> None:
    old = repository.commit("old")
    clone = repository.clone(tmp_path / "clone")
    new = repository.commit("new")
    clone.git("fetch", "--quiet")
    assert clone.git("rev-parse", "main") == old
    for ref in ("main", "heads/main", "latest", "HEAD"):
        assert (await Git(clone.path).resolve(ref)).commit == new


@pytest.mark.case("trust-6")
async def test_git_that_hangs_is_ended_with_a_sentence(repository: Repository, git: Git) -> None:
    repository.commit("first")
    repository.git("config", "alias.hangs", "!sleep 30")
    with pytest.raises(IntegrationError, match="took too long"):
        await git.run("hangs", timeout=0.2)


# A clone ----------------------------------------------------------------------------------------


@pytest.mark.case("ci-and-refs-9")
async def test_what_was_pushed_since_the_last_fetch_is_what_a_name_means(
    repository: Repository, tmp_path: Path
) -> None:
    old = repository.commit("old")
    repository.git("tag", "stable", old)
    clone = Clone(Git(repository.clone(tmp_path / "clone").path))
    new = repository.commit("new")
    repository.git("tag", "--force", "stable", new)
    repository.git("tag", "v1.0.0", new)
    assert {
        (await clone.resolve(ref)).commit
        for ref in ("main", "stable", "v1.0.0", "latest", new, new[:8])
    } == {new}


@pytest.mark.case("ci-and-refs-9")
async def test_when_the_remote_does_not_answer_no_name_is_guessed_and_a_whole_commit_still_works(
    repository: Repository, tmp_path: Path
) -> None:
    commit = repository.commit("first")
    clone = Clone(Git(repository.clone(tmp_path / "clone").path))
    await asyncio.to_thread(repository.path.rename, tmp_path / "away")
    with pytest.raises(
        IntegrationError, match="origin could not be asked what is new: git fetch: fatal"
    ) as refused:
        await clone.resolve("main")
    assert refused.value.retry
    assert (await clone.resolve(commit)).commit == commit


@pytest.mark.case("ci-and-refs-9")
async def test_where_somebody_else_fetches_a_name_means_what_was_fetched_last(
    repository: Repository, tmp_path: Path
) -> None:
    old = repository.commit("old")
    clone = Clone(Git(repository.clone(tmp_path / "clone").path), fetches=False)
    repository.commit("new")
    assert (await clone.resolve("main")).commit == old


@pytest.fixture
def shared(repository: Repository) -> Git:
    """Give the repository as the service web sees it, which shares it with others."""
    return Git(repository.path, tags=Tags("web"), paths=path_patterns(["web/", "libs/**"]))


@pytest.mark.case("adoption-2")
async def test_in_a_shared_repository_a_comparison_lists_the_commits_of_the_service(
    repository: Repository, shared: Git
) -> None:
    base = repository.commit("first", file="web/a.py")
    repository.commit("ours", author="ana", file="web/b.py")
    repository.commit("theirs", author="bo", file="search/b.py")
    head = repository.commit("a library", author="cy", file="libs/deep/c.py")
    found = await shared.compare(base, head)
    assert [change.subject for change in found.commits] == ["ours", "a library"]
    assert (found.total, found.authors) == (2, ("ana", "cy"))
    assert "search/b.py" in found.files, (
        "a migration of another service in the same database counts all the same"
    )
    assert [change.subject for change in (await shared.compare(head, base)).commits] == [
        "ours",
        "a library",
    ]


@pytest.mark.case("adoption-2")
async def test_a_merge_that_brings_nothing_of_the_service_is_not_the_services_own(
    repository: Repository, shared: Git
) -> None:
    base = repository.commit("first", file="web/a.py")
    repository.git("checkout", "--quiet", "-b", "topic")
    repository.commit("theirs", file="search/b.py")
    repository.git("checkout", "--quiet", "main")
    repository.commit("ours", file="web/b.py")
    repository.git("merge", "--quiet", "--no-ff", "--message=merged", "topic")
    assert [
        change.subject
        for change in (await shared.compare(base, repository.git("rev-parse", "HEAD"))).commits
    ] == ["ours"]


@pytest.mark.case("adoption-2")
async def test_latest_without_a_version_is_the_newest_commit_that_is_the_services_own(
    repository: Repository, shared: Git
) -> None:
    ours = repository.commit("ours", file="web/a.py")
    repository.commit("theirs", file="search/b.py")
    assert (await shared.resolve("latest")).commit == ours


@pytest.mark.case("ci-and-refs-2")
@pytest.mark.parametrize(
    ("place", "what"), [("HEAD:app.py", "a file"), ("HEAD^{tree}", "a folder")]
)
async def test_a_tag_that_stands_at_no_commit_is_said_to_be_there_and_what_it_stands_at(
    repository: Repository, git: Git, place: str, what: str
) -> None:
    repository.commit("first")
    repository.git("tag", "v9.5.0", place)
    repository.git("tag", "--annotate", "--message=x", "v9.6.0", place)
    for tag in ("v9.5.0", "v9.6.0", "tags/v9.5.0"):
        with pytest.raises(
            IntegrationError, match=f'The tag "{tag}" stands at {what}, not at a commit'
        ) as refused:
            await git.resolve(tag)
        assert not refused.value.retry


async def test_what_git_says_of_a_repository_that_is_away_names_no_folder_of_the_machine(
    repository: Repository, git: Git
) -> None:
    repository.path.rename(repository.path.with_name("away"))
    with pytest.raises(IntegrationError, match="cannot change to 'the repository'") as refused:
        await git.run("remote")
    assert str(repository.path.parent) not in str(refused.value)
    assert refused.value.retry
