"""A custom deployment protection rule: the approval from Slack is the one that GitHub enforces, and
only for our own starts.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from bot.domain.errors import ConfigurationError, IntegrationError
from bot.domain.rollout import RunState
from bot.ports.ci import CIRun, GateAnswer, StartRequest
from tests.patience import PATIENCE
from tests.providers.ci import github_shape as shape

if TYPE_CHECKING:
    from bot.providers.ci.github.provider import GitHubCI
    from tests.providers.ci.github_lab import GitHubLab

RULE = "/deployment_protection_rule"


@pytest.fixture
def guarded(github_app: GitHubLab) -> GitHubLab:
    """Give GitHub with an App whose protection rule stands before the last job of production."""
    github_app.options["protection"] = "on"
    github_app.world.rules["production"] = "production"
    github_app.ci = github_app.provider()
    return github_app


def deploy(commit: str, correlation: str = "shop-1:canary-25") -> StartRequest:
    return StartRequest(
        correlation, commit, "production", "deploy", {"deployment": "shop-1", "percent": "25"}
    )


async def goes_on(ci: GitHubCI, run: CIRun) -> CIRun:
    """Follow a run as a rollout does: what it asks back for is given."""
    async with asyncio.timeout(PATIENCE):
        while not (seen := await ci.look(run.id)).state.is_final:
            if seen.asks_back:
                with suppress(IntegrationError):
                    await ci.open_gate(run.id, "production")
            await asyncio.sleep(0.001)
    return seen


async def reaches(ci: GitHubCI, run: CIRun, state: RunState) -> CIRun:
    async with asyncio.timeout(PATIENCE):
        while (seen := await ci.look(run.id)).state is not state:  # noqa: ASYNC110 - a run is polled
            await asyncio.sleep(0.001)
    return seen


def answers(lab: GitHubLab) -> int:
    return sum(line.startswith("POST") and line.endswith(RULE) for line in lab.github.requests)


class TestQuestionsOpenNothing:
    """Whoever stops a run finds it and looks at it first."""

    async def test_a_run_whose_start_was_not_answered_is_found_without_being_let_go_on(
        self, guarded: GitHubLab
    ) -> None:
        guarded.break_next("lost", path="/dispatches")
        with suppress(IntegrationError):
            await guarded.ci.start(deploy(guarded.commit("first")))
        run = CIRun(str(guarded.world.deploy_runs()[0].id), RunState.QUEUED)
        await reaches(guarded.ci, run, RunState.WAITING)
        found = await guarded.ci.find("shop-1:canary-25")
        assert found is not None
        assert (found.state, found.asks_back, answers(guarded)) == (RunState.WAITING, True, 0)
        await guarded.ci.cancel(run.id)
        assert (await reaches(guarded.ci, run, RunState.CANCELLED), answers(guarded)) == (
            await guarded.ci.look(run.id),
            0,
        )

    async def test_to_look_and_to_start_once_more_open_nothing(self, guarded: GitHubLab) -> None:
        request = deploy(guarded.commit("first"))
        run = await guarded.ci.start(request)
        waits = await reaches(guarded.ci, run, RunState.WAITING)
        assert waits.sentence == "production waits at GitHub for its protection rules"
        assert (waits.asks_back, any(stage.passable for stage in waits.stages)) == (True, False)
        again = await guarded.provider().start(request)
        assert (again.state, answers(guarded)) == (RunState.WAITING, 0)
        assert await guarded.ci.open_gate(run.id, "staging") is GateAnswer.NOT_THERE
        assert answers(guarded) == 0


class TestOurOwnStarts:
    async def test_it_asks_back_and_is_approved_with_our_deployment_as_comment(
        self, guarded: GitHubLab
    ) -> None:
        run = await guarded.ci.start(deploy(guarded.commit("first")))
        await reaches(guarded.ci, run, RunState.WAITING)
        assert await guarded.ci.open_gate(run.id, "production") is GateAnswer.OPENED
        await reaches(guarded.ci, run, RunState.SUCCEEDED)
        assert await guarded.ci.open_gate(run.id, "production") is GateAnswer.WAS_OPEN
        assert guarded.world.deploy_runs()[0].rule_answers == [
            {
                "environment_name": "production",
                "state": "approved",
                "comment": "Go/No-Go shop-1: approved in Slack before the start",
            }
        ]

    async def test_the_environments_name_has_no_case(self, guarded: GitHubLab) -> None:
        guarded.world.rules["production"] = "Production"
        run = await guarded.ci.start(deploy(guarded.commit("first")))
        assert (await goes_on(guarded.ci, run)).state is RunState.SUCCEEDED

    async def test_a_restart_knows_its_starts(self, guarded: GitHubLab) -> None:
        run = await guarded.ci.start(deploy(guarded.commit("first")))
        assert (await goes_on(guarded.provider(), run)).state is RunState.SUCCEEDED

    async def test_a_lost_answer_is_given_again(self, guarded: GitHubLab) -> None:
        run = await guarded.ci.start(deploy(guarded.commit("first")))
        guarded.break_next("500", path=RULE, times=5)
        assert (await goes_on(guarded.ci, run)).state is RunState.SUCCEEDED
        assert len(guarded.world.deploy_runs()[0].rule_answers) == 1

    async def test_githubs_reviewers_are_waited_for_all_the_same_and_the_rule_is_answered_once(
        self, guarded: GitHubLab
    ) -> None:
        guarded.world.also_reviewed = True
        run = await guarded.ci.start(deploy(guarded.commit("first")))
        await reaches(guarded.ci, run, RunState.WAITING)
        assert await guarded.ci.open_gate(run.id, "production") is GateAnswer.OPENED
        seen = await guarded.ci.look(run.id)
        assert (seen.state, seen.asks_back, answers(guarded)) == (RunState.WAITING, False, 1)
        assert "a review by cy; the approval from Slack has been given" in seen.sentence
        with pytest.raises(IntegrationError, match="GitHub keeps this gate itself"):
            await guarded.ci.open_gate(run.id, "production")


class TestWhatIsNotOurs:
    @pytest.mark.case("trust-9")
    async def test_the_gate_of_another_environment_is_not_opened_by_whoever_may_open_this_ones(
        self, guarded: GitHubLab
    ) -> None:
        guarded.world.rules["production"] = "live"
        run = await guarded.ci.start(deploy(guarded.commit("first")))
        waits = await reaches(guarded.ci, run, RunState.WAITING)
        assert not any(stage.passable for stage in waits.stages)
        assert waits.sentence == "live waits at GitHub for its protection rules"
        assert await guarded.ci.open_gate(run.id, "production") is GateAnswer.NOT_THERE
        assert answers(guarded) == 0

    async def test_a_gate_that_is_opened_here_says_so_at_github(self, guarded: GitHubLab) -> None:
        guarded.world.rules["production"] = "live"
        run = await guarded.ci.start(deploy(guarded.commit("first")))
        await reaches(guarded.ci, run, RunState.WAITING)
        assert await guarded.ci.open_gate(run.id, "Live") is GateAnswer.OPENED
        assert await guarded.ci.open_gate(run.id, "live") is GateAnswer.WAS_OPEN
        await reaches(guarded.ci, run, RunState.SUCCEEDED)
        assert guarded.world.deploy_runs()[0].rule_answers == [
            {
                "environment_name": "live",
                "state": "approved",
                "comment": "Go/No-Go shop-1: opened in Slack",
            }
        ]

    @pytest.mark.parametrize("claimed", ["shop-1:canary-25", "shop-9:all", ""])
    async def test_a_run_that_somebody_else_started_is_not_approved_whatever_its_title_claims(
        self, guarded: GitHubLab, claimed: str
    ) -> None:
        commit = guarded.commit("first")
        await guarded.ci.start(deploy(commit))
        inputs = {
            "action": "deploy",
            "environment": "production",
            "commit": commit,
            "correlation": claimed,
        }
        foreign = CIRun(
            str(guarded.world.dispatch("deploy.yml", "main", inputs).id), RunState.QUEUED
        )
        waits = await reaches(guarded.ci, foreign, RunState.WAITING)
        assert (waits.stages[2].passable, waits.asks_back, answers(guarded)) == (True, False, 0)
        await guarded.ci.open_gate(foreign.id, "production")
        assert (
            guarded.world.deploy_runs()[1].rule_answers[0]["comment"] == "Go/No-Go: opened in Slack"
        )

    async def test_a_rule_that_is_not_the_bots_is_asked_once_and_said(
        self, guarded: GitHubLab
    ) -> None:
        guarded.github.app.permissions["deployments"] = "read"
        run = await guarded.ci.start(deploy(guarded.commit("first")))
        await reaches(guarded.ci, run, RunState.WAITING)
        with pytest.raises(IntegrationError):
            await guarded.ci.open_gate(run.id, "production")
        waits = await guarded.ci.look(run.id)
        assert (waits.asks_back, answers(guarded)) == (False, 1)
        assert "GitHub does not take the approval from Slack (" in waits.sentence
        assert waits.stages[2].passable
        with pytest.raises(IntegrationError) as refused:
            await guarded.ci.open_gate(run.id, "production")
        assert (refused.value.status, refused.value.retry) == (403, False)

    async def test_a_review_of_githubs_own_without_our_rule_cannot_be_opened_from_here(
        self, guarded: GitHubLab
    ) -> None:
        guarded.world.rules.clear()
        run = await guarded.ci.start(deploy(guarded.commit("first", held=True)))
        guarded.world.deploy_runs()[0].status = "waiting"
        waits = await guarded.ci.look(run.id)
        assert waits.sentence == "production waits at GitHub for a review by cy"
        assert not any(stage.passable for stage in waits.stages)

    async def test_a_list_that_cannot_be_read_approves_nothing(self, guarded: GitHubLab) -> None:
        run = await guarded.ci.start(deploy(guarded.commit("first")))
        guarded.break_next("{}", path="pending_deployments", times=50)
        await reaches(guarded.ci, run, RunState.WAITING)
        assert answers(guarded) == 0

    async def test_a_run_that_does_not_wait_is_left_as_it_is(self, guarded: GitHubLab) -> None:
        run = await guarded.ci.start(deploy(guarded.commit("first", held=True)))
        await guarded.ci.open_gate(run.id, "production")
        assert answers(guarded) == 0


class TestSwitchingItOn:
    async def test_without_the_option_nothing_is_answered(self, github_app: GitHubLab) -> None:
        github_app.world.rules["production"] = "production"
        run = await github_app.ci.start(deploy(github_app.commit("first")))
        await reaches(github_app.ci, run, RunState.WAITING)
        with pytest.raises(IntegrationError, match="GitHub keeps this gate itself"):
            await github_app.ci.open_gate(run.id, "production")
        assert answers(github_app) == 0

    def test_it_needs_an_app(self, github: GitHubLab) -> None:
        github.options["protection"] = "on"
        with pytest.raises(ConfigurationError, match="a protection rule needs a GitHub App"):
            github.provider()


def notice(**given: Any) -> dict[str, Any]:
    return shape.filled(
        "webhook-deployment-protection-rule-requested",
        action="requested",
        environment="production",
        **given,
    )


class TestTheWebhook:
    @pytest.mark.parametrize(
        "host",
        [
            "https://api.github.com",
            "https://github.example.com/api/v3",
            "https://elsewhere.example",
        ],
    )
    async def test_it_names_the_run_and_its_address_is_never_called(
        self, guarded: GitHubLab, host: str
    ) -> None:
        payload = notice(
            deployment_callback_url=f"{host}/repos/acme/shop/actions/runs/30000000007{RULE}"
        )
        hint = guarded.ci.parse_webhook(*guarded.signed("deployment_protection_rule", payload))
        assert (hint.run, hint.correlation) == ("30000000007", "")
        assert guarded.github.requests == []

    @pytest.mark.parametrize(
        "address",
        ["", "https://x/actions/runs/7/cancel", f"https://x/actions/runs/../7{RULE}", 7, None],
    )
    async def test_one_without_a_run_cannot_be_read(self, guarded: GitHubLab, address: Any) -> None:
        payload = {**notice(), "deployment_callback_url": address}
        with pytest.raises(IntegrationError) as refused:
            guarded.ci.parse_webhook(*guarded.signed("deployment_protection_rule", payload))
        assert refused.value.status == 400

    async def test_one_that_is_not_signed_by_our_secret_is_refused(
        self, guarded: GitHubLab
    ) -> None:
        payload = notice(
            deployment_callback_url=f"https://api.github.com/repos/acme/shop/actions/runs/7{RULE}"
        )
        with pytest.raises(IntegrationError) as refused:
            guarded.ci.parse_webhook(
                *guarded.signed("deployment_protection_rule", payload, secret="another")
            )
        assert refused.value.status == 401
