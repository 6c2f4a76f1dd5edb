"""What stands behind the fake Jenkins: jobs, a queue, builds that go on by themselves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import quote

QUIET_PERIOD = 5.0
STAGE_TIME = 0.005
PLAIN = "!$&'()*+,-.=@_"
STAGES = ("build", "migrate", "release")
Pairs = tuple[tuple[str, str], ...]


@dataclass
class Plan:
    """What a commit's deployment does."""

    failing: int = -1
    held: bool = False
    asks: int = -1
    """The stage that begins with an ``input`` step."""


@dataclass
class Item:
    """A queue item, or what is left of one."""

    id: int
    job: Job
    parameters: Pairs
    why: str = "In the quiet period. Expires in 4.9 sec"
    kind: str = "WaitingItem"
    cancelled: bool = False
    build: Build | None = None

    @property
    def has_left(self) -> bool:
        return self.cancelled or self.build is not None

    def exported(self, root: str) -> dict[str, Any]:
        """Export it as hudson.model.Queue.Item, WaitingItem, BlockedItem and LeftItem do."""
        shown: dict[str, Any] = {
            "_class": f"hudson.model.Queue${'LeftItem' if self.has_left else self.kind}",
            "actions": [
                {
                    "_class": "hudson.model.ParametersAction",
                    "parameters": _exported(self.parameters),
                },
                {
                    "_class": "hudson.model.CauseAction",
                    "causes": [{"shortDescription": "Started by user gonogo"}],
                },
            ],
            "id": self.id,
            "task": {
                "_class": self.job.kind,
                "name": self.job.name.rpartition("/")[2],
                "url": f"{root}{self.job.escaped}/",
            },
            "why": None if self.has_left else self.why,
        }
        if self.has_left:
            shown["cancelled"] = self.cancelled
            shown["executable"] = (
                {"_class": f"{self.job.kind}Run", "number": self.build.number}
                if self.build
                else None
            )
        return shown


@dataclass
class Build:
    """A build. A build of a pipeline has stages as the plugin describes them."""

    number: int
    queue_id: int
    parameters: Pairs
    began: int = field(default_factory=lambda: int(time.time() * 1000))
    duration: int = 0
    skew: int = 0
    """How many milliseconds the controller's clock is off."""
    building: bool = True
    result: str | None = None
    stages: list[dict[str, Any]] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    tested: str = ""
    counts: tuple[int, int, int] | None = None
    questions: list[dict[str, Any]] = field(default_factory=list)
    """As PendingInputActionsExt shows them."""
    submitter: str = ""
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    branch: str = "refs/remotes/origin/main"

    def parameter(self, name: str) -> str:
        return dict(self.parameters).get(name, "")

    def stop(self, cause: str) -> None:
        """Interrupt it; it ends a little later, as a real one does."""
        if self.building:
            self.causes.append(cause)
            self.stopped.set()

    def end(self, result: str) -> None:
        self.building, self.result, self.duration = False, result, now_ms() - self.began

    def exported(self) -> dict[str, Any]:
        """Export it as hudson.model.Run does, with the actions of core and of
        the git and junit plugins.
        """
        actions: list[dict[str, Any]] = [
            {
                "_class": "hudson.model.CauseAction",
                "causes": [{"shortDescription": "Started by user gonogo"}],
            },
            {"_class": "hudson.model.ParametersAction", "parameters": _exported(self.parameters)},
            {},
        ]
        if self.causes:
            causes = [
                {
                    "_class": "jenkins.model.CauseOfInterruption$UserInterruption",
                    "shortDescription": each,
                }
                for each in self.causes
            ]
            actions.append({"_class": "jenkins.model.InterruptedBuildAction", "causes": causes})
        if self.tested:
            actions.append(
                {
                    "_class": "hudson.plugins.git.util.BuildData",
                    "lastBuiltRevision": {"SHA1": self.tested, "branch": [{"name": self.branch}]},
                }
            )
        if self.counts:
            names = ("failCount", "skipCount", "totalCount")
            actions.append(
                {
                    "_class": "hudson.tasks.junit.TestResultAction",
                    **dict(zip(names, self.counts, strict=True)),
                }
            )
        return {
            "_class": "org.jenkinsci.plugins.workflow.job.WorkflowRun",
            "actions": actions,
            "building": self.building,
            "duration": self.duration,
            "number": self.number,
            "queueId": self.queue_id,
            "result": self.result,
            "timestamp": self.began + self.skew,
        }

    def described(self) -> dict[str, Any]:
        """Describe it as "Pipeline: REST API" does: the last stage always has the state of the
        whole (RunExt.computeTimings).
        """
        whole = {
            "SUCCESS": "SUCCESS",
            "FAILURE": "FAILED",
            "ABORTED": "ABORTED",
            None: "IN_PROGRESS",
        }.get(self.result, "UNSTABLE")
        whole = "PAUSED_PENDING_INPUT" if self.questions else whole
        stages = [
            {**stage, "startTimeMillis": stage["startTimeMillis"] + self.skew}
            for stage in self.stages
        ]
        for stage in stages[-1:]:
            stage["status"] = whole
        return {
            "id": str(self.number),
            "name": f"#{self.number}",
            "status": whole,
            "startTimeMillis": self.began + self.skew,
            "stages": stages,
        }


