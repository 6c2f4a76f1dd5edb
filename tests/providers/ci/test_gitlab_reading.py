"""What GitLab's JSON means, by tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.domain.rollout import RunState
from bot.ports.ci import StartRequest
from bot.providers.ci.gitlab import facts, reading

PIPELINE: dict[str, Any] = {
    "id": 47, "status": "running",
    "web_url": "https://gitlab.example.com/shop/storefront/-/pipelines/47",
    "created_at": "2026-11-02T11:28:34.085Z",
    "started_at": "2026-11-02T12:28:36.000+01:00", "finished_at": None,
}  # fmt: skip


def job(
    id: int, status: str, *, stage: str = "deploy", name: str = "", **more: Any
) -> dict[str, Any]:
    return {"id": id, "name": name or f"job {id}", "stage": stage, "status": status, **more}


def seen(status: str, *jobs: dict[str, Any], **more: Any) -> Any:
    return reading.run({**PIPELINE, "status": status, **more}, jobs)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("created", RunState.QUEUED), ("waiting_for_resource", RunState.QUEUED),
        ("preparing", RunState.QUEUED),
        ("waiting_for_callback", RunState.RUNNING),
        ("pending", RunState.QUEUED), ("running", RunState.RUNNING),
        ("canceling", RunState.RUNNING), ("manual", RunState.WAITING),
        ("scheduled", RunState.WAITING), ("success", RunState.SUCCEEDED),
        ("failed", RunState.FAILED), ("canceled", RunState.CANCELLED),
        ("skipped", RunState.SKIPPED), ("a new one", RunState.RUNNING),
    ],
)  # fmt: skip
def test_each_state_of_gitlab_is_one_of_ours(status: str, state: RunState) -> None:
    assert seen(status).state is state


def test_a_state_that_is_new_to_us_is_shown_and_never_taken_for_an_end() -> None:
    assert seen("pondering").sentence == 'GitLab calls its state "pondering"'


def test_times_are_aware_and_utc() -> None:
    run = seen("success", finished_at="2026-11-02T11:30:00.000Z")
    assert run.started_at == datetime(2026, 11, 2, 11, 28, 36, tzinfo=UTC)
    assert run.started_at.utcoffset() == timedelta()
    assert run.finished_at == datetime(2026, 11, 2, 11, 30, tzinfo=UTC)


@pytest.mark.parametrize("value", [None, "", "yesterday", "2026-11-02T11:30:00", 7])
def test_what_is_no_time_is_none(value: object) -> None:
    assert reading.moment(value) is None


def test_an_end_is_only_told_of_what_has_ended() -> None:
    assert seen("running", finished_at="2026-11-02T11:30:00.000Z").finished_at is None


class TestStages:
    def test_the_newest_of_a_retried_job_decides_and_the_stages_keep_their_order(self) -> None:
        run = seen(
            "running",
            job(9, "success", stage="build", name="compile"),
            job(2, "running", stage="deploy", name="roll out"),
            job(1, "failed", stage="build", name="compile"),
        )
        assert [(stage.name, stage.state) for stage in run.stages] == [
            ("build", RunState.SUCCEEDED),
            ("deploy", RunState.RUNNING),
        ]

    @pytest.mark.parametrize(
        ("statuses", "state"),
        [
            (("success", "running"), RunState.RUNNING), (("failed", "running"), RunState.RUNNING),
            (("success", "created"), RunState.RUNNING),
            (("created", "created"), RunState.QUEUED),
            (("success", "manual"), RunState.WAITING), (("success", "failed"), RunState.FAILED),
            (("success", "canceled"), RunState.CANCELLED),
            (("success", "skipped"), RunState.SUCCEEDED),
            (("skipped", "skipped"), RunState.SKIPPED),
            (("success", "success"), RunState.SUCCEEDED),
        ],
    )  # fmt: skip
    def test_a_stage_is_open_as_long_as_one_of_its_jobs_and_then_as_bad_as_its_worst(
        self, statuses: tuple[str, ...], state: RunState
    ) -> None:
        assert (
            seen("running", *(job(number, status) for number, status in enumerate(statuses, 1)))
            .stages[0]
            .state
            is state
        )

    @pytest.mark.parametrize(
        ("status", "state", "words"),
        [
            ("failed", RunState.SUCCEEDED, '"job 1" failed (its script failed), which is allowed'),
            ("manual", RunState.SKIPPED, '"job 1" is optional and was not started'),
            ("running", RunState.RUNNING, ""),
        ],
    )
    def test_a_job_that_may_fail_does_not_hold_and_does_not_fail(
        self, status: str, state: RunState, words: str
    ) -> None:
        stage = seen(
            "running", job(1, status, allow_failure=True, failure_reason="script_failure")
        ).stages[0]
        assert (stage.state, stage.sentence) == (state, words)

    @pytest.mark.parametrize(
        "beside",
        [
            (),
            (job(1, "success", stage="build"),),
            (job(1, "skipped"), job(3, "failed", allow_failure=True, name="tell the chat")),
        ],
    )
    @pytest.mark.parametrize(
        "name", ["roll out", "smoke test", "roll out 1/2", "roll out: [eu, blue]"]
    )
    def test_a_success_whose_own_work_was_never_started_has_failed(
        self, beside: tuple[dict[str, Any], ...], name: str
    ) -> None:
        run = seen("success", *beside, job(2, "manual", name=name, allow_failure=True))
        assert run.state is RunState.FAILED
        assert run.sentence.startswith(
            f'"{name}" is optional and was not started, so nothing was done'
        )

    @pytest.mark.parametrize(
        "statuses", [("manual", "manual"), ("skipped", "skipped"), ("manual", "skipped")]
    )
    def test_a_success_in_which_no_job_ran_has_failed_whatever_they_are_called(
        self, statuses: tuple[str, ...]
    ) -> None:
        run = seen(
            "success",
            *(job(number, status, allow_failure=True) for number, status in enumerate(statuses, 1)),
        )
        assert run.state is RunState.FAILED
        assert "nothing was done" in run.sentence

    @pytest.mark.parametrize(
        "jobs",
        [
            (),
            (
                job(1, "success", name="roll out"),
                job(2, "manual", name="clean up", allow_failure=True),
            ),
            (
                job(1, "success", name="roll out: [eu]"),
                job(2, "manual", name="roll out: [us]", allow_failure=True),
            ),
            (
                job(1, "manual", name="roll out", allow_failure=True),
                job(2, "success", name="roll out"),
            ),
            (
                job(1, "success", name="our own deploy"),
                job(2, "manual", name="roll out later", allow_failure=True),
            ),
        ],
    )
    def test_a_success_whose_work_was_done_is_one(self, jobs: tuple[dict[str, Any], ...]) -> None:
        run = seen("success", *jobs)
        assert (run.state, run.sentence) == (RunState.SUCCEEDED, "")

    def test_nothing_is_open_in_a_pipeline_that_is_over(self) -> None:
        run = seen(
            "canceled",
            job(1, "running", stage="a"),
            job(2, "created", stage="b"),
            job(3, "manual", stage="c"),
        )
        assert [stage.state for stage in run.stages] == [
            RunState.CANCELLED,
            RunState.SKIPPED,
            RunState.CANCELLED,
        ]

    def test_a_stage_begins_with_its_first_job_and_ends_with_its_last(self) -> None:
        first, last = "2026-11-02T11:00:00Z", "2026-11-02T11:09:00Z"
        stage = seen(
            "success",
            job(1, "success", started_at=first, finished_at=first),
            job(2, "success", started_at=last, finished_at=last),
        ).stages[0]
        assert (stage.started_at, stage.finished_at) == (
            reading.moment(first),
            reading.moment(last),
        )


class TestGates:
    @pytest.mark.parametrize(
        ("jobs", "gate"),
        [
            ((job(1, "manual"),), 1),
            ((job(1, "success"), job(2, "manual")), 2),
            ((job(1, "manual"), job(2, "manual")), 0),
            ((job(1, "manual", allow_failure=True),), 0),
            ((job(1, "manual"), job(2, "manual", allow_failure=True)), 1),
            ((job(1, "manual"), job(2, "running")), 0),
            ((job(1, "scheduled"),), 0),
            ((job(1, "manual"), job(2, "scheduled")), 0),
            ((job(1, "manual", name="a"), job(2, "success", name="a")), 0),
            ((job(1, "manual", stage="a"), job(2, "manual", stage="b")), 1),
            ((job(1, "running", downstream_pipeline={"id": 5, "status": "manual"}),), 0),
            ((), 0),
        ],
    )
    def test_one_blocking_manual_job_is_a_gate_and_several_are_a_choice(
        self, jobs: tuple[dict[str, Any], ...], gate: int
    ) -> None:
        assert reading.gate(jobs) == gate
        assert any(stage.passable for stage in seen("manual", *jobs).stages) is bool(gate)


class TestSentences:
    @pytest.mark.parametrize(
        ("reason", "words"),
        [
            ("script_failure", "its script failed"),
            (
                "protected_environment_failure",
                "the environment is protected from the user who started it",
            ),
            ("some_new_failure", "some new failure"),
        ],
    )
    def test_a_failure_names_stage_job_and_reason(self, reason: str, words: str) -> None:
        run = seen("failed", job(1, "failed", name="roll out", failure_reason=reason))
        assert run.sentence == f'deploy: "roll out" failed ({words})'

    def test_a_failure_without_a_failed_job_is_not_silent(self) -> None:
        assert seen("failed").sentence == "the pipeline failed without a failed job"
        assert (
            seen("failed", yaml_errors="jobs:x config is wrong").sentence
            == "jobs:x config is wrong"
        )

    @pytest.mark.parametrize(
        ("status", "words"),
        [
            ("manual", '"roll out" waits to be started or approved at GitLab'),
            ("scheduled", '"roll out" waits until its delay is over'),
        ],
    )
    def test_a_gate_is_named(self, status: str, words: str) -> None:
        assert seen(status, job(1, status, name="roll out")).sentence == f"deploy: {words}"

    def test_a_resource_group_that_is_taken_is_named(self) -> None:
        assert (
            "resource group"
            in seen("waiting_for_resource", job(1, "waiting_for_resource")).sentence
        )

    def test_success_says_nothing(self) -> None:
        assert seen("success", job(1, "failed", allow_failure=True)).sentence == ""


class TestChildren:
    @pytest.mark.parametrize(
        ("bridge", "child", "state", "words"),
        [
            ("running", "running", RunState.RUNNING, '"regions": its pipeline 5 is running'),
            (
                "running",
                "manual",
                RunState.WAITING,
                '"regions": its pipeline 5 waits for a manual job',
            ),
            ("success", "success", RunState.SUCCEEDED, ""),
            ("success", "running", RunState.SUCCEEDED, '"regions": its pipeline 5 is running'),
        ],
    )
    def test_a_child_pipeline_is_shown_where_it_was_begun(
        self, bridge: str, child: str, state: RunState, words: str
    ) -> None:
        trigger = job(3, bridge, name="regions", downstream_pipeline={"id": 5, "status": child})
        stage = reading.run(PIPELINE, (trigger,)).stages[0]
        assert (stage.state, stage.sentence) == (state, words)

    def test_a_bridge_that_began_nothing_is_a_job_like_others(self) -> None:
        assert (
            reading.run(PIPELINE, (job(3, "created", downstream_pipeline=None),)).stages[0].state
            is RunState.QUEUED
        )


@pytest.mark.parametrize(
    "junk", [None, 7, "x", [], {"total": 7}, {"total": {"count": "many"}}, {"total": {"count": 0}}]
)
def test_a_report_that_cannot_be_read_gives_no_figures(junk: Any) -> None:
    summary = junk if isinstance(junk, dict) else {}
    assert (
        facts.quality({**PIPELINE, "status": "success"}, summary).sentence
        == "pipeline 47 passed; it reports no test results"
    )


def test_figures_stand_in_the_sentence() -> None:
    total = {"count": 3363, "success": 3341, "failed": 9, "skipped": 12, "error": 1}
    quality = facts.quality({**PIPELINE, "status": "failed"}, {"total": total})
    assert quality.sentence == "pipeline 47 failed: 3,363 tests, 10 failed, 12 skipped"


def test_many_commits_are_counted_and_some_listed() -> None:
    commits = [
        {"id": str(number), "title": f"change {number}", "author_name": "ana"}
        for number in range(400)
    ]
    changes = facts.changes({"commits": commits, "diffs": None}, commits)
    assert (changes.total, len(changes.commits), changes.commits[0].subject) == (
        400,
        facts.SHOWN,
        "change 0",
    )


def test_our_own_variables_win_over_inputs_of_the_same_name() -> None:
    request = StartRequest(
        "shop-1:all", "a" * 40, "production", "deploy", {"commit": "b", "what-ever": "x"}
    )
    variables = reading.variables(request, "shop")
    assert (variables["GONOGO_COMMIT"], variables["GONOGO_WHAT_EVER"]) == ("a" * 40, "x")


@pytest.mark.parametrize(
    ("name", "claims"),
    [
        ("gonogo shop-1:all", "shop-1:all"),
        ("Gonogo x", ""),
        (None, ""),
        ("", ""),
        ("nightly gonogo x", ""),
    ],
)
def test_only_our_names_claim_an_intent(name: str | None, claims: str) -> None:
    assert reading.named({"name": name}) == claims
