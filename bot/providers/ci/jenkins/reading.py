"""What Jenkins answers, turned into our values. No I/O here.

Sources: the classes that Jenkins exports (``hudson.model.Queue.Item``, ``Run``, ``Job``,
``ParametersAction``, ``jenkins.model.InterruptedBuildAction``), ``BuildData`` of the git
plugin, ``TestResultAction`` of the junit plugin, and the README and ``StatusExt`` of the
plugin "Pipeline: REST API".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from bot.domain.rollout import RunState, Stage
from bot.providers.ci.jenkins.fields import (
    actions_of,
    list_of,
    moment_of,
    number_of,
    parameters_of,
    text_of,
    value_of,
)
from bot.providers.ci.verdicts import Outcome, Said

CORRELATION = "CORRELATION_ID"
COMMIT = "COMMIT"
ENVIRONMENT = "ENVIRONMENT"
PARAMETERS = (
    CORRELATION,
    "ACTION",
    "SERVICE",
    ENVIRONMENT,
    COMMIT,
    "VERSION",
    "PERCENT",
    "STRATEGY",
    "DEPLOYMENT",
)
"""What a job must declare: Jenkins drops the value of a parameter that is not
declared, without a word.
"""

BUILD_TREE = (
    "number,queueId,building,result,timestamp,duration,actions[parameters[name,value],"
    "causes[shortDescription]]"
)
TESTED_TREE = (
    "number,building,result,timestamp,actions[parameters[name,value],lastBuiltRevision[SHA1,"
    "branch[name]],failCount,skipCount,totalCount]"
)
ITEM_TREE = "id,why,task[url],actions[parameters[name,value]]"
LEFT_TREE = f"{ITEM_TREE},cancelled,executable[number]"
JOB_TREE = "buildable,property[parameterDefinitions[name]]"

RESULTS = {
    "SUCCESS": RunState.SUCCEEDED,
    "UNSTABLE": RunState.FAILED,
    "FAILURE": RunState.FAILED,
    "ABORTED": RunState.CANCELLED,
    "NOT_BUILT": RunState.CANCELLED,  # replaced before it did anything (milestone, abortPrevious)
}
STAGES = {
    "NOT_EXECUTED": RunState.SKIPPED,
    "SKIPPED": RunState.SKIPPED,
    "IN_PROGRESS": RunState.RUNNING,
    "PAUSED_PENDING_INPUT": RunState.WAITING,
    "SUCCESS": RunState.SUCCEEDED,
    "UNSTABLE": RunState.SUCCEEDED,
    "FAILED": RunState.FAILED,
    "ABORTED": RunState.CANCELLED,
}
AT_ONCE = timedelta(milliseconds=500)
"""A stage after the broken one that is over so soon was passed over, whatever Jenkins calls it."""
SAID = 300
_ITEM = re.compile(r"/queue/item/(\d{1,12})(?:/|$)")
_ETA = re.compile(r"\s*\(ETA:[^)]*\)")
_QUESTION = re.compile(r"[\w-]{1,200}", re.ASCII)
_JOB_NAME = re.compile(r"[^/\x00-\x1f?*\\<>|\"]{1,200}")


@dataclass(frozen=True, slots=True)
class Build:
    """One build of a job. ``why`` says what interrupted it."""

    number: int
    queue_id: int
    building: bool
    result: str
    started_at: datetime | None
    finished_at: datetime | None
    parameters: Mapping[str, str]
    why: str = ""

    @property
    def state(self) -> RunState:
        """Tell where it stands; a build without a result is under way."""
        return (
            RunState.RUNNING
            if self.building or not self.result
            else RESULTS.get(self.result, RunState.FAILED)
        )


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the queue; ``number`` is its build's, once there is one."""

    id: int
    job: str
    parameters: Mapping[str, str]
    why: str = ""
    cancelled: bool = False
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Tested:
    """One build of the job that tests commits."""

    number: int
    state: RunState
    result: str
    commits: frozenset[str]
    branches: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    failed: int = 0
    total: int = 0
    began: datetime | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """One ``input`` step that waits. ``wants_more`` is set when a yes is not enough."""

    id: str
    message: str = ""
    wants_more: bool = False


def job_path(name: str) -> str:
    """Give the path of a job: ``team/shop`` is ``/job/team/job/shop``. Raises ValueError for
    what cannot be a job's name.
    """
    parts = name.strip("/").split("/")
    if not all(_JOB_NAME.fullmatch(part) and part not in {".", ".."} for part in parts):
        raise ValueError(name)
    return "".join(f"/job/{quote(part, safe='')}" for part in parts)


