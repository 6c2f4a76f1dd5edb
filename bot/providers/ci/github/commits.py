"""What lies between two commits at GitHub."""

from __future__ import annotations

from typing import Any

from bot.domain.changes import Changes
from bot.providers.ci.github import facts
from bot.providers.ci.github.changed import Changed
from bot.providers.ci.github.client import Repository, escaped
from bot.providers.ci.refs import checked

COMMITS = 20
"""How many pages of 100 commits are read."""


class Commits:
    """The commits of one repository; ``changed`` says which are the service's own."""

    def __init__(self, repository: Repository, changed: Changed) -> None:
        self._repository = repository
        self._changed = changed

    async def compare(self, base: str, head: str) -> Changes:
        """List what ``head`` has and ``base`` has not; the other way round, and marked,
        when head lies behind base.
        """
        if checked(base, facts.VENDOR) == checked(head, facts.VENDOR):
            return Changes()
        pages = await self._comparison(base, head)
        backwards = pages[0]["status"] == "behind"
        pages = await self._comparison(head, base) if backwards else pages
        return facts.changes(pages, await self._own(pages), backwards=backwards)

    async def _comparison(self, base: str, head: str) -> list[Any]:
        path = f"/compare/{escaped(base)}...{escaped(head)}"
        return [
            reply.data async for reply in self._repository.pages(path, key="commits", limit=COMMITS)
        ]

    async def _own(self, pages: list[Any]) -> frozenset[str] | None:
        """Name the commits that are the service's own; None for all, also where there are
        too many to look at each.
        """
        listed = [str(each["sha"]) for page in pages for each in page.get("commits") or ()]
        if not self._changed or len(listed) > facts.SHOWN:
            return None
        return frozenset([commit for commit in listed if await self._changed.by(commit)])
