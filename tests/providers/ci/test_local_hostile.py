"""The embedded CI against repositories and moments that mean it ill: reports that are no files,
pipelines without an end, late cancels.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bot.domain.errors import IntegrationError
from bot.domain.limits import JUNIT, PIPELINE, Unreadable
from bot.domain.quality import QualityState
from bot.domain.rollout import RunState
from bot.ports.ci import CIRun, LocalRun, StartRequest
from bot.providers.ci.local import pipeline
from bot.providers.ci.local.junit import summarise
from bot.providers.ci.local.provider import LocalCI
from bot.providers.context import TESTS_AT_ONCE
from tests.patience import PATIENCE
from tests.providers.ci.memory_runs import MemoryRuns

if TYPE_CHECKING:
    from tests.providers.ci.conftest import LocalLab

ONE = "<testsuite><testcase name='a'/></testsuite>"


async def ended(lab: LocalLab, run: CIRun) -> CIRun:
    async with asyncio.timeout(PATIENCE):
        while not (now := await lab.ci.look(run.id)).state.is_final:  # noqa: ASYNC110 - a run is polled
            await asyncio.sleep(0.02)
    return now


# Questions and tests ----------------------------------------------------------------------------


@pytest.mark.case("trust-5")
async def test_asking_about_a_commits_tests_starts_nothing_however_often(local: LocalLab) -> None:
    commit = local.commit("first", tests='echo x >> "$BEGUN"')
    for _ in range(12):
        said = await local.ci.quality(commit)
        assert said.state is QualityState.NONE
        assert said.startable == f"test:{commit}"
    assert not local.runs.rows
    assert local.started() == 0


@pytest.mark.case("trust-5")
async def test_twelve_wishes_for_tests_of_one_commit_are_one_run(local: LocalLab) -> None:
    commit = local.commit("first", tests='echo x >> "$BEGUN"')
    runs = await asyncio.gather(
        *(local.ci.start(StartRequest(f"test:{commit}", commit, "", "test")) for _ in range(12))
    )
    await ended(local, runs[0])
    assert len({run.id for run in runs}) == local.started() == 1


@pytest.mark.case("trust-5")
async def test_few_test_runs_go_on_at_once_and_the_others_say_that_they_wait(
    local: LocalLab,
) -> None:
    commits = [local.commit(str(number), tests="sleep 60") for number in range(TESTS_AT_ONCE + 2)]
    runs = [await local.ci.test_again(commit) for commit in commits]
    said = f"the test run waits for its turn: {TESTS_AT_ONCE} test runs go on at once"
    async with asyncio.timeout(PATIENCE):
        while (await local.ci.quality(commits[-1])).sentence != said:  # noqa: ASYNC110 - a run is polled
            await asyncio.sleep(0.02)
        while sum(row.process_group > 0 for row in local.runs.rows.values()) < TESTS_AT_ONCE:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert (await local.ci.look(runs[-1].id)).state is RunState.QUEUED
    await local.ci.cancel(runs[-1].id)
    await local.ci.cancel(runs[0].id)
    async with asyncio.timeout(PATIENCE):
        while (await local.ci.look(runs[-2].id)).state is not RunState.RUNNING:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert (await local.ci.look(runs[-1].id)).state is RunState.CANCELLED


@pytest.mark.case("trust-5")
async def test_deployments_do_not_wait_for_tests(local: LocalLab) -> None:
    for number in range(TESTS_AT_ONCE):
        await local.ci.test_again(local.commit(str(number), tests="sleep 60"))
    commit = local.commit("go")
    run = await local.ci.start(StartRequest("shop-1:deploy", commit, "production", "deploy"))
    assert (await ended(local, run)).state is RunState.SUCCEEDED


@pytest.mark.case("ci-and-refs-7")
async def test_a_flaky_test_is_run_again_and_the_newest_run_decides(
    local: LocalLab, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    commit = local.commit("flaky", tests=f"test -e {seen} || {'{'} touch {seen}; exit 1; {'}'}")
    await ended(local, await local.ci.test_again(commit))
    assert (await local.ci.quality(commit)).state is QualityState.RED
    await ended(local, await local.ci.test_again(commit))
    assert (await local.ci.quality(commit)).state is QualityState.GREEN


@pytest.mark.case("ci-and-refs-7")
async def test_tests_that_were_stopped_do_not_outvote_those_that_said_something(
    local: LocalLab, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    commit = local.commit("once", tests=f"test -e {seen} && sleep 60; touch {seen}")
    await ended(local, await local.ci.test_again(commit))
    again = await local.ci.test_again(commit)
    assert (await local.ci.quality(commit)).state is QualityState.RUNNING
    assert (await local.ci.test_again(commit)).id == again.id
    await local.ci.cancel(again.id)
    assert (await local.ci.quality(commit)).state is QualityState.GREEN


@pytest.mark.case("ci-and-refs-7")
async def test_tests_that_somebody_stopped_are_not_started_by_a_deployment(local: LocalLab) -> None:
    commit = local.commit("first", tests="sleep 60")
    await local.ci.cancel((await local.ci.test_again(commit)).id)
    said = await local.ci.quality(commit)
    assert (said.state, said.startable) == (QualityState.NONE, "")
    assert "ask for them again" in said.sentence


# Cancelled in between ---------------------------------------------------------------------------


class Interrupted(MemoryRuns):
    """Runs in whose store something happens at the worst moment."""

    def __init__(self, meanwhile: Callable[[LocalRun], Awaitable[None]], *, at: RunState) -> None:
        super().__init__()
        self._meanwhile = meanwhile
        self._at = at
        self._done = False

    async def add(self, run: LocalRun) -> LocalRun:
        stored = await super().add(run)
        await self._interrupt(run, RunState.QUEUED)
        return stored

    async def save(self, run: LocalRun) -> bool:
        await self._interrupt(run, run.run.state)
        return await super().save(run)

    async def _interrupt(self, run: LocalRun, state: RunState) -> None:
        if state is self._at and not self._done:
            self._done = True
            await self._meanwhile(run)


@pytest.mark.case("races-32")
async def test_a_run_that_is_cancelled_between_its_row_and_its_task_never_begins(
    local: LocalLab,
) -> None:
    async def cancel(run: LocalRun) -> None:
        await local.ci.cancel(run.run.id)

    local.runs = Interrupted(cancel, at=RunState.QUEUED)
    local.ci = local.provider()
    run = await local.ci.start(
        StartRequest("shop-1:deploy", local.commit("first"), "production", "deploy")
    )
    await asyncio.gather(*local.ci._tasks.values())
    assert (await local.ci.look(run.id)).state is RunState.CANCELLED
    assert local.started() == 0


@pytest.mark.case("races-32")
async def test_a_run_that_another_hand_ended_begins_no_further_stage(local: LocalLab) -> None:
    async def end(run: LocalRun) -> None:
        other: LocalCI = local.provider()
        await other.cancel(run.run.id)  # knows of no task, and marks the row

    local.runs = Interrupted(end, at=RunState.RUNNING)
    local.ci = local.provider()
    run = await local.ci.start(
        StartRequest("shop-1:deploy", local.commit("first"), "production", "deploy")
    )
    await asyncio.gather(*local.ci._tasks.values())
    assert (await local.ci.look(run.id)).state is RunState.CANCELLED
    assert local.started() == 0


@pytest.mark.case("races-32")
async def test_a_run_that_is_asked_for_while_the_bot_stops_is_lost_and_never_begins(
    local: LocalLab,
) -> None:
    async def close(_run: LocalRun) -> None:
        await local.ci.close()

    local.runs = Interrupted(close, at=RunState.QUEUED)
    local.ci = local.provider()
    run = await local.ci.start(
        StartRequest("shop-1:deploy", local.commit("first"), "production", "deploy")
    )
    assert (await ended(local, run)).state is RunState.LOST
    assert local.started() == 0


# Pipelines --------------------------------------------------------------------------------------

HOSTILE_PIPELINES = {
    "3,000 brackets": ("pipelines: " + "[" * 3000, "nested deeper than"),
    "3,000 braces": ("pipelines: " + "{" * 3000, "nested deeper than"),
    "60,000 brackets": ("pipelines: " + "[" * 60_000, "nested deeper than"),
    "dashes": ("- " * 30_000, "nested deeper than"),
    "questions": ("? " * 30_000, "nested deeper than"),
    "indents": ("\n".join(" " * level + "a:" for level in range(300)), "nested deeper than"),
    "278 kB of valid YAML": ("pipelines:\n" + "# a comment\n" * 23_000, "larger than 64 kB"),
    "aliases of aliases": (
        "a: &a0 [1,1,1,1,1,1,1,1,1]\n"
        + "".join(f"b{n}: &a{n + 1} [*a{n},*a{n},*a{n}]\n" for n in range(50)),
        "more than 2,000 values",
    ),
    "a long number": ("pipelines: " + "9" * 60_000, "not YAML"),
    "a day that is none": ("pipelines: 2020-13-45", "not YAML"),
    "half a character": ("pipelines: \ud800", "not UTF-8"),
    "a control character": ("pipelines: \x00", "pipeline.yml"),
    "a name over two lines": (
        ('pipelines: {test: {stages: [{name: "a\\nb", run: x}]}}'),
        "one line of visible characters",
    ),
    "a name turned around": (
        ('pipelines: {test: {stages: [{name: "a\\u202eb", run: x}]}}'),
        "one line of visible characters",
    ),
    "no end in sight": (
        ("pipelines: {test: {stages: [{name: a, run: x, timeout: .inf}]}}"),
        "pipeline.yml",
    ),
}


@pytest.mark.case("trust-6")
@pytest.mark.parametrize("name", HOSTILE_PIPELINES)
async def test_a_hostile_pipeline_is_refused_with_a_sentence_and_holds_nobody_up(name: str) -> None:
    text, said = HOSTILE_PIPELINES[name]
    with pytest.raises(IntegrationError) as refused:
        await pipeline.read(text)
    assert said in str(refused.value)
    assert not refused.value.retry
    assert _work(text) < MOST_WORK


MOST_WORK = 10 * PIPELINE.size
"""How many calls reading may make: ten for each byte that the file may have. Brackets read to their
end would be 2,000 for each.
"""


def _work(text: str) -> int:
    """Count the calls that reading makes: the same on every machine, however slow it is
    and whatever else it does.
    """
    calls = 0

    def count(_frame: object, event: str, _of: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        with pytest.raises((IntegrationError, Unreadable)):
            pipeline.parse(text)
    finally:
        sys.setprofile(before)
    return calls


@pytest.mark.case("trust-6")
def test_the_work_of_reading_is_counted_as_it_grows() -> None:
    few, many = (
        _work(f"pipelines: {{test: {{stages: [{', '.join(['{name: a}'] * number)}]}}}}")
        for number in (10, 100)
    )
    assert 5 * few < many < MOST_WORK


MISTAKES = {
    "pipelines: {test: {stages: []}}": "pipelines.test.stages: is empty; add at least one.",
    "pipelines: {test: {stages: [{name: a}]}}": "pipelines.test.stages.0.run: is missing; add it.",
    "pipelines: {test: {stages: 5}}": (
        "pipelines.test.stages: should be a list; begin each entry with a dash."
    ),
    "pipelines: {test: {stages: [{name: 5, run: x}]}}": (
        "pipelines.test.stages.0.name: should be text; put it into quotes."
    ),
    (
        "pipelines: {test: {stages: [{name: a, run: x, timeout: 0}]}}"
    ): "pipelines.test.stages.0.timeout: should be more than 0.",
    (
        "pipelines: {test: {stages: [{name: a, run: x, timeout: 1e9}]}}"
    ): "pipelines.test.stages.0.timeout: should be no more than 86400.",
    (
        "pipelines: {test: {stages: [{name: a, run: x, gate: yes}]}}"
    ): "pipelines.test.stages.0.gate: should be 'none' or 'manual'.",
    "pipelines: {test: {stages: [{name: a, run: x, junti: x}]}}": (
        "junti: there is no such key here; remove it or correct its name."
    ),
    "pipelines: {tests: {stages: []}}": (
        "pipelines.tests: should be 'test', 'deploy', 'smoke' or 'rollback'."
    ),
    "pipelines: 5": "pipelines: should be a mapping of names to values.",
    "5": "the file: should be a mapping of keys to values.",
}


@pytest.mark.case("trust-6")
@pytest.mark.parametrize("text", MISTAKES)
async def test_a_slip_in_a_pipeline_is_told_in_peoples_words(text: str) -> None:
    with pytest.raises(IntegrationError) as refused:
        await pipeline.read(text)
    assert str(refused.value).startswith("pipeline.yml:1: ")
    assert MISTAKES[text] in str(refused.value)
    for word in ("Tuple", "tuple", "dictionary", "Input", "string", "Field", "Value error"):
        assert word not in str(refused.value)


@pytest.mark.case("trust-6")
async def test_brackets_in_a_shell_command_are_no_depth() -> None:
    run = "[[ -n $A ]] && { echo [; }; " * 10
    found = await pipeline.read(
        f"pipelines:\n  test:\n    stages:\n      - name: a\n        run: '{run}'\n"
    )
    assert found.stages("test")[0].run == run


@pytest.mark.case("trust-6")
async def test_a_pipeline_that_is_too_large_is_not_even_taken_from_git(local: LocalLab) -> None:
    commit = local.commit_file("large", "# comment\n" * (PIPELINE.size // 5))
    with pytest.raises(IntegrationError, match="larger than 64 kB"):
        await local.ci.start(StartRequest("shop-1:deploy", commit, "production", "deploy"))
    with pytest.raises(IntegrationError, match="larger than 64 kB"):
        await local.ci.quality(commit)


# Reports ----------------------------------------------------------------------------------------


def _fifo(tree: Path) -> str:
    os.mkfifo(tree / "report.xml")
    return "report.xml"


def _device(tree: Path) -> str:
    (tree / "report.xml").symlink_to("/dev/zero")
    return "report.xml"


def _link(tree: Path) -> str:
    (tree.parent / "outside.xml").write_text(ONE)
    (tree / "report.xml").symlink_to(tree.parent / "outside.xml")
    return "report.xml"


def _link_on_the_way(tree: Path) -> str:
    (tree.parent / "outside").mkdir()
    (tree.parent / "outside" / "report.xml").write_text(ONE)
    (tree / "reports").symlink_to(tree.parent / "outside")
    return "reports/report.xml"


def _upwards(tree: Path) -> str:
    (tree.parent / "outside.xml").write_text(ONE)
    return "../outside.xml"


def _absolute(tree: Path) -> str:
    (tree.parent / "outside.xml").write_text(ONE)
    return str(tree.parent / "outside.xml")


def _folder(tree: Path) -> str:
    (tree / "report.xml").mkdir()
    return "report.xml"


def _sparse(tree: Path) -> str:
    with (tree / "report.xml").open("wb") as file:
        file.truncate(1 << 40)
    return "report.xml"


def _deep(tree: Path) -> str:
    (tree / "report.xml").write_text("<a>" * 100_000)
    return "report.xml"


def _many(tree: Path) -> str:
    (tree / "report.xml").write_text(f"<a>{'<b/>' * (JUNIT.items + 1)}</a>")
    return "report.xml"


def _declared(tree: Path) -> str:
    (tree / "report.xml").write_bytes('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'.encode("utf-16"))
    return "report.xml"


def _zero(tree: Path) -> str:
    del tree
    return "a\0b"


@pytest.mark.case("trust-11")
@pytest.mark.parametrize(
    "made",
    [
        _fifo,
        _device,
        _link,
        _link_on_the_way,
        _upwards,
        _absolute,
        _folder,
        _sparse,
        _deep,
        _many,
        _declared,
        _zero,
    ],
)
async def test_a_report_that_is_no_plain_file_of_the_tree_is_refused_at_once(
    tmp_path: Path, made: Callable[[Path], str]
) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    async with asyncio.timeout(PATIENCE):
        said = (await summarise(tree, made(tree))).sentence
    assert said.startswith("the report ")
    assert "was not read: " in said


@pytest.mark.case("trust-11")
async def test_a_report_in_a_folder_of_the_tree_is_read(tmp_path: Path) -> None:
    (tmp_path / "a" / "a").mkdir(parents=True)
    (tmp_path / "a" / "a" / "a").write_text(ONE)
    assert (await summarise(tmp_path, "a/a/a")).sentence == "1 passed"


@pytest.mark.case("trust-11")
async def test_a_stage_that_leaves_a_pipe_for_a_report_holds_up_neither_its_run_nor_the_shutdown(
    local: LocalLab,
) -> None:
    stage = "{name: unit, run: mkfifo r.xml, junit: r.xml}"
    commit = local.commit_file("pipe", f"pipelines:\n  deploy:\n    stages:\n      - {stage}\n")
    run = await local.ci.start(StartRequest("shop-1:deploy", commit, "production", "deploy"))
    done = await ended(local, run)
    assert (done.state, "was not read" in done.sentence) == (RunState.SUCCEEDED, True)
    async with asyncio.timeout(PATIENCE):
        await local.ci.close()