def item_id(location: str) -> int | None:
    """Read the queue item's number out of a Location header; its address
    is not used, only ours is.
    """
    found = _ITEM.search(urlsplit(location).path)
    return int(found[1]) if found else None


def build(data: Any) -> Build | None:
    """Read a build; None when it is none."""
    number = number_of(data, "number")
    if number is None:
        return None
    began, took = moment_of(number_of(data, "timestamp")), number_of(data, "duration") or 0
    building = value_of(data, "building") is not False
    ended = began + timedelta(milliseconds=took) if began and not building else None
    return Build(
        number,
        number_of(data, "queueId") or 0,
        building,
        text_of(data, "result"),
        began,
        ended,
        parameters_of(data),
        _interruption(data),
    )


def item(data: Any) -> Item | None:
    """Read a queue item; None when it is none."""
    name = number_of(data, "id")
    if name is None:
        return None
    job = _path_of_job(text_of(value_of(data, "task"), "url"))
    cancelled = value_of(data, "cancelled") is True
    return Item(
        name,
        job,
        parameters_of(data),
        _why_queued(data),
        cancelled,
        number_of(value_of(data, "executable"), "number"),
    )


def tested(data: Any) -> Tested | None:
    """Read a build of the job that tests commits; None when it is none."""
    found = build(data)
    if found is None:
        return None
    commits = {
        text_of(value_of(action, "lastBuiltRevision"), "SHA1") for action in actions_of(data)
    } | {found.parameters.get(COMMIT, "")}
    counts: Any = next(
        (action for action in actions_of(data) if number_of(action, "totalCount") is not None), {}
    )
    failed, total = number_of(counts, "failCount") or 0, number_of(counts, "totalCount") or 0
    revisions = [value_of(action, "lastBuiltRevision") for action in actions_of(data)]
    branches = tuple(
        sorted(
            {
                text_of(each, "name")
                for revision in revisions
                for each in list_of(value_of(revision, "branch"))
            }
        )
    )
    return Tested(
        found.number,
        found.state,
        found.result,
        frozenset(commits - {""}),
        branches,
        found.parameters,
        failed,
        total,
        found.started_at,
    )


def outcome(found: Tested) -> Outcome:
    """Read what a build says: one of the same branch with the same parameters is
    the same thing run again.
    """
    said = {
        RunState.SUCCEEDED: Said.PASSED,
        RunState.FAILED: Said.FAILED,
        RunState.CANCELLED: Said.STOPPED,
    }.get(found.state, Said.RUNNING)
    given = sorted(
        f"{name}={value}" for name, value in found.parameters.items() if name != CORRELATION
    )
    return Outcome(str(found.number), said, (*found.branches, "", *given), (found.number,))


def declared(data: Any) -> frozenset[str]:
    """List the parameters that a job declares."""
    definitions = (
        each
        for entry in list_of(value_of(data, "property"))
        for each in list_of(value_of(entry, "parameterDefinitions"))
    )
    return frozenset(text_of(each, "name") for each in definitions)


def is_buildable(data: Any) -> bool:
    """Tell whether a job is enabled."""
    return value_of(data, "buildable") is not False


def questions(data: Any) -> tuple[Question, ...]:
    """List what a build waits to hear, from its pending input actions."""
    return tuple(_question(each) for each in list_of(data) if isinstance(each, dict))


def is_paused(data: Any) -> bool:
    """Tell from a build's description whether it waits for somebody."""
    return text_of(data, "status") == "PAUSED_PENDING_INPUT"


def stages(data: Any, planned: Sequence[str], whole: RunState) -> tuple[Stage, ...]:
    """Read the stages of a build's description, and add those that are planned and not reached.

    Declarative pipelines go through the stages after a failure without doing anything, and Jenkins
    calls these failed, or successful (JENKINS-61591); its own steps ("Declarative: …") are shown
    only when they are what failed.
    """
    seen = [
        stage for each in list_of(value_of(data, "stages")) if (stage := _stage(each)) is not None
    ]
    theirs = [stage for stage in seen if not stage.name.startswith("Declarative: ")]
    if not any(_broke(stage) for stage in theirs):
        theirs = [
            stage
            for stage in seen
            if stage in theirs or (_broke(stage) and "Post" not in stage.name)
        ]
    if whole.is_final:
        theirs = [_over(stage, whole) for stage in _without_ghosts(theirs)]
    return (*theirs, *_not_reached(theirs, planned, whole))


