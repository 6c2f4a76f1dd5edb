"""``gonogo doctor`` as its user runs it: beside the bot, against the workspace and the repository that are there."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from bot.doctor import clock, examine
from bot.sandbox.workspace.server import SCOPES
from tests.conversations.conftest import World


async def test_everything_that_is_well_is_said_to_be_well(world: World) -> None:
    report, good = await examine(world.settings)
    assert good, report
    assert report.startswith("Slack\n  ✓ token: workspace T0SANDBOX, bot user Go/No-Go.\n  ✓ scopes: all 8 are there.\n  ✓ clock: agrees")
    assert "storefront · local\n  ✓ repository: " in report
    assert "pipeline.yml of the newest commit has: test, deploy, smoke." in report
    assert "storefront · rota\n  ✓ on call: U0BO until " in report
    assert report.endswith("Nothing is known to be wrong.\n")
    assert world.started() == []


async def test_what_is_wrong_comes_with_its_remedy(world: World) -> None:
    world.slack.scopes = SCOPES - {"files:write", "im:write"}
    (world.repository / "pipeline.yml").write_text("pipelines: []\n")
    world.commit("v9.0.0")
    report, good = await examine(world.settings)
    assert not good
    assert "✗ scopes: missing: files:write, im:write.\n    → Add them under OAuth & Permissions" in report
    assert "✗ pipeline: pipeline.yml" in report
    assert report.endswith("Something is wrong; each line with ✗ says what to do.\n")


async def test_a_token_that_slack_does_not_take_is_said_without_the_token(world: World) -> None:
    settings = world.settings.model_copy(update={"slack_bot_token": SecretStr("xoxb-wrong-and-secret")})
    report, good = await examine(settings)
    assert not good
    assert "✗ token: Slack did not carry out auth.test: invalid_auth.\n    → Copy the bot token again" in report
    assert "wrong-and-secret" not in report


async def test_a_slack_that_does_not_answer_is_unknown_and_not_wrong(world: World) -> None:
    settings = world.settings.model_copy(update={"slack_api_url": "http://127.0.0.1:9/api/"})
    report, good = await examine(settings)
    assert good
    assert "? token: Slack did not carry out auth.test: no connection." in report


NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("date", "ok"),
    [("Sat, 21 Nov 2026 10:00:30 GMT", True), ("Sat, 21 Nov 2026 09:57:59 GMT", False), ("", None), ("yesterday", None)],
)
def test_a_clock_that_is_off_is_found(date: str, *, ok: bool | None) -> None:
    assert clock(date, NOW).ok is ok
    assert replace(clock(date, NOW + timedelta(seconds=1)), sentence="").subject == "clock"
