"""One project at GitLab's REST interface: a thin client that gives objects and lists of
objects, never anything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from bot.domain.errors import IntegrationError
from bot.providers.ci.gitlab.reading import VENDOR, moment
from bot.providers.exchange import Reply, RestError
from bot.providers.rest import RestClient

PAGE = 100
"""The largest page that GitLab gives (doc/api/rest/_index.md, offset-based pagination)."""
PAGES = 20
NOT_FOUND = 404

Object = dict[str, Any]


class Project:
    """The calls that the provider needs, below ``/projects/:id``. Every method
    raises IntegrationError.
    """

    def __init__(self, rest: RestClient, project: str, *, most_pages: int = PAGES) -> None:
        self._rest = rest
        self._most_pages = most_pages
        self._at = f"/projects/{quote(project, safe='')}"

    async def itself(self) -> Reply:
        """Read the project, with the answer's headers."""
        return await self._rest.get(self._at)

    async def token(self) -> Reply:
        """Read what GitLab says about our token, with the answer's headers."""
        return await self._rest.get("/personal_access_tokens/self")

    async def version(self) -> Object:
        """Read which GitLab this is (doc/api/version.md)."""
        return an_object((await self._rest.get("/version")).data)

    async def one(self, *path: str, **params: str) -> Object:
        """Read one object. The parts of the path are quoted."""
        return an_object((await self._rest.get(self._path(path), params)).data)

    async def perhaps(self, *path: str) -> Object | None:
        """Read one object, or None when GitLab has none of that name."""
        try:
            return await self.one(*path)
        except RestError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    async def page(self, *path: str, **params: str) -> list[Object]:
        """Read the first page of a list."""
        return a_list(
            (await self._rest.get(self._path(path), {"per_page": str(PAGE), **params})).data
        )

    async def pages(self, *path: str, **params: str) -> list[Object]:
        """Read a whole list, page by page."""
        found: list[Object] = []
        page = "1"
        for _ in range(self._most_pages):
            reply = await self._rest.get(
                self._path(path), {**params, "per_page": str(PAGE), "page": page}
            )
            found += a_list(reply.data)
            page = reply.headers.get("x-next-page", "")
            if not page.isdigit():
                return found
        raise IntegrationError(
            f"{VENDOR} lists more than {PAGE * self._most_pages:,} of {path[-1]}.",
            vendor=VENDOR,
            retry=False,
        )

    async def younger(self, age: timedelta, *path: str, **params: str) -> list[Object]:
        """Read what was created within a time, by GitLab's own clock, from a list
        whose newest comes first.
        """
        found: list[Object] = []
        for page in range(1, self._most_pages + 1):
            reply = await self._rest.get(
                self._path(path), {**params, "per_page": str(PAGE), "page": str(page)}
            )
            listed = a_list(reply.data)
            young = [each for each in listed if not _is_older(each, reply, age)]
            found += young
            if len(young) < len(listed) or not reply.headers.get("x-next-page", "").isdigit():
                return found
        sentence = (
            f"{VENDOR} lists more than {PAGE * self._most_pages:,} of {path[-1]} since then, so it "
            "cannot be told whether ours is there."
        )
        raise IntegrationError(sentence, vendor=VENDOR)

    async def start(self, ref: str, variables: Mapping[str, str]) -> Object:
        """Create a pipeline, once (doc/api/pipelines.md, "Create a new pipeline")."""
        listed = [{"key": key, "value": value} for key, value in variables.items()]
        reply = await self._rest.send(
            "POST", f"{self._at}/pipeline", {"ref": ref, "variables": listed}
        )
        if not isinstance(reply.data, dict) or not isinstance(reply.data.get("id"), int):
            raise RestError(
                f"{VENDOR} started a pipeline and gave an answer that cannot be read.",
                vendor=VENDOR,
                perhaps_done=True,
            )
        return reply.data

    async def cancel(self, pipeline: str) -> None:
        """Ask a pipeline to stop. GitLab answers 200 whatever the state is (doc/api/pipelines.md),
        so look again afterwards.
        """
        await self._rest.send(
            "POST", self._path(("pipelines", pipeline, "cancel")), repeatable=True
        )

    async def retry(self, pipeline: str) -> Object:
        """Run the failed and cancelled jobs of a pipeline again; nothing
        happens where there are none.
        """
        return an_object(
            (await self._rest.send("POST", self._path(("pipelines", pipeline, "retry")))).data
        )

    async def play(self, job: int) -> None:
        """Start a manual job (lib/api/ci/jobs.rb: 400 when it cannot be started, 403
        when this token may not).
        """
        await self._rest.send("POST", self._path(("jobs", str(job), "play")))

    def _path(self, parts: tuple[str, ...]) -> str:
        return "/".join((self._at, *(quote(part, safe="") for part in parts)))


def _is_older(each: Object, reply: Reply, age: timedelta) -> bool:
    """Tell by GitLab's own clock whether something was created longer ago than that; what does
    not say when may be young.
    """
    created = moment(each.get("created_at"))
    try:
        now = parsedate_to_datetime(reply.headers.get("date", "")).astimezone(UTC)
    except ValueError:
        return False
    return created is not None and now - created > age


def an_object(data: Any) -> Object:
    """Expect an object. Raises IntegrationError for anything else."""
    if not isinstance(data, dict):
        raise IntegrationError(
            f"{VENDOR} gave an answer that cannot be read: not an object.", vendor=VENDOR
        )
    return data


def a_list(data: Any) -> list[Object]:
    """Expect a list of objects. Raises IntegrationError for anything else."""
    if not isinstance(data, list) or not all(isinstance(each, dict) for each in data):
        raise IntegrationError(
            f"{VENDOR} gave an answer that cannot be read: not a list.", vendor=VENDOR
        )
    return data
