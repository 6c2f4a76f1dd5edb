"""GitHub's runs: started once, found again, followed, stopped."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bot.domain.errors import IntegrationError
from bot.domain.rollout import RunState
from bot.ports.ci import StartRequest
from bot.providers.ci.starts import AFTER_A_FAULT, SETTLES
from tests.providers.ci.github_door import Fault

if TYPE_CHECKING:
    from tests.providers.ci.github_lab import GitHubLab

INPUTS = {"percent": "25", "version": "v1.4.2", "strategy": "canary", "deployment": "shop-42"}
RUN_NAME = (
    "run-name: ${{ inputs.correlation }} ${{ inputs.action }} ${{ inputs.version }} to "
    "${{ inputs.environment }}\n"
)


def request(
    commit: str, correlation: str = "shop-42:canary-25", action: str = "deploy"
) -> StartRequest:
    return StartRequest(
        correlation, commit, "production", action, INPUTS, asked_by="T0000000TEAM/U0000000ANA"
    )


async def refused(lab: GitHubLab, start: StartRequest) -> IntegrationError:
    with pytest.raises(IntegrationError) as caught:
        await lab.ci.start(start)
    return caught.value


def without_run_name(lab: GitHubLab) -> None:
    file = lab.world.workflows["deploy.yml"]
    assert RUN_NAME in file.text
    file.text = file.text.replace(RUN_NAME, "")


def dispatches(lab: GitHubLab) -> int:
    return sum(line.endswith("/dispatches") for line in lab.github.requests)


class TestStarting:
    async def test_everything_that_was_asked_travels_into_the_run(self, github: GitHubLab) -> None:
        commit = github.commit("first")
        await github.ci.start(request(commit))
        (run,) = github.world.deploy_runs()
        assert run.inputs == {
            "action": "deploy", "environment": "production",
            "commit": commit, "correlation": "shop-42:canary-25",
            "percent": "25", "version": "v1.4.2", "strategy": "canary",
            "deployment": "shop-42", "asked_by": "T0000000TEAM/U0000000ANA",
            "service": "shop",
        }  # fmt: skip
        assert run.title == "shop-42:canary-25 deploy v1.4.2 to production"

    @pytest.mark.parametrize("action", ["deploy", "smoke", "rollback"])
    async def test_the_template_takes_each_action(self, github: GitHubLab, action: str) -> None:
        await github.ci.start(request(github.commit("first"), action=action))
        assert github.world.deploy_runs()[0].inputs["action"] == action

    async def test_an_action_that_the_workflow_does_not_know_is_refused_and_may_be_tried_again_later(
        self, github: GitHubLab
    ) -> None:
        commit = github.commit("first")
        error = await refused(github, request(commit, action="migrate"))
        assert (error.status, error.retry, github.started()) == (422, False, 0)
        assert "not in the list of allowed values" in str(error)
        await github.ci.start(request(commit))
        assert github.started() == 1

    async def test_a_branch_that_is_not_there_is_named(self, github: GitHubLab) -> None:
        commit = github.commit("first")
        github.options["ref"] = "production"
        github.ci = github.provider()
        assert "No ref found for: production" in str(await refused(github, request(commit)))

    async def test_a_default_branch_that_was_renamed_is_found_again(
        self, github: GitHubLab
    ) -> None:
        commit = github.commit("first")
        await github.ci.start(request(commit))
        github.world.branches["trunk"] = github.world.branches.pop("main")
        github.world.default_branch = "trunk"
        await github.ci.start(request(commit, "shop-43:rollback"))
        assert [run.branch for run in github.world.deploy_runs()] == ["main", "trunk"]

    async def test_a_correlation_is_a_word_and_not_a_part_of_one(self, github: GitHubLab) -> None:
        commit = github.commit("first")
        for other in ("shop-42:canary-250", "shop-42:canary-25:smoke", "a-shop-42:canary-25"):
            await github.ci.start(request(commit, other))
        assert await github.ci.find("shop-42:canary-25") is None

    async def test_what_we_know_nothing_of_costs_one_page_of_runs(self, github: GitHubLab) -> None:
        assert await github.ci.find("shop-42:canary-25") is None
        assert sum("/deploy.yml/runs" in line for line in github.github.requests) == 1

    async def test_a_run_that_github_named_costs_no_search(self, github: GitHubLab) -> None:
        run = await github.ci.start(request(github.commit("first")))
        found = await github.ci.find("shop-42:canary-25")
        assert found is not None
        assert found.id == run.id
        # before it was started
        assert sum("/deploy.yml/runs" in line for line in github.github.requests) == 1

    async def test_of_two_starts_at_the_same_moment_one_run_comes(self, github: GitHubLab) -> None:
        start = request(github.commit("first"))
        first, second = await asyncio.gather(github.ci.start(start), github.ci.start(start))
        assert (first.id, github.started(), dispatches(github)) == (second.id, 1, 1)


class TestStrangers:
    @pytest.mark.parametrize("conclusion", ["success", "action_required"])
    async def test_the_run_of_a_pull_request_that_is_called_like_ours_is_not_ours(
        self, github: GitHubLab, conclusion: str
    ) -> None:
        commit = github.commit("first")
        stranger = github.world.propose("shop-43:rollback", conclusion)
        run = await github.ci.start(request(commit, "shop-43:rollback", "rollback"))
        assert (run.id != str(stranger.id), dispatches(github)) == (True, 1)

    async def test_what_github_named_is_ours_whatever_else_carries_the_title(
        self, github: GitHubLab
    ) -> None:
        commit = github.commit("first")
        run = await github.ci.start(request(commit))
        github.world.propose("shop-42:canary-25", "success")
        github.twin("shop-42:canary-25")
        assert (await github.ci.start(request(commit))).id == run.id

    async def test_a_stranger_is_not_taken_for_a_run_whose_answer_was_lost(
        self, github: GitHubLab
    ) -> None:
        commit = github.commit("first")
        github.world.propose("shop-42:canary-25", "success")
        github.break_next("lost", path="/dispatches")
        run = await github.ci.start(request(commit))
        assert run.id == str(github.world.deploy_runs()[-1].id)

    async def test_a_run_of_another_database_is_not_taken_for_ours(self, github: GitHubLab) -> None:
        commit = github.commit("first")
        inputs = {
            "commit": commit,
            "correlation": "shop-42:canary-25",
            "action": "deploy",
            "environment": "staging",
        }
        older = github.world.dispatch("deploy.yml", "main", inputs)
        older.created_at = "2026-01-01T00:00:00Z"
        github.break_next("lost", path="/dispatches")
        assert (await github.ci.start(request(commit))).id != str(older.id)

    async def test_of_two_runs_after_a_lost_answer_none_is_guessed(self, github: GitHubLab) -> None:
        commit = github.commit("first")
        github.break_next("lost", path="/dispatches")
        github.world.hidden_for = 2
        await refused(github, request(commit))
        github.twin("shop-42:canary-25")
        error = await refused(github, request(commit))
        assert (error.retry, github.started()) == (False, 2)
        assert str(error).startswith("2 runs at GitHub carry shop-42:canary-25")

    async def test_a_run_of_another_branch_after_a_lost_answer_is_named_and_nothing_starts_again(
        self, github: GitHubLab
    ) -> None:
        commit = github.commit("first")
        github.branch("side", commit)
        github.break_next("503", path="/dispatches")
        other = github.world.dispatch(
            "deploy.yml", "side", {"commit": commit, "correlation": "shop-42:canary-25"}
        )
        assert (await refused(github, request(commit))).retry
        github.clock.shift = SETTLES
        error = await refused(github, request(commit))
        assert (error.retry, dispatches(github)) == (False, 1)
        assert f"({other.id} on side)" in str(error)


class TestALostAnswer:
    @pytest.mark.parametrize("fault", ["lost", "truncated"])
    async def test_a_run_whose_answer_was_lost_is_found_by_its_title(
        self, github: GitHubLab, fault: str
    ) -> None:
        commit = github.commit("first")
        github.break_next(fault, path="/dispatches")
        run = await github.ci.start(request(commit))
        assert (github.started(), dispatches(github)) == (1, 1)
        assert run.id == str(github.world.deploy_runs()[0].id)

    async def test_while_the_list_is_behind_it_cannot_be_told_and_nothing_is_started_again(
        self, github: GitHubLab
    ) -> None:
        commit = github.commit("first")
        github.break_next("lost", path="/dispatches")
        github.world.hidden_for = 2
        error = await refused(github, request(commit))
        assert error.retry
        assert str(error) == (
            "GitHub gave no answer to the start of shop-42:canary-25 and "
            "does not show the run yet. "
            "It is looked for again; nothing starts twice."
        )
        run = await github.ci.start(request(commit))
        assert (run.id, dispatches(github)) == (str(github.world.deploy_runs()[0].id), 1)

    async def test_a_run_is_found_behind_hundreds_of_newer_ones(self, github: GitHubLab) -> None:
        commit = github.commit("first")
        github.break_next("lost", path="/dispatches")
        github.world.hidden_for = 2
        await refused(github, request(commit))
        for number in range(230):
            github.world.dispatch(
                "deploy.yml", "main", {"commit": commit, "correlation": f"shop-1:canary-{number}"}
            )
        found = await github.ci.find("shop-42:canary-25")
        assert found is not None
        assert found.id == str(github.world.deploy_runs()[0].id)

    async def test_runs_from_before_the_start_are_not_read(self, github: GitHubLab) -> None:
        commit = github.commit("first")
        for number in range(300):
            older = github.world.dispatch(
                "deploy.yml", "main", {"commit": commit, "correlation": f"shop-1:canary-{number}"}
            )
            older.created_at = "2026-01-01T00:00:00Z"
        github.break_next("503", path="/dispatches")
        await refused(github, request(commit))
        github.clock.shift = SETTLES
        assert await github.ci.find("shop-42:canary-25") is None
        assert sum("/deploy.yml/runs" in line for line in github.github.requests) == 3

    async def test_it_holds_over_a_restart_of_the_bot(self, github: GitHubLab) -> None:
        commit = github.commit("first")
        github.break_next("lost", path="/dispatches")
        github.world.hidden_for = 3
        await refused(github, request(commit))
        github.ci = github.provider()
        error = await refused(github, request(commit))
        assert (error.retry, dispatches(github)) == (True, 1)
        assert await github.ci.find("shop-42:canary-25")

    @pytest.mark.case("reliability-5")
    async def test_a_start_that_github_never_took_is_made_again_when_its_list_has_settled(
        self, github: GitHubLab
    ) -> None:
        commit = github.commit("first")
        github.break_next("503", path="/dispatches")
        error = await refused(github, request(commit))
        assert error.retry
        github.clock.shift = SETTLES
        assert await github.ci.find("shop-42:canary-25") is None
        await github.ci.start(request(commit))
        assert (github.started(), dispatches(github)) == (1, 2)

    @pytest.mark.case("reliability-5")
    @pytest.mark.parametrize(
        ("action", "settles"), [("rollback", AFTER_A_FAULT), ("deploy", SETTLES)]
    )
    async def test_a_rollback_that_github_itself_answered_with_a_fault_is_started_again_after_seconds(
        self, github: GitHubLab, action: str, settles: timedelta
    ) -> None:
        asked = request(github.commit("first"), action=action)
        github.break_next("503", path="/dispatches")
        assert (await refused(github, asked)).retry, "its list may be behind"
        github.clock.shift = settles
        await github.ci.start(asked)
        assert (github.started(), dispatches(github)) == (1, 2)

    async def test_a_workflow_that_does_not_name_its_runs_leaves_it_to_a_person(
        self, github: GitHubLab
    ) -> None:
        commit = github.commit("first")
        without_run_name(github)
        github.break_next("lost", path="/dispatches")
        error = await refused(github, request(commit))
        github.clock.shift = SETTLES
        later = await refused(github, request(commit))
        assert (error.retry, later.retry, github.started()) == (False, False, 1)
        assert "take the run-name of our template" in str(later)

    async def test_without_a_run_name_all_is_well_as_long_as_answers_come(
        self, github: GitHubLab
    ) -> None:
        without_run_name(github)
        run = await github.ci.start(request(github.commit("first")))
        again = await github.ci.start(request(github.commit("second")))
        assert (run.id, github.started()) == (again.id, 1)

    async def test_a_rollback_does_not_wait_for_a_start_that_hangs(self, github: GitHubLab) -> None:
        good, bad = github.commit("good"), github.commit("bad")
        github.break_next("timeout", path="/dispatches")
        hanging = asyncio.create_task(github.ci.start(request(bad)))
        while not dispatches(github):  # noqa: ASYNC110 - the request has to arrive
            await asyncio.sleep(0.005)
        back = await github.ci.start(request(good, "shop-43:all", "rollback"))
        assert back.id == str(github.world.deploy_runs()[0].id)
        assert not hanging.done()
        with pytest.raises(IntegrationError):
            await hanging

    async def test_a_bot_that_died_while_it_asked_finds_its_run(self, github: GitHubLab) -> None:
        commit = github.commit("first")
        github.github.faults.append(Fault("timeout", "/dispatches", 1))
        start = asyncio.create_task(github.ci.start(request(commit)))
        while not dispatches(github):  # noqa: ASYNC110 - the request has to arrive
            await asyncio.sleep(0.005)
        start.cancel()
        await asyncio.gather(start, return_exceptions=True)
        github.ci = github.provider()
        error = await refused(github, request(commit))
        assert (error.retry, dispatches(github)) == (True, 1)


class TestAnOlderEnterpriseServer:
    @pytest.fixture
    async def old(self, github: GitHubLab) -> GitHubLab:
        github.github.names_runs_it_starts = False
        return github

    async def test_a_run_without_an_id_is_found_by_its_title(self, old: GitHubLab) -> None:
        run = await old.ci.start(request(old.commit("first")))
        assert (run.id, old.started()) == (str(old.world.deploy_runs()[0].id), 1)
        await old.ci.start(request(old.commit("second"), "shop-43:canary-5"))
        assert dispatches(old) == 3  # it was told once that the newer option is not known

    async def test_a_start_that_was_taken_is_never_made_again(self, old: GitHubLab) -> None:
        commit = old.commit("first")
        old.world.hidden_for = 100
        old.ci._runs._pauses = (0.0, 0.0)
        error = await refused(old, request(commit))
        old.clock.shift = SETTLES * 2
        later = await refused(old, request(commit))
        assert (error.retry, later.retry, old.started()) == (True, True, 1)
        assert str(later).startswith("GitHub took the start of shop-42:canary-25")
        old.world.hidden_for = 0
        assert await old.ci.start(request(commit))


class TestFollowing:
    async def test_a_run_says_at_which_step_it_is(self, github: GitHubLab) -> None:
        run = await github.ci.start(request(github.commit("first")))
        assert (run.state, run.sentence) == (RunState.RUNNING, "build: Do build (step 2 of 3)")
        assert run.url == f"https://github.com/acme/shop/actions/runs/{run.id}"

    async def test_a_failed_run_names_its_job_and_its_step(self, github: GitHubLab) -> None:
        run = await github.ci.start(request(github.commit("first", failing=1)))
        while not run.state.is_final:
            run = await github.ci.look(run.id)
        assert run.sentence == "migrate failed at Do migrate (step 2 of 3)"

    async def test_a_run_at_a_gate_of_github_waits_and_names_who_may_open_it(
        self, github: GitHubLab
    ) -> None:
        run = await github.ci.start(request(github.commit("first")))
        github.world.deploy_runs()[0].status = "waiting"
        seen = await github.ci.look(run.id)
        assert (seen.state, seen.sentence) == (
            RunState.WAITING,
            "production waits at GitHub for a review by cy",
        )

    async def test_a_gate_of_github_is_not_opened_in_its_place(self, github: GitHubLab) -> None:
        run = await github.ci.start(request(github.commit("first", held=True)))
        await github.ci.open_gate(run.id, "production")
        github.world.deploy_runs()[0].status = "waiting"
        with pytest.raises(
            IntegrationError,
            match="GitHub keeps this gate itself: production waits at GitHub for a review by cy",
        ) as caught:
            await github.ci.open_gate(run.id, "production")
        assert not caught.value.retry
        assert not any(stage.passable for stage in (await github.ci.look(run.id)).stages)

    async def test_a_gate_that_cannot_be_read_only_costs_words(self, github: GitHubLab) -> None:
        run = await github.ci.start(request(github.commit("first")))
        github.world.deploy_runs()[0].status = "waiting"
        github.break_next("403", path="/pending_deployments")
        seen = await github.ci.look(run.id)
        assert (seen.state, seen.sentence) == (
            RunState.WAITING,
            "waits at GitHub for approval; open the run there",
        )

    async def test_a_final_state_stays_when_somebody_runs_it_again_by_hand(
        self, github: GitHubLab
    ) -> None:
        run = await github.ci.start(request(github.commit("first", failing=0)))
        while not run.state.is_final:
            run = await github.ci.look(run.id)
        again = github.world.deploy_runs()[0]
        again.status, again.conclusion, again.attempt = "in_progress", None, 2
        assert await github.ci.look(run.id) == run

    @pytest.mark.parametrize("run", ["nowhere", "", "1/../2", "-1", "¼", "12345"])
    async def test_a_run_that_github_does_not_know_is_refused_for_good(
        self, github: GitHubLab, run: str
    ) -> None:
        with pytest.raises(IntegrationError) as caught:
            await github.ci.look(run)
        assert (caught.value.status, caught.value.retry) == (404, False)


class TestStopping:
    async def test_a_run_that_ends_in_the_same_moment_is_left_as_it_is(
        self, github: GitHubLab
    ) -> None:
        run = await github.ci.start(request(github.commit("first", held=True)))
        github.break_next("409", path="/cancel")
        with pytest.raises(IntegrationError, match="would not cancel") as caught:
            await github.ci.cancel(run.id)
        assert caught.value.retry
        await github.ci.cancel(run.id)
        assert (await github.ci.look(run.id)).state is RunState.CANCELLED
        await github.ci.cancel(run.id)

    async def test_stopping_is_asked_again_when_the_answer_was_lost(
        self, github: GitHubLab
    ) -> None:
        run = await github.ci.start(request(github.commit("first", held=True)))
        github.break_next("lost", path="/cancel")
        await github.ci.cancel(run.id)
        seen = await github.ci.look(run.id)
        assert (seen.state, seen.sentence) == (RunState.CANCELLED, "cancelled at GitHub")

    async def test_a_run_that_a_person_has_run_again_is_stopped_too(
        self, github: GitHubLab
    ) -> None:
        run = await github.ci.start(request(github.commit("first", failing=0)))
        while not run.state.is_final:
            run = await github.ci.look(run.id)
        again = github.world.deploy_runs()[0]
        again.status, again.conclusion, again.attempt = "in_progress", None, 2
        again.jobs[0].plan, again.jobs[0].status, again.jobs[0].conclusion = (
            "held",
            "in_progress",
            None,
        )
        await github.ci.cancel(run.id)
        assert again.cancelling

    async def test_a_run_that_has_ended_is_left_as_it_is(self, github: GitHubLab) -> None:
        run = await github.ci.start(request(github.commit("first")))
        while not run.state.is_final:
            run = await github.ci.look(run.id)
        await github.ci.cancel(run.id)
        assert not any(line.endswith("/cancel") for line in github.github.requests)
