"""The workflow that we give to teams: what the bot needs of it, and what keeps it safe."""

from __future__ import annotations

from typing import Any

import pytest
from ruamel.yaml import YAML

from bot.ports.ci import StartRequest
from bot.providers.ci.github import workflow
from bot.providers.ci.github.runs import inputs
from tests.providers.ci.github_world import TEMPLATE

TEXT = TEMPLATE.read_text()
DOCUMENT: dict[str, Any] = YAML(typ="safe").load(TEXT)
STEPS = [step for job in DOCUMENT["jobs"].values() for step in job["steps"]]
CHECKOUTS = [step for step in STEPS if "uses" in step]


def test_it_declares_exactly_what_a_start_may_send() -> None:
    given = {"percent": "5", "version": "v1", "strategy": "canary", "deployment": "shop-1"}
    sent = inputs(
        StartRequest("shop-1:all", "c" * 40, "production", "deploy", given, asked_by="T1/U1"),
        "shop",
    )
    declared = DOCUMENT["on"]["workflow_dispatch"]["inputs"]
    assert set(declared) == set(sent) == set(workflow.SENT)
    assert {name for name, each in declared.items() if each["required"]} == set(workflow.NEEDED)
    assert len(declared) <= 10  # what GitHub Enterprise Server up to 3.19 takes


def test_the_bot_finds_in_it_what_it_looks_for() -> None:
    found = workflow.parse(TEXT)
    assert (found.is_dispatched, found.names_runs, found.missing, found.demanded) == (
        True,
        True,
        (),
        (),
    )


@pytest.mark.parametrize(
    ("text", "is_dispatched", "names_runs"),
    [
        ("on: workflow_dispatch\nrun-name: deploy ${{ inputs.correlation }}", True, True),
        ("on: [push, workflow_dispatch]", True, False),
        (
            (
                "on:\n  workflow_dispatch:\nrun-name: >-\n  deploy\n  ${{ "
                "github.event.inputs.correlation }}"
            ),
            True,
            True,
        ),
        ("on: {workflow_dispatch: {}}\nrun-name: ${{ inputs['correlation'] }}", True, True),
        ("on: push\nrun-name: ${{ inputs.correlations }}", False, False),
        ("# run-name: ${{ inputs.correlation }}\non: push", False, False),
        ("on: {workflow_dispatch: {inputs: []}}", True, False),
        ("{", False, False),
        ("- on", False, False),
        ("", False, False),
    ],
)
def test_workflows_of_others_are_understood_as_far_as_it_matters(
    text: str, *, is_dispatched: bool, names_runs: bool
) -> None:
    found = workflow.parse(text)
    assert (found.is_dispatched, found.names_runs) == (is_dispatched, names_runs)


@pytest.mark.case("adoption-2")
def test_services_that_share_a_repository_share_no_group_in_which_github_cancels_a_waiting_run() -> (
    None
):
    group = DOCUMENT["concurrency"]["group"]
    assert "${{ inputs.service }}-${{ inputs.environment }}" in group
    assert DOCUMENT["concurrency"]["cancel-in-progress"] is False


def test_no_input_becomes_part_of_a_script() -> None:
    assert [step["name"] for step in STEPS if "${{" in step.get("run", "")] == []


def test_every_job_checks_out_the_pinned_commit_and_leaves_no_token_behind() -> None:
    assert len(CHECKOUTS) == len(DOCUMENT["jobs"])
    assert all(
        step["with"] == {"ref": "${{ inputs.commit }}", "persist-credentials": False}
        for step in CHECKOUTS
    )


def test_it_asks_for_no_more_than_to_read_and_ends_by_itself() -> None:
    assert DOCUMENT["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] <= 30 for job in DOCUMENT["jobs"].values())


def test_every_action_has_a_job() -> None:
    assert [job["if"] for job in DOCUMENT["jobs"].values()] == [
        "inputs.action != 'smoke'",
        "inputs.action == 'smoke'",
    ]
