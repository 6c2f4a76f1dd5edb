"""GitHub's own list of deployments: kept at the exact commit, and never in the way of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bot.ports.ci import CIRun, StartRequest

if TYPE_CHECKING:
    from tests.providers.ci.github_lab import GitHubLab


@pytest.fixture
async def listed(github_app: GitHubLab) -> GitHubLab:
    github_app.options["deployments"] = "on"
    github_app.ci = github_app.provider()
    return github_app


def request(commit: str, action: str = "deploy") -> StartRequest:
    inputs = {"percent": "25", "version": "v1.4.2", "strategy": "canary", "deployment": "shop-42"}
    return StartRequest("shop-42:canary-25", commit, "production", action, inputs)


async def to_its_end(lab: GitHubLab, run: CIRun) -> CIRun:
    while not run.state.is_final:
        run = await lab.ci.look(run.id)
    return run


def told(lab: GitHubLab) -> list[str]:
    return [status["state"] for made in lab.world.deployments for status in made["statuses"]]


class TestTheList:
    async def test_it_shows_the_exact_commit_and_not_the_tip_of_the_branch(
        self, listed: GitHubLab
    ) -> None:
        commit = listed.commit("first")
        listed.commit("second")
        run = await to_its_end(listed, await listed.ci.start(request(commit, "rollback")))
        (made,) = listed.world.deployments
        assert (made["sha"], made["environment"], made["task"]) == (
            commit,
            "production",
            "rollback",
        )
        assert made["description"] == "v1.4.2, 25 %"
        assert made["payload"] == {
            "correlation": "shop-42:canary-25", "run": run.id,
            "version": "v1.4.2", "percent": "25", "strategy": "canary",
            "deployment": "shop-42",
        }  # fmt: skip
        assert made["statuses"][-1]["log_url"] == run.url

    async def test_a_red_commit_that_was_approved_all_the_same_is_listed(
        self, listed: GitHubLab
    ) -> None:
        commit = listed.commit("first")
        listed.world.statuses[commit] = [{"context": "ci", "state": "failure"}]
        await listed.ci.start(request(commit))
        assert len(listed.world.deployments) == 1

    @pytest.mark.parametrize(("failing", "last"), [(-1, "success"), (1, "failure")])
    async def test_it_follows_the_run_once_per_state(
        self, listed: GitHubLab, failing: int, last: str
    ) -> None:
        await to_its_end(
            listed, await listed.ci.start(request(listed.commit("first", failing=failing)))
        )
        assert told(listed) == ["in_progress", last]

    async def test_a_cancelled_run_is_no_success_there(self, listed: GitHubLab) -> None:
        run = await listed.ci.start(request(listed.commit("first", held=True)))
        await listed.ci.cancel(run.id)
        await to_its_end(listed, run)
        assert told(listed)[-1] == "error"

    async def test_it_goes_on_after_a_restart_of_the_bot(self, listed: GitHubLab) -> None:
        run = await listed.ci.start(request(listed.commit("first")))
        listed.ci = listed.provider()
        await to_its_end(listed, run)
        assert told(listed)[-1] == "success"
        assert len(listed.world.deployments) == 1

    async def test_a_smoke_test_is_no_deployment(self, listed: GitHubLab) -> None:
        await to_its_end(listed, await listed.ci.start(request(listed.commit("first"), "smoke")))
        assert not listed.world.deployments

    async def test_it_is_off_unless_it_is_asked_for(self, github_app: GitHubLab) -> None:
        await to_its_end(github_app, await github_app.ci.start(request(github_app.commit("first"))))
        assert not any("/deployments" in line for line in github_app.github.requests)


class TestNeverInTheWay:
    @pytest.mark.parametrize(
        "fault", ["401", "403", "404", "409", "422", "500", "lost", "truncated"]
    )
    async def test_a_run_starts_and_ends_whatever_the_list_says(
        self, listed: GitHubLab, fault: str
    ) -> None:
        listed.break_next(fault, path="/deployments", times=50)
        run = await to_its_end(listed, await listed.ci.start(request(listed.commit("first"))))
        assert (str(run.state), listed.started()) == ("succeeded", 1)

    async def test_without_the_right_it_is_not_tried_again(self, listed: GitHubLab) -> None:
        del listed.github.app.permissions["deployments"]
        await to_its_end(listed, await listed.ci.start(request(listed.commit("first"))))
        assert sum("/deployments" in line for line in listed.github.requests) == 1

    async def test_a_long_sentence_is_cut_to_what_github_takes(self, listed: GitHubLab) -> None:
        commit = listed.commit("first")
        start = request(commit)
        inputs: dict[str, Any] = {**start.inputs, "version": "v" * 200}
        await listed.ci.start(
            StartRequest(start.correlation, commit, "production", "deploy", inputs)
        )
        assert len(listed.world.deployments[0]["description"]) == 140
