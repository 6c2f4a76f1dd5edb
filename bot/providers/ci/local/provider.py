"""The embedded CI: a repository's own pipeline, at the exact commit, as real
processes on this machine.

Repository code runs as the user of the option ``user``; without it as the bot's own, so use it for
repositories that you trust as much as the bot itself. A question starts nothing: tests run when
they are asked for, a few at a time.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import structlog

from bot.domain.catalog import Freeze, PathPatterns
from bot.domain.changes import Changes
from bot.domain.errors import IntegrationError
from bot.domain.limits import PIPELINE
from bot.domain.quality import QualityState
from bot.domain.rollout import RunState, Stage
from bot.domain.versions import Tags
from bot.ports.ci import (
    TEST,
    CIRun,
    GateAnswer,
    LocalRun,
    Quality,
    Resolved,
    RunHint,
    RunStore,
    StartRequest,
)
from bot.ports.time import Clock
from bot.providers.ci.gates import Gates
from bot.providers.ci.git import NO_PATHS, VENDOR, Git, checked
from bot.providers.ci.local import doctor, pipeline
from bot.providers.ci.local.clone import Clone
from bot.providers.ci.local.doctor import account_of
from bot.providers.ci.local.process import carries, end_group, environment
from bot.providers.ci.local.stages import EndedMeanwhileError, Work, ended
from bot.providers.context import TESTS_AT_ONCE, Finding, work_folder

log = structlog.get_logger(__name__)

_INPUT = re.compile(r"[^A-Z0-9_]")
_SAYS_SOMETHING = frozenset({RunState.SUCCEEDED, RunState.FAILED})


class LocalCI:
    """``ports.CIProvider`` for one service's repository.

    ``user`` is whom stages run as, ``turns`` how many test runs go on at once, ``fetches`` whether
    a remote is asked for new refs.
    """

    def __init__(
        self,
        service: str,
        repository: Path,
        *,
        runs: RunStore,
        clock: Clock,
        work: Path,
        pass_on: Mapping[str, str] | None = None,
        on_change: Callable[[str], None] = lambda _: None,
        tags: Tags | None = None,
        paths: PathPatterns = NO_PATHS,
        user: str = "",
        turns: asyncio.Semaphore | None = None,
        fetches: bool = True,
    ) -> None:
        self._service = service
        self._git = Git(repository, tags=tags or Tags(service), paths=paths)
        self._clone = Clone(self._git, fetches=fetches)
        self._runs = runs
        self._clock = clock
        self._work = work.absolute()
        self._pass_on = dict(pass_on or {})
        self._on_change = on_change
        self._user = user
        self._turns = turns or asyncio.Semaphore(TESTS_AT_ONCE)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.gates: dict[str, asyncio.Event] = {}
        """What runs wait for that wait at a manual gate."""
        self._passed = Gates()
        self._closing = False

    async def open(self) -> None:
        """Find what an earlier process left behind: end it, mark it lost."""
        work_folder(self._work / "logs")
        for left in await self._runs.unfinished(self._service):
            if left.process_group and carries(left.process_group, left.correlation):
                await end_group(left.process_group)
            lost = ended(
                left.run, RunState.LOST, self._clock.now(), "the bot was restarted while it ran"
            )
            await self._runs.save(replace(left, run=lost, process_group=0))
            await self._git.remove_worktree(self._tree(left))

    def missing(self) -> Sequence[str]:
        """Say what this machine has not: the repository, or the user that stages run as."""
        found = []
        if not self._git.is_there():
            found.append(
                f"{self._git.repository} is not a git repository. Clone it there, "
                "or correct ci.repository."
            )
        try:
            account_of(self._user)
        except IntegrationError as error:
            found.append(f"{error} Make the user, or correct ci.user.")
        return found

    async def close(self) -> None:
        """End what runs; it is lost, not cancelled, because nobody asked for its end."""
        self._closing = True
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def resolve(self, ref: str) -> Resolved:
        """Resolve a tag, branch, commit or ``latest``, as the clone's remote has it now."""
        return await self._clone.resolve(ref)

    async def freezes(self, environment: str) -> tuple[Freeze, ...]:  # noqa: ARG002 - the port's signature
        """List none: the embedded CI keeps no freezes."""
        return ()

    async def compare(self, base: str, head: str) -> Changes:
        """List what ``head`` has and ``base`` has not."""
        return await self._git.compare(checked(base), checked(head))

    # Tests --------------------------------------------------------------------------------------

    async def quality(self, commit: str) -> Quality:
        """Tell what the newest test run said that said something. Starts nothing; ``startable``
        names the run that could be started.
        """
        tried = await self._tests_of(commit)
        if tried and not tried[-1].state.is_final:
            return _under_way(tried[-1])
        for run in reversed(tried):
            if run.state in _SAYS_SOMETHING:
                return _said(run)
        if TEST not in (await self._pipeline(commit)).pipelines:
            return Quality(QualityState.NONE, f"{pipeline.FILE} has no tests; add pipelines.test")
        if tried and tried[-1].state is not RunState.LOST:
            return Quality(
                QualityState.NONE,
                "the tests were stopped before they said anything; ask for them again",
                has_run=True,
            )
        why = "the test run was lost" if tried else "its tests have not run"
        return Quality(
            QualityState.NONE,
            f"{why}; a deployment that is asked for starts them",
            startable=_named(commit, len(tried) + 1),
        )

    async def test_again(self, commit: str) -> CIRun:
        """Start the next test run of a commit, unless one is under way; the newest decides."""
        tried = await self._tests_of(commit)
        if tried and not tried[-1].state.is_final:
            return tried[-1]
        return await self.start(StartRequest(_named(commit, len(tried) + 1), commit, "", TEST))

    async def _tests_of(self, commit: str) -> list[CIRun]:
        """List the test runs of a commit, oldest first."""
        tried: list[CIRun] = []
        for attempt in count(1):
            found = await self.find(_named(commit, attempt))
            if found is None:
                break
            tried.append(found)
        return tried

    # Runs ---------------------------------------------------------------------------------------

    async def find(self, correlation: str) -> CIRun | None:
        """Find the run that carries a correlation id."""
        found = await self._runs.by_correlation(self._service, correlation)
        return found.run if found else None

    async def start(self, request: StartRequest) -> CIRun:
        """Start a run; the row that is stored first decides, so the same
        correlation never starts twice.
        """
        stages = (await self._pipeline(request.commit)).stages(request.action)
        name = f"{self._service}-{uuid.uuid4().hex[:12]}"
        run = CIRun(
            name,
            RunState.QUEUED,
            stages=tuple(Stage(stage.name, RunState.QUEUED) for stage in stages),
            started_at=self._clock.now(),
        )
        mine = LocalRun(
            self._service,
            request.correlation,
            request,
            run,
            log=str(self._work / "logs" / f"{name}.log"),
        )
        stored = await self._runs.add(mine)
        if stored.run.id == name:
            task = asyncio.create_task(self._execute(stored, stages), name=f"ci {name}")
            self._tasks[name] = task
            task.add_done_callback(lambda _: self._tasks.pop(name, None))
        return stored.run

    async def _pipeline(self, commit: str) -> pipeline.PipelineFile:
        try:
            text = await self._git.show(checked(commit), pipeline.FILE, most=PIPELINE.size)
        except IntegrationError as error:
            if error.retry:
                raise
            large = "says more than" in str(error)
            why = (
                f"{pipeline.FILE} is larger than {PIPELINE.size // 1024} kB."
                if large
                else f"{commit[:10]} has no {pipeline.FILE}."
            )
            raise IntegrationError(why, vendor=VENDOR, retry=False) from error
        return await pipeline.read(text)

    async def look(self, run: str) -> CIRun:
        """See where a run stands. A run that nobody works on any more is lost."""
        found = await self._runs.get(run)
        if found is None:
            raise IntegrationError(
                f'There is no run "{run}".', vendor=VENDOR, status=404, retry=False
            )
        return found.run

    async def cancel(self, run: str) -> None:
        """Stop a run: its whole process group, TERM first. One that has not begun
        does not begin any more.
        """
        task = self._tasks.get(run)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        left = await self._runs.get(run)
        if left is not None and not left.run.state.is_final:  # stopped before its task had begun
            await self.save(
                replace(
                    left,
                    run=ended(
                        left.run, RunState.CANCELLED, self._clock.now(), "stopped on request"
                    ),
                )
            )

    async def open_gate(self, run: str, environment: str) -> GateAnswer:
        """Let a run go on that waits at a manual gate; each gate waits for its own word."""
        stages = (await self.look(run)).stages
        found = await self._runs.get(run)
        if found is None or found.request.environment != environment:
            return GateAnswer.NOT_THERE
        gate = self.gates.get(run)
        if gate is None or gate.is_set() or not any(stage.passable for stage in stages):
            return self._passed.past(run)
        self._passed.waits(run)
        gate.set()
        return GateAnswer.OPENED

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> RunHint:  # noqa: ARG002 - the port's signature
        """Refuse: this CI runs in the same process and needs no webhooks."""
        raise IntegrationError(
            "The embedded CI takes no webhooks.", vendor=VENDOR, status=404, retry=False
        )

    async def examine(self) -> Sequence[Finding]:
        """Check the repository, that its newest commit has a pipeline that can be read,
        and as whom its stages run.
        """
        return await doctor.examine(self._git, self._user, self._pipeline)

    async def files(self) -> Sequence[str]:
        """List the files of the newest commit."""
        return await self._git.files("HEAD")

    async def _execute(self, mine: LocalRun, stages: tuple[pipeline.StageSpec, ...]) -> None:
        tree = self._tree(mine)
        work = Work(self, mine, tree)
        try:
            async with self._turn(mine):
                await work.begin()  # it may have been cancelled since its row was stored
                account = account_of(self._user)
                await self._git.add_worktree(tree, mine.request.commit)
                if account is not None:
                    await asyncio.to_thread(account.own, tree)
                await work.go_through(stages, account)
        except asyncio.CancelledError:
            if self._closing:
                await work.end(RunState.LOST, "the bot was stopped while it ran")
            else:
                await work.end(RunState.CANCELLED, "stopped on request")
        except EndedMeanwhileError:
            log.info("a run had ended before it could go on", run=mine.run.id)
        except Exception as error:
            log.exception("a run failed", run=mine.run.id)
            nothing_ran = isinstance(error, IntegrationError) and error.retry
            await work.end(
                RunState.LOST if nothing_ran else RunState.FAILED,
                str(error) or type(error).__name__,
            )
        finally:
            await _to_its_end(self._git.remove_worktree(tree))

    @asynccontextmanager
    async def _turn(self, mine: LocalRun) -> AsyncIterator[None]:
        """Let a test run wait until few enough others are under way.
        Deployments wait for nobody here.
        """
        if self._closing:
            raise asyncio.CancelledError
        if mine.request.action != TEST:
            yield
            return
        if self._turns.locked():
            await self.save(
                replace(
                    mine,
                    run=replace(
                        mine.run,
                        sentence=f"waits for its turn: {TESTS_AT_ONCE} test runs go on at once",
                    ),
                )
            )
        async with self._turns:
            yield

    def _tree(self, run: LocalRun) -> Path:
        return self._work / "trees" / run.run.id

    async def save(self, run: LocalRun) -> bool:
        """Store a run and tell whoever waits for it; False when it had ended
        already, and nothing was stored.
        """
        stored = await self._runs.save(run)
        self._on_change(run.run.id)
        return stored

    def now(self) -> datetime:
        """Give the time as aware UTC."""
        return self._clock.now()

    def environment(self, run: LocalRun, tree: Path, extra: Mapping[str, str]) -> dict[str, str]:
        """Give a stage's environment."""
        request = run.request
        ours = {
            "GONOGO_ACTION": request.action,
            "GONOGO_ENVIRONMENT": request.environment,
            "GONOGO_COMMIT": request.commit,
            "GONOGO_CORRELATION": request.correlation,
            "GONOGO_SERVICE": run.service,
        }
        inputs = {
            f"GONOGO_{_INPUT.sub('_', name.upper())}": value
            for name, value in request.inputs.items()
        }
        return environment(tree, {**self._pass_on, **inputs, **ours, **extra})


async def _to_its_end(cleaning: Coroutine[Any, Any, None]) -> None:
    """Finish the cleaning even when whoever waits for it is stopped meanwhile."""
    task = asyncio.create_task(cleaning)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def _named(commit: str, attempt: int) -> str:
    """Name a test run of a commit: the same attempt is the same run, whoever asks for it."""
    return f"test:{commit}" if attempt == 1 else f"test:{commit}:{attempt}"


def _said(run: CIRun) -> Quality:
    if run.state is RunState.SUCCEEDED and run.unread:
        return Quality(QualityState.UNKNOWN, run.unread)
    if run.state is RunState.SUCCEEDED:
        return Quality(QualityState.GREEN, run.sentence or "the tests passed")
    return Quality(QualityState.RED, run.sentence or "the tests failed")


def _under_way(run: CIRun) -> Quality:
    if run.state is not RunState.QUEUED:
        return Quality(QualityState.RUNNING, "the tests are running", since=run.started_at)
    return Quality(
        QualityState.RUNNING, f"the test run {run.sentence or 'begins'}", since=run.started_at
    )
