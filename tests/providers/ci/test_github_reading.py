"""GitHub's words about a run, known and unknown, and answers that are not GitHub's at all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import IntegrationError
from bot.domain.rollout import RunState
from bot.ports.ci import StartRequest
from bot.providers.ci.github import reading

if TYPE_CHECKING:
    from tests.providers.ci.github_lab import GitHubLab

AT = {
    "created_at": "2026-11-21T08:00:00Z",
    "run_started_at": "2026-11-21T08:00:05Z",
    "updated_at": "2026-11-21T08:10:00Z",
}
LATER = "2026-11-21T08:05:00Z"
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def run(status: str, conclusion: str | None = None) -> dict[str, Any]:
    return {
        "id": 7,
        "status": status,
        "conclusion": conclusion,
        "html_url": "https://github.com/acme/shop/actions/runs/7",
        **AT,
    }


def job(name: str, status: str, conclusion: str | None = None, **more: Any) -> dict[str, Any]:
    started = None if status == "queued" else AT["run_started_at"]
    return {
        "name": name,
        "status": status,
        "conclusion": conclusion,
        "started_at": started,
        "completed_at": None,
        "steps": [],
        **more,
    }


@pytest.mark.parametrize(
    ("status", "conclusion", "state"),
    [
        ("queued", None, RunState.QUEUED),
        ("requested", None, RunState.QUEUED),
        ("pending", None, RunState.QUEUED),
        ("in_progress", None, RunState.RUNNING),
        ("waiting", None, RunState.WAITING),
        ("completed", "action_required", RunState.WAITING),
        ("completed", "success", RunState.SUCCEEDED),
        ("completed", "failure", RunState.FAILED),
        ("completed", "timed_out", RunState.FAILED),
        ("completed", "startup_failure", RunState.FAILED),
        ("completed", "stale", RunState.FAILED),
        ("completed", "neutral", RunState.FAILED),
        ("completed", "cancelled", RunState.CANCELLED),
        ("completed", "skipped", RunState.SKIPPED),
        ("completed", "a word of next year", RunState.FAILED),
        ("completed", None, RunState.FAILED),
        ("a word of next year", None, RunState.RUNNING),
    ],
)
def test_every_word_has_a_state_and_only_success_is_success(
    status: str, conclusion: str | None, state: RunState
) -> None:
    assert reading.run(run(status, conclusion)).state is state


@pytest.mark.parametrize(
    ("data", "jobs", "sentence"),
    [
        (run("queued"), [], "waits at GitHub to begin"),
        (run("queued"), [job("build", "queued")], "waits for a runner"),
        (run("pending"), [], "waits at GitHub for another run of its concurrency group"),
        (
            run("completed", "cancelled"),
            [],
            (
                "cancelled at GitHub before it began, perhaps by a "
                "newer run of its concurrency group"
            ),
        ),
        (run("completed", "cancelled"), [job("build", "in_progress")], "cancelled at GitHub"),
        (
            run("completed", "skipped"),
            [],
            ("GitHub skipped the whole run; look at the conditions of its jobs"),
        ),
        (run("completed", "startup_failure"), [], "GitHub ended the run: startup failure"),
        (
            run("completed", "failure"),
            [job("build", "completed", "timed_out")],
            "build failed: timed out",
        ),
        (
            run("completed", "failure"),
            [job("a", "completed", "failure"), job("b", "completed", "failure")],
            "a failed; b failed",
        ),
        (
            run("in_progress"),
            [
                job("build", "completed", "success"),
                job("test", "in_progress"),
                job("lint", "in_progress"),
            ],
            "test; lint",
        ),
        (run("completed", "success"), [job("build", "completed", "success")], ""),
    ],
)
def test_a_run_says_what_it_does_or_why_it_ended(
    data: dict[str, Any], jobs: list[dict[str, Any]], sentence: str
) -> None:
    assert reading.run(data, jobs).sentence == sentence


def test_jobs_that_appear_only_when_their_turn_comes_are_taken_as_they_come() -> None:
    first = reading.run(run("in_progress"), [job("build", "in_progress")])
    then = reading.run(
        run("in_progress"),
        [job("build", "completed", "success", completed_at=LATER), job("release", "in_progress")],
    )
    assert [stage.name for stage in first.stages] == ["build"]
    assert [stage.state for stage in then.stages] == [RunState.SUCCEEDED, RunState.RUNNING]


@pytest.mark.parametrize(
    ("conclusion", "left"), [("cancelled", RunState.CANCELLED), ("failure", RunState.SKIPPED)]
)
def test_a_list_of_jobs_that_is_behind_does_not_keep_a_finished_run_going(
    conclusion: str, left: RunState
) -> None:
    seen = reading.run(
        run("completed", conclusion), [job("build", "in_progress"), job("release", "queued")]
    )
    assert {stage.state for stage in seen.stages} == {left}


def test_the_end_of_a_run_is_the_end_of_its_last_job() -> None:
    seen = reading.run(
        run("completed", "success"), [job("build", "completed", "success", completed_at=LATER)]
    )
    assert seen.finished_at
    assert (seen.finished_at.isoformat(), seen.finished_at.tzinfo is None) == (
        "2026-11-21T08:05:00+00:00",
        False,
    )


@pytest.mark.parametrize(
    ("pending", "sentence"),
    [
        ([], ""),
        (
            [{"environment": {"name": "production"}, "wait_timer": 0, "reviewers": []}],
            "production waits at GitHub for its protection rules",
        ),
        (
            [{"environment": {"name": "production"}, "wait_timer": 30, "reviewers": []}],
            "production waits at GitHub for its timer of 30 min",
        ),
        (
            [
                {
                    "environment": {"name": "eu"},
                    "reviewers": [{"reviewer": {"login": "bo"}}, {"reviewer": {"name": "Release"}}],
                }
            ],
            "eu waits at GitHub for a review by bo or Release",
        ),
    ],
)
def test_a_gate_is_named_with_whoever_opens_it(
    pending: list[dict[str, Any]], sentence: str
) -> None:
    assert reading.gate(pending) == sentence


@given(JSONS, JSONS)
def test_whatever_comes_is_read_or_refused_with_a_sentence(data: Any, jobs: Any) -> None:
    try:
        with reading.understood():
            reading.run(data, jobs)
    except IntegrationError as error:
        if not error.retry:
            raise


CALLS: dict[str, Callable[[Any, str], Awaitable[Any]]] = {
    "resolve": lambda ci, _: ci.resolve("v1"),
    "latest": lambda ci, _: ci.resolve("latest"),
    "compare": lambda ci, commit: ci.compare(commit, "main"),
    "quality": lambda ci, commit: ci.quality(commit),
    "look": lambda ci, _: ci.look("7"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_an_answer_of_a_proxy_is_no_answer_of_github(
    github: GitHubLab, call: Callable[[Any, str], Awaitable[Any]]
) -> None:
    commit = github.commit("first")
    github.break_next('{"hello": "I am a proxy"}', times=50)
    with pytest.raises(IntegrationError, match="cannot be read") as caught:
        await call(github.ci, commit)
    assert caught.value.retry


async def test_a_start_whose_answer_makes_no_sense_is_not_made_again(github: GitHubLab) -> None:
    request = StartRequest("shop-1:all", github.commit("first"), "production", "deploy")
    github.break_next('{"hello": "I am a proxy"}', path="/dispatches")
    with pytest.raises(IntegrationError) as caught:
        await github.ci.start(request)
    assert caught.value.retry
    await github.ci.start(request)
    assert github.started() == 1


async def test_the_doctor_survives_a_proxy(github: GitHubLab) -> None:
    github.break_next('{"hello": "I am a proxy"}', times=50)
    assert [each.ok for each in await github.ci.examine()][1:4] == [False, False, False]


DONE, LEFT = ("completed", "success"), ("completed", "skipped")
SKIPPED_ALL = (
    "GitHub skipped every job of the run, so nothing was done; look at the conditions of its jobs"
)


@pytest.mark.parametrize(
    ("title", "jobs", "sentence"),
    [
        ("shop-42:canary-5 deploy v1 to production", {"deploy": DONE, "smoke": LEFT}, ""),
        ("shop-42:rollback rollback v1 to production", {"deploy": DONE, "smoke": LEFT}, ""),
        ("shop-42:canary-5:smoke smoke v1 to production", {"deploy": LEFT, "smoke": DONE}, ""),
        (
            "shop-42:canary-5 deploy v1 to production",
            {"deploy": LEFT, "notify": DONE},
            'the job "deploy" was skipped',
        ),
        (
            "shop-42:rollback rollback v1 to production",
            {"deploy": LEFT, "notify": DONE},
            'the job "deploy" was skipped',
        ),
        (
            "shop-42:canary-5:smoke smoke v1 to production",
            {"smoke": LEFT, "notify": DONE},
            'the job "smoke" was skipped',
        ),
        (
            "shop-42:all deploy v1 to production",
            {"deploy / roll out": LEFT, "notify": DONE},
            'the job "deploy" was skipped',
        ),
        ("shop-42:all deploy v1 to production", {"deploy (eu)": LEFT, "deploy (us)": DONE}, ""),
        ("shop-42:all deploy v1 to production", {"deploy": LEFT, "smoke": LEFT}, SKIPPED_ALL),
        ("shop-42:all deploy v1 to production", {"deployment-notes": LEFT, "roll out": DONE}, ""),
        ("deploy", {"deploy": LEFT, "smoke": DONE}, ""),
        ("Release shop-42:all", {"deploy": LEFT, "smoke": DONE}, ""),
    ],
)
def test_a_green_run_whose_own_job_was_skipped_did_nothing(
    title: str, jobs: dict[str, tuple[str, str]], sentence: str
) -> None:
    seen = reading.run(
        run("completed", "success") | {"display_title": title},
        [job(name, *state) for name, state in jobs.items()],
    )
    assert seen.state is (RunState.FAILED if sentence else RunState.SUCCEEDED)
    assert seen.sentence.startswith(sentence)
    assert bool(seen.sentence) is bool(sentence)


@pytest.mark.parametrize(
    ("changed", "ours"),
    [
        ({}, True),
        ({"event": "pull_request"}, False),
        ({"event": "push"}, False),
        ({"head_repository": {"id": 2}}, False),
        ({"head_repository": None}, False),
        ({"repository": None, "head_repository": None}, False),
        ({"display_title": "shop-42:canary-50 deploy"}, False),
    ],
)
def test_only_a_run_that_was_dispatched_here_may_be_ours(
    changed: dict[str, Any], *, ours: bool
) -> None:
    title = "shop-42:canary-5 deploy v1 to production"
    listed = {
        "event": "workflow_dispatch",
        "repository": {"id": 1},
        "head_repository": {"id": 1},
        "display_title": title,
    }
    assert reading.may_be_ours(listed | changed, "shop-42:canary-5") is ours
