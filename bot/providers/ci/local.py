"""The embedded CI: a repository's own pipeline, at the exact commit, as real processes on this machine.

Repository code runs as the bot's own user. Use it for repositories that you trust as much as the bot itself.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import structlog

from bot.domain import plain
from bot.domain.card import Changes
from bot.domain.catalog import Freeze
from bot.domain.errors import ConfigurationError, IntegrationError
from bot.ports import CIRun, Clock, LocalRun, Quality, QualityState, Resolved, RunHint, RunState, RunStore, Stage, StartRequest
from bot.providers.ci import junit, pipeline
from bot.providers.ci.git import VENDOR, Git, checked
from bot.providers.ci.process import Ended, carries, end_group, environment, run_stage
from bot.providers.workbench import CIKind, Finding, Option, Workbench, work_folder

log = structlog.get_logger(__name__)

_INPUT = re.compile(r"[^A-Z0-9_]")


class LocalCI:
    """``ports.CIProvider`` for one service's repository."""

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
    ) -> None:
        self._service = service
        self._git = Git(repository)
        self._runs = runs
        self._clock = clock
        self._work = work.absolute()
        self._pass_on = dict(pass_on or {})
        self._on_change = on_change
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.gates: dict[str, asyncio.Event] = {}
        """What runs wait for that wait at a manual gate."""
        self._closing = False

    async def open(self) -> None:
        """Find what an earlier process left behind: end it, mark it lost."""
        work_folder(self._work / "logs")
        if not self._git.is_there():
            raise IntegrationError(f"{self._git.repository} is not a git repository.", vendor=VENDOR, retry=False)
        for left in await self._runs.unfinished(self._service):
            if left.process_group and carries(left.process_group, left.correlation):
                await end_group(left.process_group)
            lost = _ended(left.run, RunState.LOST, self._clock.now(), "the bot was restarted while it ran")
            await self._runs.save(replace(left, run=lost, process_group=0))
            await self._git.remove_worktree(self._tree(left))

    async def close(self) -> None:
        """End what runs; it is lost, not cancelled, because nobody asked for its end."""
        self._closing = True
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def resolve(self, ref: str) -> Resolved:
        """Resolve a tag, branch, commit or ``latest``."""
        return await self._git.resolve(ref)

    async def freezes(self, environment: str) -> tuple[Freeze, ...]:  # noqa: ARG002 - the port's signature
        """List none: the embedded CI keeps no freezes."""
        return ()

    async def compare(self, base: str, head: str) -> Changes:
        """List what ``head`` has and ``base`` has not."""
        return await self._git.compare(checked(base), checked(head))

    async def quality(self, commit: str) -> Quality:
        """Tell what the newest test run said; without one, or when all were lost, start it."""
        for attempt in count(1):
            correlation = f"test:{commit}" if attempt == 1 else f"test:{commit}:{attempt}"
            found = await self._runs.by_correlation(self._service, correlation)
            if found is None:
                return await self._begin_tests(commit, correlation)
            if found.run.state is not RunState.LOST:
                return _quality(found.run)
        raise AssertionError  # pragma: no cover - count() has no end

    async def _begin_tests(self, commit: str, correlation: str) -> Quality:
        if "test" not in (await self._pipeline(commit)).pipelines:
            return Quality(QualityState.NONE, f"{pipeline.FILE} has no tests; add pipelines.test")
        await self.start(StartRequest(correlation, commit, "", "test"))
        return Quality(QualityState.RUNNING, "the tests have just been started")

    async def test_again(self, commit: str) -> CIRun:
        """Start the next test run of a commit, unless one is under way; the newest decides."""
        for attempt in count(1):
            correlation = f"test:{commit}" if attempt == 1 else f"test:{commit}:{attempt}"
            found = await self._runs.by_correlation(self._service, correlation)
            if found is None:
                return await self.start(StartRequest(correlation, commit, "", "test"))
            if not found.run.state.is_final:
                return found.run
        raise AssertionError  # pragma: no cover - count() has no end

    async def find(self, correlation: str) -> CIRun | None:
        """Find the run that carries a correlation id."""
        found = await self._runs.by_correlation(self._service, correlation)
        return found.run if found else None

    async def start(self, request: StartRequest) -> CIRun:
        """Start a run; the row that is stored first decides, so the same correlation never starts twice."""
        stages = (await self._pipeline(request.commit)).stages(request.action)
        name = f"{self._service}-{uuid.uuid4().hex[:12]}"
        run = CIRun(
            name, RunState.QUEUED, stages=tuple(Stage(stage.name, RunState.QUEUED) for stage in stages), started_at=self._clock.now()
        )
        mine = LocalRun(self._service, request.correlation, request, run, log=str(self._work / "logs" / f"{name}.log"))
        stored = await self._runs.add(mine)
        if stored.run.id == name:
            task = asyncio.create_task(self._execute(stored, stages), name=f"ci {name}")
            self._tasks[name] = task
            task.add_done_callback(lambda _: self._tasks.pop(name, None))
        return stored.run

    async def _pipeline(self, commit: str) -> pipeline.PipelineFile:
        try:
            text = await self._git.show(checked(commit), pipeline.FILE)
        except IntegrationError as error:
            if error.retry:
                raise
            raise IntegrationError(f"{commit[:10]} has no {pipeline.FILE}.", vendor=VENDOR, retry=False) from error
        return pipeline.parse(text)

    async def look(self, run: str) -> CIRun:
        """See where a run stands. A run that nobody works on any more is lost."""
        found = await self._runs.get(run)
        if found is None:
            raise IntegrationError(f'There is no run "{run}".', vendor=VENDOR, status=404, retry=False)
        return found.run

    async def cancel(self, run: str) -> None:
        """Stop a run: its whole process group, TERM first."""
        task = self._tasks.get(run)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        left = await self._runs.get(run)
        if left is not None and not left.run.state.is_final:  # stopped before its task had begun
            await self.save(replace(left, run=_ended(left.run, RunState.CANCELLED, self._clock.now(), "stopped on request")))

    async def open_gate(self, run: str) -> None:
        """Let a run go on that waits at a manual gate; each gate waits for its own word."""
        stages = (await self.look(run)).stages
        if run in self.gates and any(stage.passable for stage in stages):
            self.gates[run].set()

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> RunHint:  # noqa: ARG002 - the port's signature
        """Refuse: this CI runs in the same process and needs no webhooks."""
        raise IntegrationError("The embedded CI takes no webhooks.", vendor=VENDOR, status=404, retry=False)

    async def examine(self) -> Sequence[Finding]:
        """Check that the repository is there and that its newest commit has a pipeline that can be read."""
        if not self._git.is_there():
            remedy = "Clone it there, or correct the path in gonogo.yaml."
            return [Finding("repository", ok=False, sentence=f"{self._git.repository} is not a git repository.", remedy=remedy)]
        found = [Finding("repository", ok=True, sentence=f"{self._git.repository} is there.")]
        try:
            actions = ", ".join((await self._pipeline((await self._git.resolve("HEAD")).commit)).pipelines)
        except IntegrationError as error:
            return [*found, Finding("pipeline", ok=False, sentence=str(error), remedy="See docs/how-to/write-a-pipeline.md.")]
        return [*found, Finding("pipeline", ok=True, sentence=f"{pipeline.FILE} of the newest commit has: {actions}.")]

    async def files(self) -> Sequence[str]:
        """List the files of the newest commit."""
        return await self._git.files("HEAD")

    async def _execute(self, mine: LocalRun, stages: tuple[pipeline.StageSpec, ...]) -> None:
        work = _Work(self, mine, self._tree(mine))
        try:
            await self._git.add_worktree(work.tree, mine.request.commit)
            await work.go_through(stages)
        except asyncio.CancelledError:
            if self._closing:
                await work.end(RunState.LOST, "the bot was stopped while it ran")
            else:
                await work.end(RunState.CANCELLED, "stopped on request")
        except Exception as error:
            log.exception("a run failed", run=mine.run.id)
            nothing_ran = isinstance(error, IntegrationError) and error.retry
            await work.end(RunState.LOST if nothing_ran else RunState.FAILED, str(error) or type(error).__name__)
        finally:
            await _to_its_end(self._git.remove_worktree(work.tree))

    def _tree(self, run: LocalRun) -> Path:
        return self._work / "trees" / run.run.id

    async def save(self, run: LocalRun) -> None:
        """Store a run and tell whoever waits for it."""
        await self._runs.save(run)
        self._on_change(run.run.id)

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
        inputs = {f"GONOGO_{_INPUT.sub('_', name.upper())}": value for name, value in request.inputs.items()}
        return environment(tree, {**self._pass_on, **inputs, **ours, **extra})