def not_begun(planned: Sequence[str], whole: RunState) -> tuple[Stage, ...]:
    """Give the stages of a build that shows none."""
    return tuple(_not_reached((), planned, whole))


def gate(asked: Sequence[Question]) -> Question | None:
    """Give the one question that a plain yes answers; with several nobody
    can tell which is meant.
    """
    return asked[0] if len(asked) == 1 and asked[0].id and not asked[0].wants_more else None


def waiting(seen: Sequence[Stage], asked: Sequence[Question]) -> tuple[Stage, ...]:
    """Put the questions to the stages that wait for an answer."""
    words = "; ".join(filter(None, (question.message for question in asked)))[:SAID]
    passable = gate(asked) is not None
    return tuple(
        replace(stage, sentence=words, passable=passable)
        if stage.state is RunState.WAITING
        else stage
        for stage in seen
    )


def sentence(found: Build, seen: Sequence[Stage]) -> str:
    """Say why a build did not succeed; empty while it may."""
    state = found.state
    if state is RunState.FAILED:
        broken = next((stage for stage in seen if stage.state is RunState.FAILED), None)
        if broken:
            return f"{broken.name} failed{f': {broken.sentence}' if broken.sentence else ''}"
        return (
            "the build is unstable: some of its tests failed"
            if found.result == "UNSTABLE"
            else f"the build ended with {found.result}"
        )
    if state is not RunState.CANCELLED:
        return ""
    if "supersede" in found.why.lower():
        return f"the build was replaced by a newer one ({found.why})"
    return f"the build was stopped: {found.why}" if found.why else "the build was stopped"


def _question(data: Any) -> Question:
    name = text_of(data, "id")
    return Question(
        name if _QUESTION.fullmatch(name) else "",
        text_of(data, "message"),
        bool(list_of(value_of(data, "inputs"))),
    )


def _stage(data: Any) -> Stage | None:
    name, began = text_of(data, "name"), moment_of(number_of(data, "startTimeMillis"))
    if not name:
        return None
    state = STAGES.get(text_of(data, "status"), RunState.RUNNING)
    took = timedelta(milliseconds=number_of(data, "durationMillis") or 0)
    if state is RunState.SKIPPED:
        return Stage(name, state)
    ended = began + took if began and state.is_final else None
    return Stage(name, state, began, ended, text_of(value_of(data, "error"), "message"))


def _broke(stage: Stage) -> bool:
    return stage.state in {RunState.FAILED, RunState.CANCELLED}


def _without_ghosts(seen: Sequence[Stage]) -> Iterator[Stage]:
    broken = False
    for stage in seen:
        passed_over = (
            broken
            and stage.started_at
            and stage.finished_at
            and stage.finished_at - stage.started_at < AT_ONCE
        )
        yield Stage(stage.name, RunState.SKIPPED) if passed_over else stage
        broken = broken or _broke(stage)


def _over(stage: Stage, whole: RunState) -> Stage:
    """Close a stage that Jenkins left open when the build ended."""
    if stage.state.is_final:
        return stage
    return Stage(
        stage.name,
        RunState.FAILED if whole is RunState.FAILED else RunState.CANCELLED,
        stage.started_at,
        None,
        stage.sentence,
    )


def _not_reached(seen: Sequence[Stage], planned: Sequence[str], whole: RunState) -> Iterator[Stage]:
    known = {stage.name for stage in seen}
    state = RunState.SKIPPED if whole.is_final else RunState.QUEUED
    return (Stage(name, state) for name in planned if name not in known)


def _interruption(data: Any) -> str:
    actions = (
        action
        for action in actions_of(data)
        if text_of(action, "_class").endswith(".InterruptedBuildAction")
    )
    causes = (
        text_of(cause, "shortDescription")
        for action in actions
        for cause in list_of(value_of(action, "causes"))
    )
    return "; ".join(dict.fromkeys(filter(None, causes)))[:SAID]


def _why_queued(data: Any) -> str:
    """Say what an item waits for, without the seconds that change with every look."""
    if text_of(data, "_class").endswith("WaitingItem"):  # in the quiet period
        return ""
    return _ETA.sub("", text_of(data, "why"))[:SAID]


def _path_of_job(address: str) -> str:
    """Take the job's path out of an address, without escapes: Jenkins may go by another name and
    prefix, and escapes less than we do.
    """
    path = unquote(urlsplit(address).path)
    return path[path.find("/job/") :].rstrip("/") if "/job/" in path else ""
