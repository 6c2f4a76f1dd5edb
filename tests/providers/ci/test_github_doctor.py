"""``gonogo doctor`` at GitHub: every mistake of a first evening is found, named, and has a remedy."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bot.providers.workbench import Finding
from tests.providers.ci.github_fake import TOKEN

if TYPE_CHECKING:
    from tests.providers.ci.github_lab import GitHubLab


async def examined(lab: GitHubLab) -> dict[str, Finding]:
    lab.commit("first")
    found = {each.subject: each for each in await lab.provider().examine()}
    assert all(each.remedy for each in found.values() if each.ok is False)
    assert not any(line.startswith("POST") and "access_tokens" not in line for line in lab.github.requests)
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

    async def test_what_a_fine_grained_token_cannot_see_is_said(self, github: GitHubLab, github_app: GitHubLab) -> None:
        assert "cannot be seen, as with every fine-grained token" in (await examined(github))["tests"].sentence
        assert (await examined(github_app))["tests"].sentence == "Check runs and commit statuses can be read."


class TestMistakes:
    async def test_a_wrong_token(self, github: GitHubLab) -> None:
        github.github.tokens.clear()
        problem = await only_problem(github)
        assert "(the token is wrong, expired or revoked)" in problem.sentence

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
        assert (problem.subject, "(the token needs statuses=read)" in problem.sentence) == ("tests", True)

    async def test_no_workflow(self, github: GitHubLab) -> None:
        github.options["workflow"] = "release.yml"
        found = await examined(github)
        assert (found["workflow"].ok, found["runs"].ok) == (False, False)
        assert found["workflow"].remedy.startswith("Add .github/workflows/release.yml to that branch; copy templates/ci/github/deploy.yml")

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ("  workflow_dispatch:", "  workflow_call:", "it has no workflow_dispatch"),
            ("inputs.correlation }} ${{ inputs.action", "inputs.action", "its run-name does not hold inputs.correlation"),
            ("      strategy:\n", "      plan:\n", "it does not declare strategy, and GitHub refuses"),
        ],
    )
    async def test_a_workflow_that_cannot_do_its_part(self, github: GitHubLab, old: str, new: str, said: str) -> None:
        file = github.world.workflows["deploy.yml"]
        assert old in file.text
        file.text = file.text.replace(old, new)
        problem = await only_problem(github)
        assert (problem.subject, said in problem.sentence) == ("workflow", True)

    async def test_an_input_that_nobody_gives(self, github: GitHubLab) -> None:
        file = github.world.workflows["deploy.yml"]
        file.text = file.text.replace("    inputs:\n", "    inputs:\n      region:\n        required: true\n")
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

    async def test_github_being_away_is_said_and_does_not_break_the_examination(self, github: GitHubLab) -> None:
        github.break_next("timeout", times=50)
        found = await examined(github)
        assert (found["repository"].ok, found["clock"].ok) == (False, None)
