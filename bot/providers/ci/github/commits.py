"""What GitHub knows about commits: which one a name means, what lies between two, whether the tests passed."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from bot.domain.card import Changes
from bot.domain.errors import IntegrationError
from bot.ports import Quality, Resolved
from bot.providers.ci.github import facts
from bot.providers.ci.github.repository import Repository, entries, escaped
from bot.providers.ci.github.required import Required
from bot.providers.ci.versions import highest
from bot.providers.rest import RestError

TAGS = 50
"""How many pages of 100 tags are read to find the highest version, and"""
TAGS_FOR_A_NAME = 5
"""how many to name a commit by its tag;"""
BRANCH_PAGES = 5
"""how many of 100 branches, and"""
BRANCHES = 20
"""on how many of them a commit is looked for that is none of their tips;"""
COMMITS = 20
"""how many of 100 commits, and"""
CHECKS = 10
"""how many of 100 checks."""
_BEHIND = frozenset({"behind", "identical"})
_SHA = "application/vnd.github.sha"
_NO_SUCH = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY})
_BLIND = "; checks of other apps cannot be seen with this token"


class Commits:
    """The commits of one repository. The runs of ``workflow``, which deploys, are no tests; ``required`` names what has to have passed."""

    def __init__(self, repository: Repository, workflow: str, required: Required) -> None:
        self._repository = repository
        self._workflow = workflow
        self._required = required

    async def resolve(self, ref: str) -> Resolved:
        """Resolve a tag, branch or commit, or ``latest`` (the highest version among the tags, else the default branch)."""
        if ref == "latest":
            tag = highest(await self._tags())
            ref = tag or await self._repository.ref()
        for name in facts.candidates(facts.checked(ref)):
            commit = await self._commit(name)
            if not commit or (name == ref and not commit.startswith(ref)):
                continue
            await (self._refuse_strange(commit) if name == ref else self._refuse_likeness(ref, commit))
            return Resolved(commit, ref if name.startswith("tags/") else await self._called(commit))
        await self._repository.get("")  # a repository that cannot be seen has no tags either, and says why
        sentence = f'There is no tag, branch or commit "{ref}" in {self._repository.name}.'
        raise IntegrationError(sentence, vendor=facts.VENDOR, retry=False)

    async def _commit(self, name: str) -> str:
        """Give the full commit, or "" where GitHub knows no such name."""
        try:
            return facts.full_commit((await self._repository.get(f"/commits/{escaped(name)}", accept=_SHA, text=True)).data)
        except RestError as error:
            if error.status not in _NO_SUCH:
                raise
            return ""

    async def _refuse_likeness(self, ref: str, commit: str) -> None:
        """Refuse the name of a tag or branch that reads as the beginning of another commit's id, rather than guess which one is meant.

        Whether GitHub would show that commit beside the tag is not documented; only a name of nothing but digits, which is mostly a date,
        is taken for the tag when GitHub shows no other commit.
        """
        if not facts.is_commit(ref) or commit.startswith(ref):
            return
        if not ref.isdecimal() or await self._commit(ref) not in {"", commit}:
            sentence = f'"{ref}" is a tag or branch, and reads as the beginning of another commit. Give the whole id of the commit.'
            raise IntegrationError(sentence, vendor=facts.VENDOR, retry=False)

    async def _refuse_strange(self, commit: str) -> None:
        """Refuse a commit that lies on no branch and at no tag: GitHub also shows what somebody proposes from a fork."""
        main = await self._repository.ref()
        if await self._holds(main, commit):
            return
        heads = _pointed([each async for reply in self._repository.pages("/branches", limit=BRANCH_PAGES) for each in entries(reply)])
        if commit in heads.values() or commit in (await self._newest_tags()).values():
            return
        for branch in [name for name in heads if name != main][:BRANCHES]:
            if await self._holds(branch, commit):
                return
        sentence = (
            f"Commit {commit[:10]} is found on no branch and at no tag of {self._repository.name}. Give the name of its branch or tag."
        )
        raise IntegrationError(sentence, vendor=facts.VENDOR, retry=False)

    async def _holds(self, branch: str, commit: str) -> bool:
        """Tell whether a commit lies on a branch. The second page names no files, which makes it small."""
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
        return _pointed([each async for reply in self._repository.pages("/tags", limit=TAGS_FOR_A_NAME) for each in entries(reply)])

    async def _called(self, commit: str) -> str:
        """Name a commit as people do: by its tag, else by its first characters."""
        return highest(tag for tag, sha in (await self._newest_tags()).items() if sha == commit) or commit[:10]

    async def compare(self, base: str, head: str) -> Changes:
        """List what ``head`` has and ``base`` has not; the other way round, and marked, when head lies behind base."""
        if facts.checked(base) == facts.checked(head):
            return Changes()
        pages = await self._comparison(base, head)
        backwards = pages[0]["status"] == "behind"
        return facts.changes(await self._comparison(head, base) if backwards else pages, backwards=backwards)

    async def _comparison(self, base: str, head: str) -> list[Any]:
        path = f"/compare/{escaped(base)}...{escaped(head)}"
        return [reply.data async for reply in self._repository.pages(path, key="commits", limit=COMMITS)]

    async def quality(self, commit: str) -> Quality:
        """Tell whether the commit's checks and statuses are green. The jobs of our own deployments do not count."""
        path = f"/commits/{escaped(facts.checked(commit))}"
        required = await self._required.names()
        runs = await self._repository.all("/actions/runs", {"head_sha": commit}, key="workflow_runs", limit=CHECKS)
        found, note = await self._checks(path, runs, by_job=bool(required))
        listed = await self._repository.all(f"{path}/status", key="statuses", limit=CHECKS)
        url = f"{self._repository.url}/commit/{commit}/checks" if self._repository.url else ""
        return facts.quality([*found, *facts.statuses(listed)], required=required, note=note, url=url)

    async def _checks(self, path: str, runs: list[Any], *, by_job: bool) -> tuple[list[facts.Check], str]:
        """Read the checks of a commit from its check runs, or from its workflow runs where the token may not see those.

        A workflow that runs counts beside its check runs: a job that waits for others has none yet.
        """
        newest = facts.newest(runs, self._workflow)
        running = [each for each in facts.workflows(newest) if each.verdict == "running"]
        try:
            listed = await self._repository.all(f"{path}/check-runs", {"filter": "latest"}, key="check_runs", limit=CHECKS)
        except RestError as error:
            if error.status != HTTPStatus.FORBIDDEN or error.retry:
                raise  # fine-grained tokens have no permission for checks
            return ([*running, *await self._jobs(newest)] if by_job else facts.workflows(newest)), _BLIND
        ours = [int(run["check_suite_id"]) for run in runs if run.get("check_suite_id") and facts.is_of(run, self._workflow)]
        return [*running, *facts.checks(listed, ours)], ""

    async def _jobs(self, runs: list[Mapping[str, Any]]) -> list[facts.Check]:
        paths = [f"/actions/runs/{int(run['id'])}/jobs" for run in runs]
        latest = {"filter": "latest"}
        return [each for path in paths for each in facts.jobs(await self._repository.all(path, latest, key="jobs", limit=CHECKS))]


def _pointed(listed: list[Any]) -> dict[str, str]:
    """Read at which commit each tag or branch stands."""
    return {str(each["name"]): str(each["commit"]["sha"]) for each in listed}
