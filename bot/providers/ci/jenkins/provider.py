"""Jenkins as ``ports.CIProvider``.

A run's id is its correlation: it stands before Jenkins has given the run any name, every build
carries it as the parameter ``CORRELATION_ID``, and a notice can name it. Which queue item and which
build that is, is remembered, and looked up again after a restart.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from http import HTTPStatus
from typing import NoReturn, TypeVar
from weakref import WeakValueDictionary

from bot.domain.catalog import Freeze
from bot.domain.changes import Changes
from bot.domain.errors import IntegrationError
from bot.domain.rollout import RunState
from bot.ports.ci import CIRun, GateAnswer, Quality, Resolved, RunHint, StartRequest
from bot.ports.time import Clock
from bot.providers.ci.gates import Gates
from bot.providers.ci.jenkins import reading, webhook
from bot.providers.ci.jenkins.client import PAGE, VENDOR, JenkinsClient
from bot.providers.ci.jenkins.doctor import Examination
from bot.providers.ci.jenkins.tests import Tests
from bot.providers.ci.mirror import Mirror
from bot.providers.ci.starts import EARLIER, Attempt, Starts
from bot.providers.context import Finding
from bot.providers.exchange import RestError

PAGES = 20
"""How many pages of builds are read at most."""
REMEMBERED = 1000
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a run is in Jenkins: its queue item, its build, or both."""

    item: int = 0
    build: int | None = None

    @property
    def name(self) -> str:
        """What is stored of it: the queue item, which the build keeps, or else the build."""
        return str(self.item) if self.item else f"#{self.build}"