@dataclass
class Job:
    """A parameterised pipeline."""

    name: str
    parameters: tuple[str, ...] = ()
    enabled: bool = True
    builds: list[Build] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    kind: str = "org.jenkinsci.plugins.workflow.job.WorkflowJob"

    @property
    def path(self) -> str:
        return "".join(f"/job/{part}" for part in self.name.split("/"))

    @property
    def escaped(self) -> str:
        """Its path as Jenkins writes it (hudson.Util.rawEncode, which leaves more
        as it is than others do).
        """
        return "".join(
            f"/job/{quote(part, safe=PLAIN).replace('~', '%7E')}" for part in self.name.split("/")
        )

    def exported(self) -> dict[str, Any]:
        definitions = [
            {"_class": "hudson.model.StringParameterDefinition", "name": name}
            for name in self.parameters
        ]
        mine = (
            [
                {
                    "_class": "hudson.model.ParametersDefinitionProperty",
                    "parameterDefinitions": definitions,
                }
            ]
            if definitions
            else []
        )
        return {
            "_class": self.kind,
            # "builds" would be the newest 100 (Job.getNewBuilds)
            "allBuilds": [build.exported() for build in reversed(self.builds)],
            "buildable": self.enabled,
            "property": [{"_class": "jenkins.model.BuildDiscarderProperty"}, *mine],
        }


