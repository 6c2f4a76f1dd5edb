"""One run of the embedded CI under way: its stages, one after the other,
in a worktree of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from bot.domain import plain
from bot.domain.rollout import RunState, Stage
from bot.ports.ci import CIRun, LocalRun
from bot.providers.ci.local import junit
from bot.providers.ci.local.pipeline import StageSpec
from bot.providers.ci.local.process import Account, Ended, run_stage


class EndedMeanwhileError(Exception):
    """The run has come to its end elsewhere: it was cancelled. Nothing of it may begin any more."""


class Keeper(Protocol):
    """Who keeps the runs."""

    gates: dict[str, asyncio.Event]

    async def save(self, run: LocalRun) -> bool:
        """Store a run and tell whoever waits for it; False when it had ended
        already, and nothing was stored.
        """
        ...

    def now(self) -> datetime:
        """Give the time as aware UTC."""
        ...

    def environment(self, run: LocalRun, tree: Path, extra: Mapping[str, str]) -> dict[str, str]:
        """Give a stage's environment."""
        ...


class Work:
    """One run under way. Each step is stored before it is taken, and that storing asks whether
    the run may still go on.
    """

    def __init__(self, keeper: Keeper, run: LocalRun, tree: Path) -> None:
        self._keeper = keeper
        self._run = run
        self._tree = tree

    async def begin(self) -> None:
        """Say that it begins. Raises EndedMeanwhileError when it may not."""
        await self._save(
            replace(
                self._run.run, state=RunState.RUNNING, started_at=self._keeper.now(), sentence=""
            )
        )

    async def go_through(
        self, specs: tuple[StageSpec, ...], account: Account | None = None
    ) -> None:
        """Run the stages, as the user of an account where one is given. Raises EndedMeanwhileError
        when it was ended between two.
        """
        read: list[str] = []
        unread: list[str] = []
        for index, spec in enumerate(specs):
            if spec.gate == "manual":
                await self._wait_at_gate(index)
            done = await self._run_stage(index, spec, account)
            report = await junit.summarise(self._tree, spec.junit) if spec.junit else None
            if report is not None and not (spec.allow_failure and not report.is_proof):
                (read if report.is_proof else unread).append(report.sentence)
            why = _why_failed(spec, done, report)
            await self._stage(
                index,
                RunState.FAILED if why else RunState.SUCCEEDED,
                why or (report.sentence if report else ""),
            )
            if why and not spec.allow_failure:
                await self.end(RunState.FAILED, why)
                return
        await self.end(RunState.SUCCEEDED, ", ".join(read + unread), unread=", ".join(unread))

    async def _wait_at_gate(self, index: int) -> None:
        run = self._run.run.id
        self._keeper.gates[run] = asyncio.Event()
        try:
            await self._stage(index, RunState.WAITING, "waits at a manual gate")
            await self._keeper.gates[run].wait()
        finally:
            del self._keeper.gates[run]

    async def _run_stage(self, index: int, spec: StageSpec, account: Account | None) -> Ended:
        began: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        await self._stage(index, RunState.RUNNING, "")
        running = asyncio.create_task(
            run_stage(
                spec.run,
                folder=self._tree,
                env=self._keeper.environment(self._run, self._tree, spec.environment),
                log=Path(self._run.log),
                timeout=spec.timeout,
                began=began.set_result,
                account=account,
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
        stages, now = list(self._run.run.stages), self._keeper.now()
        old = stages[index]
        began = old.started_at or (now if state in {RunState.RUNNING, RunState.WAITING} else None)
        stages[index] = replace(
            old, state=state, sentence=sentence, started_at=began,
            finished_at=now if state.is_final else None,
            passable=state is RunState.WAITING,
        )  # fmt: skip
        whole = RunState.WAITING if state is RunState.WAITING else RunState.RUNNING
        await self._save(replace(self._run.run, state=whole, stages=tuple(stages)))

    async def end(self, state: RunState, sentence: str, *, unread: str = "") -> None:
        """Close the run; stages that were not reached are skipped. One that has
        ended already stays as it is.
        """
        self._run = replace(
            self._run,
            run=replace(ended(self._run.run, state, self._keeper.now(), sentence), unread=unread),
        )
        await self._keeper.save(self._run)

    async def _save(self, run: CIRun) -> None:
        self._run = replace(self._run, run=run)
        if not await self._keeper.save(self._run):
            raise EndedMeanwhileError


def ended(run: CIRun, state: RunState, now: datetime, sentence: str) -> CIRun:
    """Give a run as it is at its end."""
    stages = tuple(_closed(stage, state, now) for stage in run.stages)
    return replace(run, state=state, stages=stages, finished_at=now, sentence=sentence)


def _closed(stage: Stage, state: RunState, now: datetime) -> Stage:
    if stage.state.is_final:
        return stage
    if stage.state is RunState.QUEUED:
        return replace(stage, state=RunState.SKIPPED)
    return replace(stage, state=state, finished_at=now)


def _why_failed(spec: StageSpec, done: Ended, report: junit.Report | None) -> str:
    if done.timed_out:
        return f"{spec.name} took longer than {spec.timeout:g} s"
    if done.code == 0:
        return (
            f"{spec.name} failed by its report: {report.sentence}"
            if report and report.failed
            else ""
        )
    said = plain.line(done.tail.rpartition("\n")[2], 200)
    read = report.sentence if report and report.was_read else ""
    return f"{spec.name} failed: {read or said or f'exit code {done.code}'}"
