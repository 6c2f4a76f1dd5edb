"""What the embedded CI promises beyond the contract: real processes, clean rooms, clear errors."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bot.domain.errors import IntegrationError
from bot.domain.quality import QualityState
from bot.domain.rollout import RunState
from bot.ports.ci import CIRun, StartRequest
from bot.providers.ci.local import process
from bot.providers.ci.local.junit import Report, summarise
from bot.providers.ci.local.pipeline import parse
from bot.providers.ci.local.provider import LocalCI
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from tests.providers.ci.conftest import LocalLab


async def seen(ci: LocalCI, run: CIRun, holds: Callable[[CIRun], bool]) -> CIRun:
    async with asyncio.timeout(PATIENCE):
        while not holds(now := await ci.look(run.id)):  # noqa: ASYNC110 - a run is polled
            await asyncio.sleep(0.02)
    return now


async def deployed(lab: LocalLab, *stages: str, inputs: dict[str, str] | None = None) -> CIRun:
    lines = "".join(f"      - {stage}\n" for stage in stages)
    commit = lab.commit_file("work", f"pipelines:\n  deploy:\n    stages:\n{lines}")
    return await lab.ci.start(
        StartRequest(f"shop:{commit[:8]}", commit, "production", "deploy", inputs or {})
    )


async def ended(lab: LocalLab, run: CIRun) -> CIRun:
    return await seen(lab.ci, run, lambda now: now.state.is_final)


def _waits(at: int, run: CIRun) -> bool:
    return run.stages[at].state is RunState.WAITING


def written(lab: LocalLab, run: CIRun) -> str:
    log = Path(lab.runs.rows[run.id].log)
    return log.read_text() if log.exists() else ""


async def test_a_stage_sees_what_it_was_given_and_nothing_of_ours(
    local: LocalLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-secret")
    run = await deployed(
        local,
        "{name: show, run: env, environment: {COLOUR: green}}",
        inputs={"percent": "25", "commit": "forged"},
    )
    assert (await ended(local, run)).state is RunState.SUCCEEDED
    text = written(local, run)
    assert "xoxb-secret" not in text
    assert "forged" not in text
    for line in (
        "GONOGO_PERCENT=25",
        "GONOGO_ENVIRONMENT=production",
        "COLOUR=green",
        "GIVEN=on purpose",
    ):
        assert line in text.splitlines()


async def test_the_log_is_cut_at_its_cap_and_the_stage_goes_on(local: LocalLab) -> None:
    run = await deployed(local, f"{{name: loud, run: 'head -c {process.LOG_CAP * 2} /dev/zero'}}")
    assert (await ended(local, run)).state is RunState.SUCCEEDED
    assert len(written(local, run)) == process.LOG_CAP


async def test_a_stage_that_takes_too_long_is_ended_and_says_so(local: LocalLab) -> None:
    done = await ended(local, await deployed(local, "{name: slow, run: sleep 60, timeout: 0.3}"))
    assert (done.state, done.sentence) == (RunState.FAILED, "slow took longer than 0.3 s")


async def test_what_ignores_term_is_killed_with_all_its_children(local: LocalLab) -> None:
    run = await deployed(
        local, """{name: deaf, run: "trap '' TERM; sleep 60 & echo ready; wait; wait"}"""
    )
    await seen(local.ci, run, lambda _: "ready" in written(local, run))
    group = local.runs.rows[run.id].process_group
    await local.ci.cancel(run.id)
    assert (await local.ci.look(run.id)).state is RunState.CANCELLED
    with pytest.raises(ProcessLookupError):
        os.kill(group, 0)


async def test_each_manual_gate_waits_for_its_own_release(local: LocalLab) -> None:
    run = await deployed(
        local, "{name: one, run: 'true', gate: manual}", "{name: two, run: 'true', gate: manual}"
    )
    for stage in (0, 1):
        await seen(local.ci, run, partial(_waits, stage))
        assert (await local.ci.look(run.id)).state is RunState.WAITING
        await local.ci.open_gate(run.id, "production")
    assert (await ended(local, run)).state is RunState.SUCCEEDED


async def test_a_run_at_a_gate_can_be_cancelled(local: LocalLab) -> None:
    run = await deployed(local, "{name: one, run: 'true', gate: manual}")
    await seen(local.ci, run, lambda now: now.state is RunState.WAITING)
    await local.ci.cancel(run.id)
    assert (await local.ci.look(run.id)).state is RunState.CANCELLED


async def test_a_stage_that_may_fail_does_not_end_the_run(local: LocalLab) -> None:
    done = await ended(
        local,
        await deployed(
            local, "{name: lint, run: exit 1, allow_failure: true}", "{name: go, run: 'true'}"
        ),
    )
    assert [stage.state for stage in done.stages] == [RunState.FAILED, RunState.SUCCEEDED]
    assert done.state is RunState.SUCCEEDED


@pytest.mark.case("card-and-people-12")
async def test_a_stage_that_fails_without_a_word_is_not_given_the_last_word_of_the_stage_before(
    local: LocalLab,
) -> None:
    run = await deployed(local, "{name: unit, run: echo OK}", "{name: flaky, run: exit 3}")
    assert (await ended(local, run)).sentence == "flaky failed: exit code 3"


async def test_a_process_that_cannot_begin_says_why_at_once(local: LocalLab) -> None:
    done = await ended(
        local, await deployed(local, "{name: go, run: 'true'}", inputs={"version": "a\0b"})
    )
    assert (done.state, "null byte" in done.sentence) == (RunState.FAILED, True)


async def test_an_orderly_stop_loses_a_run_and_does_not_claim_that_somebody_cancelled_it(
    local: LocalLab,
) -> None:
    run = await deployed(local, "{name: go, run: sleep 60}")
    await seen(local.ci, run, lambda now: now.stages[0].state is RunState.RUNNING)
    await local.ci.close()
    assert (await local.ci.look(run.id)).state is RunState.LOST


async def test_a_restart_ends_orphans_marks_them_lost_and_clears_their_trees(
    local: LocalLab,
) -> None:
    run = await deployed(local, "{name: go, run: sleep 60}")
    await seen(local.ci, run, lambda _: local.runs.rows[run.id].process_group > 0)
    left = local.runs.rows[run.id]
    # what a killed process left: it writes nothing any more
    local.runs = type(local.runs)({run.id: left})
    successor = local.provider()
    await successor.open()
    lost = await successor.look(run.id)
    assert (lost.state, lost.stages[0].state) == (RunState.LOST, RunState.LOST)
    assert not process.carries(left.process_group, left.correlation)
    assert not (local.work / "trees" / run.id).exists()


async def test_lost_tests_are_run_again_however_often_they_were_lost(local: LocalLab) -> None:
    commit = local.commit("first")
    for _ in range(3):
        run = await local.ci.test_again(commit)
        assert (await local.ci.quality(commit)).state is QualityState.RUNNING
        await local.ci.close()
        local.runs.rows = {
            name: replace(row, run=replace(row.run, state=RunState.LOST))
            for name, row in local.runs.rows.items()
        }
        local.ci = local.provider()
        await local.ci.open()
    run = await local.ci.test_again(commit)
    await ended(local, run)
    assert (await local.ci.quality(commit)).state is QualityState.GREEN


async def test_no_tree_is_left_behind(local: LocalLab) -> None:
    await ended(local, await deployed(local, "{name: go, run: 'true'}"))
    await local.ci.close()
    assert not list((local.work / "trees").iterdir())
    assert len(local.git("worktree", "list").splitlines()) == 1


async def test_a_commit_without_a_pipeline_and_a_folder_without_a_repository_are_refused(
    local: LocalLab, tmp_path: Path
) -> None:
    local.git("commit", "--quiet", "--allow-empty", "--message", "empty")
    with pytest.raises(IntegrationError, match=r"has no pipeline\.yml"):
        await local.ci.start(
            StartRequest("x", local.git("rev-parse", "HEAD"), "production", "deploy")
        )
    local.repository = tmp_path / "nowhere"
    nowhere = local.provider()
    await nowhere.open()
    assert [sentence.partition(" is ")[2] for sentence in nowhere.missing()] == [
        "not a git repository. Clone it there, or correct ci.repository."
    ]


async def test_a_run_has_no_page_of_its_own(local: LocalLab) -> None:
    assert (await deployed(local, "{name: one, run: 'true'}")).url == ""


async def test_the_doctor_sees_the_repository_whose_stages_run_and_the_pipeline(
    local: LocalLab,
) -> None:
    local.commit("first")
    found = await local.ci.examine()
    assert [(finding.subject, finding.ok) for finding in found] == [
        ("repository", True),
        ("stages", None),
        ("pipeline", True),
    ]


@pytest.mark.case("adoption-11")
async def test_the_remedy_for_stages_of_the_bots_own_user_can_be_followed(local: LocalLab) -> None:
    local.commit("first")
    stages = next(finding for finding in await local.ci.examine() if finding.subject == "stages")
    is_root = os.geteuid() == 0
    assert stages.remedy.startswith(
        "Set the option user" if is_root else "Run the bot as root with the option user"
    )
    assert ("because it is root" in stages.sentence) is is_root


def test_the_embedded_ci_takes_no_webhooks(local: LocalLab) -> None:
    with pytest.raises(IntegrationError, match="no webhooks"):
        local.ci.parse_webhook({}, b"{}")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "pipelines:\n  deploy:\n    stages:\n      - {name: a, run: b, comand: c}\n",
            "pipeline.yml:4:",
        ),
        ("pipelines:\n  deplyo: {stages: []}\n", "pipeline.yml:2: pipelines.deplyo"),
        ("pipelines:\n  deploy: {stages: []}\n", "is empty; add at least one"),
        ("pipelines: [\n", "Mend the YAML"),
        (
            "pipelines:\n  deploy:\n    stages:\n      - {name: a, run: b, timeout: -1}\n",
            "should be more than 0",
        ),
        ("", "pipeline.yml:1:"),
    ],
)
def test_a_mistake_in_the_pipeline_is_said_with_its_line(text: str, sentence: str) -> None:
    with pytest.raises(IntegrationError) as refused:
        parse(text)
    assert sentence in str(refused.value)
    assert not refused.value.retry


def test_an_action_that_the_pipeline_has_not_is_named() -> None:
    with pytest.raises(IntegrationError, match=r"Add pipelines\.smoke"):
        parse("pipelines:\n  deploy: {stages: [{name: a, run: b}]}\n").stages("smoke")


CASES = '<testsuite><testcase name="a"/><testcase name="b"><skipped/></testcase>{}</testsuite>'


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (CASES.format(""), Report("1 passed, 1 skipped", passed=1)),
        (
            CASES.format(
                '<testcase name="c"><failure/></testcase><testcase name="d"><error/></testcase>'
            ),
            Report("1 passed, 2 failed: c, d", passed=1, failed=2),
        ),
        (
            "<testsuite>",
            Report("the report junit.xml was not read: The report is not XML.", was_read=False),
        ),
        (
            '<!DOCTYPE x [<!ENTITY e "e">]><testsuite/>',
            Report(
                "the report junit.xml was not read: The report is not XML without a DOCTYPE.",
                was_read=False,
            ),
        ),
    ],
)
async def test_a_report_becomes_one_sentence(tmp_path: Path, report: str, said: Report) -> None:
    (tmp_path / "junit.xml").write_text(report)
    assert await summarise(tmp_path, "junit.xml") == said
    assert await summarise(tmp_path, "missing.xml") == Report(
        "the report missing.xml was not read: it is not there.", was_read=False
    )


LEAVES = {
    "nothing": "true", "a pipe": "mkfifo r.xml", "a folder": "mkdir r.xml",
    "too much": "head -c 40000000 /dev/zero > r.xml",
    "half of it": "printf '<testsuite><testcase/>' > r.xml",
    "no XML": "echo well > r.xml", "a link out": "ln -s /etc/hostname r.xml",
}  # fmt: skip


@pytest.mark.parametrize("leaves", LEAVES)
async def test_tests_whose_named_report_cannot_be_read_are_unknown_and_never_green(
    local: LocalLab, leaves: str
) -> None:
    stage = f'{{name: unit, run: "{LEAVES[leaves]}", junit: r.xml}}'
    commit = local.commit_file(leaves, f"pipelines:\n  test:\n    stages:\n      - {stage}\n")
    run = await local.ci.test_again(commit)
    assert (await ended(local, run)).state is RunState.SUCCEEDED
    said = await local.ci.quality(commit)
    assert said.state is QualityState.UNKNOWN
    assert said.sentence.startswith("the report r.xml was not read: ")
    assert said.is_repeatable


@pytest.mark.parametrize(
    ("cases", "state", "sentence"),
    [
        (
            "<testcase name='a'/><testcase name='b'><failure/></testcase>",
            QualityState.RED,
            "unit failed by its report: 1 passed, 1 failed: b",
        ),
        (
            "<testcase name='b'><error/></testcase>",
            QualityState.RED,
            "unit failed by its report: 0 passed, 1 failed: b",
        ),
        ("<testcase name='b'><skipped/></testcase>", QualityState.UNKNOWN, "0 passed, 1 skipped"),
        ("", QualityState.UNKNOWN, "0 passed"),
        ("<testcase name='a'/>", QualityState.GREEN, "1 passed"),
    ],
)
async def test_a_report_that_tells_of_a_failure_or_of_nothing_is_not_green(
    local: LocalLab, cases: str, state: QualityState, sentence: str
) -> None:
    stage = (
        f'{{name: unit, run: "printf %s \\"<testsuite>{cases}</testsuite>\\" '
        '> r.xml", junit: r.xml}'
    )
    commit = local.commit_file(sentence, f"pipelines:\n  test:\n    stages:\n      - {stage}\n")
    await ended(local, await local.ci.test_again(commit))
    said = await local.ci.quality(commit)
    assert (said.state, said.sentence) == (state, sentence)


async def test_a_stage_that_fails_before_its_report_says_why_itself(local: LocalLab) -> None:
    run = await deployed(local, '{name: unit, run: "echo no database; exit 1", junit: r.xml}')
    assert (await ended(local, run)).sentence == "unit failed: no database"


async def test_a_stages_report_is_what_the_run_says(local: LocalLab) -> None:
    run = await deployed(
        local,
        """{name: unit, run: "printf '<testsuite><testcase/></testsuite>' > r.xml", junit: r.xml}""",
    )
    assert (await ended(local, run)).sentence == "1 passed"
