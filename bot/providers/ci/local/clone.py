"""A clone on the bot's machine: its remote is asked before a name is resolved, so that nobody
deploys what was fetched last week.
"""

from __future__ import annotations

import asyncio

from bot.domain.errors import IntegrationError
from bot.ports.ci import Resolved
from bot.providers.ci.git import Git
from bot.providers.ci.refs import is_whole

REMOTE = "origin"
FETCH_TIMEOUT = 20.0
REFS = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
"""Branches of the remote stand beside those of the clone; a tag is what the remote says it is."""


class Clone:
    """The repository of one service, with or without a remote. ``fetches`` is False where somebody
    else keeps it up to date.
    """

    def __init__(self, git: Git, *, fetches: bool = True) -> None:
        self._git = git
        self._fetches = fetches
        self._fetching = asyncio.Lock()
        self._begun = self._brought = 0

    async def resolve(self, ref: str) -> Resolved:
        """Resolve a ref as the remote has it now. A whole commit that is here needs no remote.

        Raises IntegrationError, also when the remote cannot be asked.
        """
        if is_whole(ref):
            try:
                return await self._git.resolve(ref)
            except IntegrationError as error:
                if error.retry:
                    raise
        if self._fetches and await self.remote():
            await self._fetch()
        return await self._git.resolve(ref)

    async def remote(self) -> bool:
        """Tell whether the clone has a remote."""
        return REMOTE in (await self._git.run("remote")).split("\n")

    async def _fetch(self) -> None:
        """Fetch; callers that wait share one fetch."""
        asked = self._begun
        async with self._fetching:
            if self._brought > asked:
                # a fetch that began after this was asked for has brought everything
                return
            self._begun += 1
            try:
                await self._git.run(
                    "fetch",
                    "--quiet",
                    "--no-recurse-submodules",
                    REMOTE,
                    *REFS,
                    timeout=FETCH_TIMEOUT,
                )
            except IntegrationError as error:
                sentence = (
                    f"{REMOTE} could not be asked what is new: {error} Give the whole id of a "
                    "commit that is here, or try again."
                )
                raise IntegrationError(sentence, vendor=error.vendor) from error
            self._brought = self._begun