class Jenkins:
    """One service's jobs on a Jenkins."""

    def __init__(
        self,
        client: JenkinsClient,
        mirror: Mirror,
        *,
        tests: JenkinsClient | None,
        stages: Sequence[str],
        webhook_secret: str,
        has_api_token: bool,
        clock: Clock,
        starts: Starts,
        service: str,
    ) -> None:
        self._client = client
        self._mirror = mirror
        self._tests = Tests(tests)
        self._stages = tuple(stages)
        self._webhook_secret = webhook_secret
        self._has_api_token = has_api_token
        self._clock = clock
        self._starts = starts
        self._service = service
        self._places: OrderedDict[str, _Place] = OrderedDict()
        self._ended: OrderedDict[str, CIRun] = OrderedDict()
        self._gates = Gates()
        self._starting: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def open(self) -> None:
        """Make the mirror's folder; Jenkins itself is asked when something is to be done."""
        await self._mirror.open()

    async def close(self) -> None:
        """Let go; builds go on in Jenkins."""

    async def resolve(self, ref: str) -> Resolved:
        """Resolve a tag, branch, commit or ``latest`` in the repository:
        Jenkins has no such question.
        """
        return await self._mirror.resolve(ref)

    async def compare(self, base: str, head: str) -> Changes:
        """List what ``head`` has and ``base`` has not."""
        return await self._mirror.compare(base, head)

    async def quality(self, commit: str) -> Quality:
        """Tell what the builds of the commit say in the job that tests commits."""
        return await self._tests.quality(commit)

    async def test_again(self, commit: str) -> CIRun:
        """Queue the builds of the commit that failed once more."""
        return await self._tests.test_again(commit)

    async def freezes(self, environment: str) -> tuple[Freeze, ...]:  # noqa: ARG002 - the port's signature
        """List none: Jenkins keeps no freezes."""
        return ()

    async def find(self, correlation: str) -> CIRun | None:
        """Find the run of an intent; None is certain, and what is not certain raises.

        The queue item that Jenkins named is ours, whatever else carries the correlation. Else
        Jenkins is searched, also when we know of no start: our database may be one that was
        restored from before it.
        """
        attempt = await self._starts.of(correlation)
        if not attempt.run:
            place = await self._search(correlation, attempt)
            if place is None and not self._starts.has_settled(attempt):
                raise _lost(correlation)
            if place is None:
                return None
            self._keep(self._places, correlation, place)
            await self._starts.became(correlation, place.name)
        return await self.look(correlation)

    async def start(self, request: StartRequest) -> CIRun:
        """Queue a build; an earlier one with this correlation is returned instead."""
        async with self._starting.setdefault(request.correlation, asyncio.Lock()):
            # a rollback waits for no other start that hangs
            found = await self.find(request.correlation)
            if found is not None:
                return found
            parameters = _parameters(request, self._service)
            await self._check_job(parameters)
            await self._starts.send(request)
            return await self._begin(request.correlation, parameters)

    async def look(self, run: str) -> CIRun:
        """See where a run stands."""
        if run in self._ended:
            return self._ended[run]
        place = self._places.get(run) or await self._locate(run) or _unknown(run)
        self._keep(self._places, run, place)
        seen = await self._see(run, place)
        if seen is None:  # forgotten by the queue, or its number is another's by now
            self._places.pop(run, None)
            self._keep(self._places, run, await self._locate(run) or _unknown(run))
            seen = await self._see(run, self._places[run]) or _unknown(run)
        if seen.state.is_final:
            self._keep(self._ended, run, seen)
        return seen

    async def cancel(self, run: str) -> None:
        """Take a run out of the queue, or stop its build. What became of it is read again,
        because the answers do not say.
        """
        if (await self.look(run)).state.is_final:
            return
        place = self._places[run]
        if place.build is None:
            await self._client.take_out(place.item)
            if (await self.look(run)).state.is_final:
                return
            place = self._places[run]  # it had begun meanwhile
        if place.build is None:
            raise IntegrationError(
                "Jenkins has not taken the run out of its queue yet. It is asked again.",
                vendor=VENDOR,
            )
        await self._client.stop(place.build)

    async def open_gate(self, run: str, environment: str) -> GateAnswer:
        """Say yes to the one question that a run waits with; left as it is when it does not wait,
        or wants more than a yes.

        A build has one environment, the one of its parameter, and all its
        questions are about that one.
        """
        seen, place = await self.look(run), self._places.get(run)
        if seen.state is not RunState.WAITING or place is None or place.build is None:
            return self._gates.past(run)
        build = await self._client.build(place.build)
        asked = reading.gate(await self._client.questions(place.build))
        if (
            build is None
            or asked is None
            or build.parameters.get(reading.ENVIRONMENT) != environment
        ):
            return GateAnswer.NOT_THERE
        return (
            GateAnswer.OPENED
            if await self._client.answer(place.build, asked)
            else GateAnswer.WAS_OPEN
        )

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> RunHint:
        """Verify and read the notice that our Jenkinsfile sends."""
        return webhook.read(
            headers, body, secret=self._webhook_secret, now=self._clock.now(), vendor=VENDOR
        )

    async def examine(self) -> Sequence[Finding]:
        """Check address, token, job, stages, tests, repository, webhook secret and clock."""
        return await Examination(
            self._client,
            self._tests.job,
            self._mirror,
            has_webhook_secret=bool(self._webhook_secret),
            has_api_token=self._has_api_token,
            clock=self._clock,
        ).findings()

    async def _check_job(self, parameters: Mapping[str, str]) -> None:
        """Refuse to start what could not be found again, or would run without what it is told."""
        job = await self._client.job()
        name = self._client.name
        if not reading.is_buildable(job):
            raise IntegrationError(
                f"The job {name} is disabled in Jenkins. Enable it there.",
                vendor=VENDOR,
                retry=False,
            )
        missing = [each for each in parameters if each not in reading.declared(job)]
        if missing:
            sentence = (
                f"The job {name} does not declare {', '.join(missing)}, so Jenkins would drop "
                "them. Declare them in its Jenkinsfile and "
                "run it once by hand: Jenkins learns a pipeline's parameters from its first run."
            )
            raise IntegrationError(sentence, vendor=VENDOR, retry=False)

    async def _begin(self, correlation: str, parameters: Mapping[str, str]) -> CIRun:
        try:
            item = await self._client.start(parameters)
        except RestError as error:
            if not error.perhaps_done:
                await self._starts.refused(correlation)
                raise
            await self._starts.unanswered(correlation, error.status)
            return await self._perhaps_begun(correlation, error)
        except IntegrationError:
            await self._starts.refused(correlation)
            raise
        if item is None:
            return await self._perhaps_begun(correlation, None)
        await self._starts.became(correlation, str(item))
        self._keep(self._places, correlation, _Place(item))
        return CIRun(
            correlation,
            RunState.QUEUED,
            self._client.url(),
            reading.not_begun(self._stages, RunState.QUEUED),
        )

    async def _perhaps_begun(self, correlation: str, cause: RestError | None) -> CIRun:
        """Look for a run whose start was not answered; it is never started a second time here."""
        if await self._locate(correlation) is None:
            raise _lost(correlation, cause) from cause
        return await self.find(correlation) or _unknown(correlation)

    async def _locate(self, correlation: str) -> _Place | None:
        """Find where a run is: by what Jenkins said when it was started,
        else by its correlation.
        """
        attempt = await self._starts.of(correlation)
        if attempt.run:
            return await self._known(correlation, attempt)
        return await self._search(correlation, attempt)

    async def _known(self, correlation: str, attempt: Attempt) -> _Place | None:
        """Find the build of the queue item that a run became; a rebuilt or replayed
        one has an item of its own.
        """
        if attempt.run.startswith("#"):
            return _Place(build=int(attempt.run[1:]))
        item = int(attempt.run)
        waiting = await self._client.item(item)
        if waiting is not None and _carries(waiting, correlation):
            return _Place(item, waiting.number)
        builds = await self._builds(correlation, self._starts.age(attempt) + EARLIER, item)
        return next((_Place(item, each.number) for each in builds if each.queue_id == item), None)

    async def _search(self, correlation: str, attempt: Attempt) -> _Place | None:
        """Find a run by its correlation. The queue is read first: what leaves it
        meanwhile shows among the builds.
        """
        places = {
            item.id: _Place(item.id)
            for item in await self._client.queued()
            if _carries(item, correlation)
        }
        for found in await self._builds(
            correlation, self._starts.reach(attempt), is_unsent=attempt.is_unsent
        ):
            places[found.queue_id or -found.number] = _Place(found.queue_id, found.number)
        if len(places) > 1:
            _two(correlation, places.values())
        return next(iter(places.values()), None)

    async def _builds(
        self, correlation: str, age: timedelta, item: int = 0, *, is_unsent: bool = False
    ) -> list[reading.Build]:
        """List the builds with a correlation as far back as that, or as far as the one of a queue
        item. Raises IntegrationError.
        """
        found: list[reading.Build] = []
        for number in range(PAGES):
            page = await self._client.builds(number)
            found += [each for each in page.builds if _carries(each, correlation)]
            if (
                page.is_last
                or page.reaches(age)
                or (item and any(each.queue_id == item for each in found))
            ):
                return found
        if is_unsent:
            return found
        sentence = (
            f"{self._client.name} has had more than {PAGES * PAGE:,} builds since then, "
            f"so whether {correlation} is one of them cannot be told. Let "
            "Jenkins discard builds sooner."
        )
        raise IntegrationError(sentence, vendor=VENDOR)

    async def _see(self, run: str, place: _Place) -> CIRun | None:
        """Look at a place; None when the run is not there any more."""
        if place.build is not None:
            return await self._see_build(run, place.build)
        item = await self._client.item(place.item)
        if item is None:
            return None
        if item.number is not None:
            self._keep(self._places, run, replace(place, build=item.number))
            return await self._see_build(run, item.number)
        if item.cancelled:
            stages, said = (
                reading.not_begun(self._stages, RunState.CANCELLED),
                "it was taken out of Jenkins' queue before it began",
            )
            return CIRun(
                run,
                RunState.CANCELLED,
                self._client.url(),
                stages,
                finished_at=self._clock.now(),
                sentence=said,
            )
        why = f"waits in Jenkins' queue: {item.why}" if item.why else ""
        return CIRun(
            run,
            RunState.QUEUED,
            self._client.url(),
            reading.not_begun(self._stages, RunState.QUEUED),
            sentence=why,
        )

    async def _see_build(self, run: str, number: int) -> CIRun | None:
        found = await self._client.build(number) or _unknown(run)
        if not _carries(found, run):
            return None
        described, state, said = await self._client.description(number), found.state, ""
        paused = state is RunState.RUNNING and reading.is_paused(described)
        state = RunState.WAITING if paused else state
        stages = reading.stages(described, self._stages, state) if described is not None else ()
        if paused:
            self._gates.waits(run)
            asked = await self._client.questions(number)
            stages = reading.waiting(stages, asked)
            said = " ".join(
                (
                    "waits in Jenkins for an answer",
                    *(f'"{each.message}"' for each in asked if each.message),
                )
            )
        said = said or reading.sentence(found, stages)
        return CIRun(
            run, state, self._client.url(number), stages, found.started_at, found.finished_at, said
        )

    @staticmethod
    def _keep(store: OrderedDict[str, _T], key: str, value: _T) -> None:
        store[key] = value
        store.move_to_end(key)
        while len(store) > REMEMBERED:
            store.popitem(last=False)