class _Work:
    """One run under way."""

    def __init__(self, ci: LocalCI, run: LocalRun, tree: Path) -> None:
        self._ci = ci
        self._run = run
        self.tree = tree

    async def go_through(self, stages: tuple[pipeline.StageSpec, ...]) -> None:
        facts: list[str] = []
        await self._save(replace(self._run.run, state=RunState.RUNNING, started_at=self._ci.now()))
        for index, stage in enumerate(stages):
            if stage.gate == "manual":
                await self._wait_at_gate(index)
            ended = await self._run_stage(index, stage)
            report = await asyncio.to_thread(junit.summarise, self.tree / stage.junit) if stage.junit else ""
            facts += [report] if report else []
            why = _why_failed(stage, ended, report)
            await self._stage(index, RunState.FAILED if why else RunState.SUCCEEDED, why or report)
            if why and not stage.allow_failure:
                await self.end(RunState.FAILED, why)
                return
        await self.end(RunState.SUCCEEDED, ", ".join(facts))

    async def _wait_at_gate(self, index: int) -> None:
        run = self._run.run.id
        self._ci.gates[run] = asyncio.Event()
        try:
            await self._stage(index, RunState.WAITING, "waits at a manual gate")
            await self._ci.gates[run].wait()
        finally:
            del self._ci.gates[run]

    async def _run_stage(self, index: int, stage: pipeline.StageSpec) -> Ended:
        began: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        await self._stage(index, RunState.RUNNING, "")
        running = asyncio.create_task(
            run_stage(
                stage.run,
                folder=self.tree,
                env=self._ci.environment(self._run, self.tree, stage.environment),
                log=Path(self._run.log),
                timeout=stage.timeout,
                began=began.set_result,
            )
        )
        try:
            either: set[asyncio.Future[Any]] = {running, began}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if began.done():  # else it could not begin, and says why
                self._run = replace(self._run, process_group=began.result())
                await self._save(self._run.run)
            return await running
        finally:
            if not running.done():
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
            self._run = replace(self._run, process_group=0)

    async def _stage(self, index: int, state: RunState, sentence: str) -> None:
        stages, now = list(self._run.run.stages), self._ci.now()
        old = stages[index]
        began = old.started_at or (now if state in {RunState.RUNNING, RunState.WAITING} else None)
        stages[index] = replace(
            old, state=state, sentence=sentence, started_at=began, finished_at=now if state.is_final else None,
            passable=state is RunState.WAITING,
        )  # fmt: skip
        whole = RunState.WAITING if state is RunState.WAITING else RunState.RUNNING
        await self._save(replace(self._run.run, state=whole, stages=tuple(stages)))

    async def end(self, state: RunState, sentence: str) -> None:
        """Close the run; stages that were not reached are skipped."""
        await self._save(_ended(self._run.run, state, self._ci.now(), sentence))

    async def _save(self, run: CIRun) -> None:
        self._run = replace(self._run, run=run)
        await self._ci.save(self._run)