class World:
    """The controller's memory."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.items: dict[int, Item] = {}
        self.plans: dict[str, Plan] = {}
        self.broken: set[tuple[str, str, str]] = set()
        """The actions, environments and commits whose first stage fails."""
        self.begun = 0
        self.skew = 0
        self.executors = asyncio.Event()
        """Set while there is a free executor; else nothing leaves the
        queue but what is cancelled.
        """
        self.executors.set()
        self._ids = count(41)
        self._tasks: set[asyncio.Task[None]] = set()

    def queue(self, job: Job, parameters: Pairs, *, quiet: bool = False) -> Item:
        """Queue a build, or fold it into an item that waits with the same parameters
        (ParametersAction.shouldSchedule).
        """
        same = (
            each
            for each in self.items.values()
            if not each.has_left and each.job is job and set(each.parameters) == set(parameters)
        )
        found = next(same, None)
        if found:
            return found
        item = Item(next(self._ids), job, parameters)
        self.items[item.id] = item
        self.begun += 1
        task = asyncio.create_task(self._carry_out(item, quiet=quiet))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return item

    def add_build(
        self, job: Job, parameters: Pairs = (), *, result: str | None = None, tested: str = ""
    ) -> Build:
        """Have a build that is not ours, over or going on for ever."""
        build = Build(next(job.numbers), next(self._ids), parameters, tested=tested)
        job.builds.append(build)
        if result:
            build.end(result)
        return build

    def forget_left(self) -> None:
        """Let five minutes pass (Queue.leftItems: expireAfterWrite 5 * 60 s)."""
        self.items = {item.id: item for item in self.items.values() if not item.has_left}

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _carry_out(self, item: Item, *, quiet: bool) -> None:
        await asyncio.sleep(QUIET_PERIOD if quiet else 0)
        item.kind, item.why = (
            "BuildableItem",
            "Waiting for next available executor (ETA: 5 min 3 sec)",
        )
        await self.executors.wait()
        if item.cancelled:
            return
        build = Build(next(item.job.numbers), item.id, item.parameters, skew=self.skew)
        item.job.builds.append(build)
        item.build = build
        await self._go_through(build)

    async def _go_through(self, build: Build) -> None:
        plan = self.plans.get(build.parameter("COMMIT"))
        if (
            plan
            and tuple(build.parameter(name) for name in ("ACTION", "ENVIRONMENT", "COMMIT"))
            in self.broken
        ):
            plan = Plan(failing=0)
        broken = await self._stage(build, "Declarative: Checkout SCM", fails=plan is None)
        for index, name in enumerate(STAGES if plan else ()):
            fails, held = (
                plan is not None and index == plan.failing,
                plan is not None and plan.held and index == len(STAGES) - 1,
            )
            asks = plan is not None and index == plan.asks
            broken = (
                _pass_over(build, name, broken)
                if broken
                else await self._stage(build, name, fails=fails, held=held, asks=asks)
            )
        result = {"": "SUCCESS", "FAILED": "FAILURE"}.get(broken, "ABORTED")
        build.stages.append(_stage("Declarative: Post Actions", "SUCCESS", 12))
        build.end(result)

    async def _stage(
        self,
        build: Build,
        name: str,
        *,
        fails: bool = False,
        held: bool = False,
        asks: bool = False,
    ) -> str:
        """Carry out a stage; give how it broke, or nothing."""
        stage = _stage(name, "IN_PROGRESS", 0)
        build.stages.append(stage)
        if asks:
            build.questions = [{"id": "Release", "message": "Release it?", "inputs": []}]
            await _first(build.stopped, build.answered)
            build.questions = []
        stopped = build.stopped.is_set() or await _stopped(build, None if held else STAGE_TIME)
        stage["durationMillis"] = max(1, now_ms() - stage["startTimeMillis"])
        stage["status"] = "ABORTED" if stopped else "FAILED" if fails else "SUCCESS"
        if fails and not stopped:
            stage["error"] = {
                "message": "script returned exit code 3",
                "type": "hudson.AbortException",
            }
        return "" if stage["status"] == "SUCCESS" else str(stage["status"])


def now_ms() -> int:
    return int(time.time() * 1000)


def _exported(parameters: Pairs) -> list[dict[str, str]]:
    return [
        {"_class": "hudson.model.StringParameterValue", "name": name, "value": value}
        for name, value in parameters
    ]


def _stage(name: str, status: str, took: int) -> dict[str, Any]:
    return {
        "id": "6",
        "name": name,
        "status": status,
        "startTimeMillis": now_ms(),
        "durationMillis": took,
    }


def _pass_over(build: Build, name: str, broken: str) -> str:
    """Go through a stage without doing anything, and call it broken too (declarative
    pipelines, JENKINS-38097).
    """
    build.stages.append(_stage(name, broken, 20))
    return broken


async def _stopped(build: Build, seconds: float | None) -> bool:
    with suppress(TimeoutError):
        await asyncio.wait_for(build.stopped.wait(), seconds)
    return build.stopped.is_set()


async def _first(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
