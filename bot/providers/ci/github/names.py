"""Which commit a name means at GitHub: tags, branches, commits, and ``latest``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from bot.domain.errors import IntegrationError
from bot.domain.versions import Tags
from bot.ports.ci import Latest, RefKind, Resolved
from bot.providers.ci.github import facts
from bot.providers.ci.github.changed import Changed
from bot.providers.ci.github.client import Repository, entries, escaped
from bot.providers.ci.refs import Spelling, checked, is_commit, spellings, unknown
from bot.providers.exchange import RestError

TAGS = 50
"""How many pages of 100 tags are read to find the highest version, and"""
TAGS_FOR_A_NAME = 5
"""how many to name a commit by its tag;"""
TRIES = 20
"""how many of the highest versions are tried, because a tag may stand at
something that is no commit;
"""
BRANCH_PAGES = 5
"""how many of 100 branches, and"""
BRANCHES = 20
"""on how many of them a commit is looked for that is none of their tips."""
_BEHIND = frozenset({"behind", "identical"})
_SHA = "application/vnd.github.sha"
_NO_SUCH = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY})
_FOLDERS = {RefKind.TAG: "tags/", RefKind.BRANCH: "heads/", RefKind.COMMIT: ""}


class Names:
    """The names of one repository. ``tags`` says which of them are versions of the service,
    ``changed`` which commits are its own.
    """

    def __init__(self, repository: Repository, tags: Tags, changed: Changed) -> None:
        self._repository = repository
        self._versions = tags
        self._changed = changed

    async def resolve(self, ref: str) -> Resolved:
        """Resolve a tag, branch or commit, or ``latest`` (the highest version of the service,
        else the newest commit).
        """
        if ref == "latest":
            return await self._latest()
        for meant in spellings(checked(ref, facts.VENDOR)):
            commit = await self._commit(meant)
            if commit:
                return await self._resolved(ref, meant, commit)
        # a repository that cannot be seen has no tags either, and says why
        await self._repository.get("")
        known = [*await self._newest_tags(), *await self._heads()]
        raise unknown(ref, self._repository.name, known, vendor=facts.VENDOR, tags=self._versions)

    async def _resolved(self, ref: str, meant: Spelling, commit: str) -> Resolved:
        if meant.kind is RefKind.COMMIT:
            await self._refuse_strange(commit)
            return Resolved(commit, await self._called(commit))
        if meant.name == ref:
            await self._refuse_likeness(ref, commit)
        if meant.kind is RefKind.BRANCH:
            return Resolved(commit, await self._called(commit), RefKind.BRANCH, meant.name)
        beside = (
            await self._commit(Spelling(RefKind.BRANCH, meant.name)) if meant.name == ref else ""
        )
        also = RefKind.BRANCH if beside not in {"", commit} else None
        return Resolved(commit, meant.name, RefKind.TAG, meant.name, also=also)

    async def _latest(self) -> Resolved:
        """Take the highest version that stands at a commit; without one, the newest commit of the
        default branch that is the service's.
        """
        for name in self._versions.ranked(await self._tags())[:TRIES]:
            commit = await self._commit(Spelling(RefKind.TAG, name))
            if commit:
                why = Latest.PREVIEW if self._versions.is_preview(name) else Latest.RELEASE
                return Resolved(commit, name, RefKind.TAG, name, why)
        branch = await self._repository.ref()
        tip = await self.resolve(branch)
        commit = await self._changed.newest(tip.commit)
        version = tip.version if commit == tip.commit else await self._called(commit)
        return replace(tip, commit=commit, version=version, latest=Latest.NEWEST)

    async def _commit(self, meant: Spelling) -> str:
        """Give the full commit, or "" where GitHub knows no such name."""
        try:
            path = f"/commits/{escaped(_FOLDERS[meant.kind] + meant.name)}"
            found = facts.full_commit(
                (await self._repository.get(path, accept=_SHA, text=True)).data
            )
        except RestError as error:
            if error.status not in _NO_SUCH:
                raise
            return ""
        # GitHub looks for branches too
        is_another = meant.kind is RefKind.COMMIT and not found.startswith(meant.name)
        return "" if is_another else found

    async def _refuse_likeness(self, ref: str, commit: str) -> None:
        """Refuse the name of a tag or branch that reads as the beginning of another commit's id,
        rather than guess which one is meant.

        Whether GitHub would show that commit beside the tag is not documented; only a
        name of nothing but digits, which is mostly a date, is taken for the tag when
        GitHub shows no other commit.
        """
        if not is_commit(ref) or commit.startswith(ref.lower()):
            return
        if not ref.isdecimal() or await self._commit(Spelling(RefKind.COMMIT, ref)) not in {
            "",
            commit,
        }:
            sentence = (
                f'"{ref}" is a tag or branch, and reads as the beginning of another commit. Give '
                "the whole id of the commit."
            )
            raise IntegrationError(sentence, vendor=facts.VENDOR, retry=False)

    async def _refuse_strange(self, commit: str) -> None:
        """Refuse a commit that lies on no branch and at no tag: GitHub also shows what
        somebody proposes from a fork.
        """
        main = await self._repository.ref()
        if await self._holds(main, commit):
            return
        heads = await self._heads()
        if commit in heads.values() or commit in (await self._newest_tags()).values():
            return
        for branch in [name for name in heads if name != main][:BRANCHES]:
            if await self._holds(branch, commit):
                return
        sentence = (
            f"Commit {commit[:10]} is found on no branch and at no tag of {self._repository.name}. "
            "Give the name of its branch or tag."
        )
        raise IntegrationError(sentence, vendor=facts.VENDOR, retry=False)

    async def _holds(self, branch: str, commit: str) -> bool:
        """Tell whether a commit lies on a branch. The second page names no
        files, which makes it small.
        """
        path = f"/compare/{escaped(branch)}...{escaped(commit)}"
        try:
            found = await self._repository.get(path, {"per_page": "1", "page": "2"})
        except RestError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return False  # no common history, or a branch that is gone
        return found.data["status"] in _BEHIND

    async def _tags(self) -> dict[str, str]:
        return _pointed(await self._repository.all("/tags", limit=TAGS))

    async def _newest_tags(self) -> dict[str, str]:
        """Give the first of GitHub's tags, as many as a courtesy may cost."""
        return _pointed(
            [
                each
                async for reply in self._repository.pages("/tags", limit=TAGS_FOR_A_NAME)
                for each in entries(reply)
            ]
        )

    async def _heads(self) -> dict[str, str]:
        """Give the branches, as many as a courtesy may cost."""
        return _pointed(
            [
                each
                async for reply in self._repository.pages("/branches", limit=BRANCH_PAGES)
                for each in entries(reply)
            ]
        )

    async def _called(self, commit: str) -> str:
        """Name a commit as people do: by its version, else by its first characters."""
        return (
            self._versions.highest(
                tag for tag, sha in (await self._newest_tags()).items() if sha == commit
            )
            or commit[:10]
        )


def _pointed(listed: list[Mapping[str, Any]]) -> dict[str, str]:
    """Read at which commit each tag or branch stands."""
    return {str(each["name"]): str((each.get("commit") or {}).get("sha") or "") for each in listed}
