"""Buildbot as a CI provider: one builder that deploys, started by a force scheduler, found
again by what it was told.

A run is a build request (``BUILDER/NUMBER``) and not a build: when a worker is lost, Buildbot
builds the same request again.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from weakref import WeakValueDictionary

from bot.domain.catalog import Freeze
from bot.domain.changes import Changes
from bot.domain.errors import IntegrationError
from bot.domain.rollout import RunState
from bot.ports.ci import CIRun, GateAnswer, Quality, Resolved, RunHint, StartRequest
from bot.ports.time import Clock
from bot.providers.ci.buildbot import doctor, reading, webhook
from bot.providers.ci.buildbot.builders import Builders, refusal
from bot.providers.ci.buildbot.client import BuildbotClient
from bot.providers.ci.buildbot.events import PAUSE, Events
from bot.providers.ci.buildbot.reading import VENDOR, Scheduler, told
from bot.providers.ci.buildbot.setup import Setup
from bot.providers.ci.buildbot.tests import Tests
from bot.providers.ci.mirror import Mirror
from bot.providers.ci.starts import Starts
from bot.providers.context import Finding
from bot.providers.exchange import RestError

STOPS = 4
"""How often a stop is asked for until Buildbot shows that it has begun."""
STOP_PATIENCE = 1.0
PAGE = 50
_NUMBER = re.compile(r"[1-9]\d{0,9}", re.ASCII)


class BuildbotCI:
    """``ports.CIProvider`` for one service that a Buildbot master deploys."""

    def __init__(
        self,
        setup: Setup,
        client: BuildbotClient,
        mirror: Mirror,
        clock: Clock,
        wake: Callable[[str], None],
        *,
        starts: Starts,
        pause: float = PAUSE,
    ) -> None:
        self._setup = setup
        self._client = client
        self._mirror = mirror
        self._clock = clock
        self._starts = starts
        self._events = Events(client, lambda request: wake(self._name(request)), pause=pause)
        self._builders = Builders(client, setup.url)
        self._tests = Tests(setup, client, self._builders)
        self._starting: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def open(self) -> None:
        """Make room for the mirror. Buildbot itself is asked when it is needed: it
        may be away while we start.
        """
        self._events.open()
        await self._mirror.open()

    async def close(self) -> None:
        """Stop listening; what runs in Buildbot goes on."""
        await self._events.close()

    async def resolve(self, ref: str) -> Resolved:
        """Resolve a tag, branch, commit or ``latest`` in the repository: Buildbot
        knows only what it has built.
        """
        return await self._mirror.resolve(ref)

    async def compare(self, base: str, head: str) -> Changes:
        """List what ``head`` has and ``base`` has not."""
        return await self._mirror.compare(base, head)

    async def freezes(self, environment: str) -> tuple[Freeze, ...]:  # noqa: ARG002 - the port's signature
        """List none: Buildbot keeps no freezes."""
        return ()

    async def examine(self) -> Sequence[Finding]:
        """Check address, account, scheduler, builder, tests, repository and webhook."""
        return await doctor.examine(self._setup, self._client, self._mirror, self._clock)

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> RunHint:
        """Verify and read a notice of the reporter in our master.cfg."""
        return webhook.read(headers, body, secret=self._setup.webhook_secret, now=self._clock.now())

    async def quality(self, commit: str) -> Quality:
        """Tell what the newest build of the tests builder says about the commit."""
        return await self._tests.quality(commit)

    async def test_again(self, commit: str) -> CIRun:
        """Rebuild the builds of the commit's tests that failed; what is open is left to go on."""
        return await self._tests.test_again(commit)

    async def find(self, correlation: str) -> CIRun | None:
        """Find the run that carries a correlation id: its mark stands in the reason, which Buildbot
        can search over all of history.
        """
        builder = await self._builders.number(self._setup.builder)
        requests = [
            request
            for each in await self._client.read(
                "/buildsets", reason__contains=_mark(correlation), order="-bsid", limit=str(PAGE)
            )
            for request in await self._client.read(
                "/buildrequests", buildsetid=str(each["bsid"]), property="*"
            )
            if request["builderid"] == builder
            and told(request.get("properties"), "correlation_id") == correlation
        ]
        if len(requests) > 1:
            raise self._several(correlation, [request["buildrequestid"] for request in requests])
        if requests:
            return await self._seen(requests[0])
        if not self._starts.has_settled(await self._starts.of(correlation)):
            sentence = (
                f"Buildbot did not answer the start of {correlation} and does not show it yet; "
                "looking again before anything else."
            )
            raise IntegrationError(sentence, vendor=VENDOR)
        return None

    def _several(self, correlation: str, numbers: Sequence[int]) -> IntegrationError:
        which = " and ".join(f"#{number}" for number in sorted(numbers))
        sentence = (
            f"Buildbot has several requests for {correlation} ({which}), and which one is ours "
            "cannot be told. Look at them in Buildbot, "
            "stop what should not run, then roll back or deploy again."
        )
        return refusal(sentence, HTTPStatus.CONFLICT)

    async def start(self, request: StartRequest) -> CIRun:
        """Start a run, once: look first, and when the answer is lost look
        instead of asking again.
        """
        async with self._one_start(request.correlation):
            found = await self.find(request.correlation)
            if found is not None:
                return found
            return await self._force(request, await self._params(request))

    def _one_start(self, correlation: str) -> AbstractAsyncContextManager[Any]:
        return self._starting.setdefault(correlation, asyncio.Lock())

    async def _params(self, request: StartRequest) -> dict[str, Any]:
        """Fill the scheduler's form. Raises IntegrationError when it would
        drop something that we say.
        """
        scheduler = await self._scheduler()
        wrong = scheduler.wrong(self._setup.builder)
        if not wrong and scheduler.plan(request.action) == ():
            wrong = f"its field {reading.PLAN} names no steps for {request.action}"
        if wrong:
            raise refusal(
                f"The force scheduler {self._setup.scheduler} cannot start this: {wrong}. "
                "Compare it with our master.cfg."
            )
        ours = {
            **request.inputs,
            "action": request.action,
            "asked_by": request.asked_by,
            "commit": request.commit,
            "correlation_id": request.correlation,
            "environment": request.environment,
            "reason": _mark(request.correlation),
            # Buildbot wants an address from whom it does not know
            "username": "Go/No-Go <gonogo@localhost>",
            scheduler.revision: request.commit,
        }
        taken = {name: value for name, value in ours.items() if scheduler.takes(name)}
        return {**taken, "builderid": await self._builders.number(self._setup.builder)}

    async def _scheduler(self) -> Scheduler:
        try:
            found = await self._client.read(
                f"/forceschedulers/{quote(self._setup.scheduler, safe='')}"
            )
        except RestError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                raise refusal(
                    f"Buildbot has no force scheduler {self._setup.scheduler}.",
                    HTTPStatus.NOT_FOUND,
                ) from error
            raise
        return Scheduler.of(found[0])

    async def _force(self, request: StartRequest, params: Mapping[str, Any]) -> CIRun:
        await self._starts.send(request)
        try:
            result = await self._client.call(
                f"/forceschedulers/{quote(self._setup.scheduler, safe='')}", "force", params
            )
        except RestError as error:
            if not error.perhaps_done:
                await self._starts.refused(request.correlation)
                raise
            await self._starts.unanswered(request.correlation, error.status)
            return await self._without_answer(request.correlation, error)
        begun = _begun(result)
        if begun is None:
            await self._starts.refused(request.correlation)
            raise refusal(
                f"The force scheduler {self._setup.scheduler} started nothing; is its name right?"
            )
        buildset, number = begun
        await self._starts.became(request.correlation, self._name(number))
        await self._make_sure(request, buildset, number)
        return await self.look(self._name(number))

    async def _without_answer(self, correlation: str, error: RestError) -> CIRun:
        found = await self.find(correlation)
        if found is None:  # its time is over already
            raise IntegrationError(
                f"Buildbot did not start {correlation}: {error}", vendor=VENDOR
            ) from error
        return found

    async def _make_sure(self, request: StartRequest, buildset: int, number: int) -> None:
        """See that the request is for our commit and can be found again; else stop it, because it
        is not what was asked for.
        """
        (found,) = await self._client.read(f"/buildsets/{buildset}")
        revisions = [stamp.get("revision") for stamp in found.get("sourcestamps", ())]
        wrong = ""
        if request.commit not in revisions:
            wrong = f"took {revisions} for the commit"
        elif _mark(request.correlation) not in str(found.get("reason")):
            wrong = "does not keep our reason; its reasonString must contain %(reason)s"
        if wrong:
            await self.cancel(self._name(number))
            raise refusal(
                f"The force scheduler {self._setup.scheduler} {wrong}. The run was stopped."
            )

    async def look(self, run: str) -> CIRun:
        """See where a run stands."""
        builder, _, number = run.rpartition("/")
        if builder != self._setup.builder or not _NUMBER.fullmatch(number):
            raise self._unknown(run)
        try:
            (request,) = await self._client.read(f"/buildrequests/{number}", property="*")
        except RestError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                raise self._unknown(run) from error
            raise
        if request["builderid"] != await self._builders.number(builder):
            raise self._unknown(run)
        return await self._seen(request)

    def _unknown(self, run: str) -> IntegrationError:
        return refusal(f'Buildbot has no run "{run}".', HTTPStatus.NOT_FOUND)

    async def _seen(self, request: Mapping[str, Any]) -> CIRun:
        """Look at the newest build of a request. The request was read first, so a
        closed one has its last build.
        """
        number = request["buildrequestid"]
        builds = await self._client.read(
            "/builds",
            buildrequestid=str(number),
            order="-buildid",
            limit="1",
            property="got_revision",
        )
        build = builds[0] if builds else None
        steps = await self._client.read(f"/builds/{build['buildid']}/steps") if build else []
        run = reading.run_of(self._name(number), request, build, steps)
        if run.state is RunState.QUEUED and not run.sentence:
            run = replace(run, sentence=await self._why_queued(request["builderid"]))
        if run.state.is_final:
            self._events.forget(number)
        else:
            self._events.expect(number)
        return replace(
            run,
            url=self._builders.link(request["builderid"], build)
            if build
            else f"{self._setup.url}/#/buildrequests/{number}",
        )

    async def _why_queued(self, builder: int) -> str:
        workers = await self._client.read(f"/builders/{builder}/workers")
        if any(worker.get("connected_to") and not worker.get("paused") for worker in workers):
            return "waits for a free worker"
        return (
            f"no worker of {self._setup.builder} is connected; start one"
            if workers
            else f"{self._setup.builder} has no worker"
        )

    async def cancel(self, run: str) -> None:
        """Stop a run: the build that works on it, or out of the queue. Asked again when
        it fell between the two.

        A request is taken out of the queue only after it has stood there for a moment: when
        Buildbot 4.3 is told to cancel a request in the very instant in which it begins to build it,
        the build never ends, and its worker is taken for ever (``Build.startBuild`` returns without
        ``buildFinished``). Stopping a build has no such flaw.
        """
        stood = False
        for _ in range(STOPS):
            if (await self.look(run)).state.is_final:
                return
            stood = await self._stop(int(run.rpartition("/")[2]), stood=stood)
            if await self._ends(run):
                return

    async def open_gate(self, run: str, environment: str) -> GateAnswer:  # noqa: ARG002 - the port's signature
        """Leave a run as it is: Buildbot has no gates, so none of its runs waits at one."""
        await self.look(run)
        return GateAnswer.NOT_THERE

    async def _stop(self, number: int, *, stood: bool = False) -> bool:
        """Stop the build of a request, or the request when it has ``stood`` in the queue; tell
        whether it stands there.
        """
        reason = {"reason": "stopped by Go/No-Go"}
        builds = await self._client.read("/builds", buildrequestid=str(number), complete="false")
        for build in builds:
            await self._client.call(f"/builds/{build['buildid']}", "stop", reason, repeatable=True)
        (request,) = await self._client.read(f"/buildrequests/{number}")
        waits = not builds and not request.get("claimed")
        if waits and stood:
            await self._client.call(f"/buildrequests/{number}", "cancel", reason, repeatable=True)
        return waits

    async def _ends(self, run: str) -> bool:
        deadline = asyncio.get_running_loop().time() + STOP_PATIENCE
        while asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.1)
            if (await self.look(run)).state.is_final:
                return True
        return False

    def _name(self, number: int) -> str:
        return f"{self._setup.builder}/{number}"


def _begun(result: Any) -> tuple[int, int] | None:
    """Read the answer to a start, ``[BUILDSET, {BUILDER: REQUEST}]``; Buildbot answers null
    to what it does not know.
    """
    match result:
        case [int(buildset), {**requests}] if len(requests) == 1:
            return buildset, next(int(str(number)) for number in requests.values())
    return None


def _mark(correlation: str) -> str:
    return f"[gonogo {correlation}]"
