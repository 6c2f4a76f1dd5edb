"""A repository that lives elsewhere, mirrored bare, for CI servers that can neither resolve a ref
nor compare two commits.

Branches and tags only: what somebody proposes in a pull request of a fork is no version. Never
interactive, and no credential stands in an error, in a file or in a command line.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from bot.domain.catalog import PathPatterns
from bot.domain.changes import Changes
from bot.domain.errors import ConfigurationError, IntegrationError
from bot.domain.versions import Tags
from bot.ports.ci import Resolved
from bot.providers.ci.git import NO_PATHS, Git, checked
from bot.providers.ci.refs import is_whole

FETCH_TIMEOUT = 300.0
"""Seconds for a fetch; the first one brings the whole history."""
REFS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
SHORTEST_SECRET = 12
_SCP_LIKE = re.compile(r"[^/]+:.*")
_FOR_GOOD = re.compile(
    r"(?i)authentication failed|permission denied|not found|does not exist|does not "
    r"appear to be a git repository"
    r"|could not read (?:username|password)|dubious ownership|verification "
    r"failed|returned error: 40[134]"
)


class Mirror:
    """A bare mirror of one repository in a folder of its own. Safe for
    concurrent callers of one process.
    """

    def __init__(
        self, address: str, folder: Path, *, vendor: str,
        environment: Mapping[str, str] | None = None, tags: Tags | None = None,
        paths: PathPatterns = NO_PATHS,
    ) -> None:  # fmt: skip
        self._address = _usable(address)
        self._is_elsewhere = not self._address.startswith("/")
        self._vendor = vendor
        words = (
            word for value in (environment or {}).values() for word in (value, *value.split(" "))
        )
        self._secrets = tuple(word for word in words if len(word) >= SHORTEST_SECRET)
        place = folder.absolute() / f"{hashlib.sha256(self._address.encode()).hexdigest()[:16]}.git"
        self._git = Git(place, vendor=vendor, environment=environment, tags=tags, paths=paths)
        self._fetching = asyncio.Lock()
        self._begun = self._brought = 0

    async def open(self) -> None:
        """Make the mirror where there is none. Fetches nothing: the first question does."""
        if self._git.is_there():
            return
        await asyncio.to_thread(self._git.repository.mkdir, parents=True, exist_ok=True)
        await self._git.run("init", "--quiet", "--bare", "--template=", ".")
        for name in ("gc.autoDetach", "maintenance.autoDetach"):
            # nothing of ours runs on behind our back
            await self._git.run("config", name, "false")

    async def resolve(self, ref: str) -> Resolved:
        """Resolve a tag, branch, commit or ``latest``, as they are now. A full commit that is known
        needs no answer from elsewhere.
        """
        if ref != "latest":
            checked(ref, self._vendor)
        try:
            await self.fetch()
            if ref == "latest":
                await self._point_head()
        except IntegrationError:
            if not await self._has(ref):
                raise
        return await self._git.resolve(ref)

    async def compare(self, base: str, head: str) -> Changes:
        """List what ``head`` has and ``base`` has not."""
        base, head = checked(base, self._vendor), checked(head, self._vendor)
        if not (await self._has(base) and await self._has(head)):
            await self.fetch()
        for commit in (base, head):
            if not await self._has(commit):
                sentence = (
                    f"The repository does not have the commit {commit[:10]} on any branch or tag."
                )
                raise IntegrationError(sentence, vendor=self._vendor, retry=False)
        return await self._git.compare(base, head)

    async def fetch(self) -> None:
        """Bring the mirror up to date; also a way to see whether the repository can be reached.
        Callers that wait share one fetch.
        """
        asked = self._begun
        async with self._fetching:
            if self._brought > asked:
                # a fetch that began after this was asked for has brought everything
                return
            self._begun += 1
            await self.open()
            await asyncio.to_thread(_unlock, self._git.repository)
            await self._reach(
                "fetch",
                "--quiet",
                "--prune",
                "--no-write-fetch-head",
                "--no-recurse-submodules",
                "--",
                self._address,
                *REFS,
            )
            self._brought = self._begun

    async def _point_head(self) -> None:
        """Let HEAD mean the default branch of the repository as it is now."""
        said = await self._reach("ls-remote", "--symref", "--", self._address, "HEAD")
        found = re.match(r"ref: (refs/heads/\S+)\tHEAD", said)
        if found:
            await self._git.run("symbolic-ref", "HEAD", found[1])

    async def _reach(self, *arguments: str) -> str:
        try:
            return await self._git.run(*arguments, timeout=FETCH_TIMEOUT)
        except IntegrationError as error:
            said = self._redacted(str(error))
            hint = (
                " (it asks for a password: the token is missing or wrong)"
                if "could not read" in said
                else ""
            )
            sentence = f"The repository cannot be read{hint}: {said}"
            # a path may be a disk that is not there just now
            for_good = self._is_elsewhere and _FOR_GOOD.search(said)
            raise IntegrationError(sentence, vendor=self._vendor, retry=not for_good) from None

    def _redacted(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return re.sub(r"(?<=://)[^/@\s]+@", "", text)

    async def _has(self, commit: str) -> bool:
        """Tell whether a full commit is here already."""
        if not (is_whole(commit) and self._git.is_there()):
            return False
        try:
            await self._git.run("cat-file", "-e", f"{commit}^{{commit}}")
        except IntegrationError:
            return False
        return True


def token_for(address: str, token: str) -> dict[str, str]:
    """Give the environment in which git shows a token to an https address and to no
    other; empty without a token.

    The user is the one in the address (``https://x-access-token@…``), else ``git``: most servers
    look at the token alone.
    """
    parts = urlsplit(address)
    if not token:
        return {}
    if parts.scheme != "https":
        raise ConfigurationError(
            "A git token is only sent to an https:// address. For ssh, give the "
            "bot's user a deploy key."
        )
    whom = base64.b64encode(f"{parts.username or 'git'}:{token}".encode()).decode()
    host = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/"
    return {
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": f"http.{host}.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {whom}",
        "GIT_CONFIG_KEY_1": "http.followRedirects",
        "GIT_CONFIG_VALUE_1": "false",
    }


def _usable(address: str) -> str:
    """Refuse an address that git could read as something else, or that holds a password.
    Raises ConfigurationError.
    """
    if not address or address.startswith("-") or "::" in address or not address.isprintable():
        raise ConfigurationError(
            "repository is not an address of a git repository. Use https://…, ssh://…, "
            "git@host:path or a path."
        )
    if "://" in address:
        if urlsplit(address).password:
            raise ConfigurationError(
                "repository has a password in it. Take it out, and give the token as a setting."
            )
        return address
    return address if _SCP_LIKE.fullmatch(address) else str(Path(address).expanduser().absolute())


def _unlock(repository: Path) -> None:
    """Take away the locks of a git that was ended: nobody else fetches into this folder."""
    for lock in (*repository.glob("*.lock"), *(repository / "refs").rglob("*.lock")):
        lock.unlink(missing_ok=True)
