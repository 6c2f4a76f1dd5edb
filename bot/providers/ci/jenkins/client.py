"""The part of Jenkins' remote access API that we use, call by call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import unquote

from bot.domain.errors import IntegrationError
from bot.providers.ci.jenkins import reading
from bot.providers.exchange import Reply, RestError
from bot.providers.rest import RestClient

VENDOR = "Jenkins"
PAGE = 100
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Page:
    """A page of builds, newest first."""

    builds: tuple[reading.Build, ...]
    at: datetime | None
    """When Jenkins gave it, by its own clock."""
    is_last: bool

    def reaches(self, age: timedelta) -> bool:
        """Tell whether there is a build on it that began longer ago than that."""
        return self.at is not None and any(
            each.started_at and self.at - each.started_at > age for each in self.builds
        )


class JenkinsClient:
    """One Jenkins, and one job on it. Every method raises RestError, or IntegrationError for an
    answer that makes no sense.
    """

    def __init__(self, rest: RestClient, address: str, job: str) -> None:
        self._rest = rest
        self._address = address.rstrip("/")
        self.name = job.strip("/")
        self._job = reading.job_path(job)

    def url(self, number: int | None = None) -> str:
        """Give the address of the job, or of one of its builds, for a person."""
        return f"{self._address}{self._job}/" + (f"{number}/" if number is not None else "")

    async def who(self) -> Reply:
        """Ask who we are."""
        return await self._rest.get("/whoAmI/api/json")

    async def job(self) -> Any:
        """Read the job: whether it is enabled, and its parameters."""
        return (await self._rest.get(f"{self._job}/api/json", {"tree": reading.JOB_TREE})).data

    async def has_stages(self) -> bool:
        """Tell whether Jenkins can describe the stages of this job's builds."""
        return await self._found(f"{self._job}/wfapi/describe") is not None

    async def queued(self) -> tuple[reading.Item, ...]:
        """List the items of this job that wait in the queue."""
        data = (
            await self._rest.get("/queue/api/json", {"tree": f"items[{reading.ITEM_TREE}]"})
        ).data
        items = (reading.item(each) for each in _listed(data, "items"))
        return tuple(each for each in items if each and each.job == unquote(self._job))

    async def item(self, id: int) -> reading.Item | None:
        """Read a queue item; None when Jenkins has forgotten it, about five minutes
        after it left the queue.
        """
        data = await self._found(f"/queue/item/{id}/api/json", {"tree": reading.LEFT_TREE})
        return None if data is None else _sensible(reading.item(data))

    async def builds(self, page: int) -> Page:
        """Read a page of builds, newest first; empty behind the last one."""
        reply = await self._all_builds(reading.BUILD_TREE, page)
        listed = _listed(reply.data, "allBuilds")
        found = (reading.build(each) for each in listed)
        return Page(tuple(each for each in found if each), _date(reply), is_last=len(listed) < PAGE)

    async def tested(self) -> tuple[reading.Tested, ...]:
        """Read the newest builds as builds that test commits."""
        reply = await self._all_builds(reading.TESTED_TREE, 0)
        builds = (reading.tested(each) for each in _listed(reply.data, "allBuilds"))
        return tuple(each for each in builds if each)

    async def build(self, number: int) -> reading.Build | None:
        """Read a build; None when there is none of that number."""
        data = await self._found(f"{self._job}/{number}/api/json", {"tree": reading.BUILD_TREE})
        return None if data is None else _sensible(reading.build(data))

    async def description(self, number: int) -> Any:
        """Read the stages of a build; None where Jenkins cannot tell (no pipeline, or
        no "Pipeline: REST API").
        """
        return await self._found(f"{self._job}/{number}/wfapi/describe")

    async def questions(self, number: int) -> tuple[reading.Question, ...]:
        """List what a build waits to hear."""
        return reading.questions(
            await self._found(f"{self._job}/{number}/wfapi/pendingInputActions")
        )

    async def answer(self, number: int, question: reading.Question) -> bool:
        """Say yes to a question, once: the next one may have the same id. False when
        nobody waits for it any more.
        """
        try:
            await self._rest.send("POST", f"{self._job}/{number}/input/{question.id}/proceedEmpty")
        except RestError as error:
            if error.status == HTTPStatus.BAD_REQUEST:
                # hudson.model.Failure of InputStepExecution.preSubmissionCheck
                sentence = (
                    "Jenkins does not take this answer from the bot's user: the input step names a "
                    "submitter. Answer it in Jenkins."
                )
                raise IntegrationError(
                    sentence, vendor=VENDOR, status=error.status, retry=False
                ) from error
            if error.status != HTTPStatus.NOT_FOUND and not _is_redirect(error):
                raise
            return error.status != HTTPStatus.NOT_FOUND
        return True

    async def start(self, parameters: Mapping[str, str]) -> int | None:
        """Queue a build without a quiet period; give its queue item, or None when Jenkins has taken
        it without saying which it is.
        """
        try:
            reply = await self._rest.send(
                "POST", f"{self._job}/buildWithParameters", params={"delay": "0sec", **parameters}
            )
        except RestError as error:
            if not _is_redirect(error):
                raise
            # sendRedirect(".") without an item
            sentence = f"Jenkins did not queue {self.name}: a rule or plugin of its own refused it."
            raise IntegrationError(
                sentence, vendor=VENDOR, status=error.status, retry=False
            ) from error
        return reading.item_id(reply.headers.get("location", ""))

    async def take_out(self, id: int) -> None:
        """Take an item out of the queue; quiet when it has left it."""
        await self._post("/queue/cancelItem", {"id": str(id)}, also=HTTPStatus.NOT_FOUND)

    async def stop(self, number: int) -> None:
        """Ask a build to stop; quiet when it has ended."""
        await self._post(f"{self._job}/{number}/stop")

    async def _post(
        self, path: str, params: Mapping[str, str] | None = None, *, also: int = 0
    ) -> None:
        """Write where doing it twice is doing it once. Jenkins answers with a way back to the
        page that one came from.
        """
        try:
            await self._rest.send("POST", path, params=params, repeatable=True)
        except RestError as error:
            if not _is_redirect(error) and error.status != also:
                raise

    async def _all_builds(self, tree: str, page: int) -> Reply:
        span = f"{{{page * PAGE},{(page + 1) * PAGE}}}"
        return await self._rest.get(f"{self._job}/api/json", {"tree": f"allBuilds[{tree}]{span}"})

    async def _found(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        try:
            return (await self._rest.get(path, params)).data
        except RestError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return None


def _is_redirect(error: RestError) -> bool:
    return error.status in {HTTPStatus.FOUND, HTTPStatus.SEE_OTHER}


def _date(reply: Reply) -> datetime | None:
    try:
        return parsedate_to_datetime(reply.headers.get("date", "")).astimezone(UTC)
    except ValueError:
        return None


def _listed(data: Any, key: str) -> Sequence[Any]:
    found = data.get(key) if isinstance(data, dict) else None
    return _sensible(found if isinstance(found, list) else None)


def _sensible(value: _T | None) -> _T:
    if value is None:
        raise IntegrationError(
            "Jenkins gave an answer that makes no sense. Is this address a Jenkins?", vendor=VENDOR
        )
    return value
