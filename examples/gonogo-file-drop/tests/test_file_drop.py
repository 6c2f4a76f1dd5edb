"""What is this provider's own, beside the contract."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from gonogo_file_drop import FOLDERS, KIND, read_quality, read_run, run_of

from bot.domain.errors import IntegrationError
from bot.domain.rollout import RunState
from bot.ports.ci import StartRequest

if TYPE_CHECKING:
    from tests.conftest import FileDropLab

RUN = "0" * 32


def deploy(commit: str) -> StartRequest:
    return StartRequest("shop-1:canary-5", commit, "production", "deploy", {"percent": "5"}, "ana")


async def test_the_runner_finds_everything_that_was_asked(lab: FileDropLab) -> None:
    commit = lab.commit("first")
    run = await lab.ci.start(deploy(commit))
    request = lab.drop / "requests" / f"{run.id}.json"
    assert json.loads(request.read_text()) == {
        "correlation": "shop-1:canary-5", "commit": commit,
        "environment": "production", "action": "deploy",
        "inputs": {"percent": "5"}, "asked_by": "ana",
    }  # fmt: skip
    assert request.stat().st_mode & 0o444 == 0o444


async def test_a_restart_of_the_bot_loses_nothing(lab: FileDropLab) -> None:
    run = await lab.ci.start(deploy(lab.commit("first", held=True)))
    later = lab.provider()
    await later.open()
    found = await later.find("shop-1:canary-5")
    assert found is not None
    assert found.id == run.id
    await later.cancel(run.id)


@pytest.mark.parametrize("run", ["../../etc/passwd", "", "nowhere", RUN])
async def test_only_the_name_of_a_run_leads_to_a_file(lab: FileDropLab, run: str) -> None:
    with pytest.raises(IntegrationError) as refused:
        await lab.ci.look(run)
    assert (refused.value.status, refused.value.retry) == (404, False)


async def test_a_folder_that_is_away_is_no_certain_answer(lab: FileDropLab) -> None:
    shutil.rmtree(lab.drop)
    for question in (
        lab.ci.find("shop-1:canary-5"),
        lab.ci.start(deploy("1" * 40)),
        lab.ci.quality("0" * 40),
    ):
        with pytest.raises(IntegrationError) as refused:
            await question
        assert refused.value.retry


@pytest.mark.parametrize(
    "answer",
    [
        [],
        "done",
        {},
        {"state": "finished"},
        {"state": "running", "stages": [{}]},
        {"state": "running", "started_at": "2026-01-01T00:00:00"},
    ],
)
def test_an_answer_that_makes_no_sense_is_said_so_and_may_change(answer: Any) -> None:
    with pytest.raises(IntegrationError) as refused:
        read_run(RUN, answer)
    assert refused.value.retry


def test_a_fact_that_makes_no_sense_is_not_green() -> None:
    with pytest.raises(IntegrationError):
        read_quality({"state": "fine", "sentence": "all good"})


def test_nobody_has_answered_yet() -> None:
    assert read_run(RUN, None).state is RunState.QUEUED


def test_an_intent_has_one_name_and_no_other_intent_has_it() -> None:
    assert run_of("shop-1:canary-5") == run_of("shop-1:canary-5") != run_of("shop-1:canary-25")


async def test_no_webhook_is_believed(lab: FileDropLab) -> None:
    with pytest.raises(IntegrationError) as refused:
        lab.ci.parse_webhook({}, b"{}")
    assert refused.value.status == 404


async def test_the_doctor_sees_what_is_wrong(lab: FileDropLab) -> None:
    lab.commit("first")
    assert [finding.ok for finding in await lab.ci.examine()] == [True, True]
    shutil.rmtree(lab.drop.parent)
    shutil.rmtree(lab.repository)
    found = await lab.ci.examine()
    assert [finding.ok for finding in found] == [False, False]
    assert all(finding.remedy for finding in found)


def test_the_readme_names_every_option_and_every_folder() -> None:
    readme = Path(__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")
    assert [option for option in KIND.options if f"{option}: " not in readme] == []
    assert [folder for folder in FOLDERS if f"`{folder}/" not in readme] == []
