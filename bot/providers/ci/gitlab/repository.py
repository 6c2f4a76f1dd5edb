"""The project's repository at GitLab: what a ref means, and what lies between two commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.domain.card import Changes
from bot.domain.errors import IntegrationError
from bot.ports import Resolved
from bot.providers.ci.gitlab import reading
from bot.providers.ci.gitlab.api import Object, Project
from bot.providers.ci.gitlab.reading import VENDOR, checked

MOST_DIFFS = 100
"""Of how many commits the files are read one by one, where GitLab cuts the list of all."""


class Repository:
    """Refs and comparisons. Every method raises IntegrationError."""

    def __init__(self, project: Project, branch: str = "") -> None:
        self._project = project
        self._branch = branch
        self._is_chosen = bool(branch)

    async def branch(self) -> str:
        """Name the branch that pipeline definitions come from: the option's, else the project's default."""
        if not self._branch:
            found = (await self._project.itself()).data
            self._branch = str(found.get("default_branch") or "") if isinstance(found, dict) else ""
        if not self._branch:
            raise IntegrationError("The project has no default branch; set the option ref.", vendor=VENDOR, retry=False)
        return self._branch

    async def is_renamed(self) -> bool:
        """Ask for the default branch anew; tell whether it is another one by now."""
        if self._is_chosen:
            return False
        before, self._branch = self._branch, ""
        return await self.branch() != before

    async def resolve(self, ref: str) -> Resolved:
        """Resolve a tag, branch or commit, or ``latest`` (the highest version, else the branch)."""
        checked(ref)
        tags = await self._project.page("repository", "tags", order_by="version", sort="desc")
        if ref == "latest":
            ref = checked(reading.highest(tags) or await self.branch())
        tag, branch = ("", "") if reading.is_whole_commit(ref) else await self._named(ref, tags)
        commit = tag or branch or await self._commit(ref)
        if tag:
            return Resolved(commit, ref)
        called = reading.highest([each for each in tags if reading.commit_of(each) == commit])
        return Resolved(commit, called or commit[:10])

    async def _named(self, ref: str, tags: Sequence[Object]) -> tuple[str, str]:
        """Give the commit of a tag, or else of a branch. One that is called like another commit is refused: GitLab takes it for both."""
        tag = next((tag for tag in tags if tag.get("name") == ref), None) or await self._project.perhaps("repository", "tags", ref)
        found = tag or await self._project.perhaps("repository", "branches", ref)
        if found is None:
            return "", ""
        commit = _existing(ref, reading.commit_of(found))
        if reading.is_commit(ref) and not ref.isdecimal() and not commit.startswith(ref):
            sentence = f'"{ref}" is a tag or branch that is called like the beginning of another commit. Give the whole id of the commit.'
            raise IntegrationError(sentence, vendor=VENDOR, retry=False)
        return (commit, "") if tag else ("", commit)

    async def _commit(self, ref: str) -> str:
        """Give the commit that an id means, unless it is a stranger's."""
        found = await self._project.perhaps("repository", "commits", ref) if reading.is_commit(ref) else None
        return await self._not_a_strangers(_existing(ref, str(found.get("id") or "") if found else ""))

    async def _not_a_strangers(self, commit: str) -> str:
        """Refuse a commit that lies on no branch and at no tag: GitLab also shows what somebody proposes from a fork."""
        if await self._project.page("repository", "commits", commit, "refs", type="all", per_page="1"):
            return commit
        sentence = f"Commit {commit[:10]} is found on no branch and at no tag of the project. Give the name of its branch or tag."
        raise IntegrationError(sentence, vendor=VENDOR, retry=False)

    async def compare(self, base: str, head: str) -> Changes:
        """List what ``head`` has and ``base`` has not; the other way round, and marked, when head lies behind base."""
        if checked(base) == checked(head):
            return Changes()
        forward = await self._between(base, head)
        if forward.total:
            return forward
        back = await self._between(head, base)
        return replace(back, backwards=True) if back.total else forward

    async def _between(self, base: str, head: str) -> Changes:
        compare = await self._project.one("repository", "compare", **{"from": base, "to": head})
        changes = reading.changes(compare)
        return await self._completed(changes, compare.get("commits") or ()) if reading.is_cut(compare) else changes

    async def _completed(self, changes: Changes, commits: Sequence[Object]) -> Changes:
        """Read the files of each commit: a migration must not hide behind a list that GitLab has cut."""
        if changes.total > MOST_DIFFS:
            return replace(changes, known=False)
        files = dict.fromkeys(changes.files)
        for commit in commits:
            diffs = await self._project.pages("repository", "commits", str(commit.get("id")), "diff")
            files |= dict.fromkeys(reading.paths(diffs))
        return replace(changes, files=tuple(files))


def _existing(ref: str, commit: str) -> str:
    if not commit:
        raise IntegrationError(f'There is no tag, branch or commit "{ref}" in this project.', vendor=VENDOR, retry=False)
    return commit
