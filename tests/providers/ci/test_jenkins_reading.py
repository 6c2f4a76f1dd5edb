"""Reading what Jenkins answers, without a Jenkins."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.rollout import RunState, Stage
from bot.providers.ci.jenkins import reading

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from([
            "number", "id", "actions", "parameters", "name", "value",
            "timestamp", "duration", "stages", "status", "task", "url", "causes",
            "startTimeMillis", "durationMillis", "error", "message",
            "executable", "cancelled", "building", "result", "_class",
            "lastBuiltRevision", "SHA1", "totalCount", "property",
            "parameterDefinitions", "why", "shortDescription",
        ]),
        inner, max_size=6,
    ),
    max_leaves=20,
)  # fmt: skip


def stage(name: str, status: str, took: int = 4000, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "status": status,
        "startTimeMillis": 1_760_000_000_000,
        "durationMillis": took,
        **more,
    }


def states(
    *described: dict[str, Any], whole: RunState, planned: tuple[str, ...] = ()
) -> list[tuple[str, RunState]]:
    return [
        (each.name, each.state)
        for each in reading.stages({"stages": list(described)}, planned, whole)
    ]


@settings(max_examples=60, deadline=None)
@given(JSON)
def test_no_answer_however_odd_raises(data: Any) -> None:
    reading.tested(data)
    reading.item(data)
    reading.declared(data)
    reading.is_buildable(data)
    reading.questions(data)
    for whole in RunState:
        reading.stages(data, ("build",), whole)
    found = reading.build(data)
    if found:
        assert reading.sentence(found, ()) is not None


class TestJobs:
    @pytest.mark.parametrize(
        ("name", "path"),
        [
            ("shop", "/job/shop"),
            ("team/shop", "/job/team/job/shop"),
            ("/team/shop/", "/job/team/job/shop"),
            ("our team/shop", "/job/our%20team/job/shop"),
            ("shop/feature%2Fx", "/job/shop/job/feature%252Fx"),
        ],
    )
    def test_a_name_becomes_a_path(self, name: str, path: str) -> None:
        assert reading.job_path(name) == path

    @pytest.mark.parametrize("name", ["", "/", "a//b", "..", "a/../b", "a?b", "a\nb", "."])
    def test_what_cannot_be_a_job_is_refused(self, name: str) -> None:
        with pytest.raises(ValueError, match=r"^"):
            reading.job_path(name)

    @pytest.mark.parametrize(
        ("location", "id"),
        [
            ("https://ci.example.com/jenkins/queue/item/42/", 42),
            ("/queue/item/42", 42),
            ("https://elsewhere.example.com/queue/item/7/api", 7),
            ("https://ci.example.com/job/x/", None),
            ("", None),
        ],
    )
    def test_only_the_number_is_taken_from_a_location(self, location: str, id: int | None) -> None:
        assert reading.item_id(location) == id

    def test_a_queue_item_belongs_to_the_job_of_its_own_path(self) -> None:
        def job(url: str) -> str:
            found = reading.item({"id": 1, "task": {"url": url}})
            assert found
            return found.job

        assert job("http://inside:8080/jenkins/job/team/job/shop/") == "/job/team/job/shop"
        assert job("https://ci.example.com/job/team/job/shop/") == "/job/team/job/shop"
        assert job("https://ci.example.com/") == ""

    @pytest.mark.parametrize(
        ("name", "address"),
        [
            ("Deploy (production)", "/job/Deploy%20(production)/"),
            ("R&D/a+b", "/job/R&D/job/a+b/"),
            ("~shop", "/job/%7Eshop/"),
        ],
    )
    def test_a_jobs_name_is_the_same_however_it_is_escaped(self, name: str, address: str) -> None:
        found = reading.item({"id": 1, "task": {"url": f"https://ci.example.com{address}"}})
        assert found is not None
        assert found.job == unquote(reading.job_path(name))


class TestTheQueue:
    @pytest.mark.parametrize(
        ("kind", "why", "said"),
        [
            ("WaitingItem", "In the quiet period. Expires in 4.9 sec", ""),
            (
                "BlockedItem",
                "Build #12 is already in progress (ETA: 5 min 3 sec)",
                "Build #12 is already in progress",
            ),
            (
                "BuildableItem",
                "There are no nodes with the label 'linux'",
                "There are no nodes with the label 'linux'",
            ),
            ("LeftItem", None, ""),
        ],
    )
    def test_why_an_item_waits_is_said_without_what_changes_with_every_look(
        self, kind: str, why: str | None, said: str
    ) -> None:
        found = reading.item({"_class": f"hudson.model.Queue${kind}", "id": 7, "why": why})
        assert found
        assert found.why == said


class TestQuestions:
    def test_one_plain_question_is_a_gate(self) -> None:
        (asked,) = reading.questions([{"id": "Release", "message": "Release it?", "inputs": []}])
        assert reading.gate([asked]) is asked

    @pytest.mark.parametrize(
        "data",
        [
            [],
            [{"id": "A", "inputs": []}, {"id": "B", "inputs": []}],
            [{"id": "A", "inputs": [{"name": "WHERE"}]}],
            [{"id": "a/../b"}],
            [{"id": 7}],
            {"id": "A"},
        ],
    )
    def test_several_questions_and_those_that_want_more_than_a_yes_are_none(
        self, data: Any
    ) -> None:
        assert reading.gate(reading.questions(data)) is None


class TestStages:
    def test_stages_that_are_planned_and_not_reached_are_still_to_come(self) -> None:
        seen = states(
            stage("build", "SUCCESS"),
            stage("migrate", "IN_PROGRESS"),
            whole=RunState.RUNNING,
            planned=("build", "migrate", "release"),
        )
        assert seen == [
            ("build", RunState.SUCCEEDED),
            ("migrate", RunState.RUNNING),
            ("release", RunState.QUEUED),
        ]

    @pytest.mark.parametrize("called", ["FAILED", "SUCCESS", "NOT_EXECUTED"])
    def test_a_stage_after_the_broken_one_was_passed_over_whatever_jenkins_calls_it(
        self, called: str
    ) -> None:
        seen = states(
            stage("build", "FAILED"),
            stage("migrate", called, 40),
            stage("release", "FAILED", 30),
            whole=RunState.FAILED,
        )
        assert seen == [
            ("build", RunState.FAILED),
            ("migrate", RunState.SKIPPED),
            ("release", RunState.SKIPPED),
        ]

    def test_a_stage_that_really_ran_after_a_caught_failure_stays(self) -> None:
        seen = states(stage("lint", "FAILED"), stage("release", "SUCCESS"), whole=RunState.FAILED)
        assert seen == [("lint", RunState.FAILED), ("release", RunState.SUCCEEDED)]

    def test_jenkins_own_stages_are_hidden_unless_one_of_them_is_what_failed(self) -> None:
        own = (
            stage("Declarative: Checkout SCM", "SUCCESS"),
            stage("build", "SUCCESS"),
            stage("Declarative: Post Actions", "SUCCESS"),
        )
        assert states(*own, whole=RunState.SUCCEEDED) == [("build", RunState.SUCCEEDED)]
        broken = (
            stage("Declarative: Checkout SCM", "FAILED"),
            stage("Declarative: Post Actions", "FAILED", 10),
        )
        assert states(*broken, whole=RunState.FAILED) == [
            ("Declarative: Checkout SCM", RunState.FAILED)
        ]

    def test_a_stage_left_open_by_a_build_that_ended_is_closed(self) -> None:
        assert states(stage("build", "IN_PROGRESS"), whole=RunState.CANCELLED) == [
            ("build", RunState.CANCELLED)
        ]
        assert states(stage("build", "PAUSED_PENDING_INPUT"), whole=RunState.FAILED) == [
            ("build", RunState.FAILED)
        ]

    def test_a_stage_that_was_left_out_on_purpose_is_skipped_and_has_no_times(self) -> None:
        (skipped,) = reading.stages(
            {"stages": [stage("smoke", "SKIPPED", startTimeMillis=0)]}, (), RunState.SUCCEEDED
        )
        assert skipped == Stage("smoke", RunState.SKIPPED)

    def test_times_are_aware_utc(self) -> None:
        (seen,) = reading.stages({"stages": [stage("build", "SUCCESS")]}, (), RunState.SUCCEEDED)
        assert (seen.started_at, seen.finished_at) == (
            datetime(2025, 10, 9, 8, 53, 20, tzinfo=UTC),
            datetime(2025, 10, 9, 8, 53, 24, tzinfo=UTC),
        )


class TestBuilds:
    @pytest.mark.parametrize(
        ("result", "state"),
        [
            ("SUCCESS", RunState.SUCCEEDED), ("UNSTABLE", RunState.FAILED),
            ("FAILURE", RunState.FAILED), ("ABORTED", RunState.CANCELLED),
            ("NOT_BUILT", RunState.CANCELLED), ("SOMETHING_NEW", RunState.FAILED),
        ],
    )  # fmt: skip
    def test_a_result_is_a_state_and_an_unknown_one_is_no_success(
        self, result: str, state: RunState
    ) -> None:
        found = reading.build({"number": 1, "building": False, "result": result})
        assert found
        assert found.state is state

    @pytest.mark.parametrize(
        "data",
        [
            {"number": 1},
            {"number": 1, "building": True},
            {"number": 1, "building": False, "result": None},
        ],
    )
    def test_a_build_that_does_not_say_how_it_ended_is_under_way(
        self, data: dict[str, Any]
    ) -> None:
        found = reading.build(data)
        assert found
        assert found.state is RunState.RUNNING

    @pytest.mark.parametrize(
        "data", [None, [], {}, {"number": "1"}, {"number": True}, {"number": -1}]
    )
    def test_what_has_no_number_is_no_build(self, data: Any) -> None:
        assert reading.build(data) is None