async def _to_its_end(cleaning: Coroutine[Any, Any, None]) -> None:
    """Finish the cleaning even when whoever waits for it is stopped meanwhile."""
    task = asyncio.create_task(cleaning)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def _ended(run: CIRun, state: RunState, now: datetime, sentence: str) -> CIRun:
    stages = tuple(_closed(stage, state, now) for stage in run.stages)
    return replace(run, state=state, stages=stages, finished_at=now, sentence=sentence)


def _closed(stage: Stage, state: RunState, now: datetime) -> Stage:
    if stage.state.is_final:
        return stage
    if stage.state is RunState.QUEUED:
        return replace(stage, state=RunState.SKIPPED)
    return replace(stage, state=state, finished_at=now)


def _why_failed(stage: pipeline.StageSpec, ended: Ended, report: str) -> str:
    if ended.timed_out:
        return f"{stage.name} took longer than {stage.timeout:g} s"
    if ended.code == 0:
        return ""
    said = plain.line(ended.tail.rpartition("\n")[2], 200)
    return f"{stage.name} failed: {report or said or f'exit code {ended.code}'}"


def _quality(run: CIRun) -> Quality:
    if run.state is RunState.SUCCEEDED:
        return Quality(QualityState.GREEN, run.sentence or "the tests passed")
    if run.state.is_final:
        return Quality(QualityState.RED, run.sentence or f"the test run was {run.state}")
    return Quality(QualityState.RUNNING, "the tests are running")


_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://|[^/]*@[^/]*:|[^/]{2,}:")
"""``https://…`` and git's ``git@host:path``."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _check(bench: Workbench) -> None:
    where, repository, variables = f"services.{bench.service}.ci", bench.options.get("repository", ""), bench.options.get("environment")
    if not isinstance(repository, str) or _ADDRESS.match(repository):
        raise ConfigurationError(f'{where}.repository: "{repository}" is no path. Clone it here, and write the path of the clone.')
    if variables is not None and not isinstance(variables, Mapping):
        raise ConfigurationError(f"{where}.environment: should be a mapping of names to values, as in {{REGION: eu}}.")
    for name, value in (variables or {}).items():
        if not _VARIABLE.fullmatch(name) or isinstance(value, list | Mapping) or value is None:
            raise ConfigurationError(f"{where}.environment.{name}: is no variable. Write a name of letters, digits and _, and one value.")


def _build(bench: Workbench) -> LocalCI:
    _check(bench)
    options = bench.options
    return LocalCI(
        bench.service, Path(str(options.get("repository", ""))), runs=bench.runs, clock=bench.clock, work=bench.work,
        pass_on=options.get("environment") or {}, on_change=bench.wake,
    )  # fmt: skip


KIND = CIKind(
    "local", "Embedded: the repository's own pipeline.yml, as real processes on the bot's machine", _build,
    options={
        "repository": Option("The path of the git repository.", required=True, is_path=True),
        "environment": Option("Variables that the stages get, beside their own."),
    },
    limits=(
        "Repository code runs as the bot's own user; use it for repositories that you trust as much as the bot itself.",
        "A run ends with the bot's process; it is marked lost and started again.",
        "It takes no webhooks: it runs in the bot's own process.",
    ),
)  # fmt: skip
