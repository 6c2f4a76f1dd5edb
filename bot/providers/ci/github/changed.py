"""Which commits of a shared repository are the service's own: those that change one of its files.
What a commit changes never changes.
"""

from __future__ import annotations

from collections import OrderedDict

from bot.domain.catalog import PathPatterns
from bot.providers.ci.github import facts
from bot.providers.ci.github.client import PAGE, Repository, escaped

WALK = 50
"""Behind how many commits the newest of the service's own is looked for."""
REMEMBERED = 4096


class Changed:
    """The commits that change the files of ``paths``; without paths every commit is one."""

    def __init__(self, repository: Repository, paths: PathPatterns) -> None:
        self._repository = repository
        self._paths = paths
        self._known: OrderedDict[str, bool] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._paths)

    async def by(self, commit: str) -> bool:
        """Tell whether a commit changes one of the service's files. One of so many files that
        GitHub does not name them all may.
        """
        if not self._paths:
            return True
        if commit not in self._known:
            files = facts.files((await self._repository.get(f"/commits/{escaped(commit)}")).data)
            self._known[commit] = len(files) >= facts.FILES or any(map(self._paths.matches, files))
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return self._known[commit]

    async def newest(self, start: str) -> str:
        """Give the newest commit at or before ``start`` that is the service's own; ``start``
        itself where none is near.
        """
        if not self._paths:
            return start
        listed = (
            await self._repository.get("/commits", {"sha": start, "per_page": str(PAGE)})
        ).data
        for commit in [str(each["sha"]) for each in listed][:WALK]:
            if await self.by(commit):
                return commit
        return start