def _parameters(request: StartRequest, service: str) -> dict[str, str]:
    ours = {
        reading.CORRELATION: request.correlation,
        "ACTION": request.action,
        "SERVICE": service,
        reading.ENVIRONMENT: request.environment,
        reading.COMMIT: request.commit,
    }
    return {**ours, **{name.upper(): value for name, value in request.inputs.items()}, **ours}


def _carries(found: reading.Build | reading.Item, correlation: str) -> bool:
    return found.parameters.get(reading.CORRELATION) == correlation


def _lost(correlation: str, cause: RestError | None = None) -> IntegrationError:
    said = f" ({str(cause).rstrip('.')})" if cause else ""
    sentence = (
        f"Jenkins did not say whether it has queued {correlation}, and shows "
        f"nothing of it yet{said}. "
        "It is looked for again before anything is started."
    )
    return IntegrationError(sentence, vendor=VENDOR)


def _unknown(run: str) -> NoReturn:
    sentence = (
        f'Jenkins knows no run "{run[:80]}" (any more): it was never started, '
        "or its build was deleted."
    )
    raise IntegrationError(sentence, vendor=VENDOR, status=HTTPStatus.NOT_FOUND, retry=False)


def _two(correlation: str, places: Iterable[_Place]) -> NoReturn:
    names = sorted(
        f"build #{place.build}" if place.build is not None else f"queue item {place.item}"
        for place in places
    )
    sentence = (
        f"{' and '.join(names)} in Jenkins both say that they are {correlation}, so which "
        "one counts cannot be told: "
        "was one of them rebuilt or replayed? Delete the other one in Jenkins, and this goes on."
    )
    raise IntegrationError(sentence, vendor=VENDOR)
