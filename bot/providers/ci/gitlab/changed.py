"""Which commits of a shared project are the service's own: those that change one of its files. What
a commit changes never changes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from bot.domain.catalog import PathPatterns
from bot.providers.ci.gitlab import facts
from bot.providers.ci.gitlab.client import Object, Project

WALK = 50
"""Behind how many commits the newest of the service's own is looked for."""
MOST = 250
"""Of how many commits in a comparison the files are read; with more, all commits are listed."""
REMEMBERED = 4096


class Changed:
    """The commits that change the files of ``paths``; without paths every commit is one."""

    def __init__(self, project: Project, paths: PathPatterns) -> None:
        self._project = project
        self._paths = paths
        self._known: OrderedDict[str, bool] = OrderedDict()

    async def by(self, commit: str) -> bool:
        """Tell whether a commit changes one of the service's files."""
        if commit not in self._known:
            diffs = await self._project.pages("repository", "commits", commit, "diff")
            self._known[commit] = any(map(self._paths.matches, facts.paths(diffs)))
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return self._known[commit]

    async def of(self, commits: Sequence[Object]) -> list[Object]:
        """Keep the commits that are the service's own."""
        if not self._paths or len(commits) > MOST:
            return list(commits)
        return [commit for commit in commits if await self.by(str(commit.get("id")))]

    async def newest(self, start: str) -> str:
        """Give the newest commit at or before ``start`` that is the service's own; ``start``
        itself where none is near.
        """
        if not self._paths:
            return start
        for each in (await self._project.page("repository", "commits", ref_name=start))[:WALK]:
            if await self.by(str(each.get("id"))):
                return str(each.get("id"))
        return start
