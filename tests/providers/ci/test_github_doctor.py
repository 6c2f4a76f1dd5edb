"""``gonogo doctor`` at GitHub: every mistake of a first evening is found,
named, and has a remedy.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bot.doctor import examine
from bot.providers.context import Finding
from bot.settings import Settings
from tests.conversations.conftest import CONFIG
from tests.providers.ci.github_door import TOKEN

if TYPE_CHECKING:
    from pathlib import Path

    from tests.providers.ci.github_lab import GitHubLab


async def examined(lab: GitHubLab) -> dict[str, Finding]:
    lab.commit("first")
    found = {each.subject: each for each in await lab.provider().examine()}
    assert all(each.remedy for each in found.values() if each.ok is False)
    assert not any(
        line.startswith("POST") and "access_tokens" not in line for line in lab.github.requests
    )
    return found


async def only_problem(lab: GitHubLab) -> Finding:
    (problem,) = [each for each in (await examined(lab)).values() if not each.ok]
    return problem


class TestAHealthySetUp:
    @pytest.mark.parametrize("lab", ["github", "github_app", "github_enterprise"], indirect=True)
    async def test_all_is_good(self, lab: GitHubLab) -> None:
        found = await examined(lab)
        assert list(found) == ["repository", "workflow", "runs", "tests", "webhook", "clock"]
        assert all(each.ok for each in found.values())

    async def test_the_checks_that_the_rules_require_are_named(self, github: GitHubLab) -> None:
        github.options["checks"] = "required"
        github.world.ruled, github.world.protected = ["unit", "e2e"], ["lint"]
        assert (await examined(github))[
            "checks"
        ].sentence == "The rules of main require unit, e2e and lint."

    async def test_what_a_fine_grained_token_cannot_see_is_said(
        self, github: GitHubLab, github_app: GitHubLab
    ) -> None:
        assert (
            "cannot be seen, as with every fine-grained token"
            in (await examined(github))["tests"].sentence
        )
        assert (await examined(github_app))[
            "tests"
        ].sentence == "Check runs and commit statuses can be read."


class TestMistakes:
    async def test_a_wrong_token(self, github: GitHubLab) -> None:
        github.github.tokens.clear()
        problem = await only_problem(github)
        assert "(the token is wrong, expired or revoked)" in problem.sentence

    async def test_rules_that_should_require_checks_and_do_not(self, github: GitHubLab) -> None:
        github.options["checks"] = "required"
        assert (
            await only_problem(github)
        ).remedy == "Let the rules of the default branch require checks, or name them."

    async def test_a_repository_that_the_token_may_not_see(self, github: GitHubLab) -> None:
        github.options["repository"] = "acme/elsewhere"
        assert (await only_problem(github)).subject == "repository"

    @pytest.mark.parametrize("scopes", ["", "gist, read:org"])
    async def test_a_classic_token_without_the_scope(self, github: GitHubLab, scopes: str) -> None:
        github.github.scopes = scopes
        assert "Give it the scope repo" in (await only_problem(github)).remedy

    async def test_a_missing_permission_is_named(self, github: GitHubLab) -> None:
        del github.github.tokens[TOKEN]["statuses"]
        problem = await only_problem(github)
        assert (problem.subject, "(the token needs statuses=read)" in problem.sentence) == (
            "tests",
            True,
        )

    async def test_no_workflow(self, github: GitHubLab) -> None:
        github.options["workflow"] = "release.yml"
        found = await examined(github)
        assert (found["workflow"].ok, found["runs"].ok) == (False, False)
        assert found["workflow"].remedy.startswith(
            "Add .github/workflows/release.yml to that branch; copy templates/ci/github/deploy.yml"
        )

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ("  workflow_dispatch:", "  workflow_call:", "it has no workflow_dispatch"),
            (
                "inputs.correlation }} ${{ inputs.action",
                "inputs.action",
                "its run-name does not hold inputs.correlation",
            ),
            (
                "      strategy:\n",
                "      plan:\n",
                "it does not declare strategy, and GitHub refuses",
            ),
        ],
    )
    async def test_a_workflow_that_cannot_do_its_part(
        self, github: GitHubLab, old: str, new: str, said: str
    ) -> None:
        file = github.world.workflows["deploy.yml"]
        assert old in file.text
        file.text = file.text.replace(old, new)
        problem = await only_problem(github)
        assert (problem.subject, said in problem.sentence) == ("workflow", True)

    async def test_an_input_that_nobody_gives(self, github: GitHubLab) -> None:
        file = github.world.workflows["deploy.yml"]
        file.text = file.text.replace(
            "    inputs:\n", "    inputs:\n      region:\n        required: true\n"
        )
        assert "it demands region, which no start sends" in (await only_problem(github)).sentence

    async def test_a_workflow_that_was_switched_off(self, github: GitHubLab) -> None:
        github.world.workflows["deploy.yml"].state = "disabled_manually"
        assert (await only_problem(github)).sentence == "The workflow is disabled_manually."

    async def test_no_webhook_secret_is_no_mistake(self, github: GitHubLab) -> None:
        del github.secrets["GONOGO_GITHUB_WEBHOOK_SECRET"]
        problem = await only_problem(github)
        assert (problem.subject, problem.ok) == ("webhook", None)

    @pytest.mark.parametrize(("hours", "said"), [(1, "behind GitHub"), (-1, "ahead of GitHub")])
    async def test_a_clock_that_is_wrong(self, github: GitHubLab, hours: int, said: str) -> None:
        github.world.skew = timedelta(hours=hours)
        problem = await only_problem(github)
        assert (problem.subject, said in problem.sentence) == ("clock", True)

    async def test_github_being_away_is_said_and_does_not_break_the_examination(
        self, github: GitHubLab
    ) -> None:
        github.break_next("timeout", times=50)
        found = await examined(github)
        assert (found["repository"].ok, found["clock"].ok) == (False, None)


class TestTheProtectionRule:
    @pytest.fixture
    def guarded(self, github_app: GitHubLab) -> GitHubLab:
        """Give a set-up in which the App should be asked before staging and production."""
        github_app.options["protection"] = "on"
        return github_app

    async def test_every_environment_asks_the_app(self, guarded: GitHubLab) -> None:
        # GitHub's environments have no case
        guarded.world.rules = {"staging": "staging", "production": "Production"}
        found = await examined(guarded)
        assert list(found) == [
            "repository",
            "workflow",
            "runs",
            "tests",
            "protection",
            "webhook",
            "clock",
        ]
        assert all(each.ok for each in found.values())
        assert (
            found["protection"].sentence
            == "GitHub asks the App before a job of staging and production starts."
        )

    async def test_no_environment_asks_it(self, guarded: GitHubLab) -> None:
        guarded.world.foreign_rules["production"] = ["another-app"]
        problem = await only_problem(guarded)
        assert (problem.subject, problem.ok) == ("protection", False)
        assert problem.sentence == (
            "GitHub starts jobs of these environments without the approval from Slack: "
            "staging (GitHub knows no such environment) and production (the "
            "App is not switched on)."
        )
        assert problem.remedy.startswith("Switch the App on under Settings, Environments")
        assert problem.remedy.endswith("or set protection: off.")

    async def test_an_environment_that_is_left_out_may_be_meant_so(
        self, guarded: GitHubLab
    ) -> None:
        guarded.world.rules["production"] = "production"
        guarded.world.foreign_rules = {"staging": [], "production": ["another-app"]}
        problem = await only_problem(guarded)
        assert (problem.subject, problem.ok) == ("protection", None)
        assert "Slack: staging (the App is not switched on)." in problem.sentence
        assert problem.remedy.endswith("unless it is meant so.")

    async def test_a_missing_permission_is_no_missing_rule(self, guarded: GitHubLab) -> None:
        guarded.break_next("403", path="/deployment_protection_rules")
        problem = await only_problem(guarded)
        assert (problem.subject, "GitHub answered 403" in problem.sentence) == ("protection", True)
        assert problem.remedy == "Give the App Actions: read and write."

    async def test_without_protection_nobody_asks_for_rules(self, github_app: GitHubLab) -> None:
        assert "protection" not in await examined(github_app)
        assert not any("/environments/" in line for line in github_app.github.requests)

    async def test_the_environments_are_those_of_gonogo_yaml(
        self, guarded: GitHubLab, tmp_path: Path
    ) -> None:
        guarded.commit("first")
        guarded.world.rules["production"] = "production"
        ci = (
            "{provider: github, "
            + ", ".join(f'{name}: "{value}"' for name, value in guarded.options.items())
            + "}"
        )
        (tmp_path / "gonogo.yaml").write_text(CONFIG.format(ci=ci, metrics="http://127.0.0.1:9"))
        environment = {**guarded.secrets, "GONOGO_CONFIG": str(tmp_path / "gonogo.yaml")}
        report, _ = await examine(Settings.read(environment, secrets=guarded.secrets))
        assert "storefront · github\n  ✓ repository: acme/shop can be read." in report
        assert (
            "  ? protection: GitHub starts jobs of these environments without the "
            "approval from Slack: staging ("
        ) in report
