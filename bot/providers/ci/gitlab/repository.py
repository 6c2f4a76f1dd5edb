"""The project's repository at GitLab: what a ref means, and what lies between two commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.domain.catalog import PathPatterns
from bot.domain.changes import Changes
from bot.domain.errors import IntegrationError
from bot.domain.versions import Tags
from bot.ports.ci import Latest, RefKind, Resolved
from bot.providers.ci.gitlab import facts
from bot.providers.ci.gitlab.changed import Changed
from bot.providers.ci.gitlab.client import Object, Project
from bot.providers.ci.gitlab.reading import VENDOR
from bot.providers.ci.refs import Spelling, checked, is_commit, spellings, unknown

MOST_DIFFS = 100
"""Of how many commits the files are read one by one, where GitLab cuts the list of all."""


class Repository:
    """Refs and comparisons. Every method raises IntegrationError."""

    def __init__(
        self, project: Project, branch: str = "", *, tags: Tags, paths: PathPatterns
    ) -> None:
        self._project = project
        self._versions = tags
        self.changed = Changed(project, paths)
        self._branch = branch
        self._is_chosen = bool(branch)

    async def branch(self) -> str:
        """Name the branch that pipeline definitions come from: the option's,
        else the project's default.
        """
        if not self._branch:
            found = (await self._project.itself()).data
            self._branch = str(found.get("default_branch") or "") if isinstance(found, dict) else ""
        if not self._branch:
            raise IntegrationError(
                "The project has no default branch; set the option ref.", vendor=VENDOR, retry=False
            )
        return self._branch

    async def is_renamed(self) -> bool:
        """Ask for the default branch anew; tell whether it is another one by now."""
        if self._is_chosen:
            return False
        before, self._branch = self._branch, ""
        return await self.branch() != before

    async def resolve(self, ref: str) -> Resolved:
        """Resolve a tag, branch or commit, or ``latest`` (the highest version of the service, else
        the newest commit of the branch).
        """
        if ref == "latest":
            return await self._latest()
        for meant in spellings(checked(ref, VENDOR)):
            commit = await self._meant(meant)
            if commit:
                return await self._resolved(ref, meant, commit)
        branches = await self._project.page("repository", "branches")
        names = [str(each.get("name")) for each in [*await self._tags(), *branches]]
        raise unknown(ref, "this project", names, vendor=VENDOR, tags=self._versions)

    async def _resolved(self, ref: str, meant: Spelling, commit: str) -> Resolved:
        if meant.kind is RefKind.COMMIT:
            commit = await self._not_a_strangers(commit)
            return Resolved(commit, await self._called(commit))
        if (
            meant.name == ref
            and is_commit(ref)
            and not ref.isdecimal()
            and not commit.startswith(ref.lower())
        ):
            sentence = (
                f'"{ref}" is a tag or branch that is called like the beginning of another commit. '
                "Give the whole id of the commit."
            )
            raise IntegrationError(sentence, vendor=VENDOR, retry=False)
        if meant.kind is RefKind.BRANCH:
            return Resolved(commit, await self._called(commit), RefKind.BRANCH, meant.name)
        beside = (
            await self._meant(Spelling(RefKind.BRANCH, meant.name)) if meant.name == ref else ""
        )
        return Resolved(
            commit,
            meant.name,
            RefKind.TAG,
            meant.name,
            also=RefKind.BRANCH if beside not in {"", commit} else None,
        )

    async def _latest(self) -> Resolved:
        """Take the highest version that stands at a commit. GitLab orders tags by version: a page
        of all and one of ours hold it.
        """
        tags = {
            str(tag.get("name")): facts.commit_of(tag)
            for tag in [*await self._tags(), *await self._own_tags()]
        }
        for name in self._versions.ranked(tags):
            if tags[name]:  # a tag may stand at something that is no commit
                why = Latest.PREVIEW if self._versions.is_preview(name) else Latest.RELEASE
                return Resolved(tags[name], name, RefKind.TAG, name, why)
        tip = await self.resolve(await self.branch())
        commit = await self.changed.newest(tip.commit)
        version = tip.version if commit == tip.commit else await self._called(commit)
        return replace(tip, commit=commit, version=version, latest=Latest.NEWEST)

    async def _meant(self, meant: Spelling) -> str:
        """Give the commit of a tag, a branch or an id; "" where there is none."""
        folder = {RefKind.TAG: "tags", RefKind.BRANCH: "branches", RefKind.COMMIT: "commits"}[
            meant.kind
        ]
        found = await self._project.perhaps("repository", folder, meant.name) or {}
        if meant.kind is not RefKind.COMMIT:
            return facts.commit_of(found)
        commit = str(found.get("id") or "")
        return commit if commit.startswith(meant.name) else ""  # GitLab looks for branches too

    async def _tags(self) -> list[Object]:
        return await self._project.page("repository", "tags", order_by="version", sort="desc")

    async def _own_tags(self) -> list[Object]:
        """List the tags with what the pattern, or the service's name, begins with: other services
        may have hundreds of higher ones.
        """
        literal = (
            max(self._versions.pattern.split("*"), key=len)
            if self._versions.pattern
            else self._versions.service
        )
        return (
            await self._project.page(
                "repository", "tags", order_by="version", sort="desc", search=literal
            )
            if literal
            else []
        )

    async def _called(self, commit: str) -> str:
        """Name a commit as people do: by its version, else by its first characters."""
        at = [str(tag.get("name")) for tag in await self._tags() if facts.commit_of(tag) == commit]
        return self._versions.highest(at) or commit[:10]

    async def _not_a_strangers(self, commit: str) -> str:
        """Refuse a commit that lies on no branch and at no tag: GitLab also shows what
        somebody proposes from a fork.
        """
        if await self._project.page(
            "repository", "commits", commit, "refs", type="all", per_page="1"
        ):
            return commit
        sentence = (
            f"Commit {commit[:10]} is found on no branch and at no tag of the project. Give the "
            "name of its branch or tag."
        )
        raise IntegrationError(sentence, vendor=VENDOR, retry=False)

    async def compare(self, base: str, head: str) -> Changes:
        """List what ``head`` has and ``base`` has not; the other way round, and marked,
        when head lies behind base.
        """
        if checked(base, VENDOR) == checked(head, VENDOR):
            return Changes()
        forward = await self._between(base, head)
        if facts.commits(forward):
            return await self._changes(forward)
        back = await self._between(head, base)
        return (
            replace(await self._changes(back), backwards=True)
            if facts.commits(back)
            else await self._changes(forward)
        )

    async def _between(self, base: str, head: str) -> Object:
        return await self._project.one("repository", "compare", **{"from": base, "to": head})

    async def _changes(self, compare: Object) -> Changes:
        commits = facts.commits(compare)
        changes = facts.changes(compare, await self.changed.of(commits))
        return await self._completed(changes, commits) if facts.is_cut(compare) else changes

    async def _completed(self, changes: Changes, commits: Sequence[Object]) -> Changes:
        """Read the files of each commit: a migration must not hide behind a
        list that GitLab has cut.
        """
        if len(commits) > MOST_DIFFS:
            return replace(changes, known=False)
        files = dict.fromkeys(changes.files)
        for commit in commits:
            diffs = await self._project.pages(
                "repository", "commits", str(commit.get("id")), "diff"
            )
            files |= dict.fromkeys(facts.paths(diffs))
        return replace(changes, files=tuple(files))
