"""One repository at GitHub: its address, its pages, its default branch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from bot.domain.errors import IntegrationError
from bot.providers.exchange import Reply
from bot.providers.rest import RestClient

PAGE = 100
"""The most that GitHub puts on one page."""


class Repository:
    """GitHub's interface under ``/repos/OWNER/NAME``. Every method raises RestError."""

    def __init__(self, client: RestClient, name: str, *, web: str = "", ref: str = "") -> None:
        self.client = client
        self.name = name
        self.url = f"{web}/{name}" if web else ""
        """Where people look at it; "" where that is not known."""
        self._path = f"/repos/{name}"
        self._ref = ref
        self._default = ""

    async def get(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        accept: str = "",
        text: bool = False,
    ) -> Reply:
        """Read something of the repository. ``accept`` asks for another form than JSON."""
        return await self.client.get(
            self._path + path, params, headers={"Accept": accept} if accept else None, text=text
        )

    async def send(
        self, method: str, path: str, body: Any = None, *, repeatable: bool = False
    ) -> Reply:
        """Write something to the repository."""
        return await self.client.send(method, self._path + path, body, repeatable=repeatable)

    async def pages(
        self, path: str, params: Mapping[str, str] | None = None, *, key: str = "", limit: int
    ) -> AsyncIterator[Reply]:
        """Read page after page while they are full, at most ``limit`` of them. ``key`` names the
        list in an answer that is no list.
        """
        for number in range(1, limit + 1):
            reply = await self.get(
                path, {**(params or {}), "per_page": str(PAGE), "page": str(number)}
            )
            yield reply
            if len(entries(reply, key)) < PAGE:
                return

    async def all(
        self, path: str, params: Mapping[str, str] | None = None, *, key: str = "", limit: int
    ) -> list[Any]:
        """Read a whole list. One that is longer than ``limit`` pages is refused: what was not
        read may hold what matters.
        """
        found = [
            each
            async for reply in self.pages(path, params, key=key, limit=limit)
            for each in entries(reply, key)
        ]
        if len(found) >= limit * PAGE:
            sentence = (
                f"GitHub lists {limit * PAGE:,} or more entries at {self._path}{path}; Go/No-Go "
                "does not read that many."
            )
            raise IntegrationError(sentence, vendor="GitHub", retry=False)
        return found

    async def ref(self) -> str:
        """Name the branch whose workflow file is used: the option ``ref``, else the
        repository's default branch.
        """
        return self._ref or await self.default_branch()

    async def default_branch(self) -> str:
        """Name the repository's default branch."""
        self._default = self._default or str((await self.get("")).data["default_branch"])
        return self._default

    def forget_branch(self) -> bool:
        """Forget which branch is the default one, which may have got another name. Gives False
        where the option ``ref`` names a branch.
        """
        self._default = ""
        return not self._ref


def entries(reply: Reply, key: str = "") -> list[Any]:
    """Give the list in an answer. Raises TypeError for anything else: an empty
    object is no empty list.
    """
    found = reply.data[key] if key else reply.data
    if not isinstance(found, list):
        raise TypeError(type(found))
    return found


def web_address(api: str) -> str:
    """Give the address that people open, for the address of a REST interface; ""
    where it cannot be told.
    """
    address = urlsplit(api)
    if address.path == "/api/v3":  # GitHub Enterprise Server
        return f"{address.scheme}://{address.netloc}"
    host = address.netloc.removeprefix("api.")  # github.com, and SUBDOMAIN.ghe.com
    return f"{address.scheme}://{host}" if host != address.netloc else ""


def escaped(part: str) -> str:
    """Make one part of a path out of a name."""
    return quote(part, safe="/")
