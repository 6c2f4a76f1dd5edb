"""A GitHub App: its key makes tokens, and a token that could not be had starts nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bot.domain.errors import ConfigurationError, IntegrationError
from bot.ports.ci import StartRequest
from tests.providers.ci.github_app import private_key
from tests.providers.ci.github_door import TOKEN

if TYPE_CHECKING:
    from tests.providers.ci.github_lab import GitHubLab


def tokens_made(lab: GitHubLab) -> int:
    return sum("access_tokens" in line for line in lab.github.requests)


def deploy(commit: str) -> StartRequest:
    return StartRequest("shop-1:all", commit, "production", "deploy")


class TestTokens:
    async def test_one_token_serves_many_calls_and_only_this_repository(
        self, github_app: GitHubLab
    ) -> None:
        commit = github_app.commit("first")
        await github_app.ci.start(deploy(commit))
        await github_app.ci.quality(commit)
        assert tokens_made(github_app) == 1
        assert (
            "/app/installations/4242/access_tokens",
            {"repositories": ["shop"]},
        ) in github_app.github.sent

    async def test_a_token_that_is_refused_is_replaced(self, github_app: GitHubLab) -> None:
        github_app.commit("first")
        await github_app.ci.resolve("main")
        github_app.github.tokens.clear()
        assert await github_app.ci.resolve("main")

    async def test_a_token_that_is_about_to_end_is_replaced_before(
        self, github_app: GitHubLab
    ) -> None:
        github_app.commit("first")
        github_app.github.views.token_lasts = timedelta(minutes=4)
        await github_app.ci.resolve("main")
        assert tokens_made(github_app) == len(
            [line for line in github_app.github.requests if "/commits/" in line or "/tags" in line]
        )

    @pytest.mark.parametrize("hours", [-1, 1])
    async def test_a_clock_that_is_an_hour_off_is_allowed_for(
        self, github_app: GitHubLab, hours: int
    ) -> None:
        github_app.commit("first")
        github_app.world.skew = timedelta(hours=hours)
        assert await github_app.ci.resolve("main")
        assert tokens_made(github_app) == 1

    async def test_an_app_that_was_installed_anew_is_found_again(
        self, github_app: GitHubLab
    ) -> None:
        github_app.commit("first")
        github_app.github.views.token_lasts = timedelta(minutes=1)
        await github_app.ci.resolve("main")
        github_app.github.views.installed = 5151
        assert await github_app.ci.resolve("main")


class TestRefusals:
    async def test_an_app_without_a_token_has_started_nothing(self, github_app: GitHubLab) -> None:
        commit = github_app.commit("first")
        github_app.break_next("lost", path="access_tokens", times=50)
        with pytest.raises(IntegrationError, match="gave the App no token") as caught:
            await github_app.ci.start(deploy(commit))
        assert (caught.value.retry, github_app.started()) == (True, 0)
        github_app.github.faults.clear()
        await github_app.ci.start(deploy(commit))
        assert github_app.started() == 1

    async def test_a_suspended_app_is_told_so(self, github_app: GitHubLab) -> None:
        github_app.github.app.suspended = True
        with pytest.raises(
            IntegrationError, match="This installation has been suspended"
        ) as caught:
            await github_app.ci.resolve("main")
        assert not caught.value.retry

    async def test_another_apps_id_is_refused(self, github_app: GitHubLab) -> None:
        github_app.secrets["GONOGO_GITHUB_APP_ID"] = "99"
        with pytest.raises(IntegrationError, match="Integration not found"):
            await github_app.provider().resolve("main")


class TestConfiguration:
    @pytest.mark.parametrize(
        "key", ["x", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----"]
    )
    async def test_a_key_that_is_none_is_named_and_not_shown(
        self, github_app: GitHubLab, key: str
    ) -> None:
        github_app.secrets["GONOGO_GITHUB_APP_KEY"] = key
        with pytest.raises(
            ConfigurationError, match=r"Set GONOGO_GITHUB_APP_KEY_FILE to the \.pem file"
        ) as caught:
            github_app.provider()
        assert "AAAA" not in str(caught.value)

    async def test_a_key_on_one_line_is_understood(self, github_app: GitHubLab) -> None:
        github_app.commit("first")
        github_app.secrets["GONOGO_GITHUB_APP_KEY"] = private_key().replace("\n", "\\n")
        assert await github_app.provider().resolve("main")

    async def test_a_key_without_its_last_line_break_is_understood(
        self, github_app: GitHubLab
    ) -> None:
        github_app.commit("first")
        # as it is read from a file
        github_app.secrets["GONOGO_GITHUB_APP_KEY"] = private_key().rstrip("\n")
        assert await github_app.provider().resolve("main")

    @pytest.mark.parametrize("missing", ["GONOGO_GITHUB_APP_ID", "GONOGO_GITHUB_APP_KEY"])
    async def test_half_an_app_is_not_quietly_left_aside(
        self, github_app: GitHubLab, missing: str
    ) -> None:
        del github_app.secrets[missing]
        github_app.secrets["GONOGO_GITHUB_TOKEN"] = TOKEN
        with pytest.raises(ConfigurationError, match="an App needs both"):
            github_app.provider()

    @pytest.mark.parametrize("token", [f"{TOKEN} ", f"{TOKEN}\n", f"{TOKEN}\u200b"])
    async def test_a_token_that_was_copied_with_something_else_is_named_and_not_shown(
        self, github: GitHubLab, token: str
    ) -> None:
        github.secrets["GONOGO_GITHUB_TOKEN"] = token
        with pytest.raises(
            ConfigurationError, match=r"^GONOGO_GITHUB_TOKEN: contains spaces"
        ) as caught:
            github.provider()
        assert TOKEN not in str(caught.value)

    async def test_without_a_token_and_without_an_app_it_is_said_what_to_set(
        self, github: GitHubLab
    ) -> None:
        github.secrets.clear()
        with pytest.raises(ConfigurationError) as caught:
            github.provider()
        assert str(caught.value) == (
            "services.shop.ci: GitHub asks who we are. Set GONOGO_GITHUB_TOKEN, or "
            "GONOGO_GITHUB_APP_ID and GONOGO_GITHUB_APP_KEY."
        )

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("repository", ""),
            ("repository", "shop"),
            ("repository", "acme/shop/../x"),
            ("repository", "https://github.com/acme/shop"),
            ("workflow", "../secrets.yml"),
            ("workflow", "deploy"),
            ("api", "http://github.example.com"),
            ("api", "ftp://x"),
        ],
    )
    async def test_options_that_make_no_sense_are_named(
        self, github: GitHubLab, option: str, value: str
    ) -> None:
        github.options[option] = value
        with pytest.raises(ConfigurationError, match=rf'services\.shop\.ci\.{option}: "'):
            github.provider()

    async def test_no_sentence_holds_the_token(self, github: GitHubLab) -> None:
        github.break_next("401")
        with pytest.raises(IntegrationError) as caught:
            await github.ci.resolve("main")
        assert TOKEN not in str(caught.value)
